"""Why a member gives no answer: rules that look for where it stops. Pure.

From outside everything is "context deadline exceeded"; here no machine, no process, a process that ends, one
that is frozen and a way that is cut are told apart.
"""

from __future__ import annotations

from etcdtui.model.causes import Advice, Cause, Diagnosis, Sure
from etcdtui.model.evidence import NO_WAY, Evidence, hosts_of
from etcdtui.model.health import Level, in_words
from etcdtui.model.probe import MachineSeen, Try
from etcdtui.model.problems import Fault
from etcdtui.text import age, listed, size

FULL = 0.98  # share of a disk in use from which nothing more can be relied on to be written
YOUNG = 30.0  # seconds for which a process is allowed to start
PATIENCE = 300.0  # seconds for which a machine that is away may be only rebooting
KILLED = frozenset({0, 130, 137, 143})  # exit codes of one that was told to end, or killed
_LOOK_THERE = "look on its host why: systemctl status kubelet, crictl ps -a"

_BY_SIGNATURE = {
    "removed": Cause.REMOVED,
    "wiped": Cause.WIPED,
    "bootstrapped": Cause.WIPED,
    "unequal": Cause.MISCONFIGURED,
    "full": Cause.DISK_FULL,
    "diverged": Cause.DIVERGED,
    "damaged": Cause.DAMAGED,
    "address": Cause.ADDRESS_AWAY,
    "port": Cause.PORT_TAKEN,
    "files": Cause.FILES,
    "forbidden": Cause.FORBIDDEN,
}


def machine(e: Evidence) -> Diagnosis | None:
    """Its host is away, by two ways: SSH, and the node or what the other hosts see."""
    if e.answers or e.own_asked:
        return None
    node = e.node
    if not e.ssh_fails:
        if not e.node_gone or (e.tries and not e.unreached):
            return None
        return Diagnosis(
            Cause.MACHINE_GONE,
            f"{e.name}'s node is deleted",
            ("the API knows no such node", *_seen_by(e)),
            Sure.CERTAIN if e.unreached else Sure.LIKELY,
        )
    if e.tries and not e.unreached:
        return None
    because = [f"SSH to {e.host_name} fails", *_seen_by(e)]
    told = e.probe.machine
    if e.node_gone:
        because.append("the API knows no such node any more")
        what = f"{e.name}'s machine is gone, its node is deleted"
        return Diagnosis(Cause.MACHINE_GONE, what, tuple(because), Sure.CERTAIN)
    if told is not None:
        # That there is no Machine explains why nobody else knows more; it proves nothing.
        because.insert(0 if told.name else len(because), _machine_words(told))
    if told is not None and told.away and not told.bare_metal:
        what = f"{e.name}'s machine is gone"
        return Diagnosis(Cause.MACHINE_GONE, what, tuple(because), Sure.CERTAIN)
    if node is not None and node.ready:
        because.append(
            "yet the API still calls the node Ready, as it does for 40 s after the last sign of life"
        )
    elif node is not None:
        because.append(f"the node is not Ready{f' ({node.reason})' if node.reason else ''}")
    off = told is not None and told.stopped
    agree = off or (node is not None and not node.ready)
    sure = Sure.CERTAIN if agree and e.tries else Sure.LIKELY if e.tries or agree else Sure.UNSURE
    what = (
        f"{e.name}'s node is down: its machine is stopped" if off else f"{e.name}'s node is down or cut off"
    )
    if e.all_are(Fault.REFUSED) and not agree:
        what = f"{e.name}'s host lets nobody in: SSH and etcd are both closed"
        sure = Sure.UNSURE
    if e.down_for < PATIENCE or sure is Sure.UNSURE:
        wait = "start its machine" if off else "it may be rebooting: look at its console"
        step = f"{wait}, give it five minutes; if it stays away, replace it"
        return Diagnosis(Cause.NODE_DOWN, what, tuple(because), sure, step, Advice.WAIT)
    return Diagnosis(Cause.NODE_DOWN, what, tuple(because), sure)


