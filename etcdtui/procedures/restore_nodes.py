"""After the kubelets were restarted: nodes become Ready, and what they ask for is approved after a look."""

from __future__ import annotations

from etcdtui.model.quorum import Verdict
from etcdtui.platforms.objects import NODES, parse_nodes
from etcdtui.procedures.approving import Approving, Until
from etcdtui.procedures.node_requests import approving
from etcdtui.procedures.procedure import Check, Context, Gate, GateKind, Step
from etcdtui.procedures.restore_decided import Standstill
from etcdtui.text import age, listed

SHOWN = 3
READY_WITHIN = 600.0  # seconds
USUAL = 300.0

_WHY = (
    "Whose request is approved becomes a part of the cluster. Offered here are only those of nodes that the "
    "restored cluster knows, asked for in their own name or by node-bootstrapper, for what a kubelet needs. "
    "Others are named, and left to you: `oc get csr`, `oc describe csr NAME`."
)
_NOT_READY = (
    "a request that is named here and not offered is left to you (`oc describe csr NAME`, then `oc adm "
    "certificate approve NAME`). A node that does not become Ready although its requests are approved: move "
    "the PEM files below /var/lib/kubelet/pki away on it, and restart its kubelet. One that etcd does not "
    "know any more has to join anew."
)
_ANEW = "A kubelet whose certificate is newer than what etcd holds now must ask for another one."
_USUALLY = f"Usually it takes up to {age(USUAL)}."


def node_steps(decided: Standstill) -> tuple[Step, ...]:
    """Nodes ask for a client certificate first, and for the serving one when they have that."""
    if not decided.api:
        why = (
            f"{_ANEW} No kubeconfig is configured, so only you can do this: `oc get nodes`, `oc get csr`, "
            "look at each request, then "
            f"`oc adm certificate approve NAME` for those of your nodes. And {_NOT_READY}"
        )
        gate = Gate(GateKind.CONFIRM, prompt="Are all nodes Ready, and is no request pending?")
        return (Step(key="nodes", title="Nodes Ready, requests approved", why=why, gate=gate),)
    requests = approving()
    return (
        Step(
            key="asking",
            title="Are the nodes Ready, or do they ask for a certificate?",
            why=_ANEW,
            verify=_ready_or_asking(decided, requests),
            patience=READY_WITHIN,
            usual=USUAL,
            ways=f"Ways out: keep waiting; skip this and look with oc; {_NOT_READY}",
        ),
        requests.step("approve client", "Let the nodes in", _WHY),
        requests.step(
            "nodes",
            "The control plane's nodes are Ready",
            "They come by themselves once they have their certificates. One that asks late is shown here. "
            f"{_WHY}",
            Until(_ready(decided, requests), READY_WITHIN, f"{_USUALLY} Ways out: try again; {_NOT_READY}"),
        ),
        requests.step("approve serving", "Does a node still ask for something?", _WHY),
    )


def late_requests(decided: Standstill) -> tuple[Step, ...]:
    """A kubelet may be Ready before it asks for its serving certificate, and a worker may ask much later."""
    if not decided.api:
        return ()
    return (approving().step("approve late", "Does a node ask for something by now?", _WHY),)


def _away(decided: Standstill, world: Context) -> list[str]:
    names = {m.node for m in (decided.recovery, *decided.reached)}
    found = {n.name: n for n in parse_nodes(world.objects().get_list(NODES))}
    return sorted(name for name in names if name not in found or not found[name].ready)


def _pending(world: Context, requests: Approving) -> str:
    waiting = requests.pending(world.objects())
    return "".join(f" {r.sentence(world.now())}" for r in waiting[:SHOWN])


def _ready_or_asking(decided: Standstill, requests: Approving) -> Check:
    ready = _ready(decided, requests)

    def check(world: Context) -> Verdict:
        asking = requests.approvable(world.objects())
        if asking:
            return Verdict(True, " ".join(r.sentence(world.now()) for r in asking[:SHOWN]))
        return ready(world)

    return check


def _ready(decided: Standstill, requests: Approving) -> Check:
    def check(world: Context) -> Verdict:
        away = _away(decided, world)
        pending = _pending(world, requests)
        if away:
            return Verdict(False, f"Not Ready: {listed(away)}.{pending}")
        names = sorted(m.node for m in (decided.recovery, *decided.reached))
        return Verdict(
            True, f"{listed(names)} {'are' if len(names) > 1 else 'is'} Ready.{pending or ' None asks.'}"
        )

    return check
