"""What may be begun, followed, resumed and abandoned on one cluster: procedures as the screen uses them.

What plans a procedure is imported when one is planned: no start of the screen pays for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.cluster import Cluster
from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.journal import Journal
from etcdtui.journal_text import in_full
from etcdtui.model.backups import BackupSet
from etcdtui.model.hashes import Comparison
from etcdtui.model.known_backups import owed
from etcdtui.model.view import ClusterView
from etcdtui.procedures.engine import Engine
from etcdtui.procedures.following import job_of
from etcdtui.procedures.history import history_of
from etcdtui.procedures.locking import lift_left
from etcdtui.procedures.naming import named
from etcdtui.procedures.procedure import LAST_KNOWN, Action, Answer, Event, Procedure, StepChanged, StepState
from etcdtui.procedures.registry import resume
from etcdtui.procedures.restore_operations import RestoreOperations
from etcdtui.reach import jobs
from etcdtui.records import HALVES, JournalError, Run
from etcdtui.text import age, clean

if TYPE_CHECKING:
    from etcdtui.procedures.debts import Debt
    from etcdtui.procedures.incident import Incident

REACH = 4.0  # seconds to wait for a host, to say what is true there


class Handle:
    """A procedure that runs in a thread of its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = threading.Thread(target=engine.run, name="procedure", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def answer(self, answer: Answer) -> None:
        self._engine.answer(answer)

    def cancel(self) -> None:
        self._engine.cancel()

    def leave(self) -> None:
        """Watch it no longer; what runs on a host goes on."""
        self._engine.leave()


@dataclass(frozen=True, slots=True)
class Interruption:
    """An earlier run that did not come to its end, and what is true of it now. ``puts_back``: what it changed
    can be put back by a procedure of its own."""

    id: str
    sentence: str
    truth: str
    details: Sequence[str] = ()
    puts_back: bool = False


class Operations(RestoreOperations):
    """``state`` is the folder that holds the journal, and incidents that were exported."""

    def __init__(self, cluster: Cluster, state: Path) -> None:
        self._cluster = cluster
        self._state = state
        self._journal = Journal(state / "journal")
        self._handles: list[Handle] = []

    def plan_backup(
        self, view: ClusterView, *, host: str | None = None, stores: Sequence[str] | None = None
    ) -> Procedure:
        """On ``host`` or the best one, into ``stores`` or all of them. Raises Refusal."""
        from etcdtui.procedures import backup

        now = self._cluster.now()
        self._alone(backup.KIND, now)
        return backup.plan(
            view,
            self._cluster.layout_of,
            self._cluster.keeping,
            procedure_id=named(backup.KIND, now),
            now=now,
            host=host,
            stores=stores,
        )

    def plan_bring(self, view: ClusterView, found: BackupSet) -> Procedure:
        """A backup that lies on a host, brought off and proven. Raises Refusal."""
        from etcdtui.procedures import bring

        cluster = self._cluster
        name = named(bring.KIND, cluster.now())
        return bring.plan(view, cluster.layout_of, cluster.keeping, found, procedure_id=name)

    def plan_fetch(
        self, view: ClusterView, stamp: str, store: str | None = None, *, identity: Path | None = None
    ) -> Procedure:
        """The backup with that time stamp from ``store``, or the best one, to this machine; opened with what
        is in ``identity``, or in the file that is configured. Raises Refusal."""
        from etcdtui.procedures import fetch

        found = fetch.named(view, stamp, store)
        name = named(fetch.KIND, self._cluster.now())
        keeping = self._cluster.keeping
        return fetch.plan(view, keeping, found, store, procedure_id=name, identity=identity)

    def plan_upload(self, view: ClusterView) -> Procedure:
        """The newest backup that stores lack, into these. Raises Refusal."""
        from etcdtui.procedures import upload

        keeping = self._cluster.keeping
        lacking = owed(view, [shelf.name for shelf in keeping.shelves])
        if not lacking:
            raise Refusal("No upload is owed: each store that can be listed has the last proven backup.")
        newest = lacking[0][0]
        stores = [name for found, name in lacking if found == newest]
        name = named(upload.KIND, self._cluster.now())
        return upload.plan(keeping, newest, stores, procedure_id=name)

    def plan_prune(self, view: ClusterView) -> Procedure:
        """What the rules let go. Raises Refusal."""
        from etcdtui.procedures import prune

        name = named(prune.KIND, self._cluster.now())
        return prune.plan(view, self._cluster.keeping, procedure_id=name)

    def plan_maintenance(self, view: ClusterView, member_id: int) -> Procedure:
        """May this member be taken down now, and the watch over it. Raises Refusal."""
        from etcdtui.procedures import maintenance

        name = named(maintenance.KIND, self._cluster.now())
        return maintenance.plan(view, member_id, self._cluster.etcdctl, procedure_id=name)

    def plan_leadership(self, view: ClusterView, member_id: int) -> Procedure:
        """Let this member lead, or, if it does already, the fittest other one. Raises Refusal."""
        from etcdtui.procedures import leadership

        name = named(leadership.KIND, self._cluster.now())
        return leadership.plan(view, member_id, self._cluster.etcdctl, procedure_id=name)

    def plan_requests(self, view: ClusterView) -> Procedure:
        """Certificate requests of known nodes, to be approved. Asks the API. Raises Refusal."""
        from etcdtui.procedures import node_requests

        name = named(node_requests.KIND, self._cluster.now())
        return node_requests.plan(view, self._cluster, procedure_id=name)

    def plan_replace(self, view: ClusterView, member_id: int, marked: Collection[int] = ()) -> Procedure:
        """The replacement of a failed member; ``marked`` are all that are to go, in their order.

        Asks the Kubernetes API, so it may block some seconds. Raises Refusal.
        """
        from etcdtui.procedures import replace

        cluster, now = self._cluster, self._cluster.now()
        for run in self._journal.runs(cluster.name):
            if run.kind == replace.KIND and (run.alive or run.resumable or run.retriable):
                how = "is under way" if run.alive else "was begun and is not finished"
                raise Refusal(
                    f"One at a time: “{clean(run.title)}” {how}. Two at once could cost the quorum.",
                    ":resume goes on with that one, or abandons it with a reason.",
                )
        name = named(replace.KIND, now)
        return replace.plan(view, member_id, cluster, procedure_id=name, now=now, marked=marked)

    def debts(self) -> Sequence[Debt]:
        """What earlier runs took away and never gave back, newest first."""
        from etcdtui.procedures import debts

        return debts.owed(self._journal.runs(self._cluster.name))

    def plan_pay_debt(self, debt: Debt) -> Procedure:
        """Give it back. Raises Refusal."""
        from etcdtui.procedures import debts

        if self._cluster.read_only:
            raise Refusal(f"{self._cluster.name} is opened read-only: nothing is put back.")
        return debts.plan(debt, procedure_id=named(debts.KIND, self._cluster.now()))

    def compare_hashes(self) -> Comparison:
        """Do all voters hold the same keys? Blocks; raises Unreachable."""
        from etcdtui.procedures.hashes import compare_hashes

        return compare_hashes(self._cluster)

    def runs(self) -> Sequence[Run]:
        """Every run on this cluster that the journal holds, newest first. Raises JournalError."""
        return self._journal.runs(self._cluster.name)

    def keep_incident(self, told: Incident) -> Path:
        """Write an incident as Markdown into the state folder; its path. Raises EtcdTuiError."""
        from etcdtui.procedures import incident

        cluster = self._cluster.name
        text = incident.markdown(told, self._journal.runs(cluster))
        return incident.keep(self._state / "incidents", cluster, text, told.view.now)

    def run(self, procedure: Procedure, emit: Callable[[Event], None]) -> Handle:
        """Begin it; ``emit`` is called from another thread."""
        handle = Handle(Engine(procedure, self._cluster, self._journal, emit))
        self._handles.append(handle)
        return handle

    def interrupted(self, *, look: bool = True) -> Sequence[Interruption]:
        """Earlier runs on this cluster that may be gone on with, newest first. ``look`` at their hosts for
        what is true now, which may take a while."""
        runs = self._journal.runs(self._cluster.name)
        found = [run for run in runs if run.resumable or (run.retriable and run.kind in HALVES)]
        return [self._interruption(run, look=look) for run in found]

    def interruption(self, run_id: str) -> Interruption:
        """An interrupted run, or one that failed in what may be tried again; looks at its host.

        Raises JournalError when there is no such run, Refusal when it cannot be gone on with.
        """
        run = self._journal.read(run_id)
        title = f"“{clean(run.title)}”"
        if run.cluster != self._cluster.name:
            name = clean(run.cluster)
            raise Refusal(
                f"{title} is a run on {name}, not on {self._cluster.name}.", f"Try --cluster {name}."
            )
        if run.alive:
            raise Refusal(
                f"{title} is run by {clean(str(run.who))} right now, process {run.who.pid}.",
                "Go on there, or end that one first.",
            )
        if run.abandoned:
            raise Refusal(f"{title} was abandoned: {clean(run.abandoned)}", "Begin it anew.")
        if not run.resumable and not run.retriable:
            how = run.ending.value if run.ending else "over"
            raise Refusal(f"{title} is {how}: {clean(run.sentence, 1000)}", "Begin it anew.")
        return self._interruption(run)

    def may_go_on(self, run_id: str) -> bool:
        """Can that run be gone on with?"""
        try:
            run = self._journal.read(run_id)
        except JournalError:
            return False
        return run.resumable or run.retriable

    def resume(self, interruption: Interruption) -> Procedure:
        """Raises Refusal."""
        run = self._journal.read(interruption.id)
        if self._cluster.read_only:
            at = f" at “{clean(run.last_step.title)}”" if run.last_step else ""
            raise Refusal(
                f"{self._cluster.name} is opened read-only: nothing is resumed. “{clean(run.title)}” would "
                f"go on{at}.",
                "Open it without --read-only, and without read_only in the configuration, to do that.",
            )
        return resume(run)

    def settled(self, interruption: Interruption) -> Sequence[StepChanged]:
        """The steps that were done or passed over until it stopped. Raises JournalError."""
        run = self._journal.read(interruption.id)
        history = history_of(run.entries)
        pasts = ((step.key, history.of(step.key)) for step in run.steps)
        return [StepChanged(key, p.state, p.sentence) for key, p in pasts if p.settled and p.state]

    def abandon(self, interruption: Interruption, reason: str) -> None:
        """Leave it for good; its lock is lifted meanwhile. Raises Refusal without a reason, JournalError."""
        if not reason.strip():
            raise Refusal("A reason is needed to abandon a procedure: whoever reads the journal will ask.")
        self._journal.abandon(interruption.id, reason.strip(), self._cluster.now())
        run = self._journal.read(interruption.id)
        threading.Thread(target=lift_left, args=(run, self._cluster), name="unlock", daemon=True).start()

    def close(self) -> None:
        """Watch nothing any longer. Commands on hosts go on, and the next start says so."""
        for handle in self._handles:
            handle.leave()

    def _alone(self, kind: str, now: float) -> None:
        """Two backups at once would only be in each other's way. Raises Refusal."""
        for run in self._journal.runs(self._cluster.name):
            if run.kind == kind and run.alive:
                who = f"{clean(str(run.who))}, process {run.who.pid}"
                raise Refusal(
                    f"{who}, is at it already: “{clean(run.title)}” began {age(now - run.began)} ago.",
                    "Wait for its end, or end that one first.",
                )

    def _interruption(self, run: Run, *, look: bool = True) -> Interruption:
        step = run.last_step
        at = f" at step {run.number(step.key)} of {len(run.steps)} ({step.title})" if step else ""
        ago = age(self._cluster.now() - run.last)
        how = "was interrupted" if run.resumable else "failed"
        sentence = f"“{clean(run.title)}” on {clean(run.cluster)} {how} {ago} ago{at}."
        if not look:
            return Interruption(run.id, sentence, "")
        from etcdtui.procedures.restore_changes import RESTORES, to_put_back

        back = run.kind in RESTORES and to_put_back(run)
        return Interruption(run.id, sentence, self._truth(run), tuple(in_full(run)), back)

    def _truth(self, run: Run) -> str:
        step = run.last_step
        if step is None:
            return "Nothing had been run on a host yet."
        try:
            planned = resume(run).step(step.key)
        except EtcdTuiError as error:
            return error.message
        past = history_of(run.entries).of(step.key)
        if past.state is StepState.WAITING and not past.announced:
            return f"It waited for an answer before “{clean(step.title)}”, which has not been run."
        # Its last sentence would be a question that was answered.
        asked = past.state is StepState.WAITING and planned.action is Action.COMMAND
        open_ = past.announced and past.status is None and not past.settled
        if planned.action is not Action.JOB and open_ and (asked or not past.sentence):
            return f"“{clean(step.title)}” had begun. What came of it is looked at before it goes on."
        unproven = past.state in {StepState.RUNNING, StepState.VERIFYING}
        if planned.action is Action.COMMAND and unproven and past.status is not None:
            how = "well" if past.status == 0 else f"with exit code {past.status}"
            told = f"The command of “{clean(step.title)}” has ended {how}."
            return f"{told} What came of it is looked at before it goes on."
        if planned.action is not Action.JOB or not past.announced:
            return f"{LAST_KNOWN} {clean(run.sentence, 1000)}" if run.sentence else ""
        host = planned.host
        self._cluster.wait(lambda view: _reached(view, host), REACH)
        try:
            job = job_of(run.id, planned, past.attempt)
            state = jobs.look(self._cluster.runner(host), job, timeout=REACH)
        except EtcdTuiError as error:
            return f"What became of its command on {host} cannot be seen: {error.message}"
        match state.state:
            case "running":
                return f"Its command still runs on {host}."
            case "ended":
                how = "well" if state.status == 0 else f"with exit code {state.status}"
                return f"Its command on {host} has ended {how} meanwhile."
            case "vanished":
                return f"Its command on {host} is gone without an end: it was killed, or the host restarted."
        return f"Its command never began on {host}."


def _reached(view: ClusterView, host: str) -> bool:
    return any(h.name == host and (h.link.at or h.link.problem) for h in view.hosts)
