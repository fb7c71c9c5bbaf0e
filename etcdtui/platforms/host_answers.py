"""Reading what the host scripts print (see ``host_scripts``). Text in, facts out; garbage is an error."""

from __future__ import annotations

import calendar
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from etcdtui.errors import CommandFailed, EtcdTuiError, SudoRefused, UnexpectedOutput
from etcdtui.etcd.causes import explain, last_words
from etcdtui.etcd.commands import ClientAccess
from etcdtui.model.backups import FoundFile
from etcdtui.model.platform import Certificate, DiskSpace, HostFacts
from etcdtui.model.problems import Fault
from etcdtui.platforms import host_clock
from etcdtui.platforms.lock_state import parse_lock
from etcdtui.text import clean

_EXPORT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*?)\s*\Z")
_NODE = re.compile(r"NODE_(.+)_(ETCD_NAME|ETCD_URL_HOST|IP)\Z")
_ENDPOINT = re.compile(r"https?://(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):(\d{1,5})/?\Z")
_PORT = re.compile(r"https?://\S*?:(\d{1,5})(?=[/,\s\"']|\Z)")
_DF = re.compile(r"\s(\d{1,20})\s+(-?\d{1,20})\s+(-?\d{1,20})\s+(?:\d+%|-)\s+/")
_FILE = re.compile(r"(\d{1,20}) (-?\d{1,20}(?:\.\d+)?) ([0-7]{1,6}) (/.*)\Z", re.DOTALL)
_CERTIFICATE = re.compile(
    r"notAfter=(?:([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4}) GMT)? (/.*)\Z", re.DOTALL
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LINES = 20_000


@dataclass(frozen=True, slots=True)
class HostAccess:
    """How etcd is asked from one host. Paths are the host's own; an empty one was not found."""

    hostname: str = ""
    node: str = ""  # this host's name in etcd
    endpoints: tuple[str, ...] = ()
    peers: tuple[tuple[str, str], ...] = ()  # (name in etcd, address) of every node that etcd.env names
    ca: str = ""
    certificate: str = ""
    key: str = ""
    openssl: str = ""
    etcdctl: str = ""  # path of the program
    container: str = ""  # ID of the running etcdctl container
    http_port: int | None = None  # where the gateway is when it is not on the client port
    missing: tuple[str, ...] = ()  # what was not found, as sentences
    # By which others may know it. One that comes or goes (a virtual one) changes nothing about asking etcd.
    addresses: tuple[str, ...] = field(default=(), compare=False)

    @property
    def can_pipe(self) -> bool:
        """The warm pipe can be tried from here."""
        return bool(self.openssl and self.ca and self.certificate and self.key)

    @property
    def can_etcdctl(self) -> bool:
        return bool(self.container or (self.etcdctl and self.ca and self.certificate and self.key))

    def client(self, sudo: Sequence[str], endpoints: Sequence[str] | None = None) -> ClientAccess:
        """For ``commands.etcdctl``: the program where there is one, else the container."""
        where = tuple(self.endpoints if endpoints is None else endpoints)
        if self.etcdctl and self.certificate:
            return ClientAccess(
                self.ca, self.certificate, self.key, where, etcdctl=self.etcdctl, sudo=tuple(sudo)
            )
        return ClientAccess(endpoints=where, container=self.container, sudo=tuple(sudo))


def script_failed(host: str, status: int, said: str) -> EtcdTuiError:
    """A script ended with exit code ``status``: sudo refused, or there is no shell to run it."""
    problem = explain(said)
    if problem is not None and problem.fault is Fault.LOGIN:
        return SudoRefused(f"On {host} {problem.message}.", problem.hint)
    return CommandFailed(
        f"On {host} the script that looks at it failed with exit code {status}: "
        f"{last_words(said) or 'it said nothing'}.",
        status=status,
        said=said[-2000:],
    )


def parse_access(stdout: bytes | str, host: str = "") -> HostAccess:
    """What ``access_script`` printed. Raises UnexpectedOutput when there is nothing of it."""
    found = _sections(stdout, "etcdtui access", host)
    env = parse_env("\n".join(found.get("env", ())))
    hostname = _one(found, "hostname")
    peers = _peers(env)
    certificate = _one(found, "cert")
    endpoints = _endpoints(env)
    missing = [f"{clean(path)} cannot be read" for path in found.get("noenv", ())]
    if not endpoints and not missing:
        missing.append("etcd.env names no endpoints")
    for key, what in (("ca", "CA certificate"), ("cert", "client certificate"), ("key", "client key")):
        if f"no{key}" in found:
            path = clean(_one(found, f"no{key}"))
            missing.append(f"the {what} {path} was not found" if path else f"no {what} is named")
    if "openssl" not in found:
        missing.append("there is no openssl")
    return HostAccess(
        hostname=hostname,
        node=_own_name(peers, certificate, hostname),
        endpoints=endpoints,
        peers=peers,
        ca=_one(found, "ca"),
        certificate=certificate,
        key=_one(found, "key"),
        openssl=_one(found, "openssl"),
        etcdctl=_one(found, "etcdctl"),
        container=_one(found, "container"),
        http_port=_http_port(found.get("http", ())),
        missing=tuple(missing),
        addresses=tuple(a for a in map(_routable, found.get("address", ())) if a),
    )


def parse_look(stdout: bytes | str, asked: host_clock.Asked, host: str = "") -> HostFacts:
    """What ``look_script`` printed.

    Sections that are missing leave their fields empty. Raises UnexpectedOutput when there is nothing.
    """
    found = _sections(stdout, "etcdtui look", host)
    hostname = _one(found, "hostname")
    backups = _one(found, "backups")
    running = _jobs(found.get("job", ()))
    return HostFacts(
        hostname=hostname,
        clock_offset=host_clock.offset(found.get("date", ()), found.get("ended", ()), asked),
        data_disk=_disk(found, "data"),
        backup_disk=_disk(found, "backups"),
        manifests=tuple(sorted(found.get("manifest", ()))),
        certificates=_certificates(found.get("certificate", ())),
        backup_directory=backups,
        backups=_files(found.get("file", ()), host or hostname),
        backups_cut=sum(int(n) for n in found.get("cut", ()) if n.isdecimal() and len(n) < 10),
        backup_script="script" in found,
        etcdctl=_one(found, "etcdctl"),
        openssl="openssl" in found,
        running_jobs=tuple(name for name, _ in running),
        lock=parse_lock(_one(found, "lock")),
        writing_since=min((at for name, at in running if name.startswith("backup-") and at), default=None),
    )


def parse_env(text: str) -> Mapping[str, str]:
    """``export NAME="value"`` lines; anything else is passed over, nothing is ever expanded."""
    values: dict[str, str] = {}
    for line in text.split("\n"):
        match = _EXPORT.match(line)
        if match is None:
            continue
        name, value = match[1], match[2]
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        values[name] = value
    return MappingProxyType(values)


def _sections(stdout: bytes | str, title: str, host: str) -> dict[str, list[str]]:
    """Lines by their first word. Raises UnexpectedOutput when there are none of ours."""
    text = stdout.decode("utf-8", "replace") if isinstance(stdout, bytes) else stdout
    found: dict[str, list[str]] = {}
    for line in text.split("\n")[:_LINES]:
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest)
    if title.partition(" ")[2] not in found.get("etcdtui", ()):
        shown = f"it printed {clean(text.strip(), 120)!r}" if text.strip() else "it printed nothing"
        raise UnexpectedOutput(f"{host or 'The host'} did not run our script: {shown}.")
    return found


