"""What must be known of hosts and data before a restore is planned: gathered at once, nothing is changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from etcdtui.errors import EtcdTuiError
from etcdtui.model.survivors import Survivor
from etcdtui.model.view import ClusterView, HostView
from etcdtui.platforms.host_answers import script_failed
from etcdtui.platforms.restore_scripts import HostReport, parse_report, report_script, restores_quorum
from etcdtui.procedures.procedure import World
from etcdtui.procedures.restore_survivors import Hear, Seen, gather, member_of, unheard

PATIENCE = 30.0  # seconds for all hosts together
ASK = 20.0  # seconds for one


@dataclass(frozen=True, slots=True)
class Looked:
    """``reports`` holds a report, or a sentence why there is none, by host."""

    view: ClusterView
    survivors: tuple[Survivor, ...]
    reports: Mapping[str, HostReport | str]

    @property
    def quorum_hosts(self) -> frozenset[str]:
        """The hosts that have quorum-restore.sh."""
        told = self.reports.items()
        return frozenset(h for h, r in told if isinstance(r, HostReport) and restores_quorum(r))


def look(world: World, hear: Hear = unheard) -> Looked:
    """Ask every host, all at the same time. Blocks for half a minute at most, twice; ``hear`` is told how far
    it is with each host."""
    view, survivors = gather(world, PATIENCE, hear)
    reports: dict[str, HostReport | str] = {}

    def ask(host: HostView) -> None:
        hear(Seen(host.name, "Its scripts, certificates and disks are being read."))
        try:
            reports[host.name] = report(world, host)
        except EtcdTuiError as exc:
            reports[host.name] = exc.message
            hear(Seen(host.name, exc.message, over=True, trouble=True))
        else:
            hear(Seen(host.name, "Data, scripts, certificates and disks are known.", over=True))

    threads = [threading.Thread(target=ask, args=(host,), daemon=True) for host in view.hosts]
    for thread in threads:
        thread.start()
    end = time.monotonic() + PATIENCE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    found = {host.name: reports.get(host.name, "it did not answer in time.") for host in view.hosts}
    return Looked(view, survivors, found)


def report(world: World, host: HostView) -> HostReport:
    """Of one host. Raises what the Runner raises, and as ``parse_report``."""
    layout = world.layout_of(host.name)
    view = world.view()
    node, address = node_of(view, host), address_of(view, host)
    done = world.runner(host.name).run(report_script(layout, node, address), timeout=ASK)
    if not done.ok:
        raise script_failed(host.name, done.status, done.err())
    return parse_report(done.out())


def node_of(view: ClusterView, host: HostView) -> str:
    """Its name as a node, as far as it is known."""
    member = member_of(view, host)
    told = host.facts.value.hostname if host.facts.value else ""
    return host.node or (member.name if member else "") or told or host.name


def client_url_of(view: ClusterView, host: HostView) -> str:
    """Where its member listens; empty when no list tells."""
    member = member_of(view, host)
    return member.client_urls[0] if member and member.client_urls else ""


def address_of(view: ClusterView, host: HostView) -> str:
    return urlsplit(client_url_of(view, host)).hostname or ""
