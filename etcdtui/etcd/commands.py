"""The commands that ask etcd, as argv tuples. Nothing here runs anything; nothing is ever quoted here."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace

COMMAND_TIMEOUT = "2s"
DIAL_TIMEOUT = "2s"
_ENVIRONMENT = ("ETCDCTL_ENDPOINTS", "ETCDCTL_CACERT", "ETCDCTL_CERT", "ETCDCTL_KEY")
_BY_FLAGS = (
    "exec env -u ETCDCTL_ENDPOINTS -u ETCDCTL_CACERT -u ETCDCTL_CERT -u ETCDCTL_KEY ETCDCTL_API=3 etcdctl "
    '${ETCDCTL_CACERT:+"--cacert=$ETCDCTL_CACERT"} ${ETCDCTL_CERT:+"--cert=$ETCDCTL_CERT"} '
    '${ETCDCTL_KEY:+"--key=$ETCDCTL_KEY"} "$@"'
)
# The pod of a restore has etcd's container alone, which has the program too.
_IN_CONTAINER = (
    'for name in etcdctl etcd; do id=$("$0" ps -q --state Running --label '
    '"io.kubernetes.container.name=$name" | head -n 1); [ -z "$id" ] || exec "$0" exec "$id" "$@"; done; '
    'echo "no container of etcd runs here" >&2; exit 1'
)


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """How etcdctl is run on one host, and with which identity.

    ``container`` names the etcdctl container to run it in; its environment brings the identity then,
    because the paths of the host do not exist inside.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    endpoints: tuple[str, ...] = ()
    etcdctl: str = "etcdctl"
    container: str = ""
    crictl: str = "crictl"
    sudo: tuple[str, ...] = ("sudo", "-n")
    by_name: bool = False  # the container is looked for when the command runs

    @property
    def lasting(self) -> ClientAccess:
        """For a command that is shown now and runs later: every rollout gives the container another ID."""
        return replace(self, by_name=True)


def etcdctl(
    access: ClientAccess,
    *words: str,
    endpoints: Sequence[str] | None = None,
    json: bool = False,
    timeout: str | None = COMMAND_TIMEOUT,
) -> tuple[str, ...]:
    """Any etcdctl command. ``endpoints`` None means those of ``access``.

    A variable of the environment and its flag given together are a fatal error of etcdctl, so those that
    we give are taken out of the environment.
    """
    where = tuple(access.endpoints if endpoints is None else endpoints)
    head = access.sudo
    if access.container:
        head = (*_inside(access), "env", "-u", _ENVIRONMENT[0])
        identity: tuple[str, ...] = ()
        program = "etcdctl"
    else:
        head = (*head, "env", *(word for name in _ENVIRONMENT for word in ("-u", name)))
        given = (("--cacert", access.ca), ("--cert", access.certificate), ("--key", access.key))
        identity = tuple(f"{flag}={value}" for flag, value in given if value)
        program = access.etcdctl
    limits = (f"--command-timeout={timeout}",) if timeout else ()
    return (
        *head,
        "ETCDCTL_API=3",
        program,
        *((f"--endpoints={','.join(where)}",) if where else ()),
        *identity,
        f"--dial-timeout={DIAL_TIMEOUT}",
        *limits,
        *(("-w", "json") if json else ()),
        *words,
    )


def _inside(access: ClientAccess) -> tuple[str, ...]:
    """What runs the words after it in the container."""
    if access.by_name:
        return (*access.sudo, "sh", "-c", _IN_CONTAINER, access.crictl)
    return (*access.sudo, access.crictl, "exec", access.container)


def endpoint_status_json(access: ClientAccess, endpoints: Sequence[str] | None = None) -> tuple[str, ...]:
    return etcdctl(access, "endpoint", "status", endpoints=endpoints, json=True)


def endpoint_health_json(access: ClientAccess, endpoints: Sequence[str] | None = None) -> tuple[str, ...]:
    return etcdctl(access, "endpoint", "health", endpoints=endpoints, json=True)


