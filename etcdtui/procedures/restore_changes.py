"""What a restore, or its way back, has changed so far, host by host, and how that is put back by hand.

Told by the record of the run alone: what was about to run, what ended, with which words. Nothing is asked, so
that it can be read while no host answers.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from etcdtui.procedures.procedure import Ending, StepState
from etcdtui.procedures.restore_decided import Decided, Standstill
from etcdtui.procedures.restore_words import heard
from etcdtui.records import Entry, PlannedStep, Run

QUORUM = "quorum-restore"
RESTORES = ("restore", QUORUM)
KINDS = (*RESTORES, "restore-undone")
_MOVES = "etcdtui-move"  # the name that our script which moves a manifest is given
NOTHING = "It has changed nothing on any host."
BY_HAND = (
    "etcdtui does all of that step by step: :putback. By hand: nothing of etcd may run on any host before "
    "(its manifest away, its containers ended); then go down each list: the data, then the manifests. "
    "Nothing is put over anything: what is in the way gets another name."
)


@dataclass(frozen=True, slots=True)
class Change:
    """``host`` is empty for what was changed through the API. ``back`` is a command, or what to do; empty
    where nothing is to be put back. ``sure`` False: it was begun, and nothing tells whether it was done."""

    host: str
    what: str
    back: str = ""
    sure: bool = True
    data: bool = False  # of etcd: it goes back before any manifest does

    @property
    def turn(self) -> int:
        """When it is put back on its host: what needs nothing, data, manifests."""
        return (1 if self.data else 2) if self.back else 0


@dataclass(slots=True)
class _Ran:
    """All attempts at one step together. ``open``: the last one began, and its end is not on record."""

    begun: bool = False
    open: bool = False
    statuses: list[int] = field(default_factory=list)
    said: str = ""
    state: StepState | None = None
    sentence: str = ""

    @property
    def well(self) -> bool:
        """Some attempt ended well."""
        return 0 in self.statuses

    @property
    def over(self) -> bool:
        """Nothing is open, whether it went well or not."""
        return bool(self.statuses) or self.state in (StepState.DONE, StepState.SKIPPED)


def changes(run: Run) -> tuple[Change, ...]:
    """In the order in which they were made; none for other kinds of runs."""
    if run.kind not in KINDS:
        return ()
    ran = _fold(run.entries)
    return tuple(
        change
        for step in run.steps
        if (past := ran.get(step.key)) is not None and past.begun
        for change in _of(run, step, past)
    )


def to_put_back(run: Run) -> bool:
    """Is there anything on a host that belongs elsewhere?"""
    return any(change.back and change.host for change in changes(run))


def lines(run: Run) -> list[str]:
    """For people; none for other kinds of runs."""
    if run.kind not in KINDS:
        return []
    found = changes(run)
    if not found:
        return [NOTHING]
    # What belongs to a restored cluster that runs is not to be moved by hand under its feet.
    by_hand = run.ending is not Ending.DONE
    said = ["What it changed, and how that is put back:" if by_hand else "What it changed:"]
    for host in dict.fromkeys(change.host for change in found):
        said.append(f"  {host or 'through the API'}")
        for change in sorted((one for one in found if one.host == host), key=lambda one: one.turn):
            doubt = "" if change.sure else " Whether that was done is not on record: look there."
            said.append(f"    {change.what}{doubt}")
            if change.back and by_hand:
                said.append(f"      back: {change.back}")
    if to_put_back(run):
        said.append(f"  {BY_HAND}" if by_hand else "  Everything can be put back to before it: :putback.")
    return said


def _fold(entries: Iterable[Entry]) -> dict[str, _Ran]:
    ran: dict[str, _Ran] = {}
    for entry in entries:
        if not entry.step:
            continue
        past = ran.setdefault(entry.step, _Ran())
        match entry.kind:
            case "command" | "work" | "started":
                past.begun = past.open = True
            case "ended":
                status = entry.facts.get("status")
                past.statuses.append(status if isinstance(status, int) else -1)
                past.open = False
                past.said += entry.text("stdout") + entry.text("stderr")
            case "state":
                with suppress(ValueError):
                    past.state, past.sentence = StepState(entry.text("state")), entry.text("sentence")
                if past.state is StepState.DONE:
                    past.open = False
    return ran


def _of(run: Run, step: PlannedStep, past: _Ran) -> Iterator[Change]:
    word, _, rest = step.key.partition(" ")
    match word:
        case "stop" if _MOVES in step.argv:
            yield from _moved(step, past, f"The manifest of {rest.partition(' ')[0]}")
        case "stop":
            yield from _disabled(run, step, past)
        case "aside":
            yield from _moved(step, past, "The data of etcd")
        case "data" | "manifest":
            yield from _put_back(step, past)
        case "deliver":
            decided = _decided(run)
            where = f" in {decided.folder}" if isinstance(decided, Decided) else ""
            yield Change(
                step.host, f"The two files of the backup lie{where}; they harm nothing.", "", past.over
            )
        case "safe":
            yield from _copied(step, past)
        case "restore":
            yield from _script(run, step, past)
        case "kubelet":
            yield Change(step.host, "The kubelet was restarted.", "", past.over)
        case "guard" if rest == "off":
            said = "The guard of the etcd operator was taken off."
            yield Change("", said, ":debts puts it on again", past.over)
        case "guard":
            yield Change("", "The guard of the etcd operator was put on again.", "", past.over)
        case "redeploy":
            said = f"A redeployment of {rest} was asked for; it goes on by itself."
            yield Change("", said, "", past.over)


def _moved(step: PlannedStep, past: _Ran, what: str) -> Iterator[Change]:
    """A command whose last words are from and to. It moves nothing where nothing lies; what was found
    afterwards tells."""
    there, kept = step.argv[-2:]
    if not (past.well or past.open) or (past.state is StepState.DONE and kept not in past.sentence):
        return
    flat = ("-T",) if step.key.startswith("aside ") else ()
    back = shlex.join((*_sudo(step.argv), "mv", "-n", *flat, "--", kept, there))
    yield Change(step.host, f"{what} was moved to {kept}.", back, past.well, bool(flat))


def _sudo(argv: tuple[str, ...]) -> tuple[str, ...]:
    return argv[: next((n for n, word in enumerate(argv) if word in ("sh", "mv")), 0)]


def _put_back(step: PlannedStep, past: _Ran) -> Iterator[Change]:
    if past.well or past.open:
        target = step.argv[step.argv.index("etcdtui-put-back") + 1]
        yield Change(step.host, f"{target} was put back.", "", past.well)


def _copied(step: PlannedStep, past: _Ran) -> Iterator[Change]:
    """The copy itself changes nothing; what else lay in the folder is moved, and the script says so."""
    at = step.argv.index("etcdtui-safety-copy")
    data, safe = step.argv[at + 1 : at + 3]
    done = "was copied" if past.well else "was being copied"
    yield Change(step.host, f"The data of etcd {done} to {safe}; {data} was not touched by that.")
    for line in past.said.splitlines():
        kept, to, folder = line.removeprefix("moving ").partition(" to ")
        if line.startswith("moving ") and to:
            yield Change(step.host, f"{kept} was moved to {folder}.")


def _disabled(run: Run, step: PlannedStep, past: _Ran) -> Iterator[Change]:
    """The host's own disable-etcd.sh, which moves the manifest of etcd to a folder of its own."""
    decided = _decided(run)
    masters = (decided.recovery, *decided.others) if decided else ()
    master = next((one for one in masters if one.host == step.host), None)
    if master is None or not (past.well or past.open):
        return
    kept, there = master.disabled_manifest, master.manifest("etcd")
    back = shlex.join((*master.layout.sudo, "mv", "-n", "--", kept, there))
    yield Change(step.host, f"disable-etcd.sh has moved the manifest of etcd to {kept}.", back, past.well)


