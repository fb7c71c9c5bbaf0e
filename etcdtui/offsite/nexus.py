"""A store that is a raw repository of Nexus, or another server that takes HTTP PUT."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from etcdtui.errors import ConfigError, EtcdTuiError, NotFound, UnexpectedOutput
from etcdtui.landing import BLOCK, Cancel, Meter, Progress
from etcdtui.offsite.http import Http, fault
from etcdtui.offsite.server import check_address
from etcdtui.offsite.store import SILENCE, Stored, StoreFault, blocks_of, check_name, stopped, taken

_REST = "service/rest/v1"
_SETTLING = (0.3, 0.7, 1.5)
"""Seconds to wait for Nexus' search to know of an upload, before the object is read back instead."""


class NexusStore:
    """``url`` is the repository's, ``https://nexus.example.com/repository/etcd``; ``prefix`` a folder in it.

    ``login`` is user and password (``http.find_login``), ``ca`` a file with the server's own authority.
    Plain http is refused unless ``plain``: a backup holds every secret of the cluster.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        prefix: str = "",
        login: tuple[str, str] | None = None,
        ca: str | None = None,
        plain: bool = False,
        silence: float = SILENCE,
    ) -> None:
        check_address(name, url, "repository", "https://nexus.example.com/repository/NAME", plain=plain)
        self._name = name
        self._base = url.rstrip("/")
        self._prefix = check_name(prefix.strip("/")) + "/" if prefix.strip("/") else ""
        server, mark, repository = self._base.partition("/repository/")
        self._rest = f"{server}/{_REST}" if mark else ""
        self._repository = repository
        self._http = Http(name, url, login=login, ca=ca, silence=silence)
        self._new: set[str] = set()

    @property
    def name(self) -> str:
        return self._name

    def put(
        self,
        file: Path,
        name: str,
        digest: str,
        progress: Progress | None = None,
        cancelled: Cancel | None = None,
    ) -> None:
        """As ``Store.put``: one PUT, streamed. The server keeps nothing of one that is cut."""
        what, size = f"{name} cannot be brought to {self._name}", file.stat().st_size
        body = blocks_of(file, Meter(name, size, progress), stopped(name, self._name), cancelled)
        headers = {
            "Content-Length": str(size),
            "Content-Type": "application/octet-stream",
            "If-None-Match": "*",  # servers that know it do not overwrite; Nexus has a setting for that
        }
        with contextlib.closing(body):
            status, _, said = self._http.ask(
                "PUT", self._url(name), what=what, body=body, headers=headers, fine=(409, 412)
            )
        if status in (409, 412):
            raise taken(self._name, name) from fault(
                self._name, what, status, "", said.decode("utf-8", "replace")
            )
        self._new.add(name)

    def list(self, under: str = "") -> list[Stored]:
        """As ``Store.list``. Needs Nexus; a server that only knows PUT cannot tell what it has."""
        what = f"The backups in {self._name} cannot be listed"
        found: list[Stored] = []
        prefix = f"{self._prefix}{under}/" if under else self._prefix
        token: str | None = ""
        while token is not None:
            query = {"repository": self._repository} | ({"continuationToken": token} if token else {})
            answer = self._ask_rest("assets", query, what)
            if answer is None:
                raise StoreFault(
                    f"{what}: it does not answer as Nexus does.", "It can only be written to.", again=False
                )
            for asset in answer.get("items") or ():
                path = str(asset.get("path") or "").lstrip("/")
                if path.startswith(prefix):
                    found += self._stored(path.removeprefix(self._prefix), asset)
            token = answer.get("continuationToken") or None
        return sorted(found, key=lambda stored: stored.name)

    def stat(self, name: str) -> Stored | None:
        what = f"{self._name} cannot be asked for {name}"
        status, headers, _ = self._http.ask("HEAD", self._url(name), what=what, fine=(404,))
        if status == 404:
            return None
        length = headers.get("Content-Length", "")
        if not length.isdigit():
            raise UnexpectedOutput(f"{what}: it does not say how large it is.", "Check the proxy before it.")
        return Stored(name, int(length), _http_date(headers.get("Last-Modified")), self._digest(name))

    @contextlib.contextmanager
    def read_back(self, name: str) -> Iterator[Iterator[bytes]]:
        what = f"{name} cannot be read from {self._name}"
        with self._http.open(
            "GET", self._url(name), what=what, headers={"Cache-Control": "no-cache"}
        ) as answer:
            yield answer.stream(BLOCK)

    @contextlib.contextmanager
    def read_on(self, name: str, begin: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """As ``Store.read_on``: not every server knows parts of an object."""
        if not begin:
            with self.read_back(name) as blocks:
                yield 0, blocks
            return
        what = f"{name} cannot be read from {self._name}"
        headers = {"Cache-Control": "no-cache", "Range": f"bytes={begin}-"}
        with self._http.open("GET", self._url(name), what=what, headers=headers) as answer:
            part = answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-")
            if answer.status == 206 and not part:
                raise UnexpectedOutput(
                    f"{what}: it sent another part of it than was asked for.", "Check the proxy before it."
                )
            yield begin if part else 0, answer.stream(BLOCK)

    def delete(self, name: str) -> None:
        what = f"{name} cannot be deleted from {self._name}"
        self._http.ask("DELETE", self._url(name), what=what, fine=(404,))

    def _url(self, name: str) -> str:
        return f"{self._base}/{quote(self._prefix + check_name(name))}"

    def _digest(self, name: str) -> str | None:
        """What Nexus' search says; None where there is no Nexus, or it does not know it (yet)."""
        path = self._prefix + name
        for pause in (*(_SETTLING if name in self._new else ()), None):
            try:
                answer = self._ask_rest("search/assets", {"repository": self._repository, "q": path}, "")
            except EtcdTuiError:
                return None  # reading it back will tell
            if answer is None:
                return None
            for asset in answer.get("items") or ():
                checksums = asset.get("checksum") or {}
                if str(asset.get("path") or "").lstrip("/") == path and checksums.get("sha256"):
                    return str(checksums["sha256"]).lower()
            if pause is not None:
                time.sleep(pause)
        return None

    def _ask_rest(self, what: str, query: dict[str, str], sentence: str) -> dict[str, Any] | None:
        if not self._rest:
            return None
        url = f"{self._rest}/{what}?{urlencode(query)}"
        try:
            _, _, said = self._http.ask("GET", url, what=sentence, headers={"Accept": "application/json"})
            answer = json.loads(said)
        except (NotFound, ValueError):
            return None
        return answer if isinstance(answer, dict) and isinstance(answer.get("items"), list) else None

    def _stored(self, name: str, asset: dict[str, Any]) -> tuple[Stored, ...]:
        size = asset.get("fileSize")  # older versions do not tell it
        try:
            check_name(name)
        except ConfigError:
            return ()  # not ours: we never gave such a name
        if not isinstance(size, int):
            known = self.stat(name)
            return (known,) if known else ()
        checksum = (asset.get("checksum") or {}).get("sha256")
        modified = asset.get("lastModified")
        when = None
        with contextlib.suppress(TypeError, ValueError):
            when = datetime.fromisoformat(modified).timestamp()  # type: ignore[arg-type]
        return (Stored(name, size, when, str(checksum).lower() if checksum else None),)


def _http_date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None
