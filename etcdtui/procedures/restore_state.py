"""What lies and runs on a control plane host in the middle of a restore: looked at anew before each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etcdtui.errors import EtcdTuiError, Unreachable
from etcdtui.etcd.causes import UNUSABLE
from etcdtui.model.hostnames import same_machine
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.host_look import BEGIN, END, RUNTIME, look, unknown
from etcdtui.procedures.procedure import Check, Context
from etcdtui.procedures.restore_decided import PODS, Master, Standstill
from etcdtui.text import clean, listed

ASK = 20.0  # seconds for one question to a host
NO_MANIFEST = "there was no manifest to be moved."
ANSWERS = frozenset({Fault.TLS, Fault.DROPPED, Fault.NO_LEADER, Fault.NO_QUORUM_READ, Fault.ODD})
"""Faults that only somebody who is there can have: it took the connection, or said something."""
ELSEWHERE = frozenset({Fault.NOT_ASKED, Fault.NO_TOOLS, Fault.LOGIN})
"""Faults of the host that asks, not of the one that is asked."""
NO_DATA = "There is no data of etcd on"  # begins what is said of a host that has none

# Arguments: the data folder, the data moved aside, the copy, the folder of the script's own copy, then pairs
# manifest and aside, "--", containers. Words of ours begin every line.
_STATE = (
    BEGIN
    + r"""
data=$1 aside=$2 safe=$3 kept=$4; shift 4
{ hostname 2>/dev/null || uname -n; } | head -n 1 | sed 's/^/hostname /'
[ -e "$data/member" ] && echo data
[ -e "$aside" ] && echo data-aside
[ -d "$safe/member" ] && echo safe
[ -e "$kept/member" ] && echo kept
ls -A "$data" 2>/dev/null | grep -vx member | sed 's/^/stray /'
while [ "$1" != -- ]; do
  [ -e "$1" ] && printf 'manifest %s\n' "$1"
  [ -e "$2" ] && printf 'aside %s\n' "$2"
  shift 2
done
shift
"""
    + RUNTIME
    + r"""
for name; do
  label=io.kubernetes.container.name=$name
  ids=$(timeout -k 1 10 crictl ps -q --state Running --label "$label" 2>/dev/null) ||
    { echo no-runtime; break; }
  [ -n "$ids" ] || continue
  printf 'running %s\n' "$name"
  timeout -k 1 10 crictl ps --state Running --label "$label" 2>/dev/null | tail -n +2 | sed 's/^/seen /'
done
"""
    + END
)


@dataclass(frozen=True, slots=True)
class State:
    """``manifests`` and ``aside`` are paths that exist, ``running`` containers by name; ``seen`` are the
    lines of crictl about these."""

    hostname: str
    data: bool
    data_aside: bool
    safe: bool
    kept: bool  # where the script puts the old data, something lies
    strays: tuple[str, ...]
    manifests: frozenset[str]
    aside: frozenset[str]
    running: tuple[str, ...]
    runtime: bool  # the container runtime told
    seen: tuple[str, ...] = ()


def state_of(decided: Standstill, master: Master, world: Context) -> State:
    """Raises Unreachable and its kin; also when the answer is cut off."""
    layout = master.layout
    pairs = [word for p in PODS for word in (master.manifest(p), decided.manifest_aside(master, p))]
    if master == decided.recovery:  # what its script stops
        pairs += [word for p in decided.pods[1:] for word in ("", decided.stopped_manifest(p))]
    if master.disabled_manifest:
        pairs += ["", master.disabled_manifest]
    argv = (
        *(*layout.sudo, "sh", "-c", _STATE, "etcdtui-restore-state"),
        *(layout.at(layout.data), decided.data_aside(master), decided.safe, decided.kept),
        *(*pairs, "--", *decided.waits),
    )
    lines = look(world, master.host, argv, timeout=ASK)
    if lines is None:
        raise Unreachable(unknown(master.host))
    told: dict[str, list[str]] = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        told.setdefault(word, []).append(rest)
    return State(
        hostname="".join(told.get("hostname", [])[:1]),
        data="data" in told,
        data_aside="data-aside" in told,
        safe="safe" in told,
        kept="kept" in told,
        strays=tuple(told.get("stray", [])),
        manifests=frozenset(told.get("manifest", [])),
        aside=frozenset(told.get("aside", [])),
        running=tuple(told.get("running", [])),
        runtime="no-runtime" not in told,
        seen=tuple(told.get("seen", [])),
    )


def containers_of(decided: Standstill, pod: str) -> tuple[str, ...]:
    """Those that are watched until they have stopped, as the host's own script watches them."""
    if pod == "etcd":
        return tuple(name for name in decided.waits if name.startswith("etcd"))
    return tuple(name for name in decided.waits if name == pod)


def in_crictl(state: State, names: Sequence[str]) -> str:
    """What crictl says of these containers; empty when it says nothing."""
    lines = [" ".join(line.split()) for line in state.seen if set(line.split()) & set(names)]
    return f" (crictl: {clean('; '.join(lines), 300)})" if lines else ""


