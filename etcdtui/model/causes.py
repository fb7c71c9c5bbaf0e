"""What can be wrong with one member, how sure one can be, and what is to be done about it. Nouns only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Sure(StrEnum):
    """How much a judgement rests on."""

    CERTAIN = "certain"  # independent sources agree
    LIKELY = "likely"  # one source says so, none disagrees
    UNSURE = "unsure"  # too little could be asked, or sources disagree


class Advice(StrEnum):
    """What to do about a member."""

    WAIT = "wait"
    RESTART = "restart"
    REPAIR = "repair in place"
    REPLACE = "replace"
    LEAVE = "do not touch"


class Case(StrEnum):
    """The chapters of the official documents for replacing a member; NONE where it is not to be replaced."""

    NONE = ""
    MACHINE = "the machine is not running or the node is not ready"
    CRASH_LOOP = "the etcd pod is crash-looping"
    BARE_METAL = "bare metal, the machine is not running or the node is not ready"


class Cause(StrEnum):
    """What is wrong."""

    NOTHING = "nothing"
    UNKNOWN = "unknown"
    GONE = "not listed"
    UNSTARTED = "never started"
    STARTING = "starting"
    CATCHING_UP = "catching up"
    NO_QUORUM = "the cluster has no quorum"
    CUT_OFF = "cut off from its peers"
    NETWORK = "network"
    IMPOSTOR = "address reused"
    OTHER_CLUSTER = "another cluster"
    MACHINE_GONE = "machine gone"
    NODE_DOWN = "node down"
    MANIFEST_AWAY = "manifest taken away"
    PROCESS_ENDED = "process ended"
    CRASH_LOOP = "crash loop"
    FROZEN = "frozen"
    HUNG = "hangs"
    WIPED = "data wiped"
    DAMAGED = "data damaged"
    DIVERGED = "data diverged"
    REMOVED = "removed"
    MISCONFIGURED = "misconfigured"
    ADDRESS_AWAY = "address gone"
    PORT_TAKEN = "port taken"
    FILES = "certificate files"
    FORBIDDEN = "not allowed to write"
    EXPIRED = "certificate expired"
    NOT_YET_VALID = "certificate not yet valid"
    UNTRUSTED = "certificate of a foreign authority"
    MISNAMED = "certificate for another name"
    TLS = "TLS refused"
    CLOCK = "clock off"
    DISK_FULL = "disk full"
    SLOW_DISK = "slow disk"
    SLOW = "slow"
    QUOTA = "quota reached"
    UNASKED = "cannot be asked"


@dataclass(frozen=True, slots=True)
class Treatment:
    """What to do about a cause: ``step`` is the next safe step, for the one who reads it at night."""

    advice: Advice
    step: str
    case: Case = Case.NONE


_MACHINE, _CRASH = Case.MACHINE, Case.CRASH_LOOP

TREATMENTS: dict[Cause, Treatment] = {
    Cause.NOTHING: Treatment(Advice.LEAVE, "leave it as it is"),
    Cause.UNKNOWN: Treatment(
        Advice.LEAVE, "look again, then look at its log by hand; remove nothing on this"
    ),
    Cause.UNASKED: Treatment(Advice.LEAVE, "bring back a way to ask (SSH to any control plane host) first"),
    Cause.GONE: Treatment(Advice.LEAVE, "compare the member list with what you expect"),
    Cause.UNSTARTED: Treatment(
        Advice.WAIT, "the operator, or who added it, has yet to start it; it counts as a voter meanwhile"
    ),
    Cause.STARTING: Treatment(Advice.WAIT, "give it a minute, then examine it again"),
    Cause.CATCHING_UP: Treatment(
        Advice.WAIT, "it takes over what it missed; change no other member meanwhile"
    ),
    Cause.NO_QUORUM: Treatment(
        Advice.LEAVE, "bring the others back; without a quorum no member can be removed or added"
    ),
    Cause.CUT_OFF: Treatment(
        Advice.REPAIR, "let port 2380 through between the control plane hosts, both ways"
    ),
    Cause.NETWORK: Treatment(Advice.REPAIR, "repair the way to it (firewall, route, interface)"),
    Cause.IMPOSTOR: Treatment(
        Advice.REPLACE,
        "find out whose machine it is and stop its etcd first, if it has one",
        _MACHINE,
    ),
    Cause.OTHER_CLUSTER: Treatment(
        Advice.REPLACE, "stop it before clients write to both; its data are not this cluster's", _CRASH
    ),
    Cause.MACHINE_GONE: Treatment(Advice.REPLACE, "take a backup, then replace it", _MACHINE),
    Cause.NODE_DOWN: Treatment(
        Advice.REPLACE, "if the machine cannot be brought back: take a backup, then replace it", _MACHINE
    ),
    Cause.MANIFEST_AWAY: Treatment(Advice.REPAIR, "ask who moved etcd-pod.yaml away, then move it back"),
    Cause.PROCESS_ENDED: Treatment(
        Advice.RESTART, "see that the kubelet runs (systemctl status kubelet): it starts the container"
    ),
    Cause.CRASH_LOOP: Treatment(
        Advice.REPLACE, "read its last lines; if they name no repair, replace it", _CRASH
    ),
    Cause.FROZEN: Treatment(Advice.RESTART, "let it run on (kill -CONT), or end it: the kubelet restarts it"),
    Cause.HUNG: Treatment(Advice.RESTART, "end the container (crictl stop): the kubelet restarts it"),
    Cause.WIPED: Treatment(
        Advice.REPLACE, "it can never rejoin under its old ID: remove it and add it anew", _CRASH
    ),
    Cause.DAMAGED: Treatment(Advice.REPLACE, "keep its data under another name, then replace it", _CRASH),
    Cause.DIVERGED: Treatment(Advice.REPLACE, "compare HashKV of all members, then replace it", _CRASH),
    Cause.REMOVED: Treatment(
        Advice.REPLACE, "keep its old data under another name, then have it added anew", _CRASH
    ),
    Cause.MISCONFIGURED: Treatment(Advice.REPAIR, "put the member list into ETCD_INITIAL_CLUSTER", _CRASH),
    Cause.ADDRESS_AWAY: Treatment(Advice.REPAIR, "give the host its address back, or replace the member"),
    Cause.PORT_TAKEN: Treatment(Advice.REPAIR, "find who listens there (ss -ltnp) and end it"),
    Cause.FILES: Treatment(Advice.REPAIR, "put its certificate and key back where the manifest names them"),
    Cause.FORBIDDEN: Treatment(Advice.REPAIR, "look at owner, mode and mount of its data folder"),
    Cause.EXPIRED: Treatment(
        Advice.REPAIR, "renew its certificates; replacing a member is not the way for expired ones"
    ),
    Cause.NOT_YET_VALID: Treatment(Advice.REPAIR, "compare the clocks of the hosts (chronyc tracking)"),
    Cause.UNTRUSTED: Treatment(Advice.REPAIR, "give it a certificate of the cluster's own authority"),
    Cause.MISNAMED: Treatment(Advice.REPAIR, "give it a certificate for its present name and address"),
    Cause.TLS: Treatment(
        Advice.REPAIR, "compare authority, dates and names of the certificates on both sides"
    ),
    Cause.CLOCK: Treatment(Advice.REPAIR, "set its clock right (chronyc tracking; chronyc makestep)"),
    Cause.DISK_FULL: Treatment(Advice.REPAIR, "free space on it at once; do not delete anything of etcd's"),
    Cause.SLOW_DISK: Treatment(
        Advice.REPAIR, "find what else writes to that disk; take no backup from this member meanwhile"
    ),
    Cause.SLOW: Treatment(Advice.REPAIR, "look at the processor and the neighbours of that host"),
    Cause.QUOTA: Treatment(Advice.REPAIR, "compact, defragment, and only then disarm the alarm"),
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A cause found: ``what`` is a clause about the member, ``because`` what it rests on."""

    cause: Cause
    what: str
    because: tuple[str, ...] = ()
    sure: Sure = Sure.LIKELY
    step: str = ""  # instead of the usual one
    advice: Advice | None = None  # instead of the usual one
