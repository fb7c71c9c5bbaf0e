"""HTTP as stores need it: own authorities, proxies of the environment, bounded waits, faults as sentences."""

from __future__ import annotations

import base64
import contextlib
import importlib
import netrc
import os
import ssl
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3
from urllib3 import exceptions as failed

from etcdtui.errors import (
    AuthFailed,
    ConfigError,
    Dropped,
    EtcdTuiError,
    Forbidden,
    NameUnknown,
    NotFound,
    Refused,
    TimedOut,
    TlsFailed,
    Unreachable,
)
from etcdtui.landing import BLOCK
from etcdtui.offsite.server import host_of, trusting
from etcdtui.offsite.store import SILENCE, StoreFault, StoreFull, secret
from etcdtui.text import clean

ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes of one answer that is not an object."""

_CONNECT = 20.0  # seconds, also for each block of an upload to be taken
_NETRC = "Each entry is: machine HOST login USER password PASSWORD; the file must be yours alone, mode 0600."
_PROXY = "Write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with %23 for # and %2F for / in it."
_STAYS = "The local copy stays; it can be sent again."


class Http:
    """One server. ``name`` is the store's, ``url`` any on that server, ``login`` user and password."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        login: tuple[str, str] | None = None,
        ca: str | None = None,
        silence: float = SILENCE,
    ) -> None:
        parts = urlsplit(url)
        self._name, self._host = name, parts.hostname or ""
        self._headers = {"User-Agent": "etcdtui"}
        if login:
            proof = base64.b64encode(":".join(login).encode(errors="surrogateescape")).decode()
            self._headers["Authorization"] = f"Basic {proof}"
        context = trusting(name, ca)
        timeout = urllib3.Timeout(connect=min(_CONNECT, silence), read=silence)
        via = proxy_of(parts.scheme, self._host)
        self._pool: urllib3.PoolManager
        if via:
            ticket = None
            if via.username:
                words = f"{unquote(via.username)}:{unquote(via.password or '')}"
                ticket = urllib3.make_headers(proxy_basic_auth=words)
            plain = f"{via.scheme}://{_bracketed(via.hostname or '')}:{via.port or 3128}"
            self._pool = urllib3.ProxyManager(
                plain, proxy_headers=ticket, ssl_context=context, timeout=timeout
            )
        else:
            self._pool = urllib3.PoolManager(ssl_context=context, timeout=timeout)

    def ask(
        self,
        method: str,
        url: str,
        *,
        what: str,
        body: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        fine: tuple[int, ...] = (),
    ) -> tuple[int, Mapping[str, str], bytes]:
        """One request: status, headers, body. ``what`` begins the sentence of a fault.

        Statuses from 200 to 299 and those of ``fine`` are answers; others raise. Nothing is tried twice.
        """
        with self.open(method, url, what=what, body=body, headers=headers, fine=fine) as answer:
            content = b"".join(_upto(answer, ANSWER_LIMIT))
            return answer.status, answer.headers, content

    @contextlib.contextmanager
    def open(
        self,
        method: str,
        url: str,
        *,
        what: str,
        body: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        fine: tuple[int, ...] = (),
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """As ``ask``, with the body still to be read."""
        answer: urllib3.BaseHTTPResponse | None = None
        connection: Any = None
        with self._faults(what):
            try:
                answer = self._pool.request(
                    method,
                    url,
                    body=body,
                    headers={**self._headers, **(headers or {})},
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
                connection = answer.connection
                if not 200 <= answer.status <= 299 and answer.status not in fine:
                    said = b"".join(_upto(answer, 4096)).decode("utf-8", "replace")
                    raise fault(self._name, what, answer.status, answer.reason or "", said, answer.headers)
                yield answer
            finally:
                if answer is not None:
                    answer.close()
                if connection is not None:
                    connection.close()  # requests are few and far between: none waits for the next

    def _faults(self, what: str) -> contextlib.AbstractContextManager[None]:
        return transport_faults(what, self._host)


@contextlib.contextmanager
def transport_faults(what: str, host: str) -> Iterator[None]:
    """Turns what urllib3 raises in its block into a sentence that begins with ``what``."""
    try:
        yield
    except (failed.HTTPError, OSError) as exc:
        known = transport_fault(what, host, exc)
        if known is None:
            raise
        try:
            raise known from exc
        finally:
            del known  # else it holds this frame, which holds it, and what was open stays open


def transport_fault(what: str, host: str, exc: Exception) -> EtcdTuiError | None:
    """The error of something that urllib3 raised; None when it is about something else."""
    match exc:
        case failed.NameResolutionError():
            return NameUnknown(f"{what}: {host} has no address.", _STAYS)
        case failed.NewConnectionError():
            return Refused(f"{what}: {host} cannot be connected to: {_inner(exc)}.", _STAYS)
        case failed.ConnectTimeoutError() | failed.ReadTimeoutError() | TimeoutError():
            return TimedOut(f"{what}: {host} does not answer.", _STAYS)
        case failed.ProxyError():
            return Unreachable(f"{what}: the proxy does not let us through: {_inner(exc)}.", _STAYS)
        case failed.SSLError() | ssl.SSLError():
            return _tls_fault(what, host, exc)
        case failed.ProtocolError() | failed.IncompleteRead() | ConnectionError():
            if isinstance(_root(exc), TimeoutError):
                return TimedOut(f"{what}: {host} takes no more of it.", _STAYS)
            return Dropped(f"{what}: {host} closed the connection early.", _STAYS)
        case failed.HTTPError():
            return Unreachable(f"{what}: {clean(str(exc), 200)}.", _STAYS)
    return None


def _tls_fault(what: str, host: str, exc: Exception) -> EtcdTuiError:
    cause = _root(exc)
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return Dropped(f"{what}: {host} closed the connection early.", _STAYS)
    about = "the certificate of" if isinstance(cause, ssl.SSLCertVerificationError) else "TLS with"
    return TlsFailed(
        f"{what}: {about} {host} does not fit: {_inner(exc)}.",
        "Name its authority with ca, or have the certificate renewed.",
    )


def fault(
    store: str, what: str, status: int, reason: str, said: str, headers: Mapping[str, str] | None = None
) -> EtcdTuiError:
    """The error of an HTTP status that is no success."""
    words = clean(reason, 120)
    if said.strip() and not said.lstrip().startswith("<"):
        words = clean(said.strip(), 200)
    text = f"{what}: {store} answers {status}{f' ({words})' if words else ''}."
    match status:
        case 401:
            return AuthFailed(text, "Check user and password: of the environment, the keyring or netrc.")
        case 403:
            return Forbidden(text, "The user may not do this there; ask for the right to.")
        case 404:
            return NotFound(text, "Check the address and that the repository exists.")
        case 407:
            return AuthFailed(text, "The proxy wants a user and a password; name them in its address.")
        case 413:
            return StoreFull(
                text,
                "It takes no object so large: raise the limit there or in the proxy before it.",
                again=False,
            )
        case 507:
            return StoreFull(text, f"It is full: make room there. {_STAYS}")
        case 301 | 302 | 303 | 307 | 308:
            where = clean((headers or {}).get("Location", "elsewhere"), 200)
            return ConfigError(text, f"It points to {where}: name that address.")
        case _ if status >= 500:
            return StoreFault(text, f"It has a problem of its own. {_STAYS}")
    return StoreFault(text, "Look into its log.", again=False)


def find_login(
    store: str,
    url: str,
    environ: Mapping[str, str],
    user: str | None,
    variables: tuple[str | None, str | None],
) -> tuple[str, str] | None:
    """User and password: from the environment variables named, the keyring, or netrc; None when in none.

    ``user`` is the one of the configuration. Raises ConfigError.
    """
    user = secret(environ, variables[0], store) or user
    password = secret(environ, variables[1], store)
    if user and password:
        return user, password
    if user and (found := _keyring(f"etcdtui {store}", user)):
        return user, found
    path = Path(environ.get("NETRC") or Path.home() / ".netrc")
    if not path.is_file():
        return None
    try:
        entry = netrc.netrc(str(path)).authenticators(host_of(url))
    except netrc.NetrcParseError as exc:  # its words may hold a password
        raise ConfigError(f"{path} cannot be read: line {exc.lineno} is not as it must be.", _NETRC) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} cannot be read: it is not UTF-8.", _NETRC) from None
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror or exc}.", _NETRC) from exc
    if entry is None or not entry[2] or (user and entry[0] and entry[0] != user):
        return None
    return entry[0] or user or "", entry[2]


