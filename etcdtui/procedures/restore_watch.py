"""While a script of OpenShift runs: where it is, and whether a container takes longer to stop than is usual.

cluster-restore.sh, quorum-restore.sh and disable-etcd.sh wait for ever. Who watches one is told which
container still runs, what crictl says of it, and what can be done.
"""

from __future__ import annotations

from dataclasses import dataclass

from etcdtui.platforms import eras
from etcdtui.procedures.procedure import Context, Sight, Watch
from etcdtui.procedures.restore_decided import Master, Standstill
from etcdtui.procedures.restore_state import in_crictl, state_of
from etcdtui.procedures.restore_stop import WAYS_OUT, usual
from etcdtui.procedures.restore_words import Heard, heard, way_back
from etcdtui.text import age

SILENT = 120.0  # seconds without a word, outside of waiting, that are not usual


def watch(
    decided: Standstill, master: Master | None = None, script: str = eras.RESTORE, back: str = ""
) -> Watch:
    """What ``script`` does on a host, the recovery host unless told; ``back``: how what it did is undone."""
    told_of = _Watched(decided, master or decided.recovery, script, back or way_back(decided))

    def look(world: Context, said: str, quiet: float) -> Sight:
        told = heard(said)
        if told.waiting:
            return _waiting(told_of, world, told, quiet)
        if quiet < SILENT:
            return Sight(told.sentence)
        alarm = (
            f"{script} on {told_of.master.host} has printed nothing for {age(quiet)}. "
            f"{told.sentence} Ways out: keep waiting; look there with “ps -ef” and “df -h”; or cancel, which "
            f"ends it in the middle. {told_of.back}"
        )
        return Sight(f"{told.sentence} Nothing new for {age(quiet)}.", alarm, "silence")

    return look


@dataclass(frozen=True, slots=True)
class _Watched:
    decided: Standstill
    master: Master
    script: str
    back: str


def _waiting(watched: _Watched, world: Context, told: Heard, quiet: float) -> Sight:
    name, host = told.waiting, watched.master.host
    # It prints a dot each second; a crictl that hangs keeps it from that.
    waited, rule = max(float(told.seconds), quiet), usual(name)
    since = f"It waits for the container {name} to stop, {age(waited)} so far; usually up to {age(rule)}."
    if waited <= rule:
        return Sight(since)
    state = state_of(watched.decided, watched.master, world)
    if not state.runtime:
        seen = "crictl does not answer there"
    elif name in state.running:
        seen = f"it still runs{in_crictl(state, (name,))}"
    else:
        seen = "crictl shows it no longer"
    back = [path for path in state.manifests if path.endswith(f"/{_pod(name)}-pod.yaml")]
    again = f" {back[0]} lies there again, so the kubelet starts it anew: move it away." if back else ""
    alarm = (
        f"{watched.script} on {host} has waited {age(waited)} for the container {name} to stop, usually it "
        f"is up to {age(rule)}: {seen}.{again} {WAYS_OUT.format(host=host)}"
    )
    return Sight(f"{since} {seen[0].upper()}{seen[1:]}.", alarm, name)


def _pod(container: str) -> str:
    return "etcd" if container.startswith("etcd") else container
