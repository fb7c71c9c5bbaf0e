"""What the screen needs from the rest of the program, as protocols, so that tests can bring their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from etcdtui.errors import HostKeyUnknown
from etcdtui.model.backups import BackupSet
from etcdtui.model.findings import Finding
from etcdtui.model.health import ClusterHealth
from etcdtui.model.probe import Probe
from etcdtui.model.view import ClusterView
from etcdtui.procedures.procedure import Answer, Event, Procedure, StepChanged

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from etcdtui.model.hashes import Comparison
    from etcdtui.procedures.debts import Debt
    from etcdtui.procedures.incident import Incident
    from etcdtui.procedures.looking import LiveKeys
    from etcdtui.procedures.restore_look import Looked
    from etcdtui.procedures.restore_offer import Offer
    from etcdtui.procedures.restore_survivors import Hear
    from etcdtui.records import Run

FindFindings = Callable[[ClusterView, ClusterHealth], tuple[Finding, ...]]


class CommandRecord(Protocol):
    """A command on a host: when (epoch), for how long (None: it runs on), with which exit code, if any;
    ``title`` calls scripts by their names, ``error`` says why it failed, ``times`` how often
    one after the other."""

    @property
    def number(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def host(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def command(self) -> str: ...
    @property
    def status(self) -> int | None: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def error(self) -> str: ...
    @property
    def times(self) -> int: ...


class ClusterPort(Protocol):
    """One cluster. Only ``canonical_health``, ``examine``, ``trust``, ``close`` and iterating over keys may
    block."""

    @property
    def name(self) -> str: ...
    @property
    def colour(self) -> str: ...
    @property
    def read_only(self) -> bool: ...

    def start(self, on_change: Callable[[], None]) -> None:
        """Start collecting in threads of its own; ``on_change`` is called from any of them."""

    def view(self) -> ClusterView:
        """The newest view; never blocks."""

    def refresh(self) -> None:
        """Ask every source now; returns at once."""

    def canonical_health(self) -> tuple[str, str, str]:
        """Host, the lines a human would type, their raw output. Blocks."""

    def live_keys(self, cancelled: Callable[[], bool], /) -> LiveKeys:
        """The keys of the running cluster, listed while they are iterated over. Raises Unreachable."""

    def examine(self, member_id: int, hear: Callable[[Probe], None], /) -> Probe:
        """Ask every host about a member, within 5 s; ``hear`` is told what is in so far. Blocks."""

    def command_log(self) -> Sequence[CommandRecord]:
        """What ran lately, oldest first."""

    def unknown_host_keys(self) -> Sequence[HostKeyUnknown]:
        """Keys nobody has decided about yet."""

    def trust(self, key: HostKeyUnknown) -> None:
        """Remember this key as the host's. May block."""

    def close(self) -> None:
        """Let go of everything; ends calls under way. May block."""


class EngineHandle(Protocol):
    """A procedure that runs in a thread of its own."""

    @property
    def running(self) -> bool: ...

    def answer(self, answer: Answer) -> None:
        """What the human said; returns at once."""

    def cancel(self) -> None:
        """Ask it to stop as the present step's ``cancel`` says; returns at once."""


class Interrupted(Protocol):
    """An earlier run that did not come to its end."""

    @property
    def sentence(self) -> str:
        """A backup of prod was interrupted 14 minutes ago at step 2 of 3 (take the backup)."""

    @property
    def truth(self) -> str:
        """What is true now; empty when there is nothing to say."""

    @property
    def details(self) -> Sequence[str]:
        """The journal, line by line."""

    @property
    def id(self) -> str:
        """Of the run."""

    @property
    def puts_back(self) -> bool:
        """What it has changed can be put back by a procedure."""


Past = TypeVar("Past", bound=Interrupted)


class ProcedurePort(Protocol[Past]):
    """Plans and runs. Every method but ``run`` may block."""

    def plan_backup(self, view: ClusterView, /) -> Procedure:
        """Raises Refusal."""

    def plan_maintenance(self, view: ClusterView, member_id: int, /) -> Procedure:
        """May this member go down now, and the watch over it. Raises Refusal."""

    def plan_upload(self, view: ClusterView, /) -> Procedure:
        """The newest backup that stores lack, into these. Raises Refusal."""

    def plan_prune(self, view: ClusterView, /) -> Procedure:
        """What the rules let go. Raises Refusal."""

    def plan_bring(self, view: ClusterView, found: BackupSet, /) -> Procedure:
        """A backup that lies on a host, brought off and proven. Raises Refusal."""

    def plan_fetch(self, view: ClusterView, stamp: str, store: str, /) -> Procedure:
        """The backup of this time stamp, from a store to this machine. Raises Refusal."""

    def plan_leadership(self, view: ClusterView, member_id: int, /) -> Procedure:
        """Let this member lead; the leader itself hands over to the fittest. Raises Refusal."""

    def plan_requests(self, view: ClusterView, /) -> Procedure:
        """Certificate requests of known nodes, to be approved. Raises Refusal."""

    def plan_replace(self, view: ClusterView, member_id: int, marked: Collection[int], /) -> Procedure:
        """The guide for a failed member, ``marked`` among others in their order. Raises Refusal."""

    def offer_restore(self, hear: Hear, /) -> Offer:
        """The look at all hosts and places, the advice, what may be chosen. A minute at most; ``hear`` is
        called from any thread. Raises EtcdTuiError."""

    def plan_restore(self, looked: Looked, /, *, backup: str | None, host: str | None) -> Procedure:
        """From that backup on that host. Raises Refusal."""

    def plan_quorum_restore(self, looked: Looked, /, *, host: str | None) -> Procedure:
        """Go on with a survivor's data, without a backup. Raises Refusal."""

    def keep_restore_plan(self, cluster: str, text: str, /) -> Path:
        """Write a dry run down, for its owner's eyes; where. Raises EtcdTuiError."""

    def to_put_back(self, run_id: str = "", /) -> Run | None:
        """That run, or the newest restore that has set something aside and was not put back. Raises
        JournalError."""

    def plan_restore_undo(self, run_id: str, /, *, abandon: bool = False) -> Procedure:
        """The way back from a restore; one that is not finished is abandoned first. Raises Refusal."""

    def changed_by(self, run_id: str, /) -> Sequence[str]:
        """What a restore has changed, on which host, and how that is put back, line by line."""

    def debts(self) -> Sequence[Debt]:
        """What earlier runs took away and never gave back."""

    def plan_pay_debt(self, debt: Debt, /) -> Procedure:
        """Give it back. Raises Refusal."""

    def compare_hashes(self) -> Comparison:
        """Do all voters hold the same keys? Raises Unreachable."""

    def runs(self) -> Sequence[Run]:
        """What was done on this cluster, newest first. Raises JournalError."""

    def keep_incident(self, told: Incident, /) -> Path:
        """Write an incident down, for its owner's eyes; where. Raises EtcdTuiError."""

    def run(self, procedure: Procedure, emit: Callable[[Event], None], /) -> EngineHandle:
        """Start it; ``emit`` is called from any thread."""

    def interrupted(self) -> Sequence[Past]:
        """Runs to ask about at the start."""

    def resume(self, run: Past, /) -> Procedure:
        """The procedure that goes on where that one stopped. Raises Refusal."""

    def settled(self, run: Past, /) -> Sequence[StepChanged]:
        """The steps that were done or passed over until it stopped. Raises EtcdTuiError."""

    def abandon(self, run: Past, reason: str, /) -> None:
        """Leave that one for good. Raises Refusal without a reason."""

    def close(self) -> None:
        """Watch nothing any longer; what runs on hosts goes on."""