def _script(run: Run, step: PlannedStep, past: _Ran) -> Iterator[Change]:
    """By its own words, as far as they are known."""
    script = step.argv[-1] if run.kind == QUORUM else step.argv[-2]
    name = script.rpartition("/")[2]
    if past.open:
        yield Change(
            step.host,
            f"{name} was started, and its end is not on record: it may still run.",
            "nothing before its end is known; :resume looks for it",
        )
        return
    decided, told = _decided(run), heard(past.said)
    how = "went through" if past.well else f"ended with exit code {past.statuses[-1]}"
    yield Change(step.host, f"{name} {how}. {told.sentence}")
    if decided is None or not (past.well or told.stopped or told.destroyed):
        return
    recovery, sudo = decided.recovery, decided.recovery.layout.sudo
    if run.kind == QUORUM:
        said = f"etcd writes on in the old data; what it was before is the copy in {decided.old}."
        yield Change(step.host, said, "the copy is put back by :putback alone")
        return
    if past.well or told.destroyed:
        back = shlex.join((*sudo, "mv", "-n", "-T", "--", decided.old, recovery.data))
        yield Change(step.host, f"The old data of etcd lies in {decided.old}.", back, data=True)
    for pod in (one for one in decided.pods if one != "etcd"):
        kept = f"{decided.stopped}/{pod}-pod.yaml"
        back = shlex.join((*sudo, "mv", "-n", "--", kept, recovery.manifest(pod)))
        yield Change(step.host, f"The old manifest of {pod} lies in {kept}.", back)


def _decided(run: Run) -> Standstill | None:
    """What the restore decided; of a way back, what the restore before it did."""
    from etcdtui.procedures.restore_quorum import Quorum

    try:
        quorum = run.kind == QUORUM or json.loads(run.parameters.get("undo", "{}")).get("kind") == QUORUM
        return Quorum.of(run.parameters) if quorum else Decided.of(run.parameters)
    except (KeyError, ValueError):
        return None
