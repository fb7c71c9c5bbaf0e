"""Has the script started every static pod that it stopped? A late cluster-restore.sh of 4.x names those to be
started by a list that it never fills: then etcd comes up alone, and nothing brings the API back.
"""

from __future__ import annotations

from etcdtui.model.quorum import Verdict
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Step
from etcdtui.procedures.restore_decided import Standstill
from etcdtui.procedures.restore_state import State, right_host, state_of
from etcdtui.text import listed

# Arguments: the folder of what was stopped, the one that the kubelet reads, the manifests. They are copied,
# so that the way back finds those of before where every script leaves them. The kubelet passes over hidden
# files: it sees a manifest when it is whole. Nothing is written over.
_START = r"""
from=$1 to=$2; shift 2
for pod; do
  [ -e "$to/$pod" ] || [ ! -e "$from/$pod" ] || {
    echo "putting $pod into $to"
    part=$to/.$pod.etcdtui-part
    cp -p -- "$from/$pod" "$part" && mv -n -T -- "$part" "$to/$pod" && rm -f -- "$part" || exit 1
  }
done
"""


def started_step(decided: Standstill) -> Step:
    """Where every manifest is there, as it mostly is, nothing is asked and nothing done."""
    recovery, host = decided.recovery, decided.recovery.host
    folder = recovery.layout.at(recovery.layout.manifests)
    pods = decided.pods[1:]
    return Step(
        key="manifests",
        title="Has the script started the other pods?",
        why=f"It stopped {listed(pods)} too, and should have put their manifests back into {folder}. Some "
        f"scripts leave them in {decided.stopped}: then no API comes, however long one waits. What is "
        "missing is copied back from there; nothing is written over.",
        action=Action.COMMAND,
        host=host,
        argv=(
            *(*recovery.layout.sudo, "sh", "-c", _START, "etcdtui-start"),
            *(decided.stopped, folder, *(f"{pod}-pod.yaml" for pod in pods)),
        ),
        gate=Gate(GateKind.CONFIRM, prompt="Asked only where a manifest is missing."),
        ask=lambda world: _gate(decided, state_of(decided, recovery, world)),
        prechecks=(right_host(decided, recovery),),
        done=started(decided),
        verify=started(decided),
        patience=10.0,
        ways=f"Ways out: look with “sudo ls {folder} {decided.stopped}” on {host}, and put there what is "
        "missing; or skip this where the API comes from another host.",
        cancel="What was put back stays so, and is right there.",
    )


def _gate(decided: Standstill, state: State) -> Gate:
    missing = unstarted(decided, state)
    what = "its manifest" if len(missing) == 1 else "their manifests"
    return Gate(
        GateKind.CONFIRM,
        prompt=f"The script has ended, and has not started {listed(missing)} again. "
        f"Put {what} back on {decided.recovery.host}, from {decided.stopped}?",
    )


def unstarted(decided: Standstill, state: State) -> list[str]:
    """The pods that the script stopped, and has not started again."""
    return [pod for pod in decided.pods[1:] if decided.recovery.manifest(pod) not in state.manifests]


def started(decided: Standstill) -> Check:
    """Every manifest lies where the kubelet of the recovery host reads it."""

    def check(world: Context) -> Verdict:
        state = state_of(decided, decided.recovery, world)
        missing, host = unstarted(decided, state), decided.recovery.host
        if not missing:
            return Verdict(True, f"The manifests of {listed(decided.pods[1:])} are there on {host}.")
        gone = [pod for pod in missing if decided.stopped_manifest(pod) not in state.aside]
        if gone:
            return Verdict(
                False,
                f"On {host} there is no manifest of {listed(gone)}, and none in {decided.stopped} either.",
            )
        have, lies = ("has", "its lies") if len(missing) == 1 else ("have", "theirs lie")
        return Verdict(False, f"On {host} {listed(missing)} {have} no manifest; {lies} in {decided.stopped}.")

    return check
