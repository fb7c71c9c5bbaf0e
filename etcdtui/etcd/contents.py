"""What is in a snapshot, told from the keys alone: kinds, namespaces, single objects, differences.

Values stay unread but for the user's key at their beginning. Keys of Kubernetes lie under ``/registry/`` or,
on OpenShift, ``/kubernetes.io/`` and ``/openshift.io/``; behind that come the group (when it has a dot), the
kind, the namespace (when there is one) and the name.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

from etcdtui.errors import Cancelled
from etcdtui.etcd.bbolt import LEAF, Damaged, PagedFile, metas
from etcdtui.etcd.bbolt_check import leaves
from etcdtui.etcd.bbolt_pages import Leaf, bucket_header, inline_leaf, joined, leaf, spans
from etcdtui.etcd.buckets import KEYS
from etcdtui.etcd.revisions import LIMIT, TOMBSTONE, live_marks, user_keys
from etcdtui.model.contents import Summary, Tally, key_name

_BATCH = 64  # pages read together
DEPTH: Final = 3  # parts of a key that make a prefix: /kubernetes.io/secrets/


class Entry(NamedTuple):
    """A key that lives. ``revision`` is (main, sub) of its last change, ``size`` the bytes stored."""

    key: bytes
    revision: tuple[int, int]
    size: int

    @property
    def text(self) -> str:
        return self.key.decode("utf-8", "backslashreplace")


class Contents:
    """A snapshot opened to look at its keys. Raises ``Damaged`` and ``Unreadable``; prove the file first.

    Held in memory: one byte for each revision, eight for each page of keys.
    """

    def __init__(
        self, path: Path, *, cancelled: Callable[[], bool] | None = None, limit: int = LIMIT
    ) -> None:
        self._cancelled, self._limit = cancelled, limit
        self._file = PagedFile(path)
        self._marks: bytearray | None = None
        self._inline: Leaf | None = None
        self._pages: array[int] = array("Q")
        self.read = 0  # pages of keys that were read so far, each as often as it was
        try:
            self._open()
        except BaseException:
            self._file.__exit__(None, None, None)
            raise

    def __enter__(self) -> Contents:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    @property
    def pages(self) -> int:
        """How many pages of keys there are: what counts for the time that a pass over them takes."""
        return len(self._pages)

    def _open(self) -> None:
        found, problems = metas(self._file)
        if not found:
            raise Damaged(" ".join(problems))
        meta = found[0]
        for number in leaves(self._file, meta, meta.root):
            names = leaf(self._file, *self._file.page(number), number)
            for at, name in enumerate(names.keys):
                if name == KEYS and names.flags[at] == 1 and names.whole:
                    value = names.data[names.starts[at] + names.key_sizes[at] : names.ends[at]]
                    root, _ = bucket_header(value)
                    if root:
                        self._pages = leaves(self._file, meta, root)
                    else:
                        self._inline = inline_leaf(value)
                    return
        raise Damaged(f"{self._file.path.name} has no bucket of keys: it is no database of etcd.")

    def _read(self, numbers: Sequence[int]) -> Iterator[Leaf]:
        """Pages of keys in order, many at once where they are plain."""
        self.read += len(numbers)
        pages = [(number, *self._file.page(number)) for number in numbers]
        for number, header, _ in pages:
            if header.id != number or header.flags != LEAF:
                raise Damaged(f"Page {number} says it is page {header.id}, {header.kind}.")
        if len(pages) > 1 and all(header.overflow == 0 and header.elements for _, header, _ in pages):
            plain = [(header.elements, data) for _, header, data in pages]
            together = joined(plain, self._file.page_size)
            if together is not None:
                yield together
                return
        for number, header, data in pages:
            yield leaf(self._file, header, data, number)

    def _leaves(self) -> Iterator[Leaf]:
        if self._inline is not None:
            yield self._inline
        for first in range(0, len(self._pages), _BATCH):
            self._check()
            yield from self._read(self._pages[first : first + _BATCH])

    def _backwards(self) -> Iterator[Leaf]:
        for end in range(len(self._pages), 0, -_BATCH):
            self._check()
            yield from reversed(list(self._read(self._pages[max(0, end - _BATCH) : end])))
        if self._inline is not None:
            yield self._inline

    def _check(self) -> None:
        if self._cancelled is not None and self._cancelled():
            raise Cancelled(f"The look into {self._file.path.name} was stopped.")

    def _living(self) -> bytearray:
        if self._marks is None:
            count = len(self._inline.keys) if self._inline is not None else 0
            count += sum(self._file.header(number).elements for number in self._pages)
            self._marks = live_marks(self._backwards, count, self._limit)
        return self._marks

    def live(self) -> Iterator[Entry]:
        """The keys that live, in the order of their last changes, read as they are asked for."""
        marks, at = self._living(), 0
        for found in self._leaves():
            chosen = marks[at : at + len(found.keys)]
            at += len(found.keys)
            if any(chosen):
                keys = user_keys(found)
                for place, mark in enumerate(chosen):
                    if mark:
                        name = found.keys[place]
                        main, sub = int.from_bytes(name[:8], "big"), int.from_bytes(name[9:17], "big")
                        yield Entry(keys[place], (main, sub), found.value_sizes[place])

    def values(self, revisions: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """What is stored at each of these revisions, whole: etcd's KeyValue as protobuf."""
        for main, sub in revisions:
            self._check()
            name = main.to_bytes(8, "big") + b"_" + sub.to_bytes(8, "big")
            if self._inline is not None:
                found, place = self._inline, self._place(self._inline, name)
                yield found.data[found.starts[place] + found.key_sizes[place] : found.ends[place]]
                continue
            # Pages lie in the order of revisions.
            at = max(0, bisect_right(range(len(self._pages)), name, key=self._first) - 1)
            found = self._leaf(at)
            place = self._place(found, name)
            there = list(spans(self._file, self._pages[at]))
            before = sum(found.key_sizes[:place]) + sum(found.value_sizes[:place])
            # One span for each entry, or one for all of them that lie behind each other.
            offset = there[place][0] if len(there) > 1 else there[0][0] + before
            yield self._file.read(offset + len(name), found.value_sizes[place])

    def _leaf(self, at: int) -> Leaf:
        number = self._pages[at]
        return leaf(self._file, *self._file.page(number), number)

    def _first(self, at: int) -> bytes:
        return self._leaf(at).keys[0]

    def _place(self, found: Leaf, name: bytes) -> int:
        try:
            return found.keys.index(name)
        except ValueError as exc:
            raise Damaged("A revision is not where it was a moment ago.") from exc

    def summary(self) -> Summary:
        """Counts by kind, namespace and prefix. Sizes are those of the values that live."""
        kinds: dict[tuple[str, str], list[int]] = {}
        spaces: dict[str, list[int]] = {}
        prefixes: dict[bytes, list[int]] = {}
        newest: Entry | None = None
        count = size = 0
        for entry in self.live():
            name = key_name(entry.text)
            prefix = b"/".join(entry.key.split(b"/", DEPTH)[:DEPTH])
            for tally in (
                kinds.setdefault((name.group, name.kind), [0, 0]),
                spaces.setdefault(name.namespace, [0, 0]),
                prefixes.setdefault(prefix, [0, 0]),
            ):
                tally[0] += 1
                tally[1] += entry.size
            newest, count, size = entry, count + 1, size + entry.size
        dead = sum(found.key_sizes.count(TOMBSTONE) for found in self._leaves())
        return Summary(
            count,
            size,
            _tallies({f"{group}/{kind}" if group else kind: t for (group, kind), t in kinds.items()}),
            _tallies({name: t for name, t in spaces.items() if name}),
            _tallies({prefix.decode("utf-8", "backslashreplace"): t for prefix, t in prefixes.items()}),
            newest.text if newest is not None else "",
            newest.revision[0] if newest is not None else 0,
            dead,
        )

    def find(self, wanted: str) -> tuple[Entry, ...]:
        """Keys that live and are meant by ``wanted``: a key (``/…``), or ``kind namespace/name``."""
        if wanted.startswith("/"):
            key = wanted.encode()
            return tuple(entry for entry in self.live() if entry.key == key)
        kind, _, rest = wanted.strip().partition(" ")
        namespace, slash, name = rest.strip().rpartition("/")
        ending = (rest if slash else name).strip().encode()
        return tuple(
            entry
            for entry in self.live()
            if entry.key.endswith(ending) and key_name(entry.text).meant(kind, namespace, name)
        )


def _tallies(counts: dict[str, list[int]]) -> tuple[Tally, ...]:
    ranked = sorted(counts.items(), key=lambda item: (-item[1][1], item[0]))
    return tuple(Tally(name, count, size) for name, (count, size) in ranked)
