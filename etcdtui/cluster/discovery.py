"""Hosts that nobody configured: what they may be called, and which of them are one machine. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from etcdtui.config import ClusterConfig, Host
from etcdtui.errors import UnexpectedOutput
from etcdtui.model.members import Member, MemberList
from etcdtui.platforms.openshift import HostAccess
from etcdtui.text import clean

_NAME = re.compile(r"[A-Za-z0-9._:%][A-Za-z0-9._:%-]*\Z")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a machine says of itself: its names, in lower case, and its addresses."""

    names: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """A host we know of. ``found``: nobody configured it. ``identity`` is None until it answered."""

    name: str
    address: str
    found: bool
    identity: Identity | None = None

    def is_node(self, name: str, address: str) -> bool:
        """Whether the node called ``name`` at ``address`` is known to be this host."""
        if self.has(address) and not _loopback(address):
            return True
        own = self.identity
        return own is not None and (name.lower() in own.names or _canonical(address) in own.addresses)

    def has(self, address: str) -> bool:
        """Whether it is reached at ``address``: on loopback, by forwarded ports, several may be."""
        return _canonical(address) == _canonical(self.address)

    def contradicts(self, other: Known) -> bool:
        """Both said what they are called, and it is not the same."""
        if self.identity is None or other.identity is None:
            return False
        one, two = self.identity.names, other.identity.names
        return bool(one and two) and one.isdisjoint(two)


def found_host(name: str, address: str, config: ClusterConfig) -> Host:
    """A host that etcd, the API or a file of ours names; it is logged in to as the first configured one is.

    Its words go into ssh_config's patterns and the user's ProxyCommand, which a shell runs. Raises
    UnexpectedOutput for those that no host is called by.
    """
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    for word in (name, bare):
        if not _NAME.match(word):
            raise UnexpectedOutput(
                f"The cluster names a host {clean(name, 60)!r} with the address {clean(address, 60)!r}: no "
                "host is called so, and etcdtui does not connect to it.",
                "Look in the member list and at the nodes how it came there. If there is such a host, name "
                "it in the configuration.",
            )
    first = config.hosts[0] if config.hosts else None
    return Host(name, bare, first.port if first else None, first.user if first else None, config.layout)


def identity_of(access: HostAccess) -> Identity:
    """What a host told. A machine that is called localhost has no name of its own."""
    names = {access.hostname.lower(), access.node.lower()}
    addresses = {*access.addresses, *(address for name, address in access.peers if name == access.node)}
    return Identity(
        frozenset(name for name in names if name and not name.startswith("localhost")),
        frozenset(_canonical(address) for address in addresses if address),
    )


def twins(hosts: Sequence[Known]) -> dict[str, str]:
    """Found hosts that are another host of the list, by name: the configured one, else the one known earlier.

    Only what is known counts: an address that is the same, or what the other host said of itself. Names that
    merely look alike are no proof, and hosts that call themselves differently are never one.
    """
    same: dict[str, str] = {}
    for place, host in enumerate(hosts):
        if not host.found:
            continue
        before = (*(h for h in hosts if not h.found), *(h for h in hosts[:place] if h.found))
        for other in before:
            if other.is_node(host.name, host.address) and not other.contradicts(host):
                same[host.name] = same.get(other.name, other.name)
                break
    return same


def supposed(access: HostAccess) -> MemberList:
    """The members as etcd.env names them; a name only where an address is one node's alone."""
    addresses = [address for _, address in access.peers]
    names = {address: name for name, address in access.peers if addresses.count(address) == 1}
    return MemberList(
        0,
        tuple(
            Member(number, names.get(host_part(url), ""), client_urls=(url,), listed=False)
            for number, url in enumerate(access.endpoints, 1)
        ),
    )


def urls_of(listed: MemberList) -> list[str]:
    """The first client URL of each member."""
    return [url for member in listed.members for url in member.client_urls[:1]]


def host_part(url: str) -> str:
    """The host of a URL without brackets; empty when there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def _canonical(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address.strip("[]")))
    except ValueError:
        return address.lower()
