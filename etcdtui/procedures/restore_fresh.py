"""Before anything is stopped: a fresh backup of what still lives, where one can be had.

Taken by the host's own script, which needs no quorum: a member alone gives a snapshot of what it has. Where
none can be had that is said, and is no reason to stop: the data itself is kept on every host. Where one was
planned, and is passed over after all, somebody says that it goes on without.
"""

from __future__ import annotations

from collections.abc import Callable

from etcdtui.errors import EtcdTuiError
from etcdtui.etcd import causes
from etcdtui.model.quorum import Verdict
from etcdtui.model.survivors import best
from etcdtui.procedures import backup_proof as proof
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Measure, Step
from etcdtui.procedures.restore_decided import Decided, Fresh, Master
from etcdtui.procedures.restore_look import Looked, report
from etcdtui.procedures.restore_state import right_host
from etcdtui.procedures.turns import PASSED_OVER
from etcdtui.text import clean, size

KEY, WITHOUT = "fresh", "without"
LONGEST = 900  # seconds; a snapshot of a member that hangs would never end
LOOK = 10.0  # seconds for every source to answer anew
RESERVE = 64 << 20  # bytes of room besides the snapshot

# Arguments: cluster-backup.sh, folder. Since 4.6 it refuses while the API does not tell how operators are.
_TAKE = r"""
umask 077
if grep -v '^[[:space:]]*#' "$1" | grep -q -e --force; then exec "$1" --force "$2"; fi
exec "$1" "$2"
"""


def choose(looked: Looked) -> Fresh:
    """The living member with the newest data, on a host that is reached; without a host where there is
    none."""
    view = looked.view
    reached = {h.name for h in view.hosts if h.link.problem is None and h.link.at is not None}
    living = [s for s in looked.survivors if s.running and s.host in reached]
    newest = best(living)
    if newest is None:
        return Fresh(
            why="No member of etcd answers on a host that is reached, so there is no snapshot to be had. Its "
            "data is kept as it lies on the disks."
        )
    return Fresh(newest.host, newest.size)


def fresh_steps(decided: Decided) -> tuple[Step, ...]:
    step = _fresh(decided)
    return (step, _without(step.title)) if step.action is Action.JOB else (step,)


def _fresh(decided: Decided) -> Step:
    title = "A fresh backup of what still lives"
    fresh, master = decided.fresh, _master(decided)
    if master is None:
        why = "Should the restore go wrong, the last state is wanted back, where it can be had."
        found = Verdict(True, fresh.why or "Nothing lives that could be asked for a snapshot.")
        return Step(key=KEY, title=title, why=why, needless=lambda world: found)
    folder, layout = decided.fresh_folder, master.layout
    script = layout.at(layout.backup_script)
    words = ("timeout", "-k", "10", str(LONGEST), "sh", "-c", _TAKE, "etcdtui-fresh", script, folder)
    return Step(
        key=KEY,
        title=title,
        why=f"Should the restore go wrong, the last state is wanted back. {master.host} answers; its own "
        f"script puts {size(fresh.size)} and the static pods' resources into {folder}, in a minute or two, "
        "and needs no quorum for it.",
        action=Action.JOB,
        host=master.host,
        argv=(*layout.sudo, *words),
        prechecks=(right_host(decided, master),),
        needless=_cannot(decided, master),
        verify=taken(decided, master),
        patience=10.0,
        measure=Measure(folder, "snapshot_"),
        expected=fresh.size or None,
        cancel=f"The script would be ended. Nothing is stopped yet; what lies in {folder} is no backup.",
        explain=_explain(master),
        directory=layout.at(layout.jobs),
    )


def _without(taken: str) -> Step:
    """The plan had one, and none was even tried: the cluster does not go down before somebody read why."""

    def tried(world: Context) -> Verdict:
        passed = world.found(KEY).startswith(PASSED_OVER)
        return Verdict(not passed, "none was tried." if passed else "it was taken, or skipped with a reason.")

    def ask(world: Context) -> Gate:
        return Gate(GateKind.CONFIRM, prompt=f"{world.found(KEY)} Go on without one?")

    return Step(
        key=WITHOUT,
        title="Without a fresh backup?",
        why=f"Asked only where “{taken}” was passed over, and the plan had it. With room made there, stop "
        "here and plan anew, and it is taken.",
        gate=Gate(GateKind.CONFIRM, prompt="Asked only where none could be taken."),
        ask=ask,
        needless=tried,
        skippable=False,
    )


def _master(decided: Decided) -> Master | None:
    masters = (decided.recovery, *decided.reached)
    return next((m for m in masters if m.host == decided.fresh.host), None)


def _cannot(decided: Decided, master: Master) -> Check:
    """Why none can be had now; then the step is passed over."""

    def check(world: Context) -> Verdict:
        kept = "No fresh backup is taken; the data itself is kept on every host."
        view = world.look_again(LOOK)
        endpoint = next((e for e in view.endpoints if e.url == master.client_url), None)
        if endpoint is None or endpoint.status.current(view.now, endpoint.fresh) is None:
            return Verdict(True, f"etcd on {master.host} does not answer any more. {kept}")
        host = next((h for h in view.hosts if h.name == master.host), None)
        try:
            found = report(world, host) if host is not None else None
        except EtcdTuiError as exc:
            return Verdict(True, f"{master.host} cannot be looked at: {exc.message} {kept}")
        free = found.disks.get("folder", (0, ""))[0] if found is not None else 0
        need = decided.fresh.size + RESERVE
        if master == decided.recovery:
            # What the restore itself needs comes first.
            need += decided.backup.size + decided.data_size + decided.backup.snapshot.size
        if free < need:
            folder = decided.fresh_folder
            return Verdict(True, f"{size(free)} are free for {folder}, {size(need)} are wanted. {kept}")
        return Verdict(False, f"{master.host} answers, and has the room for a fresh backup.")

    return check


def taken(decided: Decided, master: Master) -> Check:
    """Both files are there, and the snapshot fits its own checksum."""

    def check(world: Context) -> Verdict:
        runner, sudo, folder = world.runner(master.host), master.layout.sudo, decided.fresh_folder
        sets = proof.list_folder(runner, sudo, folder).sets
        if not sets:
            return Verdict(False, f"{folder} on {master.host} holds no backup.")
        made = sets[-1]
        bad = proof.complaint(made, 0)
        if bad:
            return Verdict(False, bad)
        found = proof.prove(runner, sudo, made)
        if found.checksum is False or found.broken or not found.entries:
            return Verdict(False, f"The fresh backup in {folder} on {master.host} is damaged.")
        held = made.snapshot.size if made.snapshot else 0
        fits = "its checksum is right" if found.checksum else "its checksum could not be computed there"
        return Verdict(True, f"A fresh backup of {master.host} lies there in {folder}: {size(held)}, {fits}.")

    return check


def _explain(master: Master) -> Callable[[int, str], str]:
    def words(status: int, said: str) -> str:
        begin = f"No fresh backup could be taken on {master.host}: "
        end = " Nothing has been stopped. Try again, or skip it: the data itself is kept on every host."
        if status == 124:
            return f"{begin}it was not done after {LONGEST // 60} min, so etcd hangs there.{end}"
        why = clean(causes.last_words(said), 200) or "the script said nothing"
        return f"{begin}{why} (exit code {status}).{end}"

    return words
