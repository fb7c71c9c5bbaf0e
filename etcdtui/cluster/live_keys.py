"""Listing the keys of the running cluster: page by page, at one revision, from one member's own data.

Through a connection of its own, so that nothing that watches the cluster waits for it; by etcdctl where that
cannot be had. One page is held at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from etcdtui.cluster.endpoints import SPLIT_HTTP_PORT, open_pipe
from etcdtui.cluster.speaker import Voice
from etcdtui.errors import Cancelled, CommandFailed, TimedOut, Unreachable
from etcdtui.etcd import listing
from etcdtui.etcd.answers import explain, last_words
from etcdtui.etcd.gateway import NoGateway
from etcdtui.etcd.listing import LiveKey, Page
from etcdtui.model.view import ClusterView, EndpointView
from etcdtui.reach.pipe import GatewayPipe

PAGE = 2000  # keys: some 400 KB of JSON
PATIENCE = 15.0  # seconds for one page through the pipe; a busy disk may take some
ETCDCTL = 30.0  # the same by etcdctl
TRIES = 3  # how often a connection that broke is opened anew for one page


class LiveKeys:
    """Iterate once. ``total`` and ``revision`` are known with the first page."""

    def __init__(self, voice: Voice, url: str, cancelled: Callable[[], bool], page: int = PAGE) -> None:
        self.url = url
        self.revision = 0
        self.total = 0
        self.read = 0
        self._voice, self._cancelled, self._page = voice, cancelled, page
        port = urlsplit(url).port or 2379
        split = (SPLIT_HTTP_PORT,) if port == 2379 else ()
        self._ports = [voice.access.http_port or port, *split] if voice.access.can_pipe else []
        self._pipe: GatewayPipe | None = None

    def __iter__(self) -> Iterator[LiveKey]:
        """Raises Compacted, Cancelled, and what the way to etcd raises."""
        last = b""
        try:
            while True:
                page = self._next(last)
                if not self.revision:
                    self.revision, self.total = page.revision, page.count
                # etcdctl tells the last key of the page before again.
                keys = page.keys[1:] if last and page.keys[:1] and page.keys[0].key == last else page.keys
                self.read += len(keys)
                yield from keys
                if not page.more or not keys:
                    return
                last = keys[-1].key
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection; also from another thread, which ends a wait for a page."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()

    def _next(self, last: bytes) -> Page:
        for attempt in range(1, TRIES + 1):
            if self._cancelled():
                raise Cancelled("The list of the keys was stopped.")
            try:
                return self._by_pipe(last) if self._ports else self._by_etcdctl(last)
            except NoGateway:
                self.close()
                self._ports.pop(0)
            except TimedOut:
                self.close()
                raise
            except Unreachable:
                self.close()
                if attempt == TRIES or self._cancelled():
                    raise
        return self._by_etcdctl(last)

    def _by_pipe(self, last: bytes) -> Page:
        if self._pipe is None or not self._pipe.usable:
            self.close()
            self._pipe = open_pipe(self._voice, self.url, self._ports[0])
        request = listing.page_request(
            listing.after(last) if last else listing.FIRST, self._page, self.revision
        )
        (answer,) = self._pipe.ask([request], PATIENCE)
        return listing.parse_page(answer.response, self.revision)

    def _by_etcdctl(self, last: bytes) -> Page:
        voice = self._voice
        access = voice.access.client(voice.sudo)
        argv = listing.page_argv(access, self.url, last, self._page + 1, self.revision)
        done = voice.runner.run(argv, timeout=ETCDCTL)
        said = done.err()
        if not done.ok:
            listing.compacted(said, self.revision)
            cause = explain(said)
            why = cause.message if cause else last_words(said) or f"exit code {done.status}"
            raise CommandFailed(
                f"etcdctl on {voice.host} cannot list the keys of {self.url}: {why}.",
                cause.hint if cause else "",
                argv=argv,
                status=done.status,
                said=said[-2000:],
            )
        return listing.parse_printed(done.out())


def live_keys(voice: Voice, view: ClusterView, cancelled: Callable[[], bool]) -> LiveKeys:
    """The keys as the member that is best asked has them. Raises Unreachable when none answers."""
    answering = [e for e in view.endpoints if _answers(e, view.now)]
    if not answering:
        raise Unreachable(
            f"No member of {view.name} answers now, so that its keys cannot be listed.",
            "See the members; a comparison of two backups needs none.",
        )
    return LiveKeys(voice, min(answering, key=_rank).url, cancelled)


def _answers(endpoint: EndpointView, now: float) -> bool:
    return endpoint.status.current(now, endpoint.fresh) is not None


def _rank(endpoint: EndpointView) -> tuple[bool, bool, int]:
    """Voters first, then followers, for the leader has enough to do; of those the one that knows most."""
    status = endpoint.status.value
    assert status is not None
    return status.learner, status.is_leader, -status.raft_applied
