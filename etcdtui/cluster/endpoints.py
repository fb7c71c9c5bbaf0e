"""Watching one endpoint: a few requests in one go through its warm pipe, each second.

Their order matters, for etcd answers the requests of one connection one after the other: what the member
knows by itself first, the read that needs the quorum last, so that a lost quorum hides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from etcdtui.cluster.board import Board
from etcdtui.cluster.etcdctl import ask_etcdctl
from etcdtui.cluster.late import LateRead
from etcdtui.cluster.problems import problem_of
from etcdtui.cluster.speaker import Speaker, Voice
from etcdtui.cluster.watcher import Watcher
from etcdtui.errors import EtcdTuiError, TimedOut, Unreachable
from etcdtui.etcd import gateway, metrics
from etcdtui.etcd.commands import openssl_pipe
from etcdtui.etcd.gateway import GatewayError, NoGateway
from etcdtui.model.latency import LatencySeries, ReadTimes
from etcdtui.model.members import EndpointStatus, MemberList
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.view import EndpointView, Way
from etcdtui.reach.pipe import GatewayPipe

PATIENCE = 1.0  # seconds without an answer after which a member is called silent
START = 2.0  # seconds for the pipe's command to start on the host
GIVE_UP = 8.0  # seconds of silence after which the pipe is opened anew
INDEXES = 4  # raft indexes that are remembered, to tell lag from load
METRICS_EVERY = 10.0  # seconds
MEMBERS_EVERY = 3.0
SPLIT_HTTP_PORT = 2381  # OpenShift 4.23 and newer serve HTTP there, and gRPC alone on 2379
SHORTEST = 0.0001  # seconds: a latency is never shown as nothing

Told = Callable[[MemberList, bool], None]
"""Hears every member list, and whether the member that told it knows a leader."""


def open_pipe(voice: Voice, url: str, port: int | None = None) -> GatewayPipe:
    """A connection to the etcd at ``url``, on another port if one is given. Raises as ``Runner.stream``."""
    where = urlsplit(url)
    access = voice.access
    argv = openssl_pipe(
        where.hostname or "",
        port or where.port or 2379,
        certificate=access.certificate,
        key=access.key,
        ca=access.ca,
        sudo=voice.sudo,
        openssl=access.openssl,
    )
    return GatewayPipe(voice.runner, argv, url, start=START)


class HostSilent(EtcdTuiError):
    """The host we speak through failed; nothing is known of the member itself."""


class EndpointWatcher(Watcher):
    """One client URL. ``alive(host)`` proves, at once, that the host we speak through answers."""

    period = 1.0

    def __init__(
        self, url: str, board: Board, speaker: Speaker, told: Told, alive: Callable[[str], bool]
    ) -> None:
        super().__init__(f"endpoint {url}", board)
        self.url = url
        self._speaker = speaker
        self._told = told
        self._alive = alive
        self._pipe: GatewayPipe | None = None
        self._late: LateRead | None = None  # the quorum still owes its answer
        self._turn = -1
        self._silent_since: float | None = None
        self._leader = True
        self._learner = False
        self._scrape: metrics.Scrape | None = None
        self._next_metrics = 0.0
        self._next_members = 0.0
        self._port: int | None = None
        self._by_etcdctl = False

    def turn(self) -> None:
        """Another host speaks now: let go of the old one's pipe at once."""
        self.release()
        self.poke()

    def round(self) -> None:
        voice = self._speaker.voice()
        if voice.turn != self._turn:
            self.release()
            self._turn, self._silent_since = voice.turn, None
            self._port, self._by_etcdctl, self.period = voice.access.http_port, False, 1.0
        if self._by_etcdctl or not voice.access.can_pipe:
            self._ask_etcdctl(voice)
            return
        try:
            self._ask_pipe(voice)
        except NoGateway:
            self._next_port()
        except TimedOut:
            self._silent_since = self._silent_since or time.monotonic()
            self._blame(voice)
            raise
        except EtcdTuiError as error:
            self._drop()
            if isinstance(error, Unreachable):
                self._blame(voice)
            raise

    def _blame(self, voice: Voice) -> None:
        """Silence, or an end, of the member's own? Or of the host through which it is asked?"""
        if not (self._alive(voice.host) and self._speaks()):
            raise HostSilent(f"{voice.host} fell silent while {self.url} was asked through it.")

    def failed(self, error: EtcdTuiError) -> None:
        if self._another_speaks():
            return  # it will be asked through that one at once
        problem = problem_of(error)
        if isinstance(error, HostSilent) or not self._speaks():
            problem = Problem(Fault.NOT_ASKED, problem.message, problem.hint)
        now = self.board.clock()

        def change(endpoint: EndpointView) -> EndpointView:
            changed = replace(
                endpoint,
                status=endpoint.status.failed(problem, now),
                reads=endpoint.reads.failed(problem, now),
            )
            if problem.fault is Fault.NOT_ASKED and not endpoint.linearizable.samples:
                return changed  # it was never asked: that is no gap
            return replace(
                changed,
                linearizable=endpoint.linearizable.then(None),
                serializable=endpoint.serializable.then(None),
            )

        self.board.endpoint(self.url, change)

    def release(self) -> None:
        held: tuple[GatewayPipe | LateRead | None, ...] = (self._pipe, self._late)
        self._pipe = self._late = None
        for one in held:
            if one is not None:
                one.close()

    # through the pipe

    def _ask_pipe(self, voice: Voice) -> None:
        pipe = self._pipe
        if pipe is not None and pipe.outstanding:
            self._wait_for_late_member(pipe)
            return
        for attempt in (1, 2):
            fresh = pipe is None or not pipe.usable
            if fresh or pipe is None:
                pipe = self._pipe = self._open(voice)
            try:
                self._exchange(pipe, voice)
                return
            except TimedOut:
                raise
            except Unreachable:
                # A warm connection that ended says only that it ended: ask anew for the cause.
                if fresh or attempt == 2 or not self._speaks():
                    raise
                self._drop()
                pipe = None

    def _open(self, voice: Voice) -> GatewayPipe:
        try:
            return open_pipe(voice, self.url, self._port)
        except EtcdTuiError as error:
            raise HostSilent(error.message, error.hint) from error

    def _exchange(self, pipe: GatewayPipe, voice: Voice) -> None:
        if not pipe.warm:
            # The first answer waits for the handshake too: it is nobody's latency.
            for _ in pipe.ask([gateway.version()], PATIENCE):
                pass
        now = time.monotonic()
        requests = [gateway.serializable_read(), gateway.status()]
        ask_members = now >= self._next_members
        if ask_members:
            requests.append(gateway.member_list())
        # A read by the quorum that is known to hang would only hide what the member itself knows.
        ask_quorum = self._leader and not self._learner and not self._owed
        if ask_quorum:
            requests.append(gateway.linearizable_read())
        times: dict[int, float] = {}
        listed: MemberList | None = None
        own: Problem | None = None
        try:
            for answer in pipe.ask(requests, PATIENCE):
                times[answer.index] = answer.seconds
                try:
                    if answer.index == 0:
                        gateway.check_read(answer.response)
                    elif answer.index == 1:
                        self._told_status(gateway.parse_status(answer.response))
                    elif ask_members and answer.index == 2:
                        listed = gateway.parse_member_list(answer.response)
                    else:
                        gateway.check_read(answer.response)
                except GatewayError as error:
                    if answer.index == 1:
                        raise
                    own = error.problem
        except TimedOut:
            if ask_quorum and len(times) == len(requests) - 1:
                self._quorum_is_late(pipe, voice.host)
            else:
                raise
        self._silent_since = None
        if listed is not None:
            self._next_members = now + MEMBERS_EVERY
            self._told(listed, self._leader)
        last = len(requests) - 1
        # One connection is answered in sequence: what the quorum took came on top of the answer before.
        on_top = times[last] - times[last - 1] if ask_quorum and last in times else None
        self._told_reads(voice, times.get(0), on_top, own)
        if now >= self._next_metrics and pipe.usable:
            self._ask_metrics(pipe)

    def _told_status(self, status: EndpointStatus) -> None:
        self._leader, self._learner = status.leader_id != 0, status.learner
        now = self.board.clock()
        self.board.endpoint(
            self.url,
            lambda e: replace(
                e,
                member_id=status.member_id,
                status=e.status.good(status, now),
                way=Way.PIPE,
                indexes=(*e.indexes, (now, status.raft_index))[-INDEXES:],
            ),
        )

    def _told_reads(
        self, voice: Voice, own: float | None, on_top: float | None, refused: Problem | None
    ) -> None:
        way = self.board.way_to(voice.host) or 0.0
        serializable = None if own is None else max(SHORTEST, own - way)
        linearizable = None if on_top is None or refused or serializable is None else serializable + on_top
        now = self.board.clock()

        def change(endpoint: EndpointView) -> EndpointView:
            reads = endpoint.reads
            if linearizable is not None:
                reads = reads.good(ReadTimes(linearizable, serializable, way), now)
            elif refused is not None:
                reads = reads.failed(refused, now)
            elif not self._leader:
                reads = reads.failed(Problem(Fault.NO_LEADER, "No leader: no read can be confirmed."), now)
            elif self._owed:
                problem = Problem(
                    Fault.NO_QUORUM_READ, f"No read was confirmed by the quorum within {PATIENCE:g} s."
                )
                reads = reads.failed(problem, now)
            return replace(
                endpoint,
                reads=reads,
                linearizable=endpoint.linearizable.then(linearizable),
                serializable=endpoint.serializable.then(serializable),
            )

        self.board.endpoint(self.url, change)

    # answers that are late

    @property
    def _owed(self) -> bool:
        late = self._late
        return late is not None and not late.over

    def _quorum_is_late(self, pipe: GatewayPipe, host: str) -> None:
        """Leave that pipe to its read; the member itself is asked through another."""

        def told(seconds: float) -> None:
            way, now = self.board.way_to(host) or 0.0, self.board.clock()
            times = ReadTimes(max(SHORTEST, seconds - way), None, way)
            self.board.endpoint(self.url, lambda e: replace(e, reads=e.reads.good(times, now)))

        self._pipe, self._late = None, LateRead(pipe, told)

    def _wait_for_late_member(self, pipe: GatewayPipe) -> None:
        """The member owes answers: a late one makes it slow, not gone. They are not used, only awaited."""
        try:
            for _ in pipe.more(PATIENCE):
                pass
        except TimedOut:
            began = self._silent_since or time.monotonic()
            if time.monotonic() - began > GIVE_UP:
                self._drop()
                self._silent_since = None
            raise
        self.poke()

    def _speaks(self) -> bool:
        """The host that was asked through is still the one to ask through."""
        try:
            return self._speaker.voice().turn == self._turn
        except EtcdTuiError:
            return False

    def _another_speaks(self) -> bool:
        try:
            return self._speaker.voice().turn != self._turn
        except EtcdTuiError:
            return False

    def _drop(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()

    # metrics, and the other ways

    def _ask_metrics(self, pipe: GatewayPipe) -> None:
        self._next_metrics = time.monotonic() + METRICS_EVERY
        now = self.board.clock()
        try:
            for answer in pipe.ask([gateway.metrics()], PATIENCE):
                page = gateway.parse_metrics(answer.response)
                self._told_metrics(metrics.scrape(page, time.monotonic()), now)
        except EtcdTuiError as error:
            # The numbers are worth having, not worth calling a member bad.
            self._drop()
            problem = problem_of(error)
            self.board.endpoint(self.url, lambda e: replace(e, metrics=e.metrics.failed(problem, now)))

    def _told_metrics(self, scrape: metrics.Scrape, now: float) -> None:
        known = metrics.between(self._scrape, scrape)
        self._scrape = scrape
        self.board.endpoint(self.url, lambda e: replace(e, metrics=e.metrics.good(known, now)))

    def _next_port(self) -> None:
        """No HTTP where it was asked: try the port of newer releases, then etcdctl."""
        self._drop()
        if self._port is None and urlsplit(self.url).port == 2379:
            self._port = SPLIT_HTTP_PORT
        else:
            self._by_etcdctl = True
        self.poke()

    def _ask_etcdctl(self, voice: Voice) -> None:
        self.period = 5.0
        told = ask_etcdctl(voice, self.url)
        if told.members is not None:
            self._told(told.members, told.status.leader_id != 0)
        now = self.board.clock()
        self.board.endpoint(
            self.url,
            lambda e: replace(
                e,
                member_id=told.status.member_id,
                way=Way.ETCDCTL,
                status=e.status.good(told.status, now),
                reads=e.reads.good(ReadTimes(told.took, None), now)
                if told.problem is None
                else e.reads.failed(told.problem, now),
                # Samples of warm reads speak for now no longer, and these times cannot stand beside them.
                linearizable=LatencySeries(),
                serializable=LatencySeries(),
            ),
        )