def _one(found: Mapping[str, Sequence[str]], key: str) -> str:
    lines = found.get(key, ())
    return lines[0].strip() if lines else ""


def _endpoints(env: Mapping[str, str]) -> tuple[str, ...]:
    """ETCDCTL_ENDPOINTS, which leaves the bootstrap member out, else all."""
    for name in ("ETCDCTL_ENDPOINTS", "ALL_ETCD_ENDPOINTS"):
        urls = [url.strip() for url in env.get(name, "").split(",")]
        good = [url.rstrip("/") for url in urls if _ENDPOINT.match(url)]
        if good:
            return tuple(dict.fromkeys(good))
    return ()


def _peers(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Names in etcd and addresses from the NODE_…_ETCD_NAME, …_ETCD_URL_HOST and …_IP variables."""
    nodes: dict[str, dict[str, str]] = {}
    for name, value in env.items():
        match = _NODE.match(name)
        if match and value and match[1] != "NODE_ENVVAR_NAME":
            nodes.setdefault(match[1], {})[match[2]] = value
    return tuple(
        (told["ETCD_NAME"], told.get("IP") or told.get("ETCD_URL_HOST", "").strip("[]"))
        for told in nodes.values()
        if "ETCD_NAME" in told
    )


def _own_name(peers: Sequence[tuple[str, str]], certificate: str, hostname: str) -> str:
    """Which of the names is this host: the certificate is named after it, else its hostname is."""
    names = [name for name, _ in peers]
    stem = certificate.rpartition("/")[2].removesuffix(".crt")
    for kind in ("etcd-peer-", "etcd-serving-"):
        own = stem.removeprefix(kind)
        if own != stem and (own in names or not names):
            return own
    if hostname in names:
        return hostname
    short = hostname.partition(".")[0]
    alike = [name for name in names if not _is_ip(name) and name.partition(".")[0] == short]
    if len(alike) == 1:
        return alike[0]
    return names[0] if len(names) == 1 else ""


def _http_port(lines: Sequence[str]) -> int | None:
    for line in lines:
        match = _PORT.search(line)
        if match and 0 < int(match[1]) < 65536:
            return int(match[1])
    return None


def _disk(found: Mapping[str, Sequence[str]], which: str) -> DiskSpace | None:
    blocks = _DF.search(" " + _one(found, f"df-{which}"))
    if blocks is None:
        return None
    inodes = _DF.search(" " + _one(found, f"di-{which}"))
    return DiskSpace(
        path=_mount(_one(found, f"df-{which}")),
        total=int(blocks[1]) * 1024,
        free=max(0, int(blocks[3])) * 1024,
        # Filesystems without a fixed number of inodes (btrfs) say 0 of 0.
        inodes_free=max(0, int(inodes[3])) if inodes and int(inodes[1]) else None,
    )


def _mount(line: str) -> str:
    match = _DF.search(" " + line)
    return (" " + line)[match.end() - 1 :].strip() if match else ""


def _files(lines: Sequence[str], host: str) -> tuple[FoundFile, ...]:
    files = []
    for line in lines:
        match = _FILE.match(line)
        if match:
            directory, _, name = match[4].rpartition("/")
            files.append(
                FoundFile(host, directory or "/", name, int(match[1]), float(match[2]), int(match[3], 8))
            )
    return tuple(files)


def _jobs(lines: Sequence[str]) -> tuple[tuple[str, float | None], ...]:
    """Jobs that run: id, and when they began by the host's clock."""
    words = [line.partition(" ") for line in lines]
    return tuple(
        (name, float(start) if start.isdecimal() and len(start) < 13 else None)
        for start, _, name in words
        if name
    )


def _certificates(lines: Sequence[str]) -> tuple[Certificate, ...]:
    """One for each file: of a bundle, which has several lines, the latest end."""
    ends: dict[str, float] = {}
    for line in lines:
        match = _CERTIFICATE.match(line)
        if match and match[1] in _MONTHS:
            month, day, hour, minute, second, year = match[1], *(int(match[i]) for i in range(2, 7))
            end = calendar.timegm((year, _MONTHS.index(month) + 1, day, hour, minute, second, 0, 0, 0))
            ends[match[7]] = max(float(end), ends.get(match[7], 0.0))
    return tuple(Certificate(path, end) for path, end in ends.items())


def _routable(word: str) -> str:
    """An address by which other machines may know this one, in its usual spelling; else empty."""
    try:
        address = ipaddress.ip_address(word.strip())
    except ValueError:
        return ""
    return "" if address.is_loopback or address.is_link_local or address.is_unspecified else str(address)


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
