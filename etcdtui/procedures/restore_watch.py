"""While cluster-restore.sh runs: where it is, and whether a container takes longer to stop than is usual.

The script waits for ever. Who watches it is told which container still runs, what crictl says of it, and what
can be done.
"""

from __future__ import annotations

from etcdtui.procedures.procedure import Context, Sight, Watch
from etcdtui.procedures.restore_decided import Decided
from etcdtui.procedures.restore_state import in_crictl, state_of
from etcdtui.procedures.restore_stop import WAYS_OUT, usual
from etcdtui.procedures.restore_words import Heard, heard, way_back
from etcdtui.text import age

SILENT = 120.0  # seconds without a word, outside of waiting, that are not usual


def watch(decided: Decided) -> Watch:
    """What the script does on the recovery host."""

    def look(world: Context, said: str, quiet: float) -> Sight:
        told = heard(said)
        if told.waiting:
            return _waiting(decided, world, told, quiet)
        if quiet < SILENT:
            return Sight(told.sentence)
        alarm = (
            f"cluster-restore.sh on {decided.recovery.host} has printed nothing for {age(quiet)}. "
            f"{told.sentence} Ways out: keep waiting; look there with “ps -ef” and “df -h”; or cancel, which "
            f"ends it in the middle. {way_back(decided)}"
        )
        return Sight(f"{told.sentence} Nothing new for {age(quiet)}.", alarm, "silence")

    return look


def _waiting(decided: Decided, world: Context, told: Heard, quiet: float) -> Sight:
    name, host = told.waiting, decided.recovery.host
    # It prints a dot each second; a crictl that hangs keeps it from that.
    waited, rule = max(float(told.seconds), quiet), usual(name)
    since = f"It waits for the container {name} to stop, {age(waited)} so far; usually up to {age(rule)}."
    if waited <= rule:
        return Sight(since)
    state = state_of(decided, decided.recovery, world)
    if not state.runtime:
        seen = "crictl does not answer there"
    elif name in state.running:
        seen = f"it still runs{in_crictl(state, (name,))}"
    else:
        seen = "crictl shows it no longer"
    back = [path for path in state.manifests if path.endswith(f"/{_pod(name)}-pod.yaml")]
    again = f" {back[0]} lies there again, so the kubelet starts it anew: move it away." if back else ""
    alarm = (
        f"cluster-restore.sh on {host} has waited {age(waited)} for the container {name} to stop, usually it "
        f"is up to {age(rule)}: {seen}.{again} {WAYS_OUT.format(host=host)}"
    )
    return Sight(f"{since} {seen[0].upper()}{seen[1:]}.", alarm, name)


def _pod(container: str) -> str:
    return "etcd" if container.startswith("etcd") else container