def endpoint_hashkv_json(
    access: ClientAccess, revision: int = 0, endpoints: Sequence[str] | None = None
) -> tuple[str, ...]:
    at = (f"--rev={revision}",) if revision else ()
    return etcdctl(access, "endpoint", "hashkv", *at, endpoints=endpoints, json=True, timeout="10s")


def member_list_json(access: ClientAccess, endpoints: Sequence[str] | None = None) -> tuple[str, ...]:
    return etcdctl(access, "member", "list", endpoints=endpoints, json=True)


def member_remove(
    access: ClientAccess, member_id: int, endpoints: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The ID is given in hex without padding, as etcdctl wants it."""
    return etcdctl(access, "member", "remove", format(member_id, "x"), endpoints=endpoints, timeout="10s")


def member_add(
    access: ClientAccess,
    name: str,
    peer_urls: Sequence[str],
    *,
    learner: bool,
    endpoints: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """What it prints for ETCD_INITIAL_CLUSTER lacks the names of members that never started: build that."""
    words = ("member", "add", name, f"--peer-urls={','.join(peer_urls)}", *(("--learner",) * learner))
    return etcdctl(access, *words, endpoints=endpoints, timeout="10s")


def member_promote(
    access: ClientAccess, member_id: int, endpoints: Sequence[str] | None = None
) -> tuple[str, ...]:
    """A learner becomes a voter; with authentication on, older etcd wants the leader's endpoint for it."""
    return etcdctl(access, "member", "promote", format(member_id, "x"), endpoints=endpoints, timeout="10s")


def move_leader(access: ClientAccess, member_id: int, leader: str) -> tuple[str, ...]:
    """``leader`` is the client URL of the present leader: only it can hand over.

    Up to 3.4.20 and 3.5.4 this command of etcdctl reads its environment twice, and takes what it set itself
    for a conflict: in the container, too, the identity is given as flags.
    """
    argv = etcdctl(access, "move-leader", format(member_id, "x"), endpoints=(leader,), timeout="10s")
    if not access.container:
        return argv
    words = argv[argv.index("etcdctl") + 1 :]
    return (*_inside(access), "sh", "-c", _BY_FLAGS, "etcdctl", *words)


def alarm_list_json(access: ClientAccess, endpoints: Sequence[str] | None = None) -> tuple[str, ...]:
    return etcdctl(access, "alarm", "list", endpoints=endpoints, json=True)


def alarm_disarm(access: ClientAccess, endpoints: Sequence[str] | None = None) -> tuple[str, ...]:
    return etcdctl(access, "alarm", "disarm", endpoints=endpoints, timeout="10s")


def defragment(access: ClientAccess, endpoint: str, timeout: str = "120s") -> tuple[str, ...]:
    """One member only: it answers nothing while it defragments."""
    return etcdctl(access, "defrag", endpoints=(endpoint,), timeout=timeout)


def openssl_pipe(
    address: str,
    port: int,
    *,
    certificate: str,
    key: str,
    ca: str,
    name: str = "",
    sudo: Sequence[str] = ("sudo", "-n"),
    openssl: str = "openssl",
) -> tuple[str, ...]:
    """A TLS connection to etcd whose standard input and output are the connection's.

    The private key never leaves the host. The certificate must be for ``name``, or else for the address.
    ``-quiet`` alone would outlive our channel: ``-no_ign_eof`` after it ends openssl when its input ends,
    and ``-nocommands`` keeps a block of input that begins with Q or R data. Only ``ca`` is trusted.
    """
    bare = address.strip("[]")
    identity = name or bare
    check = "-verify_ip" if is_address(identity) else "-verify_hostname"
    return (
        *sudo,
        openssl,
        "s_client",
        "-quiet",
        "-no_ign_eof",
        "-nocommands",
        "-connect",
        authority(bare, port),
        "-cert",
        certificate,
        "-key",
        key,
        "-CAfile",
        ca,
        "-no-CApath",
        "-verify_return_error",
        check,
        identity,
        *(("-servername", identity) if check == "-verify_hostname" else ()),
    )


def authority(address: str, port: int) -> str:
    """``address:port``, with brackets where the address has colons."""
    bare = address.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def is_address(name: str) -> bool:
    """An IPv4 or IPv6 address, not a name."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
