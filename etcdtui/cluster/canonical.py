"""What a human would ask by hand, beside the verdict: ``etcdctl endpoint health``, word for word."""

from __future__ import annotations

from etcdtui.cluster.speaker import Voice
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.openshift import article_health, article_lines

TIMEOUT = 30.0  # seconds


def canonical_health(voice: Voice, layout: Layout) -> tuple[str, str, str]:
    """Host, the lines a human would type there, their raw output. Blocks. Raises Unreachable and its kin."""
    completed = voice.runner.run(article_health(layout), timeout=TIMEOUT)
    said = "\n".join(part for part in (completed.out().rstrip(), completed.err().rstrip()) if part)
    return voice.host, "\n".join(article_lines(layout)), f"{said}\nexit {completed.status}"
