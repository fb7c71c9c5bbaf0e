"""What the verbs of the table do: the app's actions, each a few lines that pass the wish on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from textual.app import App

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.model.known_backups import owed_anywhere
from etcdtui.text import clean
from etcdtui.ui.commands import VERBS, WRITING, Verb
from etcdtui.ui.marks import Marks, marks_document, waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from etcdtui.model.health import MemberHealth
    from etcdtui.model.view import ClusterView
    from etcdtui.procedures.procedure import Procedure
    from etcdtui.ui.control import Control
    from etcdtui.ui.debts import Debts
    from etcdtui.ui.host_keys import HostKeys
    from etcdtui.ui.looking import Looking
    from etcdtui.ui.picture import Picture
    from etcdtui.ui.ports import ClusterPort, ProcedurePort
    from etcdtui.ui.restoring import Restoring
    from etcdtui.ui.screens.dashboard import DashboardScreen
    from etcdtui.ui.telling import Telling


class VerbActions(App[None]):
    """The actions; ``EtcdTui`` has the rest."""

    cluster: ClusterPort
    dashboard: DashboardScreen
    control: Control
    host_keys: HostKeys
    looking: Looking
    telling: Telling
    debts: Debts
    restoring: Restoring
    marks: Marks
    picture: Picture | None
    clock: Callable[[], float]

    def take_picture(self) -> None:
        raise NotImplementedError

    def hold(self) -> None:
        raise NotImplementedError

    def allows(self, verb: Verb) -> bool:
        return not (verb.writes and self.cluster.read_only)

    def do(self, verb: Verb, words: str = "") -> None:
        """Run a verb, as its key would; where the key is taken away, say why."""
        if not self.allows(verb):
            self.tell(self.only_looking(verb.action))
        elif verb.takes:
            self.call_later(self.run_action, ("app", verb.action, (words,)))
        else:
            self.call_later(self.run_action, f"app.{verb.action}")

    def only_looking(self, action: str) -> EtcdTuiError:
        """Why that action is not done here, and what it would have done."""
        hint = "Start without --read-only, and without read_only in the configuration, to do that."
        what = next((verb.help for verb in VERBS if verb.action == action), "")
        told = f" Not done: {what[:1].lower()}{what[1:]}." if what else ""
        return EtcdTuiError(f"{self.cluster.name} is read-only here.{told}", hint)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "upload" and not (self.picture and owed_anywhere(self.picture.view)):
            return False
        return not (action in WRITING and self.cluster.read_only)

    def tell(self, error: EtcdTuiError) -> None:
        """An error or a refusal, in full, until it is closed."""
        from etcdtui.ui.screens.notice import Notice

        self.push_screen(Notice(error))

    # procedures

    def action_backup(self) -> None:
        if not self.cluster.read_only:
            self.control.backup()

    def action_upload(self) -> None:
        self.control.plan(lambda procedures, view: procedures.plan_upload(view))

    def action_prune(self) -> None:
        self.control.plan(lambda procedures, view: procedures.plan_prune(view))

    def action_bring(self, stamp: str, host: str) -> None:
        """The backup of this stamp that lies on this host."""

        def make(procedures: ProcedurePort[Any], view: ClusterView) -> Procedure:
            found = next((b for b in view.backups if (b.stamp, b.host) == (stamp, host)), None)
            if found is None:
                raise Refusal(f"The backup {stamp} is no longer on {host}.")
            return procedures.plan_bring(view, found)

        self.control.plan(make)

    def action_fetch(self, stamp: str, store: str) -> None:
        """The backup of this stamp that lies in this store."""
        self.control.plan(lambda procedures, view: procedures.plan_fetch(view, stamp, store))

    def action_maintenance(self) -> None:
        """Of the member under the cursor."""
        row = self._member("")
        if row is not None:
            member_id = row.member.id
            self.control.plan(lambda procedures, view: procedures.plan_maintenance(view, member_id))

    def action_lead(self, words: str = "") -> None:
        """Let the member of this name, or the one under the cursor, lead."""
        row = self._member(words)
        if row is not None and not self.cluster.read_only:
            member_id = row.member.id
            self.control.plan(lambda procedures, view: procedures.plan_leadership(view, member_id))

    def action_requests(self) -> None:
        if not self.cluster.read_only:
            self.control.plan(lambda procedures, view: procedures.plan_requests(view))

    def action_mark(self, words: str = "") -> None:
        """Mark the member of this name, or the one under the cursor, or take its mark away."""
        row = self._member(words)
        if row is not None and not self.cluster.read_only:
            self.marks.turn(row.member.id, row.member.label)
            self.take_picture()

    def action_marks(self) -> None:
        from etcdtui.ui.screens.document import DocumentScreen

        if self.picture is not None:
            self.push_screen(DocumentScreen(marks_document, self.picture))

    def action_replace(self) -> None:
        """Open the guide for the first of the marked members that may go."""
        if self.cluster.read_only:
            return
        marks = self.picture.marks if self.picture is not None else ()
        if not marks:
            words = "No member is marked for removal."
            self.tell(Refusal(words, "Go to its row and press x; the verdict then stands below the table."))
            return

        def make(procedures: ProcedurePort[Any], view: ClusterView) -> Procedure:
            ids = [mark.member_id for mark in marks]
            made = procedures.plan_replace(view, ids[0], ids)
            taken = made.parameters.get("together", "").split()
            said = waiting((marks[0], *(mark for mark in marks[1:] if f"{mark.member_id:x}" not in taken)))
            return replace(made, reasons=(*made.reasons, said)) if said else made

        self.control.plan(make)

    def action_resume(self) -> None:
        if not self.cluster.read_only:
            self.control.ask_about_interrupted(wanted=True)

    def action_restore(self) -> None:
        if not self.cluster.read_only:
            self.restoring.begin()

    def action_put_back(self) -> None:
        if not self.cluster.read_only:
            self.restoring.put_back()

    def action_debts(self) -> None:
        self.debts.again()

    # looking

    def action_go_to(self, pane: int) -> None:
        self.action_home()
        self.dashboard.action_pane(pane)

    def action_home(self) -> None:
        """Close everything above the dashboard."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_pause(self) -> None:
        self.hold()

    def action_refresh_now(self) -> None:
        self.cluster.refresh()
        self.notify("Asking every source now.", timeout=2, markup=False)

    def action_health(self) -> None:
        from etcdtui.ui.screens.health import HealthScreen

        if not isinstance(self.screen, HealthScreen):
            self.push_screen(HealthScreen(self.cluster, self.clock))

    def action_hashes(self) -> None:
        self.telling.hashes()

    def action_journal(self) -> None:
        self.telling.journal()

    def action_export(self) -> None:
        self.telling.export()

    def action_find(self, words: str = "") -> None:
        self.looking.find(words)

    def action_trust(self) -> None:
        self.host_keys.again()

    def action_log(self) -> None:
        from etcdtui.ui.screens.log import LogScreen

        if not isinstance(self.screen, LogScreen):
            self.push_screen(LogScreen(self.cluster))

    def action_help(self) -> None:
        from etcdtui.ui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def action_command_line(self) -> None:
        from etcdtui.ui.screens.command_line import CommandLineScreen

        if not isinstance(self.screen, CommandLineScreen):
            self.push_screen(CommandLineScreen(), lambda said: self.do(*said) if said else None)

    async def action_back(self) -> None:
        if len(self.screen_stack) > 1:
            self.pop_screen()

    async def action_leave(self) -> None:
        await self.action_quit()

    async def action_quit(self) -> None:
        if self.control.running:
            self.control.ask_before_leaving(self.exit)
        else:
            self.exit()

    def _member(self, words: str) -> MemberHealth | None:
        """The member of this name or ID; without words the one under the cursor. Tells when there is none."""
        words = words.strip()
        rows = self.picture.health.members if self.picture is not None else ()
        named = [r for r in rows if words and words in {r.member.label, r.member.name, r.member.hex_id}]
        row = named[0] if len(named) == 1 else None if words else self.dashboard.members.current
        if row is None and words:
            names = ", ".join(clean(r.member.label, 60) for r in rows)
            self.tell(
                Refusal(f"No member is called {words[:100]!r}.", f"There are: {names}." if names else "")
            )
        elif row is None:
            self.tell(EtcdTuiError("No member is known yet.", "Wait until the members are shown."))
        return row
