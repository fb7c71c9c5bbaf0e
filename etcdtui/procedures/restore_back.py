"""After the script: etcd answers as one member, the API comes back, kubelets, nodes, certificate requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from etcdtui.errors import NotFound, Unreachable
from etcdtui.etcd import answers, causes, shapes
from etcdtui.etcd.commands import ClientAccess, endpoint_status_json, etcdctl, member_list_json
from etcdtui.model.members import EndpointStatus
from etcdtui.model.quorum import Verdict
from etcdtui.platforms import csrs
from etcdtui.platforms.host_answers import parse_access, script_failed
from etcdtui.platforms.host_scripts import access_script
from etcdtui.platforms.objects import NODES, parse_nodes
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Reporter, Step
from etcdtui.procedures.restore_decided import Decided, Master, Standstill
from etcdtui.procedures.restore_state import state_of
from etcdtui.text import clean, grouped, listed

ASK = 20.0  # seconds for one question
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
            skippable=False,
        ),
        api_step(
            decided,
            f"The API server of {host} starts anew and reads everything from etcd. Minutes are usual; "
            "“EOF” from oc meanwhile too.",
        ),
        *(_kubelet(master) for master in masters),
        nodes_step(decided),
    )


def api_step(decided: Standstill, why: str) -> Step:
    return Step(
        key="api",
        title="The API comes back",
        why=why,
        host=decided.recovery.host,
        verify=_api_back(decided),
        patience=API_WITHIN,
    )


# -- etcd


def access_of(decided: Standstill, world: Context) -> ClientAccess:
    """How etcd of the recovery host is asked, on that host. Raises Unreachable, CommandFailed."""
    recovery = decided.recovery
    done = world.runner(recovery.host).run(access_script(recovery.layout), timeout=ASK)
    if not done.ok:
        raise script_failed(recovery.host, done.status, done.err())
    access = parse_access(done.stdout, recovery.host)
    if not access.can_etcdctl:
        raise Unreachable(f"There is no etcdctl on {recovery.host} yet.")
    return access.client(recovery.layout.sudo, (recovery.client_url,))


def restored(decided: Decided) -> Check:
    """One member, itself, with a leader, and at the backup's revision as many keys as were proven."""

    def check(world: Context) -> Verdict:
        host, backup = decided.recovery.host, decided.backup
        access = access_of(decided, world)
        status = alone(decided, world, access)
        if isinstance(status, Verdict):
            return status
        if status.revision < backup.revision:
            return Verdict(
                False,
                f"etcd of {host} is at revision {grouped(status.revision)}, the backup at "
                f"{grouped(backup.revision)}: that is not the backup.",
            )
        count = _keys_at(decided, world, access)
        if count is not None and count != backup.live_keys:
            return Verdict(
                False,
                f"At revision {grouped(backup.revision)} etcd of {host} has {grouped(count)} keys, the "
                f"backup has {grouped(backup.live_keys)}: that is not the backup.",
            )
        keys = f", all {grouped(count)} keys of the backup" if count is not None else ""
        if decided.seen < status.revision:
            keys += f"; above {grouped(decided.seen)}, the last that anybody saw"
        return Verdict(
            True, f"etcd of {host} is healthy and alone, revision {grouped(status.revision)}{keys}."
        )

    return check


def alone(decided: Standstill, world: Context, access: ClientAccess) -> EndpointStatus | Verdict:
    """What etcd of the recovery host says when it is a cluster of itself alone, with a leader; else why not,
    and that is well where others have joined already."""
    host, url = decided.recovery.host, decided.recovery.client_url
    runner = world.runner(host)
    done = runner.run(member_list_json(access, [url]), timeout=ASK)
    if not done.ok:
        return Verdict(False, f"etcd of {host} does not answer yet: {why_not(done.err())}")
    members = answers.member_list(done.out()).members
    if [m.name for m in members] != [decided.recovery.node]:
        if len(members) > 1 and decided.recovery.node in [m.name for m in members]:
            return _joined_already(decided, len(members))
        return Verdict(
            False, f"The list of {host} is not itself alone: {listed([m.label for m in members])}."
        )
    done = runner.run(endpoint_status_json(access, [url]), timeout=ASK)
    status = answers.endpoint_statuses(done.out()).get(url) if done.ok else None
    if status is None or not status.is_leader:
        return Verdict(False, f"etcd of {host} has no leader yet. {why_not(done.err())}".strip())
    return status


