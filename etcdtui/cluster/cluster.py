"""One cluster: its watchers started and ended, its hosts found, views and runners given out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.cluster.api import ApiWatcher
from etcdtui.cluster.board import Board, Constants
from etcdtui.cluster.canonical import canonical_health
from etcdtui.cluster.command_log import CommandLog, CommandRecord, LoggedRunner
from etcdtui.cluster.connecting import ApiWay, Connect, connect
from etcdtui.cluster.discovery import host_part, supposed, urls_of
from etcdtui.cluster.doubt import DoubtWatcher
from etcdtui.cluster.endpoints import EndpointWatcher
from etcdtui.cluster.examiner import Examiner
from etcdtui.cluster.host_keys import HostKeys
from etcdtui.cluster.hosts import HostWatcher, LinkWatcher
from etcdtui.cluster.inventory import Inventory, path_of, recall, remember
from etcdtui.cluster.live_keys import LiveKeys, live_keys
from etcdtui.cluster.places import Places
from etcdtui.cluster.problems import problem_of
from etcdtui.cluster.roster import Roster
from etcdtui.cluster.settled import begun, members_asked, places_listed
from etcdtui.cluster.speaker import Speaker
from etcdtui.cluster.watcher import Watcher
from etcdtui.config import ClusterConfig, Host
from etcdtui.errors import ConfigError, EtcdTuiError, HostKeyUnknown
from etcdtui.etcd.commands import ClientAccess
from etcdtui.model.members import MemberList
from etcdtui.model.platform import ApiFacts
from etcdtui.model.view import ClusterView
from etcdtui.offsite.keeping import Keeping
from etcdtui.offsite.opening import open_keeping
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.openshift import HostAccess
from etcdtui.reach.runner import Runner
from etcdtui.text import clean

if TYPE_CHECKING:
    from etcdtui.reach.api import Api

LIST_HOLDS = 8.0  # seconds for which a list told by a member with a leader outweighs others
PROOF = 0.6  # seconds to prove that a host answers
GIVE_WAY = 1.5  # seconds that the API waits at most for the members' first answers
NAMED = 5.0  # seconds that are waited at most, just after the start, for the hosts to be known by name


class Cluster:
    """Threads watch from ``start`` to ``close``; every other call is safe from any thread.

    ``over`` tells why nobody goes on with a run whose lock lies on a host, or nothing; it may read files.
    """

    def __init__(
        self,
        config: ClusterConfig,
        state: Path,
        *,
        keeping: Keeping | None = None,
        connect: Connect = connect,
        over: Callable[[str], str] = lambda run: "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self.keeping = keeping or open_keeping(config)
        self._connect = connect
        self._over = over
        self._clock = clock
        self._inventory_path = path_of(state, config.name)
        self._log = CommandLog(clock)
        api = config.kubeconfig is not None
        constants = Constants(config.name, config.read_only, api, self.keeping.max_age)
        self._board = Board(constants, clock)
        self._places = Places(self._board, self.keeping, self.runner, self.layout_of, config.hosts)
        self._speaker = Speaker(self._board, self._speaker_changed)
        self.examine = Examiner(self, self._speaker.voices, clock).examine
        self._objects = ApiWay(config, self._log)
        self._lock = threading.Lock()
        self._roster = Roster(config)
        self._runners: dict[str, Runner] = {}
        self._watchers: list[Watcher] = []
        self._links: dict[str, LinkWatcher] = {}
        self._lookers: dict[str, HostWatcher] = {}
        self._endpoints: dict[str, EndpointWatcher] = {}
        self._keys = HostKeys()
        self._remembered = Inventory()
        self._closed = False
        self._named = threading.Event()  # the hosts are, and can be asked for
        self._named.set()  # or it is not started

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def colour(self) -> str:
        return self.config.colour

    @property
    def read_only(self) -> bool:
        return self.config.read_only

    def start(self, on_change: Callable[[], None] = lambda: None) -> None:
        """Begin to watch. Returns at once; ``on_change`` is called from other threads."""
        self._board.listen(on_change)
        self._named.clear()
        threading.Thread(target=self._begin, name="begin", daemon=True).start()

    def close(self) -> None:
        """End every watcher and connection; calls under way end with an error."""
        with self._lock:
            self._closed = True
            watchers = [*self._watchers, *self._endpoints.values()]
            runners = list(self._runners.values())
        for watcher in watchers:
            watcher.close()
        for runner in runners:
            runner.close()
        self._objects.close()

    # what is known

    def view(self) -> ClusterView:
        return self._board.view()

    def now(self) -> float:
        return self._clock()

    def refresh(self) -> None:
        """Ask every source and place now, also hosts that are being left alone after a failure."""
        self._ask(lambda watcher: True)

    def _ask(self, chosen: Callable[[Watcher], bool]) -> frozenset[str]:
        with self._lock:
            runners = list(self._runners.values())
            watchers = [w for w in (*self._watchers, *self._endpoints.values()) if chosen(w)]
        for runner in runners:
            runner.reconnect()
        for watcher in watchers:
            watcher.poke()
        # Of hosts that are silent already nothing new comes soon: asked, but not waited for.
        dark = {f"{w} {h.name}" for h in self.view().hosts if h.link.problem for w in ("link", "host")}
        return frozenset(watcher.name for watcher in watchers) - dark

    def look_again(self, timeout: float) -> ClusterView:
        """Ask every source but the places anew and wait, at most ``timeout`` seconds, for their answers."""
        end = time.monotonic() + timeout
        self._named.wait(min(NAMED, timeout / 2))
        self.wait(begun, timeout / 2)
        since = time.monotonic()
        self._board.wait_rounds(since, end - since, self._ask(lambda w: not self._places.own(w)))
        return self.view()

    def look_at_places(self, timeout: float = 0.0) -> ClusterView:
        """List the backups of every place anew and wait, at most ``timeout`` seconds, for the lists."""
        end = (since := time.monotonic()) + timeout
        asked = self._ask(lambda watcher: isinstance(watcher, HostWatcher) or self._places.lists(watcher))
        self._board.wait_rounds(since, timeout, asked)
        self.wait(places_listed, end - time.monotonic())  # just after the start not all could be asked
        self._board.wait_rounds(since := time.monotonic(), end - since, self._ask(self._places.reads))
        return self.view()

    def wait(self, settled: Callable[[ClusterView], bool], timeout: float) -> ClusterView:
        """Block until the view is ``settled``, at most ``timeout`` seconds."""
        return self._board.wait(settled, timeout)

    def command_log(self) -> Sequence[CommandRecord]:
        return self._log.records()

    # ways to hosts

    def runner(self, host: str) -> Runner:
        """Raises ConfigError for a host nobody named. Waits, just after the start, until they are named."""
        self._named.wait(NAMED)
        with self._lock:
            runner = self._runners.get(self._roster.kept(host))
        if runner is None:
            raise ConfigError(f"No host is called {host!r} in cluster {self.name}.")
        return runner

    def layout_of(self, host: str) -> Layout:
        known = self._roster.host(host)
        return known.layout if known else self.config.layout

    def etcdctl(self, avoid: str = "") -> tuple[str, ClientAccess]:
        """A host on which etcdctl can be run, not ``avoid``, and how, also later. Raises Unreachable."""
        return self._speaker.etcdctl(avoid)

    def objects(self) -> Api:
        """The Kubernetes API, logged in. Raises ConfigError where none is configured, and as ``Api.load``."""
        return self._objects.get()

    def canonical_health(self) -> tuple[str, str, str]:
        """Host, the lines a human would type for ``etcdctl endpoint health``, its raw output. Blocks."""
        voice = self._speaker.voice()
        return canonical_health(voice, self.layout_of(voice.host))

    def live_keys(self, cancelled: Callable[[], bool]) -> LiveKeys:
        """The keys of the running cluster, listed while they are iterated over. Raises Unreachable."""
        return live_keys(self._speaker.voice(), self.view(), cancelled)

    def unknown_host_keys(self) -> Sequence[HostKeyUnknown]:
        """Keys of hosts that no known_hosts file names."""
        return self._keys.unknown()

    def trust(self, key: HostKeyUnknown) -> None:
        """The user compared the fingerprint: write the key to known_hosts and try again."""
        self._keys.trust(key, self._roster.host, self.config.ssh)
        self.refresh()

    # how hosts and endpoints are found

    def _begin(self) -> None:
        remembered = recall(self._inventory_path)
        self._remembered = remembered
        if remembered.members is not None:
            self._board.suppose_members(remembered.members, remembered.at)
            self._watch_endpoints(urls_of(remembered.members))
        self._speaker.prefer(remembered.speaking)
        for host in self.config.hosts:
            self._add_host(host)
        if self.config.discover:
            for name, address in remembered.hosts:
                self._add_found(name, address)
        self._named.set()
        self._watch(DoubtWatcher(self._board, self._speaker), *self._places.near)
        if self.config.kubeconfig is not None:
            self._members_first()
            self._watch(
                ApiWatcher(self.config.kubeconfig or None, self.config.context, self._board, self._api_told)
            )
        self._watch(*self._places.stores)

    def _members_first(self) -> None:
        """To import kubernetes slows every thread: not before the verdict, unless no host can give one."""

        def decided(view: ClusterView) -> bool:
            reachable = any(host.link.problem is None for host in view.hosts)
            return self._closed or not reachable or members_asked(view)

        self._board.wait(decided, GIVE_WAY)

    def _add_found(self, name: str, address: str) -> None:
        """A host that nobody configured, unless it is one that is known under another name."""
        try:
            found = self._roster.find(name, address)
        except EtcdTuiError as error:
            if self._board.add_host(clean(name), clean(address)):
                self._board.host_silent(clean(name), problem_of(error))
            return
        if isinstance(found, Host):
            self._add_host(found)
        elif found is not None:
            self._board.merge_host(name, found)

    def _identified(self, host: Host, access: HostAccess) -> None:
        """A host said what it is: found ones that are the same machine are one with it, from now on."""
        same = self._roster.identified(host.name, access)
        for name, kept in same.items():
            with self._lock:
                # Its runner stays until the end: something may run through it.
                self._keys.heard(name, None)
                watchers: list[Watcher] = [self._links.pop(name), self._lookers.pop(name)]
                self._watchers = [watcher for watcher in self._watchers if watcher not in watchers]
            for watcher in watchers:
                watcher.close()
            self._speaker.unable(name)
            self._board.merge_host(name, kept)
        if same:
            self._remember()

    def _add_host(self, host: Host) -> None:
        with self._lock:
            if self._closed or host.name in self._runners:
                return
        if not self._board.add_host(host.name, host.address):
            return
        try:
            runner: Runner = LoggedRunner(self._connect(host, self.config.ssh), self._log)
        except EtcdTuiError as error:
            self._board.host_silent(host.name, problem_of(error))
            return
        watcher = HostWatcher(host, runner, self._board, self._speaker, self._host_told, self._over)
        link = LinkWatcher(host, runner, self._board, self._speaker, watcher.poke, self._keys.heard)
        with self._lock:
            self._runners[host.name] = runner
            self._links[host.name] = link
            self._lookers[host.name] = watcher
        self._roster.add(host)
        self._watch(link)
        self._watch(watcher)

    def _watch(self, *watchers: Watcher) -> None:
        with self._lock:
            if self._closed:
                return
            self._watchers.extend(watchers)
        for watcher in watchers:
            watcher.start()

    def _host_told(self, host: Host, access: HostAccess) -> None:
        """A host names the endpoints, and corrects a remembered list; a member, once it answers, both."""
        self._identified(host, access)
        if self._board.members_told or not access.endpoints:
            return
        known = self._board.view().members.value
        if known is None or set(urls_of(known)) != set(access.endpoints):
            self._board.suppose_members(supposed(access))
        self._watch_endpoints(access.endpoints)

    def _members_told(self, listed: MemberList, leader_known: bool) -> None:
        told = self._board.view().members
        # A member that lost the others may tell an old list: it is heard only while nobody else speaks.
        known = told.value
        # Nor is one believed that was restored or bootstrapped alone, and leads nobody but itself.
        foreign = known is not None and known.cluster_id != listed.cluster_id
        holds = self._board.members_told and told.current(self.now(), LIST_HOLDS) is not None
        if holds and (foreign or not leader_known):
            return
        self._board.members(listed)
        if known is not None and known.members == listed.members and self._endpoints:
            return
        self._watch_endpoints(urls_of(listed))
        if self.config.discover:
            self._named.wait(NAMED)  # or one that is configured could be found anew
            for member in listed.members:
                address = host_part(member.client_urls[0]) if member.client_urls else ""
                if member.name and address:
                    self._add_found(member.name, address)
        self._remember()

    def _api_told(self, facts: ApiFacts) -> None:
        if self.config.discover:
            self._named.wait(NAMED)
            for node in facts.nodes:
                if node.address:
                    self._add_found(node.name, node.address)
            self._remember()

    def _watch_endpoints(self, urls: Sequence[str]) -> None:
        with self._lock:
            new, gone = self._board.set_endpoints(urls)
            ended = [self._endpoints.pop(url) for url in gone if url in self._endpoints]
            begun = [
                EndpointWatcher(url, self._board, self._speaker, self._members_told, self._alive)
                for url in urls
                if url in new and not self._closed
            ]
            self._endpoints.update({watcher.url: watcher for watcher in begun})
        for watcher in ended:
            watcher.close()
        for watcher in begun:
            watcher.start()

    def _alive(self, host: str) -> bool:
        """Does ``host`` echo a byte right now?"""
        with self._lock:
            link = self._links.get(host)
        if link is None:
            return False
        began = self.now()
        link.poke()

        def decided(view: ClusterView) -> bool:
            seen = next((h.link for h in view.hosts if h.name == host), None)
            return seen is None or seen.problem is not None or (seen.at or 0.0) >= began

        view = self._board.wait(decided, PROOF)
        return any(
            h.name == host and h.link.problem is None and (h.link.at or 0.0) >= began for h in view.hosts
        )

    def _speaker_changed(self) -> None:
        with self._lock:
            watchers = list(self._endpoints.values())
        for watcher in watchers:
            watcher.turn()
        self._remember()

    def _remember(self) -> None:
        view = self._board.view()
        old = self._remembered
        hosts = tuple((host.name, host.address) for host in self._roster.hosts())
        spoken = view.speaking or old.speaking
        new = Inventory(hosts, view.members.value, view.members.at or 0.0, spoken)
        changed = (new.hosts, new.members, new.speaking) != (old.hosts, old.members, old.speaking)
        if changed and (new.members or new.hosts):
            self._remembered = new
            remember(self._inventory_path, new)
