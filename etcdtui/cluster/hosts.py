"""Watching one host: is it there (each second), how etcd is asked from it, what lies on it (each 15 s)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from etcdtui.cluster.board import Board
from etcdtui.cluster.problems import problem_of
from etcdtui.cluster.speaker import Speaker
from etcdtui.cluster.watcher import Watcher
from etcdtui.config import Host
from etcdtui.errors import EtcdTuiError, HostKeyUnknown
from etcdtui.model.view import HostView
from etcdtui.platforms.host_clock import Asked
from etcdtui.platforms.openshift import (
    HostAccess,
    access_script,
    look_script,
    parse_access,
    parse_look,
    script_failed,
)
from etcdtui.reach.echo import Echo
from etcdtui.reach.runner import Runner

PATIENCE = 1.2  # seconds for a byte to come back before a host is called silent
CONNECT = 8.0  # seconds for a new connection to be made
ACCESS_TIMEOUT = 6.0
LOOK_TIMEOUT = 12.0
RELOOK = 300.0  # seconds after which the way to etcd is read again: certificates and endpoints change


class LinkWatcher(Watcher):
    """The SSH connection: one byte there and back each second, which is also the length of the way."""

    period = 1.0

    def __init__(
        self,
        host: Host,
        runner: Runner,
        board: Board,
        speaker: Speaker,
        on_back: Callable[[], None],
        on_key: Callable[[str, HostKeyUnknown | None], None],
    ) -> None:
        super().__init__(f"link {host.name}", board)
        self._on_back = on_back
        self._on_key = on_key
        self._well = False
        self._host = host
        self._runner = runner
        self._speaker = speaker
        self._echo = Echo(runner)

    def round(self) -> None:
        # Until the first answer it also waits for the connection to be made.
        seconds = self._echo.ping(PATIENCE if self._well else CONNECT)
        self.board.host_answered(self._host.name, seconds)
        if not self._well:
            self._well = True
            self._on_key(self._host.name, None)
            self._on_back()

    def failed(self, error: EtcdTuiError) -> None:
        self._well = False
        self._speaker.unable(self._host.name)
        if isinstance(error, HostKeyUnknown):
            self._on_key(self._host.name, error)
        self.board.host_silent(self._host.name, problem_of(error))

    def release(self) -> None:
        self._echo.close()


class HostWatcher(Watcher):
    """What lies on the host, and how etcd is asked from there."""

    period = 15.0

    def __init__(
        self,
        host: Host,
        runner: Runner,
        board: Board,
        speaker: Speaker,
        on_access: Callable[[Host, HostAccess], None],
        over: Callable[[str], str],
    ) -> None:
        super().__init__(f"host {host.name}", board)
        self._host = host
        self._runner = runner
        self._speaker = speaker
        self._on_access = on_access
        self._over = over
        self._access: HostAccess | None = None
        self._read = 0.0

    def round(self) -> None:
        self._learn_access()
        argv = look_script(self._host.layout, self._access.node if self._access else "")
        began = self.board.clock()
        completed = self._runner.run(argv, timeout=LOOK_TIMEOUT)
        asked = Asked(began, self.board.clock())
        if not completed.ok:
            raise script_failed(self._host.name, completed.status, completed.err())
        facts = parse_look(completed.stdout, asked, self._host.name)
        if facts.lock is not None and facts.lock.run:
            facts = replace(facts, lock=replace(facts.lock, over=self._over(facts.lock.run)))

        def learned(host: HostView) -> HostView:
            known = host.facts.value
            # The same tuple as before where no file changed, so that the backups are not joined anew.
            same = known is not None and known.backups == facts.backups
            kept = replace(facts, backups=known.backups) if known is not None and same else facts
            return replace(host, facts=host.facts.good(kept, self.board.clock()))

        self.board.host(self._host.name, learned)
        _ = self.board.view().known_backups  # joined in this thread: the screen finds it done

    def _learn_access(self) -> None:
        """Read how etcd is asked from here; once, then now and then, and after every silence."""
        if self._access is None or time.monotonic() - self._read > RELOOK:
            completed = self._runner.run(access_script(self._host.layout), timeout=ACCESS_TIMEOUT)
            if not completed.ok:
                raise script_failed(self._host.name, completed.status, completed.err())
            self._access = parse_access(completed.stdout, self._host.name)
            self._read = time.monotonic()
            access = self._access
            self.board.host(self._host.name, lambda h: self._told(h, access))
            self._on_access(self._host, access)
        if self._access.can_pipe or self._access.can_etcdctl:
            self._speaker.able(self._host.name, self._runner, self._access, self._host.layout.sudo)
        else:
            self._speaker.unable(self._host.name)
        if self.closed.is_set():  # meanwhile: another host is this machine
            self._speaker.unable(self._host.name)

    @staticmethod
    def _told(host: HostView, access: HostAccess) -> HostView:
        # A host that cannot tell its name in etcd keeps the one by which others know it.
        return replace(host, node=access.node or host.node, missing=access.missing)

    def failed(self, error: EtcdTuiError) -> None:
        self._access = None
        problem = problem_of(error)
        self.board.host(
            self._host.name, lambda h: replace(h, facts=h.facts.failed(problem, self.board.clock()))
        )