def other_machine(e: Evidence) -> Diagnosis | None:
    """Its address answers over SSH, and is not the host that it was."""
    if e.answers or not e.other_host or not e.unreached:
        return None
    away = e.node_gone or (e.node is not None and not e.node.ready)
    node = "the API knows no such node any more" if e.node_gone else "its node is not Ready"
    return Diagnosis(
        Cause.IMPOSTOR,
        f"at {e.name}'s address is another machine than before, and its etcd is not there",
        ("SSH shows another host key than the one known", *((node,) if away else ()), *_seen_by(e)),
        Sure.CERTAIN if away else Sure.LIKELY,
        "find out whose machine it is; if it is to take the place of the old one, replace the member: it can "
        "join once the old one is out of the list",
    )


def _machine_words(told: MachineSeen) -> str:
    if not told.name:
        return "no Machine stands for it"
    said = ", ".join(word for word in (told.phase, told.state, told.message) if word)
    return f"its Machine {told.name}: {said or 'no status'}"


def fatal_words(e: Evidence) -> Diagnosis | None:
    """It ended, or ends again and again, and its log says why."""
    container, words = e.container, e.fatal
    if container is None or words is None or e.row.current:
        return None
    cause = _BY_SIGNATURE[words.name]
    loop = "its container ends again and again" if container.attempt else "its container ended"
    code = f" with exit code {container.exit_code}" if container.exit_code is not None else ""
    because = (f"{loop}{code}", f"its log: {words.line}", *_seen_by(e))
    return Diagnosis(cause, f"{e.name} cannot start: {words.sentence}", because, Sure.CERTAIN)


def manifest(e: Evidence) -> Diagnosis | None:
    own = e.probe.own
    if own is None or own.manifest is not False or (e.running and e.answers):
        return None
    away = f"{own.manifest_path} is not there"
    if e.running:
        # etcd closes its ports first, and may take half a minute to end.
        return Diagnosis(
            Cause.MANIFEST_AWAY,
            f"{e.name}'s etcd is being stopped, its static pod manifest was taken away",
            (away, "its container still runs", *_seen_by(e)),
        )
    return Diagnosis(
        Cause.MANIFEST_AWAY,
        f"{e.name}'s etcd is stopped, its static pod manifest was taken away",
        (away, "no etcd container runs", *_seen_by(e)),
        Sure.CERTAIN,
    )


def full_disk(e: Evidence) -> Diagnosis | None:
    own = e.probe.own
    facts = e.row.host.facts.value if e.row.host else None
    disk = (own.disk if own else None) or (facts.data_disk if facts else None)
    if disk is None:
        return None
    if disk.used_share < FULL and disk.inodes_free != 0:
        return None
    left = f"{size(disk.free)} of {size(disk.total)} free on {disk.path}"
    if disk.inodes_free == 0:
        left += ", no inode left"
    then = "still answers" if e.answers else "does not answer"
    return Diagnosis(Cause.DISK_FULL, f"{e.name}'s data disk is full; it {then}", (left,), Sure.CERTAIN)


def ended(e: Evidence) -> Diagnosis | None:
    """No known words, but no process either."""
    own, container, pod = e.probe.own, e.container, e.row.pod
    if own is None or not own.runtime or e.running or e.row.current:
        return None
    if own.kubelet in ("inactive", "failed"):
        return Diagnosis(
            Cause.PROCESS_ENDED,
            f"{e.name}'s kubelet does not run, so nobody starts its etcd",
            (f"systemd calls the kubelet {own.kubelet}", "no etcd container runs", *_seen_by(e)),
            Sure.CERTAIN,
            "start the kubelet (systemctl start kubelet) after a look at its journal",
        )
    if container is None:
        because = ("the manifest is there, no etcd container is", *_seen_by(e))
        return Diagnosis(Cause.PROCESS_ENDED, f"{e.name}'s etcd does not run", because, Sure.CERTAIN)
    code = container.exit_code
    looping = (pod is not None and pod.waiting == "CrashLoopBackOff") or code not in KILLED
    because = (f"its container ended with exit code {code}, {container.attempt} restarts", *_seen_by(e))
    if looping and code is not None:
        last = container.last_lines[-1] if container.last_lines else "nothing"
        what = f"{e.name}'s etcd ends again and again"
        return Diagnosis(Cause.CRASH_LOOP, what, (*because, f"its last words: {last}"), Sure.LIKELY)
    how = " (killed: by hand, or for want of memory)" if code == 137 else ""
    what = f"{e.name}'s etcd process has ended{how}, and is not started again"
    return Diagnosis(Cause.PROCESS_ENDED, what, because, Sure.CERTAIN)


