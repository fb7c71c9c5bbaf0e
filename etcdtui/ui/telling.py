"""What is told about the past and by all members: the journal, an incident, the hashes of the keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.errors import EtcdTuiError
from etcdtui.text import clean, clean_lines
from etcdtui.ui.background import in_background
from etcdtui.ui.looks import Paragraph, Role, plain

if TYPE_CHECKING:
    from etcdtui.model.finding import Finding
    from etcdtui.procedures.incident import Timeline
    from etcdtui.ui.app import EtcdTui
    from etcdtui.ui.screens.document import Document


class Telling:
    """Belongs to the app. Nothing in here blocks."""

    def __init__(self, app: EtcdTui) -> None:
        self.app = app
        self._timeline: Timeline | None = None
        self._writing = False

    def take(self, at: float, findings: tuple[Finding, ...]) -> None:
        """The findings of this moment (epoch seconds), for the timeline of an incident."""
        if self._timeline is None:
            from etcdtui.procedures.incident import Timeline

            self._timeline = Timeline()
        self._timeline.take(at, findings)

    def hashes(self) -> None:
        from etcdtui.ui.screens.hashes import HashesScreen

        procedures = self.app.control.procedures
        if procedures is None:
            self.app.tell(EtcdTuiError("Procedures are not available here."))
        elif not isinstance(self.app.screen, HashesScreen):
            self.app.push_screen(HashesScreen(procedures.compare_hashes, self.app.clock))

    def journal(self) -> None:
        from etcdtui.ui.screens.journal import JournalScreen

        procedures = self.app.control.procedures
        if procedures is None:
            self.app.tell(EtcdTuiError("Procedures are not available here."))
        elif not isinstance(self.app.screen, JournalScreen):
            self.app.push_screen(JournalScreen(procedures.runs))

    def export(self) -> None:
        """Write the incident down, then show it and where it lies."""
        from etcdtui.procedures.incident import Incident

        app, procedures, timeline = self.app, self.app.control.procedures, self._timeline
        if procedures is None or timeline is None or self._writing:
            return
        now = app.look()
        told = Incident(
            now.view,
            now.health,
            now.findings,
            timeline.happenings,
            tuple(app.cluster.command_log()),
            now.view.now if timeline.since is None else timeline.since,
            timeline.forgotten,
        )
        self._writing = True
        in_background(
            app, lambda: _kept(procedures.keep_incident(told)), self._kept, self._failed, name="export"
        )

    def _kept(self, kept: tuple[Path, str]) -> None:
        from etcdtui.ui.screens.document import DocumentScreen

        self._writing = False
        document = incident_document(*kept)
        if self.app.picture is not None:
            self.app.push_screen(DocumentScreen(lambda _: document, self.app.picture))

    def _failed(self, error: EtcdTuiError) -> None:
        self._writing = False
        self.app.tell(error)


def _kept(path: Path) -> tuple[Path, str]:
    try:
        return path, path.read_text(encoding="utf-8")
    except OSError as exc:
        raise EtcdTuiError(f"{path} was written, and cannot be read again: {exc.strerror}.") from exc


def incident_document(path: Path, text: str) -> Document:
    from etcdtui.ui.screens.document import Document

    head = [
        Paragraph((("✓ ", Role.GOOD), (f"Written to {clean(str(path), 1000)}", Role.STRONG)), 2),
        Paragraph(
            (("Only you can read it; secrets are left out. Read it before you send it on.", Role.MUTED),)
        ),
        Paragraph(()),
    ]
    lines = [Paragraph(plain(line)) for line in clean_lines(text, 4000)]
    return Document((("Incident", Role.STRONG), (" · exported as Markdown", Role.PLAIN)), (*head, *lines))