def _keyring(service: str, user: str) -> str | None:
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        return None
    try:
        found = keyring.get_password(service, user)
    except Exception:  # keyring has backends of many makes, each with errors of its own
        return None
    return str(found) if found else None


def proxy_of(scheme: str, host: str) -> SplitResult | None:
    """The proxy that the environment names for ``host``. Raises ConfigError, which says nothing of its text:
    that may hold a password."""
    found = urllib.request.getproxies().get(scheme)
    if not found or urllib.request.proxy_bypass(host):
        return None
    wrong = ""
    try:
        via = urlsplit(found if "://" in found else f"http://{found}")
        if via.scheme not in ("http", "https"):
            wrong = "its scheme is neither http nor https"
        elif not via.hostname:
            wrong = "it names no host"
        elif via.port == 0 or via.path.strip("/") or via.query or via.fragment:
            wrong = "something other than a port follows its host"
        else:
            urllib3.util.parse_url(f"{via.scheme}://{_bracketed(via.hostname)}")
    except ValueError:  # its words may hold a password
        wrong = "its host or its port cannot be one"
    if wrong:
        which = f"The proxy for {scheme} that the environment names"
        raise ConfigError(f"{which} cannot be used: {wrong}.", _PROXY)
    return via


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _upto(answer: urllib3.BaseHTTPResponse, limit: int) -> Iterator[bytes]:
    left = limit
    while left > 0 and (block := answer.read(min(BLOCK, left))):
        left -= len(block)
        yield block


def _inner(exc: BaseException) -> str:
    """What the machine said, without the wrappings of the library."""
    cause = _root(exc)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return clean(cause.verify_message, 160)
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno) if not isinstance(cause, ssl.SSLError) else clean(str(cause), 160)
    return clean(str(cause), 160)


def _root(exc: BaseException) -> BaseException:
    while (under := exc.__cause__ or exc.__context__) is not None:
        exc = under
    return exc