def frozen(e: Evidence) -> Diagnosis | None:
    container = e.container
    if (
        container is None
        or not container.running
        or e.row.current
        or container.process not in ("T", "t", "D")
    ):
        return None
    if any(t.health is not None for t in e.tries):
        return None
    if container.process == "D":
        because = ("its process waits for a disk and cannot be woken (state D)", *_seen_by(e))
        return Diagnosis(Cause.SLOW_DISK, f"{e.name}'s etcd hangs in its disk", because, Sure.CERTAIN)
    what = f"{e.name}'s etcd process is frozen: it is there, and answers nobody"
    because = ("the kernel calls its process stopped (state T)", *_seen_by(e))
    return Diagnosis(Cause.FROZEN, what, because, Sure.CERTAIN)


def starting(e: Evidence) -> Diagnosis | None:
    container = e.container
    if container is None or not container.running or e.row.current or container.started is None:
        return None
    young = e.probe.began + (e.clock_offset or 0.0) - container.started
    if young > YOUNG or any(t.health for t in e.tries):
        return None
    because = (f"its container was started {age(young)} ago", f"restarts: {container.attempt}")
    if container.attempt >= 3 and container.reason != "":
        return None
    return Diagnosis(Cause.STARTING, f"{e.name}'s etcd is just starting", because)


def network(e: Evidence) -> Diagnosis | None:
    """Some reach it, others do not."""
    good = [t for t in e.tries if t.problem is None]
    bad = [t for t in e.tries if t.problem is not None and t.problem.fault in NO_WAY]
    if not good or not bad:
        return None
    because = (f"{hosts_of(good)} get an answer", f"{hosts_of(bad)}: {bad[0].problem}")
    return Diagnosis(
        Cause.NETWORK, f"the way to {e.name} is cut for some of the hosts", because, Sure.CERTAIN
    )


def silent(e: Evidence) -> Diagnosis | None:
    if e.answers or not e.tries:
        return None
    if e.unreached and e.all_are(Fault.REFUSED):
        because = ("nothing listens at its port", *_seen_by(e))
        if e.running:
            return Diagnosis(
                Cause.HUNG, f"{e.name}'s container runs, but nothing listens at its port", because
            )
        return Diagnosis(
            Cause.PROCESS_ENDED, f"{e.name}'s etcd does not run", because, Sure.LIKELY, _LOOK_THERE
        )
    if e.running and e.unreached:
        because = ("its container runs", *_seen_by(e))
        if e.health.level is Level.NO_QUORUM:
            return _waiting(e, because)
        what = f"{e.name}'s etcd hangs: its container runs and nobody gets an answer"
        return Diagnosis(Cause.HUNG, what, because, Sure.CERTAIN if len(e.tries) > 1 else Sure.LIKELY)
    if e.unreached:
        return Diagnosis(Cause.NETWORK, f"{e.name} cannot be reached", _seen_by(e), Sure.UNSURE)
    return None


def _waiting(e: Evidence, because: tuple[str, ...]) -> Diagnosis:
    """An etcd that was started without a quorum answers nobody until it has one: as one that hangs."""
    others = [r for r in e.health.members if r is not e.row and not r.member.learner]
    if 1 + sum(r.current for r in others) < e.health.quorum.needed:
        told = listed([f"{r.member.label} {in_words(r.state)}" for r in others if not r.current])
        what = (
            f"{e.name}'s container runs and answers nobody, as one does that was started without a quorum: "
            "it waits for the others"
        )
        return Diagnosis(Cause.NO_QUORUM, what, (told, *because))
    what = (
        f"{e.name}'s container runs and nobody gets an answer: it hangs, or was started without a "
        "quorum and waits for the others; start those first"
    )
    return Diagnosis(Cause.HUNG, what, because, Sure.UNSURE)


def unasked(e: Evidence) -> Diagnosis | None:
    if e.tries or e.row.current:
        return None
    because = tuple(f"{host}: {problem.message}" for host, problem in e.probe.unasked[:3])
    return Diagnosis(Cause.UNASKED, f"nobody could ask {e.name}", because, Sure.UNSURE)


def _seen_by(e: Evidence) -> tuple[str, ...]:
    """What the hosts that tried say, alike ones together."""
    said: dict[str, list[Try]] = {}
    for tried in e.tries:
        if tried.problem is not None:
            said.setdefault(tried.problem.message, []).append(tried)
    return tuple(f"from {hosts_of(tries)}: {message}" for message, tries in said.items())
