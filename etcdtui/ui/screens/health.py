"""etcdctl endpoint health as a human would run it, its output as it is."""

from __future__ import annotations

from collections.abc import Callable

from etcdtui.text import age, clean, clean_lines
from etcdtui.ui.looks import Line, Paragraph, Role, muted, plain
from etcdtui.ui.ports import ClusterPort
from etcdtui.ui.screens.asked import AskedScreen, trouble, waiting

EXPLANATION = (
    "“took” is etcdctl's own time: it counts the TCP and TLS set-up of a connection made for this one "
    "question. The latency pane measures reads over connections that are already warm."
)
HOW = "The lines above run as one script that also finds the certificates; @ shows it as it ran."


class HealthScreen(AskedScreen[tuple[str, str, str]]):
    """The answer is the host, the lines that were typed, what they printed."""

    def __init__(self, cluster: ClusterPort, clock: Callable[[], float]) -> None:
        super().__init__(cluster.canonical_health, clock, "health")

    def copied(self) -> tuple[str, str]:
        text = "\n".join(self.found[1:]) if self.found else self.body.text
        return text, "The command and its output."

    def title_line(self) -> Line:
        if self.ended is None:
            state = f"running for {age(self.clock() - self.began)}"
        else:
            state = f"took {self.ended - self.began:.1f} s altogether"
        where = f" on {clean(self.found[0], 100)}" if self.found else ""
        return ("etcdctl endpoint health", Role.STRONG), (f"{where} · {state}", Role.PLAIN)

    def paragraphs(self) -> list[Paragraph]:
        out: list[Paragraph] = []
        if self.found:
            _, typed, printed = self.found
            out += [Paragraph((("$ ", Role.KEY), (line, Role.STRONG)), 2) for line in clean_lines(typed)]
            out += [Paragraph(()), *(Paragraph(plain(line)) for line in clean_lines(printed))]
        elif self.running:
            out.append(waiting("the host"))
        if self.error:
            out += [Paragraph(()), *trouble(self.error)]
        out += [Paragraph(()), Paragraph(muted(EXPLANATION))]
        if self.found:
            out += [Paragraph(()), Paragraph(muted(HOW))]
        return out
