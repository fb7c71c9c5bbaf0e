"""What a restore, or its way back, has changed so far, host by host, and how that is put back.

Told by the record of the run alone: what was about to run, what ended, with which words. Nothing is asked, so
that it can be read while no host answers.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from etcdtui.procedures.history import History, Past, history_of
from etcdtui.procedures.procedure import Ending, Procedure, Step, StepState
from etcdtui.procedures.replace_api import GUARD_OFF, GUARD_ON
from etcdtui.procedures.restore_decided import QUORUM, Decided, Master, Quorum, Standstill, decided_by
from etcdtui.procedures.restore_words import heard
from etcdtui.records import Run
from etcdtui.text import clean, listed

RESTORES = ("restore", QUORUM)
KINDS = (*RESTORES, "restore-undone")
DATA, PODS, ETCD = 1, 2, 3
"""When something is put back on its host: the manifest of etcd last, for with it etcd starts. 0: before."""

NOTHING = "It has changed nothing on any host."
UNREADABLE = "What it changed is not known: its record does not hold what was decided. See its commands."
WAY_BACK = (
    "The way back, as long as what was set aside is there: abandon it, then put everything back (:putback), "
    "which is a procedure of its own."
)
ONWARD = "Go on with it to put back the rest (:resume): what is done is found, and nothing is deleted."
STEP_BY_STEP = "etcdtui does all of that step by step: :putback."
BY_HAND = (
    "By hand: nothing of etcd may run on any host before (its manifest away, its containers ended); then go "
    "down each list: the data, then the manifests. Nothing is put over anything: what is in the way gets "
    "another name."
)


@dataclass(frozen=True, slots=True)
class Change:
    """``host`` is empty for what was changed through the API. ``what`` is a clause; with ``kept`` it is what
    was moved there. ``back`` is a command, or what to do; empty where nothing is to be put back. ``sure``
    False: it was begun, and nothing tells whether it was done. ``turn``: see DATA."""

    host: str
    what: str
    back: str = ""
    sure: bool = True
    kept: str = ""
    turn: int = 0

    @property
    def clause(self) -> str:
        """What was done, within a sentence."""
        done = f"{self.what} was moved to {self.kept}" if self.kept else self.what
        return done if self.sure else f"perhaps {done}"

    @property
    def sentence(self) -> str:
        """The same alone, and where to look when it is not sure."""
        doubt = "" if self.sure else " Whether that was done is not on record: look there."
        return f"{self.clause[:1].upper()}{self.clause[1:]}.{doubt}"


def changes(run: Run) -> tuple[Change, ...]:
    """In the order in which they were made; none for other kinds of runs, and for a record that does not hold
    what was decided."""
    return _changes(run, history_of(run.entries)) or ()


def to_put_back(run: Run) -> bool:
    """Is there anything on a host that belongs elsewhere?"""
    return _backward(changes(run))


def lines(run: Run) -> list[str]:
    """In full, for a journal or a screen; none for other kinds of runs."""
    if run.kind not in KINDS:
        return []
    found = _changes(run, history_of(run.entries))
    if not found:
        return [UNREADABLE if found is None else NOTHING]
    # What belongs to a restored cluster that runs is not to be moved by hand under its feet.
    by_hand = run.ending is not Ending.DONE
    said = ["What it changed, and how that is put back:" if by_hand else "What it changed:"]
    for host, there in _by_host(found):
        said.append(f"  {host or 'through the API'}")
        for change in sorted(there, key=lambda one: one.turn):
            said.append(f"    {change.sentence}")
            if change.back and by_hand:
                said.append(f"      back: {change.back}")
    if by_hand and _backward(found):
        said.append(f"  {STEP_BY_STEP if run.kind in RESTORES else ONWARD} {BY_HAND}")
    elif _backward(found) and run.kind in RESTORES:
        said.append("  Everything can be put back to before it: :putback.")
    return said


def telling(
    kind: str,
    procedure_id: str,
    cluster: str,
    title: str,
    parameters: Mapping[str, str],
    steps: tuple[Step, ...],
    reasons: tuple[str, ...],
    *,
    left: str = "",
) -> Procedure:
    """A procedure that locks the hosts, and tells what it has changed when it ends before its time; ``left``
    as in ``Procedure``."""
    return Procedure(
        *(kind, procedure_id, cluster, title, parameters, steps, reasons),
        locks=True,
        changed=in_short,
        left=left,
    )


def in_short(made: Procedure, history: History) -> str:
    """The end of the sentence with which it ends before its time; first what may be done about it, for the
    paths on hosts are long."""
    found = _changes(made, history) or ()
    said = [_on(host, there) for host, there in _by_host(found)] or [NOTHING]
    if made.kind not in RESTORES:
        said.insert(0, ONWARD)
    elif found:
        said.insert(0, WAY_BACK if _backward(found) else "Nothing has to be put back.")
    return " ".join(said)


def _on(host: str, found: list[Change]) -> str:
    """The names of what was set aside speak for themselves."""
    sure = [one.kept for one in found if one.kept and one.sure]
    perhaps = [one.kept for one in found if one.kept and not one.sure]
    said = [f"set aside as {listed(sure)}"] if sure else []
    said += [f"perhaps set aside as {listed(perhaps)}"] if perhaps else []
    said += [one.clause for one in found if not one.kept]
    return f"{f'On {host}' if host else 'Through the API'}: {'; '.join(said)}."


def _by_host(found: Iterable[Change]) -> Iterator[tuple[str, list[Change]]]:
    for host in dict.fromkeys(one.host for one in found):
        yield host, [one for one in found if one.host == host]


def _backward(found: Iterable[Change]) -> bool:
    return any(change.back and change.host for change in found)


# -- from the record


def _changes(made: Procedure | Run, history: History) -> tuple[Change, ...] | None:
    """None: what was decided cannot be read."""
    if made.kind not in KINDS:
        return ()
    try:
        decided = _decided(made)
    except (KeyError, ValueError):
        return None
    begun = {key: past for key, past in history.steps.items() if past.begun}
    if _done(history.steps.get(GUARD_ON, Past())):
        begun.pop(GUARD_OFF, None)
    return tuple(change for key, past in begun.items() for change in _of(decided, key, past))


def _decided(made: Procedure | Run) -> Standstill:
    """What a restore decided. A way back sets aside under a stamp of its own, and by our own moves alone.
    Raises KeyError and ValueError."""
    undo = json.loads(made.parameters.get("undo", "{}"))
    decided = decided_by(undo.get("kind", made.kind), made.parameters)
    if not undo:
        return decided
    others = tuple(replace(master, disabled="") for master in decided.others)
    return replace(decided, stamp=undo["stamp"], others=others)


def _of(decided: Standstill, key: str, past: Past) -> Iterator[Change]:
    word, _, rest = key.partition(" ")
    pod, _, host = rest.rpartition(" ")
    recovery, sure = decided.recovery, _done(past)
    master = next((one for one in decided.others if one.host == host), recovery)
    match word:
        case "stop" | "aside":
            yield from _set_aside(decided, master, pod, past)
        case "data" | "manifest" if rest and not _failed(past):
            target = master.manifest(pod) if pod else master.data
            yield Change(master.host, f"{target} was put back", sure=sure)
        case "deliver" if isinstance(decided, Decided):
            said = f"the two files of the backup lie in {decided.folder}, where they harm nothing"
            yield Change(recovery.host, said, sure=sure)
        case "fresh" if isinstance(decided, Decided):
            whole = "" if sure else ", perhaps not whole,"
            yield Change(decided.fresh.host, f"a fresh backup{whole} lies in {decided.fresh_folder}")
        case "safe":
            yield from _copied(decided, past)
        case "restore":
            yield from _script(decided, past)
        case "kubelet":
            yield Change(master.host, "its kubelet was restarted", sure=sure)
        case "guard" if key == GUARD_OFF:
            said = "the guard of the etcd operator was taken off"
            yield Change("", said, ":debts puts it on again, and it is offered at each start", sure)
        case "redeploy":
            said = f"{clean(rest)} was told to roll out anew, and goes on by itself"
            yield Change("", said, sure=sure)
        case "approve":
            found = clean(past.sentence).rstrip(".") or "see its step"
            yield Change("", f"certificate requests may have been approved: {found}")


def _done(past: Past) -> bool:
    return past.state is StepState.DONE or 0 in past.statuses


def _failed(past: Past) -> bool:
    """Its only command ended without doing it."""
    return not _done(past) and bool(past.statuses) and past.attempt == 1


def _set_aside(decided: Standstill, master: Master, pod: str, past: Past) -> Iterator[Change]:
    """The manifest of a pod, or the data where none is named."""
    disabled = master.disabled_manifest if pod == "etcd" else ""
    if pod:
        what, belongs, turn = f"the manifest of {pod}", master.manifest(pod), ETCD if pod == "etcd" else PODS
        places = [place for place in (disabled, decided.manifest_aside(master, pod)) if place]
    else:
        what, belongs, turn = "the data of etcd", master.data, DATA
        places = [decided.data_aside(master)]
    if past.state is StepState.DONE:
        # Nothing is moved where nothing lies: what was found afterwards tells.
        places = [place for place in places if place in past.sentence]
    elif _failed(past) and not disabled:  # disable-etcd.sh waits, and may fail, after it has moved
        places = []
    for kept in places[:1]:
        yield _moved(master, what, belongs, kept, turn, _done(past))


def _moved(master: Master, what: str, belongs: str, kept: str, turn: int, sure: bool) -> Change:
    flags = ("-n", "-T") if turn == DATA else ("-n",)
    back = shlex.join((*master.layout.sudo, "mv", *flags, "--", kept, belongs))
    return Change(master.host, what, back, sure, kept, turn)


def _copied(decided: Standstill, past: Past) -> Iterator[Change]:
    """The copy itself changes nothing; what else lay in the folder is moved, and the script says so."""
    whole = "" if _done(past) else ", perhaps not whole,"
    yield Change(decided.recovery.host, f"a copy of its data{whole} lies in {decided.safe}")
    for line in past.printed.splitlines():
        stray, to, folder = line.removeprefix("moving ").partition(" to ")
        if line.startswith("moving ") and to:
            yield Change(decided.recovery.host, f"{stray} was moved to {folder}")


def _script(decided: Standstill, past: Past) -> Iterator[Change]:
    """By its own words, as far as they are known."""
    recovery, quorum, well = decided.recovery, isinstance(decided, Quorum), 0 in past.statuses
    script, told = f"the script {decided.script.rpartition('/')[2]}", heard(past.printed)
    if not past.statuses or (past.announced and past.status is None):
        said = f"{script} was started, and its end is not on record: it may still run"
        if not quorum:
            said += f", what it moves lies in {decided.stopped} (manifests) and {decided.old} (data)"
        back = "first go on with this restore (:resume), until the end of the script is known"
        yield Change(recovery.host, said, back)
        return
    how = "went through" if well else f"ended with exit code {past.statuses[-1]}"
    moved = well or told.stopped or told.destroyed
    words = f": {told.sentence[0].lower()}{told.sentence[1:-1]}" if moved else ", without a change"
    yield Change(recovery.host, f"{script} {how}{words}")
    if moved and quorum:
        said = f"etcd writes on in the old data, what it was before is the copy in {decided.old}"
        yield Change(recovery.host, said, "the copy is put back by :putback alone", turn=DATA)
    elif moved:
        if well or told.destroyed:
            yield _moved(recovery, "the old data of etcd", recovery.data, decided.old, DATA, told.destroyed)
        for pod in (one for one in decided.pods if one != "etcd"):  # that of etcd we have moved before
            kept = f"{decided.stopped}/{pod}-pod.yaml"
            sure = told.destroyed or f"{pod}-pod" in told.stopped
            yield _moved(recovery, f"the old manifest of {pod}", recovery.manifest(pod), kept, PODS, sure)
