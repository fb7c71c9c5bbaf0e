"""Should it be restored at all? A look at all hosts, then what is true, and what else would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from etcdtui.errors import EtcdTuiError
from etcdtui.model.restore_advice import Kind, Way
from etcdtui.procedures.restore_offer import Offer
from etcdtui.procedures.restore_survivors import Hear, Seen
from etcdtui.procedures.restore_text import advice_lines
from etcdtui.ui import keys
from etcdtui.ui.background import in_background
from etcdtui.ui.messages import MemberChosen
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.footer import KeyLine
from etcdtui.ui.parts.lines import Lines
from etcdtui.ui.parts.work import EVERY
from etcdtui.ui.restore_words import advice, copied, foremost, looking
from etcdtui.ui.screens.restore_page import Found, RestorePage

if TYPE_CHECKING:
    from etcdtui.model.view import ClusterView
    from etcdtui.procedures.procedure import Procedure
    from etcdtui.ui.ports import ProcedurePort


class RestoreScreen(RestorePage):
    """Looks when opened, and again with r. What comes back after it was left is dropped."""

    NUMBER, QUESTION = 1, "Should it be restored at all?"
    AUTO_FOCUS = "#text"
    BINDINGS: ClassVar[list[BindingType]] = [*keys.RESTORE, *keys.PAGE]

    def __init__(self, look: Callable[[Hear], Offer]) -> None:
        super().__init__()
        self._look = look
        self._seen: dict[str, Seen] = {}  # filled by the threads that look; replaced for every look
        self._began = 0.0
        self._keys_wait: bool | None = None  # the keys shown are those of a look that goes on
        self._error: EtcdTuiError | None = None
        self.first = Bar(classes="first", most=6)
        self.body = Lines(id="text", classes="text")

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.first
        yield self.body
        yield self.said
        yield KeyLine()

    def on_mount(self) -> None:
        self.first.set_line(())
        self.said.set_line(())
        self.set_interval(EVERY, self._tick)
        self._begin()

    @property
    def looking(self) -> bool:
        return self.found is None and self._error is None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "go_on" | "copy":
                return self.found is not None
            case "again":
                return not self.looking
            case "replace":
                return self._way(Kind.REPLACE) is not None
            case "start":
                return self._way(Kind.START) is not None
            case "quorum":
                return self._way(Kind.QUORUM) is not None
        return True

    def action_again(self) -> None:
        if not self.looking:
            self._begin()

    def action_go_on(self) -> None:
        from etcdtui.ui.screens.restore_backup import RestoreBackupScreen

        if self.found is not None:
            self.app.push_screen(RestoreBackupScreen(self.found))

    def action_replace(self) -> None:
        way = self._way(Kind.REPLACE)
        if way is not None and way.member_id is not None:
            member_id = way.member_id

            def make(procedures: ProcedurePort[Any], view: ClusterView) -> Procedure:
                return procedures.plan_replace(view, member_id, [member_id])

            self.etcdtui.control.plan(make)

    def action_start(self) -> None:
        """Its details say why it stands still, and what to do."""
        way = self._way(Kind.START)
        if way is not None and way.member_id is not None:
            self.app.post_message(MemberChosen(way.member_id))

    def action_quorum(self) -> None:
        """The plan that goes on with a survivor's data, without a backup."""
        from etcdtui.ui.screens.restore_plan import RestorePlanScreen

        if self.found is not None and self._way(Kind.QUORUM) is not None:
            self.app.push_screen(
                RestorePlanScreen(
                    self.found, lambda procedures, looked: procedures.plan_quorum_restore(looked, host=None)
                )
            )

    def action_copy(self) -> None:
        if self.found is not None:
            self.copied(copied(advice_lines(self.found.offer.advice)), "The whole advice.")

    def _way(self, kind: Kind) -> Way | None:
        ways = self.found.offer.advice.ways if self.found is not None else ()
        return next((way for way in ways if way.kind is kind), None)

    def _begin(self) -> None:
        self._began, self.found, self._error = self.etcdtui.clock(), None, None
        seen: dict[str, Seen] = {}
        self._seen = seen

        def look() -> Offer:
            return self._look(lambda one: seen.update({one.host: one}))

        def came(offer: Offer) -> None:
            if self._seen is seen:
                self.found = Found(offer, self.etcdtui.clock())
                self._show()

        def failed(error: EtcdTuiError) -> None:
            if self._seen is seen:
                self._error = error
                self._show()

        in_background(self.app, look, came, failed, name="restore-look")
        self._show()

    def _tick(self) -> None:
        if self.looking:
            self._show()

    def _show(self) -> None:
        if not self.is_running:
            return
        self.tell_age()
        found, error = self.found, self._error
        self.first.set_builder(lambda width: foremost(found.offer, width) if found else [])
        if found is not None:
            self.body.set_paragraphs(advice(found.offer))
            self.said.set_line(())
        elif error is not None:
            self.body.set_paragraphs(())
            self.refuse(error)
        else:
            hosts = [host.name for host in self.etcdtui.cluster.view().hosts]
            self.body.set_paragraphs(looking(hosts, self._seen, self.etcdtui.clock() - self._began))
            self.said.set_line(())
        if self.looking != self._keys_wait:
            self._keys_wait = self.looking
            self.refresh_bindings()  # to make the line of keys anew costs more than all the rest
            self.body.scroll_home(animate=False)
