"""How far a member's database has come, read from a handful of its pages, whatever its size.

Only the way to the last revision and the small buckets is read, so that this can be asked of a file on
another machine. Nothing is proven by it; for that see ``snapshot``.
"""

from __future__ import annotations

from collections.abc import Iterator

from etcdtui.etcd.bbolt import BRANCH, LEAF, Damaged, Meta, Pages, metas
from etcdtui.etcd.bbolt_pages import Leaf, branch, bucket_header, inline_leaf, leaf
from etcdtui.etcd.buckets import KEYS, compaction, members, number, text
from etcdtui.etcd.revisions import revision
from etcdtui.model.survivors import Position

DEEPEST = 16  # levels of a tree; a database of 8 GiB has five
MOST = 64  # pages read of a small bucket


def position(pages: Pages) -> Position:
    """What the newest finished transaction says. Raises Damaged, Overtaken, and what ``pages`` raises.

    bbolt never writes over pages of its newest transaction: as long as there is no newer one, all of what was
    read belongs together.
    """
    found, problems = metas(pages)
    if not found:
        raise Damaged(" ".join(problems))
    try:
        told = _read(pages, found[0].root)
    except Damaged:
        _stands(pages, found[0])
        raise
    _stands(pages, found[0])
    return told


def _read(pages: Pages, root: int) -> Position:
    buckets = _entries(pages, root, b"")
    raft = _bucket(pages, buckets, b"meta")
    return Position(
        index=number(raft, b"consistent_index"),
        revision=max(
            _last_revision(pages, buckets.get(KEYS)),
            compaction(raft, b"finishedCompactRev") or 0,
            compaction(raft, b"scheduledCompactRev") or 0,
        ),
        term=number(raft, b"term") or None,
        members=tuple(member.id for member in members(_bucket(pages, buckets, b"members"))),
        version=text(_bucket(pages, buckets, b"cluster"), b"clusterVersion"),
    )


def _stands(pages: Pages, meta: Meta) -> None:
    after, _ = metas(pages)
    if not after or after[0].txid != meta.txid:
        raise Overtaken("The database was written to while it was read.")


class Overtaken(Damaged):
    """A newer transaction was finished meanwhile: read again."""


def _bucket(pages: Pages, buckets: dict[bytes, bytes], name: bytes) -> dict[bytes, bytes]:
    value = buckets.get(name)
    if value is None:
        return {}
    root, _ = bucket_header(value)
    return _entries(pages, root, value)


def _entries(pages: Pages, root: int, inline: bytes) -> dict[bytes, bytes]:
    """Everything in a small bucket."""
    content: dict[bytes, bytes] = {}
    leaves: Iterator[Leaf] = _leaves(pages, root) if root else iter((inline_leaf(inline),))
    for count, found in enumerate(leaves):
        if count >= MOST or not found.whole:
            raise Damaged("a small bucket is larger than can be believed.")
        for at, key in enumerate(found.keys):
            begin = found.starts[at] + found.key_sizes[at]
            content[key] = found.data[begin : begin + found.value_sizes[at]]
    return content


def _leaves(pages: Pages, root: int, depth: int = 0) -> Iterator[Leaf]:
    header, data = pages.page(root)
    if header.id != root or header.flags not in (BRANCH, LEAF) or depth > DEEPEST:
        raise Damaged(f"page {root} says it is page {header.id}, {header.kind}.")
    if header.flags == LEAF:
        yield leaf(pages, header, data, root)
        return
    for child in branch(pages, header, data, root)[1]:
        yield from _leaves(pages, child, depth + 1)


def _last_revision(pages: Pages, value: bytes | None) -> int:
    """Of the last entry of the bucket of keys; 0 when it has none."""
    if value is None:
        return 0
    root, _ = bucket_header(value)
    found = _last_leaf(pages, root) if root else inline_leaf(value)
    return revision(found.keys[-1])[0] if found.keys else 0


def _last_leaf(pages: Pages, root: int) -> Leaf:
    for _ in range(DEEPEST):
        header, data = pages.page(root)
        if header.id != root or header.flags not in (BRANCH, LEAF):
            break
        if header.flags == LEAF:
            return leaf(pages, header, data, root)
        root = branch(pages, header, data, root)[1][-1]
    raise Damaged(f"page {root} is none of the tree of keys.")
