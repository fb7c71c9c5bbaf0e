"""HTTP/1.1 as bytes: requests to write back to back, answers read in order from any pieces. No sockets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from etcdtui.errors import UnexpectedOutput
from etcdtui.text import clean

HEAD_LIMIT = 64 * 1024
BODY_LIMIT = 32 * 1024 * 1024
_LINE_LIMIT = 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?\Z")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?\Z", re.DOTALL)
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class NoGateway(UnexpectedOutput):
    """Something answers there, but not HTTP/1.1, or without etcd's JSON gateway."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``body`` None sends none."""

    method: str
    path: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One whole answer. Header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first header called ``name`` (lower case), or an empty text."""
        return next((value for key, value in self.headers if key == name), "")


_State = Callable[[list[Response]], bool]


def encode(requests: Iterable[Request], host: str) -> bytes:
    """All requests as bytes, one after the other, for one connection."""
    return b"".join(_encoded(request, host) for request in requests)


def _encoded(request: Request, host: str) -> bytes:
    head = [f"{request.method} {request.path} HTTP/1.1", f"Host: {host}", "Accept: */*"]
    if request.body is not None:
        head += ["Content-Type: application/json", f"Content-Length: {len(request.body)}"]
    if any("\r" in line or "\n" in line for line in head):
        raise ValueError("a request line or header must not contain a line end")
    return "\r\n".join([*head, "", ""]).encode("ascii") + (request.body or b"")


class ResponseParser:
    """Bytes in, whole answers out, however the bytes were cut.

    After something that is no HTTP ``failure`` is set: answers that were complete before it are still
    given, further bytes raise it.
    """

    def __init__(self) -> None:
        self.failure: UnexpectedOutput | None = None
        self.closing = False  # the server said that it will close after the last answer
        self.answered = 0
        self._buffer = bytearray()
        self._status = 0
        self._headers: tuple[tuple[str, str], ...] = ()
        self._body = bytearray()
        self._wanted = 0
        self._trailers = 0
        self._state: _State = self._head

    @property
    def idle(self) -> bool:
        """Nothing of an unfinished answer is held."""
        return self._state == self._head and not self._buffer

    def feed(self, data: bytes) -> list[Response]:
        """The answers that ``data`` completes. Raises UnexpectedOutput when an earlier piece was garbage."""
        if self.failure is not None:
            raise self.failure
        self._buffer += data
        done: list[Response] = []
        try:
            while self._state(done):
                pass
        except UnexpectedOutput as exc:
            self.failure = exc
            self._buffer.clear()
            if not done:
                raise
        return done

    def end(self) -> list[Response]:
        """The connection ended: an answer without a length ends with it, a cut one is an error."""
        if self.failure is not None:
            raise self.failure
        done: list[Response] = []
        if self._state == self._until_end:
            self._finish(done)
        elif not self.idle:
            self.failure = UnexpectedOutput("The connection ended in the middle of an answer.")
            raise self.failure
        return done

    def _head(self, done: list[Response]) -> bool:
        buffer = self._buffer
        if not buffer:
            return False
        if buffer[:7] != b"HTTP/1."[: len(buffer)]:
            raise self._garbage(bytes(buffer[:40]))
        end = buffer.find(b"\r\n\r\n", 0, HEAD_LIMIT + 4)
        if end < 0:
            if len(buffer) > HEAD_LIMIT:
                raise UnexpectedOutput("The head of an answer does not end.")
            return False
        first, *rest = bytes(buffer[:end]).split(b"\r\n")
        del buffer[: end + 4]
        match = _STATUS_LINE.match(first)
        if match is None:
            raise self._garbage(first)
        headers = tuple(self._header(line) for line in rest)
        status = int(match[1])
        if status < 200:
            if status == 101:
                raise UnexpectedOutput("The server changed to another protocol unasked.")
            return True
        self._status, self._headers = status, headers
        self._body.clear()
        self._state = self._body_state(done)
        return True

    def _body_state(self, done: list[Response]) -> _State:
        """How the body of the present answer ends; a body of no bytes ends here."""
        fields = dict(reversed(self._headers))
        if "close" in fields.get("connection", "").lower():
            self.closing = True
        coding = fields.get("transfer-encoding", "").lower().strip()
        length = fields.get("content-length")
        if self._status in (204, 304):
            length, coding = "0", ""
        if coding == "chunked":
            return self._chunk_size
        if coding:
            raise UnexpectedOutput(f"An answer has the unknown coding {clean(coding, 40)!r}.")
        if length is None:
            self.closing = True
            return self._until_end
        if not (length.isascii() and length.isdigit() and len(length) <= 12) or int(length) > BODY_LIMIT:
            raise UnexpectedOutput(f"An answer has the length {clean(length, 40)!r}.")
        self._wanted = int(length)
        if self._wanted:
            return self._sized
        self._finish(done)
        return self._head

    def _sized(self, done: list[Response]) -> bool:
        if not self._take(self._wanted):
            return False
        self._finish(done)
        return True

    def _until_end(self, done: list[Response]) -> bool:
        self._body += self._buffer
        self._buffer.clear()
        self._bounded()
        return False

    def _chunk_size(self, done: list[Response]) -> bool:
        line = self._line()
        if line is None:
            return False
        match = _CHUNK_SIZE.match(line)
        if match is None:
            raise UnexpectedOutput("A chunk of an answer has no readable size.")
        self._wanted = int(match[1], 16)
        if self._wanted > BODY_LIMIT:
            raise UnexpectedOutput("A chunk of an answer is too large.")
        self._state = self._chunk if self._wanted else self._trailer
        return True

    def _chunk(self, done: list[Response]) -> bool:
        if self._wanted:
            if not self._take(self._wanted):
                return False
            self._bounded()
        if len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise UnexpectedOutput("A chunk of an answer is longer than it says.")
        del self._buffer[:2]
        self._state = self._chunk_size
        return True

    def _trailer(self, done: list[Response]) -> bool:
        line = self._line()
        if line is None:
            return False
        if line:
            self._trailers += 1
            if self._trailers > 100:
                raise UnexpectedOutput("The trailer of an answer does not end.")
            return True
        self._finish(done)
        return True

    def _take(self, count: int) -> bool:
        """Move what there is of ``count`` bytes to the body; true when it is all."""
        piece = self._buffer[:count]
        self._body += piece
        del self._buffer[: len(piece)]
        self._wanted = count - len(piece)
        return not self._wanted

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", 0, _LINE_LIMIT + 2)
        if end < 0:
            if len(self._buffer) > _LINE_LIMIT:
                raise UnexpectedOutput("A line of an answer does not end.")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _bounded(self) -> None:
        if len(self._body) > BODY_LIMIT:
            raise UnexpectedOutput(f"An answer is longer than {BODY_LIMIT // 1024 // 1024} MiB.")

    def _finish(self, done: list[Response]) -> None:
        done.append(Response(self._status, self._headers, bytes(self._body)))
        self.answered += 1
        self._body.clear()
        self._trailers = 0
        self._state = self._head

    def _header(self, line: bytes) -> tuple[str, str]:
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.match(name):
            raise UnexpectedOutput("An answer has a header that cannot be read.")
        return name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")

    def _garbage(self, start: bytes) -> UnexpectedOutput:
        said = clean(start.decode("latin-1"), 40)
        if not self.answered:
            return NoGateway(
                f"The port does not speak HTTP/1.1; its answer begins with {said!r}.",
                "etcd may be set up for gRPC only there.",
            )
        return UnexpectedOutput(f"Bytes that are no HTTP came after an answer: {said!r}.")
