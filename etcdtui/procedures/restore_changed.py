"""What a restore has changed on which host so far, and how that is put back: told by its record alone.

True after an abort at any step, also after one that nobody wished for: nothing is asked of any host.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from etcdtui.procedures.history import History, Past, history_of
from etcdtui.procedures.procedure import StepState
from etcdtui.procedures.replace_api import GUARD_OFF, GUARD_ON
from etcdtui.procedures.restore_decided import Decided, Master
from etcdtui.procedures.restore_state import NO_MANIFEST
from etcdtui.procedures.restore_words import heard
from etcdtui.records import Entry
from etcdtui.text import clean, listed

WAY_BACK = (
    "The way back, as long as what was set aside is there: abandon this restore, then put everything back, "
    "which is a procedure of its own."
)


@dataclass(frozen=True, slots=True)
class Changed:
    """``host`` is empty for the cluster's own objects. ``did`` says what lies where now, ``back`` holds the
    commands by which a human puts it back, in their order; none: nothing has to be put back there."""

    host: str
    did: tuple[str, ...]
    back: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What is changed."""
        return f"On {self.host or 'the cluster'}: {'; '.join(self.did)}."

    @property
    def lines(self) -> tuple[str, ...]:
        """The same with the way back, for a screen or a journal."""
        if not self.back:
            return (self.sentence, "    Nothing has to be put back there.")
        return (self.sentence, "    To put it back by hand:", *(f"      {one}" for one in self.back))


def changed(decided: Decided, entries: Iterable[Entry]) -> tuple[Changed, ...]:
    """By host, in the order in which a restore comes to them; empty when nothing was changed anywhere."""
    return changed_by(decided, history_of(entries))


def changed_by(decided: Decided, history: History) -> tuple[Changed, ...]:
    """As ``changed``, from a record that was folded already."""
    found = [_other(decided, master, history) for master in decided.reached]
    found += [_recovery(decided, history), _cluster(history)]
    return tuple(one for one in found if one.did)


def in_short(decided: Decided, history: History) -> str:
    """The end of the sentence with which a restore ends before its time."""
    found = changed_by(decided, history)
    if not found:
        return "Nothing is changed on any host."
    back = WAY_BACK if any(one.back for one in found) else "Nothing has to be put back."
    return " ".join((*(one.sentence for one in found), back))


def lines(decided: Decided, entries: Iterable[Entry]) -> list[str]:
    """In full, for a screen or a journal."""
    found = changed(decided, entries)
    if not found:
        return ["Nothing is changed on any host."]
    said = [line for one in found for line in one.lines]
    # One host with its old data beside others with new data are two clusters.
    return [*said, WAY_BACK] if any(one.back for one in found) else said


# -- a host


def _other(decided: Decided, master: Master, history: History) -> Changed:
    stopped, back = _pods(decided, master, history)
    did = [*_fresh(decided, master, history), *stopped]
    aside = history.of(f"aside {master.host}")
    if _began(aside):
        kept = decided.data_aside(master)
        did.append(f"{_maybe(aside)}its data was moved to {kept}")
        # The data goes back before anything starts.
        back.insert(0, _move(master, kept, master.data, folder=True))
    did += _kubelet(master, history)
    return Changed(master.host, tuple(did), tuple(back))


def _fresh(decided: Decided, master: Master, history: History) -> Iterator[str]:
    past = history.of("fresh")
    if decided.fresh.host == master.host and _began(past):
        whole = "" if _settled(past) else ", perhaps not whole,"
        yield f"a fresh backup{whole} lies in {decided.fresh_folder}"


def _pods(decided: Decided, master: Master, history: History) -> tuple[list[str], list[str]]:
    moved: list[str] = []
    perhaps: list[str] = []
    back: list[str] = []
    for pod in decided.pods:
        past = history.of(f"stop {pod} {master.host}")
        if not _began(past) or past.sentence.endswith(NO_MANIFEST):
            continue
        moved_by_script = pod == "etcd" and master.disabled and master != decided.recovery
        aside = master.disabled_manifest if moved_by_script else decided.manifest_aside(master, pod)
        (perhaps if _maybe(past) else moved).append(aside)
        back.append(_move(master, aside, master.manifest(pod)))
    did = []
    if moved:
        did.append(f"static pods are stopped, their manifests lie in {listed(moved)}")
    if perhaps:
        did.append(f"perhaps a manifest was moved to {listed(perhaps)}")
    return did, back


