"""After the script: etcd answers as one member, the API comes back, kubelets are restarted."""

from __future__ import annotations

from etcdtui.model.quorum import Verdict
from etcdtui.platforms.objects import NODES
from etcdtui.procedures.procedure import Action, Check, Context, Reporter, Step
from etcdtui.procedures.restore_decided import Decided, Master, Standstill
from etcdtui.procedures.restore_etcd import ASK, restored
from etcdtui.procedures.restore_keys import keys_step
from etcdtui.procedures.restore_nodes import node_steps
from etcdtui.procedures.restore_started import started_step, unstarted
from etcdtui.procedures.restore_state import state_of
from etcdtui.text import clean

ETCD_WITHIN = 300.0  # seconds: the restore pod waits 5 s for its file, then restores and starts
API_WITHIN = 900.0
RESTART = 120.0


def back_steps(decided: Decided) -> tuple[Step, ...]:
    host = decided.recovery.host
    masters = (decided.recovery, *decided.reached)
    return (
        Step(
            key="etcd",
            title=f"etcd of {host} answers as one member",
            why="The restore pod waits until the file stands still, restores it and starts etcd. It must be "
            "alone in its list, and hold exactly the keys of the backup.",
            host=host,
            verify=restored(decided),
            patience=ETCD_WITHIN,
            usual=60.0,
            ways=f"Ways out: keep waiting; look with “sudo crictl ps -a” and “sudo crictl logs ID” on {host} "
            "why its container etcd does not come up; or stop here, and put everything back.",
            skippable=False,
        ),
        keys_step(decided),
        started_step(decided),
        api_step(
            decided,
            f"The API server of {host} starts anew and reads everything from etcd. Minutes are usual; "
            "“EOF” from oc meanwhile too.",
        ),
        *(_kubelet(master) for master in masters),
        *node_steps(decided),
    )


def api_step(decided: Standstill, why: str) -> Step:
    return Step(
        key="api",
        title="The API comes back",
        why=why,
        host=decided.recovery.host,
        verify=_api_back(decided),
        patience=API_WITHIN,
        usual=300.0,
        ways=f"Ways out: keep waiting; look with “sudo crictl logs ID” on {decided.recovery.host} at its "
        "container kube-apiserver; skip this where another way to the API is known.",
    )


# -- the API, nodes


def _api_back(decided: Standstill) -> Check:
    def check(world: Context) -> Verdict:
        state = state_of(decided, decided.recovery, world)
        host = decided.recovery.host
        if "kube-apiserver" in decided.pods and "kube-apiserver" not in state.running:
            lacks = "kube-apiserver" in unstarted(decided, state)
            why = f": there is no {decided.recovery.manifest('kube-apiserver')}" if lacks else " yet"
            return Verdict(False, f"The container kube-apiserver on {host} does not run{why}.")
        if not decided.api:
            return Verdict(True, f"The API server of {host} was not stopped, or runs again.")
        nodes = world.objects().get_list(NODES)
        return Verdict(True, f"The API answers, and knows {len(nodes)} nodes.")

    return check


def _kubelet(master: Master) -> Step:
    unit = "kubelet.service"

    def active(world: Context) -> Verdict:
        words = (*master.layout.sudo, "systemctl", "is-active", unit)
        done = world.runner(master.host).run(words, timeout=ASK)
        said = clean(done.out().strip() or done.err().strip(), 80)
        return Verdict(done.ok, f"{unit} on {master.host} is {said or 'not active'}.")

    argv = (*master.layout.sudo, "systemctl", "restart", unit)

    def restart(world: Context, report: Reporter) -> Verdict:
        done = world.runner(master.host).run(argv, timeout=RESTART)
        if not done.ok:
            return Verdict(False, f"The kubelet of {master.host} does not restart: {clean(done.err(), 200)}")
        return active(world)

    # Done twice it does no harm: no reason to ask after an interruption.
    return Step(
        key=f"kubelet {master.host}",
        title=f"Restart the kubelet of {master.host}",
        why="It still remembers an API of before the restore.",
        action=Action.WORK,
        host=master.host,
        argv=argv,
        work=restart,
        verify=active,
        patience=60.0,
        usual=15.0,
        ways=f"Ways out: look with “sudo journalctl -u {unit}” on {master.host}; skip it.",
    )