def right_host(decided: Standstill, master: Master) -> Check:
    """The machine that answers under that name is the one that was meant."""

    def check(world: Context) -> Verdict:
        told = state_of(decided, master, world).hostname
        names = {master.node, master.host}
        if any(same_machine(told, name) for name in names):
            return Verdict(True, f"{master.host} is {master.node}.")
        return Verdict(
            False,
            f"The host that answers as {master.host} calls itself {clean(told, 100) or 'nothing'}, not "
            f"{master.node}: it may be another machine at that address. Nothing is touched there.",
        )

    return check


def pod_stopped(decided: Standstill, master: Master, pod: str) -> Check:
    """Its manifest is away and none of its containers runs."""
    return lambda world: _stopped(decided, master, pod, state_of(decided, master, world))


def _stopped(decided: Standstill, master: Master, pod: str, state: State) -> Verdict:
    if master.manifest(pod) in state.manifests:
        aside = decided.manifest_aside(master, pod)
        again = f", and {aside} too: somebody put it back. Look there" if aside in state.aside else ""
        return Verdict(False, f"{master.manifest(pod)} still lies on {master.host}{again}.")
    if not state.runtime:
        return Verdict(False, f"crictl on {master.host} does not tell what runs there.")
    still = [name for name in containers_of(decided, pod) if name in state.running]
    if still:
        verb = "runs" if len(still) == 1 else "run"
        return Verdict(False, f"On {master.host} {listed(still)} still {verb}{in_crictl(state, still)}.")
    kept = decided.manifest_aside(master, pod)
    if pod == "etcd" and kept not in state.aside and master.disabled_manifest in state.aside:
        kept = master.disabled_manifest
    where = f"its manifest is {kept}." if kept in state.aside else NO_MANIFEST
    return Verdict(True, f"{pod} on {master.host} is stopped; {where}")


def all_stopped(decided: Standstill) -> Check:
    """On every other host that answers, nothing of the old cluster runs, and its data is set aside."""

    def check(world: Context) -> Verdict:
        for master in decided.reached:
            state = state_of(decided, master, world)  # one look tells all of one moment
            stopped = [_stopped(decided, master, pod, state) for pod in decided.pods]
            for verdict in (*stopped, _set_aside(decided, master, state)):
                if not verdict.allowed:
                    return verdict
        names = listed([m.host for m in decided.reached])
        return Verdict(
            True, f"On {names} nothing of etcd runs any more." if names else "There is no other host."
        )

    return check


def put_aside(decided: Standstill, master: Master) -> Check:
    """Its data lies under the dated name, or there is none."""
    return lambda world: _set_aside(decided, master, state_of(decided, master, world))


def _set_aside(decided: Standstill, master: Master, state: State) -> Verdict:
    kept = decided.data_aside(master)
    if state.data and state.data_aside:
        return Verdict(
            False,
            f"{kept} is there already, and {master.data} again: etcd was started once more on "
            f"{master.host}. Look there.",
        )
    if state.data:
        return Verdict(False, f"{master.data} still lies on {master.host}.")
    if state.data_aside:
        return Verdict(True, f"The data of {master.host} is kept as {kept}.")
    return Verdict(True, f"{NO_DATA} {master.host}.")


def silent(decided: Standstill, master: Master) -> Check:
    """Nothing of a host that is said to be off answers: not its SSH, and not its etcd, as far as that could
    be asked."""

    def check(world: Context) -> Verdict:
        try:
            world.runner(master.host).run(("true",), timeout=ASK)
        except Unreachable:
            pass
        except EtcdTuiError as exc:
            return Verdict(
                False, f"{master.host} is not off, it answers: {exc.message} Stop its etcd, then plan again."
            )
        else:
            return Verdict(False, f"{master.host} answers by SSH again: it is not off. Plan again, with it.")
        view = world.view()
        endpoint = next((e for e in view.endpoints if e.url == master.client_url), None)
        if endpoint is not None and endpoint.status.current(view.now, endpoint.fresh) is not None:
            return Verdict(
                False,
                f"etcd on {master.host} answers: it runs, whatever is said of the host. Switch it off first; "
                "two clusters of the same members would fight.",
            )
        problem = endpoint.status.problem if endpoint is not None else None
        if problem is None or _of_the_asker(problem):
            return Verdict(
                True,
                f"{master.host} does not answer by SSH. Its etcd could not be asked: that it is off is "
                "known from your word alone.",
            )
        if problem.fault in ANSWERS:
            return Verdict(
                False,
                f"Something answers where etcd of {master.host} listens: {problem.message.rstrip('.')}. It "
                "runs, whatever is said of the host. Switch it off first; two clusters of the same members "
                "would fight.",
            )
        if problem.fault is Fault.REFUSED:
            return Verdict(
                True,
                f"{master.host} does not answer by SSH, and its etcd does not run: the connection to it is "
                "refused. Who refuses may be the host itself: that it is off is known from your word alone.",
            )
        return Verdict(True, f"Nothing of {master.host} answers.")

    return check


def _of_the_asker(problem: Problem) -> bool:
    return problem.fault in ELSEWHERE or UNUSABLE in problem.message
