"""After a restore: a new backup at once, and the report for those who have to be told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from etcdtui import config
from etcdtui.errors import EtcdTuiError
from etcdtui.model.health import judge
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView
from etcdtui.procedures import incident, replace_backup
from etcdtui.procedures.backup_choice import RESERVE
from etcdtui.procedures.backup_decided import Decided as BackupDecided
from etcdtui.procedures.procedure import Action, Context, Reporter, Step, Work
from etcdtui.procedures.restore_decided import Decided
from etcdtui.procedures.restore_end import what_is_left
from etcdtui.procedures.restore_past import lost_by_now, past_of
from etcdtui.text import clean, grouped, listed

OWNERS = (
    "Databases and queues whose operators keep state in the API: does what they believe fit their volumes?",
    "Volumes and claims made or deleted since the backup: is storage left behind, or asked for anew?",
    "Deployments, routes, secrets and config maps changed since: apply them again from your source.",
    "Users, role bindings and tokens made or withdrawn since the backup: withdraw again what must not be.",
    "Nodes and machines added or removed since the backup: they have to join anew, or be deleted again.",
    "Jobs and cron jobs that ran since the backup: they may run once more.",
)
"""What the restore cannot know and the owners of applications must look at."""


def report_steps(procedure_id: str, decided: Decided) -> tuple[Step, ...]:
    # While a host is off etcd's operator rolls out to it in vain, and cluster-backup.sh refuses: the report
    # says when one can be taken.
    taken = () if decided.off else _backup(procedure_id, decided)
    return (*taken, _report(decided))


def _backup(procedure_id: str, decided: Decided) -> tuple[Step, ...]:
    """The steps of a backup, offered; they are called as there but for the proof, which is here already."""
    recovery, expected = decided.recovery, decided.backup.snapshot.size
    made = BackupDecided(
        host=recovery.host,
        layout=recovery.layout,
        need=2 * expected + RESERVE,
        expected=expected,
        in_use=0,
        newest=decided.newest,
        stores=decided.stores,
    )
    prompt = "Take a backup now? The older ones are of a cluster that is no more."
    steps = replace_backup.taken(procedure_id, decided.cluster, made.parameters(), prompt, done=None)
    return tuple(replace(s, key="prove anew") if s.key == "prove" else s for s in steps)


def _report(decided: Decided) -> Step:
    return Step(
        key="report",
        title="Tell what was done, and what is left to do",
        why="For those who have to be told: what was restored, what is lost, what lies where, what the "
        "owners of applications have to look at. Every command and answer stands in the journal.",
        action=Action.WORK,
        work=_told(decided),
        skippable=False,
    )


def _told(decided: Decided) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        view = world.view()
        lines = list(_lines(decided, view, world))
        for line in lines:
            report.say(line)
        try:
            folder = config.state_directory() / "reports"
            path = incident.keep(folder, f"restore-{decided.cluster}", "\n".join(lines) + "\n", world.now())
            kept = f"The report is {path}."
        except EtcdTuiError as exc:
            kept = f"The report could not be kept: {exc.message}"
        left = " ".join(what_is_left(decided, world))
        owners = "Everything written after the backup is gone: who owns an application must look at it."
        return Verdict(
            True,
            f"{decided.cluster} is restored to {decided.backup.when}. {judge(view).sentence} {left} {owners} "
            f"{kept}",
        )

    return work


def _lines(decided: Decided, view: ClusterView, world: Context) -> Iterator[str]:
    backup, recovery = decided.backup, decided.recovery
    yield f"# {clean(decided.cluster)} was restored to {backup.when}"
    yield ""
    yield f"- written {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(world.now()))}"
    yield f"- from the backup {backup.stamp}, revision {grouped(backup.revision)}, {backup.live_keys} keys"
    yield f"- on {recovery.host}, by its own cluster-restore.sh"
    yield f"- {lost_by_now(decided, world)}"
    for ack in decided.accept:
        yield f"- accepted by typing “{ack.phrase}”: {clean(ack.sentence, 1000)}"
    past = past_of(decided, world)
    if not past.behind:  # else it is left to do
        yield f"- {past.sentence}: {past.because}."
    yield f"- {judge(view).sentence}"
    members = view.members.value
    if members is not None:
        yield f"- members: {listed([f'{m.label} ({m.hex_id})' for m in members.members])}"
    yield ""
    yield "## What is kept, and where"
    yield ""
    if decided.fresh.host:
        yield f"- {decided.fresh.host}: {decided.fresh_folder}, what lived before, where it was taken"
    yield f"- {recovery.host}: {decided.safe}, its data of before"
    yield f"- {recovery.host}: {decided.kept} and {decided.stopped}, what the script moved away"
    for master in decided.reached:
        yield f"- {master.host}: {decided.data_aside(master)}, its data of before"
    yield ""
    yield "## What is left to do"
    yield ""
    for sentence in what_is_left(decided, world):
        yield f"- {sentence}"
    yield ""
    yield "## What the owners of applications have to look at"
    yield ""
    for sentence in OWNERS:
        yield f"- [ ] {sentence}"
