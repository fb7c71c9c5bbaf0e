"""SSH host keys that nobody has decided about: each comes up once by itself, and again when it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from etcdtui.errors import HostKeyUnknown
from etcdtui.model.findings import Finding
from etcdtui.ui.background import in_background

if TYPE_CHECKING:
    from etcdtui.ui.app import EtcdTui

HOW = "Press enter here, or type :trust, to decide."


def key_of(finding: Finding, keys: Sequence[HostKeyUnknown]) -> HostKeyUnknown | None:
    """The key this finding tells of."""
    told = f"{finding.sentence} {finding.evidence}"
    return next((key for key in keys if key.fingerprint in told), None)


def offered(findings: Sequence[Finding], keys: Sequence[HostKeyUnknown]) -> tuple[Finding, ...]:
    """The findings, those about an unknown key with the way to decide about it."""
    if not keys:
        return tuple(findings)
    return tuple(
        replace(f, next_step=f"{f.next_step} {HOW}".strip()) if key_of(f, keys) else f for f in findings
    )


class HostKeys:
    """Asks about unknown keys, one at a time."""

    def __init__(self, app: EtcdTui) -> None:
        self.app = app
        self._asked: set[str] = set()  # fingerprints that do not come up by themselves again

    def ask(self) -> None:
        """About the next one, when nothing else is being asked or typed."""
        if self.app.busy:
            return
        for key in self.app.cluster.unknown_host_keys():
            if key.fingerprint not in self._asked:
                self.about(key)
                return

    def again(self) -> None:
        """About all that are still undecided, also those that were put off."""
        if self.app.cluster.unknown_host_keys():
            self._asked.clear()
            self.ask()
        else:
            self.app.notify("No SSH host key waits for a decision.", timeout=4, markup=False)

    def about(self, key: HostKeyUnknown) -> None:
        """Show this key and let the user decide."""
        from etcdtui.ui.screens.host_key import HostKeyScreen

        self._asked.add(key.fingerprint)
        self.app.push_screen(HostKeyScreen(key), lambda trusted: self._trust(key) if trusted else None)

    def _trust(self, key: HostKeyUnknown) -> None:
        cluster = self.app.cluster
        in_background(
            self.app, lambda: cluster.trust(key), lambda _: cluster.refresh(), self.app.tell, name="trust"
        )
