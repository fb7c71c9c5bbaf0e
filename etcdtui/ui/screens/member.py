"""One member: why it is bad, layer by layer as the answers come in, then everything else known about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.binding import Binding, BindingType

from etcdtui.errors import EtcdTuiError
from etcdtui.model.examination import examine
from etcdtui.model.probe import Probe
from etcdtui.text import age
from etcdtui.ui.background import CallEnded, in_background
from etcdtui.ui.describe import member_document
from etcdtui.ui.examination_text import examined
from etcdtui.ui.looks import Paragraph, Role
from etcdtui.ui.picture import Picture
from etcdtui.ui.ports import ClusterPort
from etcdtui.ui.screens.document import Document, DocumentScreen
from etcdtui.ui.titled import heading

AGAIN = Binding("r", "again", "Examine again", show=True, tooltip="Ask every host about this member now")
EVERY = 20.0  # seconds after which an open examination is made anew


class MemberScreen(DocumentScreen):
    """Examines when opened, with ``r``, and now and then. ``clock`` is monotonic."""

    BINDINGS: ClassVar[list[BindingType]] = [AGAIN]

    def __init__(
        self, cluster: ClusterPort, member_id: int, picture: Picture, clock: Callable[[], float]
    ) -> None:
        super().__init__(self._document, picture)
        self.cluster, self.member_id, self.clock = cluster, member_id, clock
        self._picture = picture
        self._probe: Probe | None = None  # what is shown
        self._began = clock()
        self._ended: float | None = None  # None while it is being examined
        self._error: EtcdTuiError | None = None

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(1.0, self._tick)
        self._examine()

    @property
    def running(self) -> bool:
        return self._ended is None

    def action_again(self) -> None:
        if not self.running:
            self._examine()

    def show_picture(self, picture: Picture) -> None:
        self._picture = picture
        super().show_picture(picture)

    def _tick(self) -> None:
        if self._ended is not None and self.clock() - self._ended >= EVERY:
            self._examine()
        else:
            self._show()

    def _examine(self) -> None:
        self._began, self._ended, self._error = self.clock(), None, None
        app, cluster, member_id = self.app, self.cluster, self.member_id

        def hear(probe: Probe) -> None:  # from any thread
            app.post_message(CallEnded(lambda: self._heard(probe)))

        in_background(
            app, lambda: cluster.examine(member_id, hear), self._answered, self._failed, name="examine"
        )
        self._show()

    def _heard(self, probe: Probe) -> None:
        """Part of the first answers; later rounds replace the former when they are whole."""
        if self.running and not (self._probe is not None and self._probe.complete):
            self._probe = probe
            self._show()

    def _answered(self, probe: Probe) -> None:
        self._probe, self._ended = probe, self.clock()
        self._show()

    def _failed(self, error: EtcdTuiError) -> None:
        self._error, self._ended = error, self.clock()
        self._show()

    def _show(self) -> None:
        if self.is_running:
            self.show_picture(self._picture)

    def _document(self, picture: Picture) -> Document | None:
        known = member_document(picture, self.member_id)
        if known is None and self._probe is None:
            return None
        seen = examine(picture.view, self.member_id, self._probe or Probe(began=picture.view.now))
        title = known.title if known is not None else ((seen.name, Role.STRONG),)
        paragraphs = [*self._trouble(), *examined(seen)]
        if known is not None:
            paragraphs += [*heading("Known all the time"), Paragraph(()), *known.paragraphs]
        return Document((*title, (f"  {self._state()}", Role.MUTED)), tuple(paragraphs))

    def _state(self) -> str:
        if self._ended is None:
            return f"examining for {age(self.clock() - self._began)}"
        return f"examined {age(self.clock() - self._ended)} ago"

    def _trouble(self) -> list[Paragraph]:
        if self._error is None:
            return []
        words = f"It could not be examined: {self._error.message} {self._error.hint}".strip()
        return [Paragraph((("✗ ", Role.BAD), (words, Role.BAD)), 2), Paragraph(())]
