"""Who watches the API of a lab as client-go's reflector does: list once, and watch from there."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from etcdtui.lab.demo import Lab

CONFIGMAPS = "/api/v1/configmaps"
_BACKOFF = 0.2
_LASTS = 300  # seconds, of one watch
Item = tuple[str, str]  # resourceVersion, digest of its data


def key_of(item: Any) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def held(item: Any) -> Item:
    return item["metadata"]["resourceVersion"], item["data"]["sha256"]


class Wire:
    """One connection to the API of a lab."""

    def __init__(self, lab: Lab) -> None:
        known = json.loads((lab.directory / "kubeconfig").read_text())
        self._token = known["users"][0]["user"]["token"]
        context = ssl.create_default_context(cafile=str(lab.directory / "api" / "ca.crt"))
        where = urlsplit(known["clusters"][0]["cluster"]["server"])
        assert where.hostname
        self._connection = http.client.HTTPSConnection(
            where.hostname, where.port, timeout=_LASTS + 10, context=context
        )

    def get(self, path: str, **query: str | int) -> http.client.HTTPResponse:
        """Raises OSError or HTTPException."""
        headers = {"Authorization": f"Bearer {self._token}"}
        self._connection.request("GET", f"{path}?{urlencode(query)}", headers=headers)
        return self._connection.getresponse()

    def asked(self, path: str, **query: str | int) -> tuple[int, Any]:
        with self.get(path, **query) as answer:
            return answer.status, json.loads(answer.read())

    def watch(self, path: str = CONFIGMAPS, **query: str | int) -> Iterator[Any]:
        """It is watched when this returns: the events until it ends. Raises OSError or HTTPException."""
        answer = self.get(path, watch="true", **query)
        if answer.status != 200:
            raise OSError(f"{answer.status} {answer.read()!r}")
        return self._events(answer)

    @staticmethod
    def _events(answer: http.client.HTTPResponse) -> Iterator[Any]:
        with answer:
            while line := answer.readline():
                yield json.loads(line)

    def close(self) -> None:
        self._connection.close()


class Reflector:
    """Works in a thread of its own until it is closed.

    ``items``: by namespace/name, as told. ``relists``: how often it had to list anew. ``watches``: how
    often it began to watch. ``last_revision``: from where it would watch next.
    """

    def __init__(self, lab: Lab, path: str = CONFIGMAPS) -> None:
        self._lab, self._path = lab, path
        self.items: dict[str, Item] = {}
        self.relists, self.watches = -1, 0
        self.last_revision = ""
        self._closing = threading.Event()
        self._watching = threading.Event()
        self._wire: Wire | None = None
        self._thread = threading.Thread(target=self._work, name="reflector", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        assert self._watching.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._closing.set()
        self._hang_up()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _hang_up(self) -> None:
        wire = self._wire
        connection = wire._connection.sock if wire else None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(2)

    def _work(self) -> None:
        listing, since = True, ""
        while not self._closing.is_set():
            try:
                self._wire = Wire(self._lab)
                if listing and self._list(since):
                    listing = False
                elif listing:
                    since = ""  # what it saw last is above what there is: as it is now, then
                elif not self._watch():
                    # As client-go: whatever comes is to be no older than what was seen.
                    listing, since = True, self.last_revision
            except (OSError, http.client.HTTPException, ValueError):
                pass
            finally:
                if self._wire is not None:
                    self._wire.close()
            self._closing.wait(_BACKOFF)

    def _list(self, since: str) -> bool:
        assert self._wire
        status, answer = self._wire.asked(self._path, **({"resourceVersion": since} if since else {}))
        causes = [one["reason"] for one in answer.get("details", {}).get("causes", ())]
        if "ResourceVersionTooLarge" in causes or status == 410:
            return False
        if status != 200:
            raise OSError(answer["message"])
        self.items = {key_of(item): held(item) for item in answer["items"]}
        self.last_revision = answer["metadata"]["resourceVersion"]
        self.relists += 1
        return True

    def _watch(self) -> bool:
        """False where it has to list anew."""
        assert self._wire
        events = self._wire.watch(self._path, resourceVersion=self.last_revision, timeoutSeconds=_LASTS)
        self.watches += 1
        self._watching.set()
        for event in events:
            item = event["object"]
            if event["type"] == "ERROR":
                return bool(item["code"] != 410)
            if event["type"] == "DELETED":
                self.items.pop(key_of(item), None)
            else:
                self.items[key_of(item)] = held(item)
            self.last_revision = item["metadata"]["resourceVersion"]
        return True


def fresh(lab: Lab, path: str = CONFIGMAPS) -> dict[str, Item]:
    """What is there now."""
    wire = Wire(lab)
    try:
        status, answer = wire.asked(path)
        assert status == 200, answer
        return {key_of(item): held(item) for item in answer["items"]}
    finally:
        wire.close()