def _joined_already(decided: Standstill, count: int) -> Verdict:
    return Verdict(True, f"etcd of {decided.recovery.host} answers, and has {count} members already.")


def _keys_at(decided: Decided, world: Context, access: ClientAccess) -> int | None:
    """How many keys there are at the backup's revision; None where that is compacted already."""
    # etcdctl 3.4 cannot be asked for the count alone; it comes with the first key, too.
    words = ("get", "", "--from-key", "--keys-only", "--limit=1", "--consistency=s")
    at, where = f"--rev={decided.backup.revision}", (decided.recovery.client_url,)
    argv = etcdctl(access, *words, at, endpoints=where, json=True, timeout="15s")
    done = world.runner(decided.recovery.host).run(argv, timeout=ASK)
    if not done.ok:
        if "compacted" in done.err():
            return None
        raise Unreachable(f"The keys cannot be counted: {why_not(done.err())}")
    told = shapes.table(shapes.load(done.out(), "etcdctl get"), "The answer of etcdctl get")
    return shapes.number(told.get("count"), "count")


def why_not(said: str) -> str:
    """What etcdctl said, in a sentence."""
    problem = causes.explain(said)
    return f"{problem.message}." if problem else clean(causes.last_words(said), 200) or "it said nothing."


# -- the API, nodes


def _api_back(decided: Standstill) -> Check:
    def check(world: Context) -> Verdict:
        state = state_of(decided, decided.recovery, world)
        host = decided.recovery.host
        if "kube-apiserver" in decided.pods and "kube-apiserver" not in state.running:
            return Verdict(False, f"The container kube-apiserver on {host} does not run yet.")
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
    )


def nodes_step(decided: Standstill) -> Step:
    names = {m.node for m in (decided.recovery, *decided.reached)}
    why = (
        "A kubelet whose certificate is newer than the backup must ask for another one. Look at each "
        "request: `oc get csr`, `oc describe csr NAME`; then `oc adm certificate approve NAME` for those of "
        "your nodes (of node-bootstrapper, and where you provide the machines those of kubelet-serving). A "
        "node that does not become Ready: move the PEM files below /var/lib/kubelet/pki away on it, and "
        "restart its kubelet."
    )
    if not decided.api:
        gate = Gate(GateKind.CONFIRM, prompt="Are all nodes Ready, and is no request pending?")
        return Step(key="nodes", title="Nodes Ready, requests approved", why=why, gate=gate)

    def check(world: Context) -> Verdict:
        api = world.objects()
        found = {n.name: n for n in parse_nodes(api.get_list(NODES))}
        away = sorted(name for name in names if name not in found or not found[name].ready)
        pending = [r for r in csrs.parse_all(_requests(api.get_list)) if r.state is csrs.State.PENDING]
        said = [f"Not Ready: {listed(away)}."] if away else []
        said += [r.sentence(world.now()) for r in pending[:5]]
        if said:
            return Verdict(False, " ".join(said))
        return Verdict(True, f"{listed(sorted(names))} are Ready, and no certificate request is pending.")

    return Step(
        key="nodes",
        title="Nodes Ready, requests approved",
        why=why,
        action=Action.HUMAN,
        verify=check,
        patience=600.0,
        cancel="Watching ends; what was approved stays approved.",
    )


def _requests(get_list: Callable[[str], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    try:
        return get_list(csrs.V1)
    except NotFound:
        return get_list(csrs.V1BETA1)
