"""A store that is a bucket of S3, or of what speaks it: MinIO, Ceph, OpenShift Data Foundation."""

from __future__ import annotations

import base64
import contextlib
import functools
import importlib
import importlib.util
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from etcdtui.errors import Cancelled, ConfigError, EtcdTuiError, NotFound, UnexpectedOutput
from etcdtui.landing import BLOCK, Cancel, Meter, Progress, faults
from etcdtui.offsite.server import check_address, trusting
from etcdtui.offsite.store import SILENCE, Stored, check_name, digest_of, stopped, taken

PART_SIZE = 8 * 1024 * 1024
"""Bytes held in memory and sent at once; a file that is no larger goes in one request."""

_MOST_PARTS = 10_000
_CONNECT = 20.0  # seconds, also for each block of a part to be taken
_TRIES = 3  # of each request, with a pause between them


class S3Store:
    """Objects are ``prefix/name`` in ``bucket``, which must exist.

    ``endpoint`` is the address of a server other than Amazon's; buckets are then part of the path, not of
    the host name. ``ca`` is a file with the server's own authority. Credentials are found as boto finds them:
    the environment, ``~/.aws``, the ``profile`` named, the role of the machine. Plain http is refused
    unless ``plain``. A stall ends after three times ``silence`` seconds. What a kill leaves of an upload in
    parts is not listed by S3 as an object; a lifecycle rule for incomplete uploads clears it away.

    Raises ConfigError; what is wrong with the credentials is said when the store is first used.
    """

    def __init__(
        self,
        name: str,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        ca: str | None = None,
        plain: bool = False,
        silence: float = SILENCE,
    ) -> None:
        if importlib.util.find_spec("boto3") is None:
            raise ConfigError(
                f"{name} is a store of kind s3, and boto3 is not installed.", "Run: pip install 'etcdtui[s3]'"
            )
        if not bucket or "/" in bucket:
            raise ConfigError(f"{name}: {bucket!r} is no bucket.", "Name the bucket alone, without s3://.")
        if endpoint is not None:
            check_address(name, endpoint, "endpoint", "https://s3.example.com", plain=plain)
        trusting(name, ca)
        self._name, self._bucket, self._silence = name, bucket, silence
        self._prefix = check_name(prefix.strip("/")) + "/" if prefix.strip("/") else ""
        self._endpoint, self._region, self._profile, self._ca = endpoint, region, profile, ca
        self._made: Any = None
        self._sending: _Part | None = None

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
        """As ``Store.put``; in parts when it is large. An object with this very content is left as it is."""
        size = file.stat().st_size
        place = self._place(name)
        if self.stat(name) is not None:
            return self._must_be(name, size, digest, progress, cancelled)
        flow = _Flow(Meter(name, size, progress), cancelled or threading.Event())
        try:
            with (
                faults(f"{file} cannot be read"),
                self._faults(f"{name} cannot be brought to {self._name}"),
                file.open("rb") as source,
            ):
                if size <= PART_SIZE:
                    self._put_whole(place, source.read(), digest, flow)
                else:
                    self._put_parts(place, source, size, flow)
        except _Exists:
            self._must_be(name, size, digest, progress, cancelled)
        except EtcdTuiError as exc:
            if flow.cancelled.is_set() and not isinstance(exc, Cancelled):
                raise stopped(name, self._name) from exc
            raise
        except _Stop as exc:
            raise stopped(name, self._name) from exc

    def list(self, under: str = "") -> list[Stored]:
        found: list[Stored] = []
        what = f"The backups in {self._name} cannot be listed"
        more: dict[str, str] = {}
        prefix = f"{self._prefix}{under}/" if under else self._prefix
        while True:
            with self._faults(what):
                answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **more)
            if "IsTruncated" not in answer:
                raise UnexpectedOutput(f"{what}: it does not answer as S3 does.", "Check the endpoint.")
            for entry in answer.get("Contents", ()):
                name = str(entry["Key"]).removeprefix(self._prefix)
                with contextlib.suppress(ConfigError):  # not ours: we never gave such a name
                    found.append(Stored(check_name(name), entry["Size"], entry["LastModified"].timestamp()))
            token = answer.get("NextContinuationToken")
            if not answer["IsTruncated"] or not token:
                return found
            more = {"ContinuationToken": token}

    def stat(self, name: str) -> Stored | None:
        """As ``Store.stat``. The digest is known of objects that went in one request, where S3 keeps it."""
        place = self._place(name)
        try:
            with self._faults(f"{self._name} cannot be asked for {name}"):
                answer = self._client.head_object(**place, ChecksumMode="ENABLED")
        except NotFound:
            return None
        return Stored(name, answer["ContentLength"], answer["LastModified"].timestamp(), _full_digest(answer))

    @contextlib.contextmanager
    def read_back(self, name: str) -> Iterator[Iterator[bytes]]:
        with self.read_on(name, 0) as (_, blocks):
            yield blocks

    @contextlib.contextmanager
    def read_on(self, name: str, begin: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """As ``Store.read_on``; S3 knows parts, what only speaks like it perhaps not."""
        only = {"Range": f"bytes={begin}-"} if begin else {}
        with self._faults(f"{name} cannot be read from {self._name}"):
            answer = self._client.get_object(**self._place(name), **only)
            body = answer["Body"]
            try:
                part = str(answer.get("ContentRange") or "").startswith(f"bytes {begin}-")
                yield begin if part else 0, body.iter_chunks(BLOCK)
            finally:
                body.close()

    def delete(self, name: str) -> None:
        with contextlib.suppress(NotFound), self._faults(f"{name} cannot be deleted from {self._name}"):
            self._client.delete_object(**self._place(name))

    def _place(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + check_name(name)}

    def _must_be(
        self, name: str, size: int, digest: str, progress: Progress | None, cancelled: Cancel | None
    ) -> None:
        """Raises Refusal unless the object there has this content."""
        found = self.stat(name)
        if found is None or found.size != size:
            raise taken(self._name, name)
        if (found.digest or digest_of(self, name, size, progress, cancelled)) != digest:
            raise taken(self._name, name)

    def _put_whole(self, place: dict[str, str], content: bytes, digest: str, flow: _Flow) -> None:
        # The server compares it before it keeps the object, and tells it later.
        proof = {
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(digest)).decode(),
        }
        self._once(
            lambda **only: self._send(
                flow.part(content, 0), functools.partial(self._client.put_object, **place, **proof, **only)
            )
        )

    def _put_parts(self, place: dict[str, str], source: io.BufferedReader, size: int, flow: _Flow) -> None:
        length = max(PART_SIZE, -(-size // _MOST_PARTS))
        upload = {**place, "UploadId": self._client.create_multipart_upload(**place)["UploadId"]}
        try:
            parts: list[dict[str, Any]] = []
            done = 0
            while content := source.read(length):
                number = len(parts) + 1
                upload_part = functools.partial(self._client.upload_part, **upload, PartNumber=number)
                answer = self._send(flow.part(content, done), upload_part)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
                done += len(content)
            whole = {"Parts": parts}
            self._once(
                lambda **only: self._client.complete_multipart_upload(**upload, MultipartUpload=whole, **only)
            )
        except BaseException:
            with contextlib.suppress(Exception):  # what failed is said already
                self._client.abort_multipart_upload(**upload)
            raise

    def _send(self, part: _Part, call: Callable[..., Any]) -> Any:
        self._sending = part
        try:
            return call(Body=part)
        finally:
            self._sending = None

    def _once(self, call: Callable[..., Any]) -> None:
        """Write only where nothing is yet. A server that does not know that condition was asked before."""
        try:
            call(IfNoneMatch="*")
        except self._client.exceptions.ClientError as exc:
            status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status in (409, 412):
                raise _Exists from exc
            if status != 501:
                raise
            call()

    def _before_send(self, **_: Any) -> None:
        """From now on what is read of the part goes to the server, and not into its signature."""
        if self._sending is not None:
            self._sending.begin()

    @property
    def _client(self) -> Any:
        if self._made is None:
            where = urlsplit(self._endpoint or "https://s3.amazonaws.com")
            http = importlib.import_module("etcdtui.offsite.http")  # brings urllib3
            http.proxy_of(where.scheme, where.hostname)  # boto reads it too, and tells its text in faults
            boto3 = importlib.import_module("boto3")
            config = importlib.import_module("botocore.config").Config(
                connect_timeout=min(_CONNECT, self._silence),
                read_timeout=self._silence,
                retries={"mode": "standard", "total_max_attempts": _TRIES},
                tcp_keepalive=True,
                max_pool_connections=1,
                user_agent_extra="etcdtui",
                # What speaks S3 often does not know the newer checksums, and we compare the whole anyway.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path" if self._endpoint else "auto"},
            )
            session = boto3.session.Session(profile_name=self._profile, region_name=self._region)
            self._made = session.client("s3", endpoint_url=self._endpoint, verify=self._ca, config=config)
            self._made.meta.events.register("before-send.s3", self._before_send)
        return self._made

    def _faults(self, what: str) -> contextlib.AbstractContextManager[None]:
        s3_faults = importlib.import_module("etcdtui.offsite.s3_faults").s3_faults  # brings botocore
        host = urlsplit(self._endpoint or "").hostname or "S3"
        made: contextlib.AbstractContextManager[None] = s3_faults(self._name, host, what)
        return made


class _Stop(Exception):
    """The user stopped it; raised in the middle of a request."""


class _Exists(Exception):
    """Somebody else was faster with an object of this name."""


class _Flow:
    """One upload: how far it is, and whether it is to go on."""

    def __init__(self, meter: Meter, cancelled: Cancel) -> None:
        self.meter, self.cancelled = meter, cancelled

    def part(self, content: bytes, offset: int) -> _Part:
        return _Part(content, offset, self)


class _Part(io.BytesIO):
    """What one request sends; tells how much of it has gone."""

    def __init__(self, content: bytes, offset: int, flow: _Flow) -> None:
        super().__init__(content)
        self._offset, self._flow, self._goes = offset, flow, False

    def begin(self) -> None:
        self._goes = True
        self._stop()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if offset == 0 and whence == io.SEEK_SET:
            self._goes = False
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        if self._goes:
            self._stop()
            self._flow.meter.at(self._offset + self.tell())
        return block

    def _stop(self) -> None:
        if self._flow.cancelled.is_set():
            raise _Stop


def _full_digest(answer: dict[str, Any]) -> str | None:
    """SHA-256 of the whole object in hex, where S3 keeps it: not of an upload in parts."""
    told = answer.get("ChecksumSHA256") or ""
    if "-" in told or answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    with contextlib.suppress(ValueError):
        raw = base64.b64decode(told, validate=True)
        return raw.hex() if len(raw) == 32 else None
    return None