def _recovery(decided: Decided, history: History) -> Changed:
    master = decided.recovery
    did: list[str] = []
    if _began(history.of("deliver")):
        did.append(f"the backup was brought to {decided.folder}, where it does no harm")
    did += _fresh(decided, master, history)
    stopped, back = _pods(decided, master, history)
    did += stopped
    safe = history.of("safe")
    if _began(safe):
        whole = _settled(safe) or safe.status == 0
        made = "a copy of its data lies in" if whole else "a copy of its data, perhaps not whole, lies in"
        did.append(f"{made} {decided.safe}")
    did_more, back_more = _script(decided, history.of("restore"))
    did += [*did_more, *_kubelet(master, history)]
    return Changed(master.host, tuple(did), tuple(back_more + back))


def _script(decided: Decided, past: Past) -> tuple[list[str], list[str]]:
    """What cluster-restore.sh did, as far as the record knows its words."""
    if not _began(past):
        return [], []
    master, told = decided.recovery, heard(past.said)
    data = _move(master, decided.old, master.data, folder=True)
    manifests = [
        _move(master, f"{decided.stopped}/{pod}-pod.yaml", master.manifest(pod))
        for pod in decided.pods
        if pod != "etcd"  # it was moved away before the script ran
    ]
    if past.status is None:
        unknown = (
            "cluster-restore.sh was started, and how far it came is not in the record: it may still run. "
            f"What it moves lies in {decided.stopped} (manifests) and {decided.kept}/member (data)"
        )
        return [unknown], ["first go on with this restore, until the end of the script is known"]
    if told.restoring:
        did = (
            f"cluster-restore.sh put the restored pods in place; the former manifests lie in "
            f"{decided.stopped}, the former data in {decided.kept}/member"
        )
        first = (
            f"move the four manifests out of {master.layout.at(master.layout.manifests)}, wait until crictl "
            f"shows none of their containers, then move {master.data} away"
        )
        return [did], [first, data, *manifests]
    did_ = []
    if told.stopped or told.destroyed:
        did_.append(f"cluster-restore.sh moved the manifests to {decided.stopped} and ended half-way")
    if told.destroyed:
        did_.append(f"it moved the data to {decided.kept}/member")
    if not did_:
        return ["cluster-restore.sh ended without a change"], []
    return did_, [*([data] if told.destroyed else []), *manifests]


def _kubelet(master: Master, history: History) -> Iterator[str]:
    if _began(history.of(f"kubelet {master.host}")):
        yield "its kubelet was restarted"


# -- the cluster


def _cluster(history: History) -> Changed:
    did: list[str] = []
    back: list[str] = []
    if _began(history.of(GUARD_OFF)) and not _settled(history.of(GUARD_ON)):
        did.append("the operator's guard is off, or may be")
        back.append("put the guard on again: etcdtui offers that at each start until it is done")
    for key, past in history.steps.items():
        if key.startswith("redeploy ") and _began(past):
            did.append(f"{clean(key.partition(' ')[2])} was told to roll out anew, and goes on by itself")
        elif key.startswith("approve") and _began(past):
            did.append(
                f"certificate requests may have been approved: {clean(past.sentence) or 'see its step'}"
            )
    return Changed("", tuple(did), tuple(back))


# -- a step


def _began(past: Past) -> bool:
    """Something of it was about to run, in this attempt or in an earlier one."""
    return past.announced or past.attempt > 1


def _settled(past: Past) -> bool:
    return past.state is StepState.DONE


def _maybe(past: Past) -> str:
    return "" if _settled(past) or past.status == 0 else "perhaps "


def _move(master: Master, source: str, target: str, *, folder: bool = False) -> str:
    flags = ("-n", "-T") if folder else ("-n",)
    return shlex.join((*master.layout.sudo, "mv", *flags, "--", source, target))
