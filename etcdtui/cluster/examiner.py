"""Asking about one member from everywhere at once: every host tries its ports, its own host is looked at.

Each question has its own deadline and waits for no other; what is in by ``DEADLINE`` is what there is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import urlsplit

from etcdtui.cluster.problems import problem_of
from etcdtui.cluster.speaker import Voice
from etcdtui.errors import EtcdTuiError, NotFound
from etcdtui.model.members import Member
from etcdtui.model.probe import HostSeen, Port, Probe, Try
from etcdtui.model.problems import Fault, Problem
from etcdtui.model.view import ClusterView, HostView
from etcdtui.platforms.host_clock import Asked
from etcdtui.platforms.layout import Layout
from etcdtui.platforms.openshift import script_failed
from etcdtui.platforms.probe_answers import parse_machine, parse_member, parse_try
from etcdtui.platforms.probe_scripts import member_script, try_script
from etcdtui.reach.runner import Runner

DEADLINE = 4.6  # seconds for all of it
TIMEOUT = 4.4  # seconds for each question

MACHINES = "/apis/machine.openshift.io/v1beta1/namespaces/openshift-machine-api/machines"

log = logging.getLogger(__name__)

Hear = Callable[[Probe], None]


class Objects(Protocol):
    """The Kubernetes API, as far as it is asked here."""

    def get_list(
        self, path: str, query: Sequence[tuple[str, str]] = ..., timeout: tuple[float, float] = ...
    ) -> list[dict[str, Any]]:
        """Every object of a kind. Raises EtcdTuiError."""


class Known(Protocol):
    """What a cluster knows, and its ways to hosts and to the API."""

    def view(self) -> ClusterView: ...
    def runner(self, host: str) -> Runner: ...
    def layout_of(self, host: str) -> Layout: ...
    def objects(self) -> Objects: ...


@dataclass(frozen=True, slots=True)
class Examiner:
    """``voices`` are the hosts from which etcd can be asked now; ``clock`` gives epoch seconds."""

    known: Known
    voices: Callable[[], Sequence[Voice]]
    clock: Callable[[], float] = time.time

    def examine(self, member_id: int, hear: Hear) -> Probe:
        """Ask about a member; blocks ``DEADLINE`` seconds at most. ``hear`` is given what is in so far, from
        any thread, the whole at last. Of a member that is not listed nothing is asked."""
        view = self.known.view()
        members = view.members.value.members if view.members.value else ()
        member = next((m for m in members if m.id == member_id), None)
        if member is None:
            return Probe(began=self.clock(), took=0.0)
        return _Round(self, view, member, hear).run()


class _Round:
    """One probe. Late answers are heard by nobody."""

    def __init__(self, ways: Examiner, view: ClusterView, member: Member, hear: Hear) -> None:
        self._ways, self._known, self._clock, self._hear = ways, ways.known, ways.clock, hear
        self._own = view.host_of(member)
        self._targets = _targets(member)
        self._hosts = view.hosts
        node = (self._own.node if self._own else "") or member.name
        self._node = node if view.api_configured else ""
        self._lock = threading.Lock()
        self._answered = threading.Condition(self._lock)
        self._probe = Probe(began=ways.clock())
        self._over = False

    def run(self) -> Probe:
        began = time.monotonic()
        questions = self._questions()
        self._probe = replace(self._probe, pending=tuple(word for word, _ in questions))
        self._hear(self._probe)
        for word, ask in questions:
            threading.Thread(target=self._ask, args=(word, ask), name=f"examine {word}", daemon=True).start()
        with self._answered:
            while self._probe.pending:
                left = began + DEADLINE - time.monotonic()
                if left <= 0:
                    break
                self._answered.wait(left)
            self._over = True
            late = self._probe.pending
            done = replace(self._probe, pending=(), took=time.monotonic() - began)
        if late:
            silent = Problem(Fault.SILENT, f"no answer within {DEADLINE:g} s")
            missed = tuple((word, silent) for word in late if word not in (_OWN, _MACHINE))
            own = silent if _OWN in late else done.own_problem
            done = replace(done, unasked=(*done.unasked, *missed), own_problem=own)
        self._hear(done)
        return done

    def _questions(self) -> list[tuple[str, Callable[[], Probe]]]:
        questions: list[tuple[str, Callable[[], Probe]]] = []
        voices = {voice.host: voice for voice in self._ways.voices()}
        for host in self._hosts:
            voice = voices.get(host.name)
            if voice is not None and voice.access.can_pipe and self._targets:
                questions.append((host.name, lambda v=voice: self._try(v)))  # type: ignore[misc]
            elif self._targets:
                self._probe = replace(self._probe, unasked=(*self._probe.unasked, (host.name, _why(host))))
        if self._own is not None:
            own = self._own
            questions.append((_OWN, lambda: self._look(own)))
        if self._node:
            questions.append((_MACHINE, self._machine))
        return questions

    def _ask(self, word: str, ask: Callable[[], Probe]) -> None:
        try:
            change = ask()
        except EtcdTuiError as error:
            problem = problem_of(error)
            change = _failed(word, problem)
        except Exception as error:  # a bug of ours must not end as a traceback on the screen
            log.exception("examine %s", word)
            problem = Problem(Fault.ODD, f"Defect in etcdtui: {type(error).__name__}: {error}")
            change = _failed(word, problem)
        with self._answered:
            if self._over:
                return
            known = self._probe
            self._probe = replace(
                known,
                tries=tuple(sorted(known.tries + change.tries, key=lambda t: t.host)),
                own=change.own or known.own,
                machine=change.machine or known.machine,
                own_problem=change.own_problem or known.own_problem,
                unasked=known.unasked + change.unasked,
                pending=tuple(w for w in known.pending if w != word),
            )
            self._answered.notify_all()
            heard = self._probe
            if heard.pending:  # the last word is that of ``run``
                self._hear(heard)

    def _try(self, voice: Voice) -> Probe:
        argv = try_script(self._known.layout_of(voice.host), voice.access, self._targets)
        completed = voice.runner.run(argv, timeout=TIMEOUT)
        if not completed.ok and not completed.stdout:
            raise script_failed(voice.host, completed.status, completed.err())
        named = {port: f"{address}:{number}" for port, address, number in self._targets}
        tries: tuple[Try, ...] = parse_try(completed.stdout, voice.host, named)
        return Probe(tries=tries)

    def _look(self, host: HostView) -> Probe:
        layout = self._known.layout_of(host.name)
        began = self._clock()
        completed = self._known.runner(host.name).run(member_script(layout), timeout=TIMEOUT)
        if not completed.ok and not completed.stdout:
            raise script_failed(host.name, completed.status, completed.err())
        asked = Asked(began, self._clock())
        own: HostSeen = parse_member(completed.stdout, host.name, layout, asked)
        return Probe(own=own)

    def _machine(self) -> Probe:
        try:
            items = self._known.objects().get_list(MACHINES, timeout=(1.5, 2.5))
        except NotFound:  # no Machine API: hosts are built by people
            items = []
        return Probe(machine=parse_machine(items, self._node))


_OWN = "its own host"
_MACHINE = "its machine"


def _failed(word: str, problem: Problem) -> Probe:
    """A question without an answer. That the API is silent is known without this, too."""
    if word == _MACHINE:
        return Probe()
    return Probe(own_problem=problem) if word == _OWN else Probe(unasked=((word, problem),))


def _targets(member: Member) -> tuple[tuple[Port, str, int], ...]:
    """Where its two ports are, by its first URLs."""
    found = []
    for port, urls, usual in ((Port.CLIENT, member.client_urls, 2379), (Port.PEER, member.peer_urls, 2380)):
        parts = urlsplit(urls[0]) if urls else None
        if parts is not None and parts.hostname:
            found.append((port, parts.hostname, parts.port or usual))
    return tuple(found)


def _why(host: HostView) -> Problem:
    """Why nothing can be tried from there."""
    if host.link.problem is not None:
        return host.link.problem
    if host.facts.problem is not None:
        return host.facts.problem
    missing = "; ".join(host.missing) or "nobody knows yet how etcd is asked from there"
    return Problem(Fault.NO_TOOLS, missing)
