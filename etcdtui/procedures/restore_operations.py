"""What of a restore the screen and the command line use: the look, the offer, the plan, the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.cluster import Cluster
from etcdtui.errors import Refusal
from etcdtui.journal import Journal
from etcdtui.procedures.locking import lift_left
from etcdtui.procedures.naming import dated, named
from etcdtui.procedures.procedure import Ending, Procedure
from etcdtui.records import Entry, JournalError, Run
from etcdtui.text import age, clean

if TYPE_CHECKING:
    from etcdtui.procedures.restore_look import Looked
    from etcdtui.procedures.restore_offer import Offer
    from etcdtui.procedures.restore_survivors import Hear

PLACES = 20.0  # seconds for the lists of all places
PUT_BACK = "Everything is put back to before it."


class RestoreOperations:
    """``Operations`` has the rest."""

    _cluster: Cluster
    _state: Path
    _journal: Journal

    def look_for_restore(self, hear: Hear | None = None) -> Looked:
        """Everything that is to be known before a restore; blocks up to a minute, changes nothing. ``hear``
        is told, from any thread, how far it is."""
        from etcdtui.procedures import restore_look
        from etcdtui.procedures.restore_survivors import Seen, unheard

        tell = hear or unheard
        tell(Seen("", "The backups of all places are being listed."))
        self._cluster.look_at_places(PLACES)
        tell(Seen("", "The backups of all places are listed.", over=True))
        return restore_look.look(self._cluster, tell)

    def offer_restore(self, hear: Hear) -> Offer:
        """The look, the advice, and what may be chosen. Blocks as ``look_for_restore``; raises
        JournalError."""
        from etcdtui.procedures.restore_offer import offer

        return offer(self.look_for_restore(hear), self._begun())

    def plan_restore(
        self, looked: Looked, *, backup: str | None = None, host: str | None = None
    ) -> Procedure:
        """From the backup with that time stamp, or the newest proven one; on that host, or the best. Raises
        Refusal."""
        from etcdtui.procedures import restore

        self._no_other_restore()
        now = self._cluster.now()
        return restore.plan(
            looked,
            self._cluster.layout_of,
            procedure_id=named(restore.KIND, now),
            stamp=dated(now),
            backup=backup,
            host=host,
            stores=[shelf.name for shelf in self._cluster.keeping.shelves],
        )

    def plan_quorum_restore(self, looked: Looked, *, host: str | None = None) -> Procedure:
        """Go on with the data of one survivor, without a backup: of that host, or of the one that is the
        furthest. Raises Refusal, also where there is a quorum, or no quorum-restore.sh."""
        from etcdtui.procedures import restore_quorum

        self._no_other_restore()
        now = self._cluster.now()
        return restore_quorum.plan(
            looked,
            self._cluster.layout_of,
            procedure_id=named(restore_quorum.KIND, now),
            stamp=dated(now),
            host=host,
        )

    def keep_restore_plan(self, cluster: str, text: str) -> Path:
        """Write a plan into the state folder, for its owner's eyes alone; its path. Raises EtcdTuiError."""
        from etcdtui.procedures.incident import keep

        stem = f"restore-of-{cluster}"
        return keep(self._state / "plans", stem, text, self._cluster.now(), what="plan", suffix="txt")

    def plan_restore_undo(self, run_id: str, *, abandon: bool = False) -> Procedure:
        """The way back from a restore. ``abandon``: one that is not finished is left for good first, which
        may take some seconds. Raises JournalError, Refusal."""
        from etcdtui.procedures import restore_undo

        cluster, now, run = self._cluster, self._cluster.now(), self._journal.read(run_id)
        if cluster.read_only:
            raise Refusal(f"{cluster.name} is opened read-only: nothing is put back.")
        for other in self._undone():
            if other.parameters.get("decided") == run.parameters.get("decided"):
                self._refuse_twice(other)
        left = run.resumable or run.retriable
        if abandon and left:  # planned as if it were left already: what is refused leaves nothing
            said = Entry(run.id, now, "abandoned", "", {"reason": PUT_BACK})
            told = replace(run, entries=(*run.entries, said))
        else:
            told = run
        made = restore_undo.plan(
            told,
            procedure_id=named(restore_undo.KIND, now),
            stamp=dated(now),
            view=cluster.view(),
            runner_of=cluster.runner,
        )
        if abandon and left:
            self._journal.abandon(run.id, PUT_BACK, now)
            lift_left(self._journal.read(run.id), cluster)
        return made

    def to_put_back(self, run_id: str = "") -> Run | None:
        """That run, or the newest restore that has set something aside and was not put back. Raises
        JournalError."""
        from etcdtui.procedures.restore_changes import RESTORES, to_put_back

        if run_id:
            return self._journal.read(run_id)
        back = {run.parameters.get("decided") for run in self._undone() if run.ending is Ending.DONE}
        runs = self._journal.runs(self._cluster.name)
        return next(
            (
                run
                for run in runs
                if run.kind in RESTORES and run.parameters.get("decided") not in back and to_put_back(run)
            ),
            None,
        )

    def changed_by(self, run_id: str) -> Sequence[str]:
        """What that run has changed, on which host, and how it is put back, line by line; nothing for a run
        that is no restore, or has no record."""
        from etcdtui.procedures.restore_changes import lines

        try:
            return lines(self._journal.read(run_id))
        except JournalError:
            return ()

    def _undone(self) -> list[Run]:
        from etcdtui.procedures.restore_undo import KIND

        return [run for run in self._journal.runs(self._cluster.name) if run.kind == KIND]

    def _refuse_twice(self, undone: Run) -> None:
        if undone.ending is Ending.DONE:
            ago = age(self._cluster.now() - undone.last)
            raise Refusal(f"That restore was put back {ago} ago: there is nothing left to be put back.")
        if undone.alive or undone.resumable or undone.retriable:
            raise Refusal(f"“{clean(undone.title)}” was begun and is not finished.", "Go on with that one.")

    def _no_other_restore(self) -> None:
        """Raises Refusal while one is not finished."""
        begun = self._begun()
        if begun:
            raise Refusal(begun, "Go on with that one, put everything back, or abandon it with a reason.")

    def _begun(self) -> str:
        """A restore or a way back that was not brought to its end, in a sentence."""
        from etcdtui.procedures.restore_changes import KINDS

        for run in self._journal.runs(self._cluster.name):
            if run.kind in KINDS and (run.alive or run.resumable or run.retriable):
                return f"“{clean(run.title)}” was begun and is not finished."
        return ""
