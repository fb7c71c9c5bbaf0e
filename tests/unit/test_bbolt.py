"""The structure of a bbolt file: each kind of damage is found and named, even with a digest that fits."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from etcdtui.etcd.bbolt import (
    BRANCH,
    FREELIST,
    HEADER,
    LEAF,
    NO_FREELIST,
    Damaged,
    Page,
    PagedFile,
    fnv64a,
    metas,
)
from etcdtui.etcd.bbolt_check import Structure, check, leaves
from etcdtui.etcd.bbolt_pages import joined, leaf, varint
from etcdtui.etcd.revisions import LiveCounter, live_marks, revision, user_keys
from tests.recorded import VERSIONS
from tests.snapshotfiles import PAGE, REAL, header, sealed, with_meta, with_page, written

GOOD = REAL[VERSIONS[-1]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path, GOOD)


def walk(path: Path, data: bytes = GOOD) -> Structure:
    path.write_bytes(data)
    with PagedFile(path) as file:
        found, problems = metas(file)
        assert found, problems
        return check(file, found[0], {}, lambda pages: None)


def first_problem(path: Path, data: bytes) -> str:
    found = walk(path, data)
    assert found.count and len(found.problems) <= found.count
    return found.problems[0]


def in_use(path: Path) -> dict[str, list[int]]:
    """Pages by what they are: the branch of the keys, its leaves, free ones."""
    with PagedFile(path) as file:
        meta = metas(file)[0][0]
        structure = check(file, meta, {}, lambda pages: None)
        keys = structure.buckets[b"key"]
        used = {0, 1, keys.root, *keys.leaves, *leaves(file, meta, meta.root)}
        for bucket in structure.buckets.values():
            used |= {*bucket.leaves, bucket.root}
        free = sorted(set(range(2, meta.high_water)) - used)
        return {"branch": [keys.root], "leaves": list(keys.leaves), "free": free, "root": [meta.root]}


def test_a_sound_file(path: Path) -> None:
    found = walk(path)
    assert not found.problems and found.reached + found.free == found.pages
    assert {b"key", b"meta", b"members"} <= found.buckets.keys()
    assert header(GOOD, in_use(path)["branch"][0])[1] == BRANCH


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (812, "Page {0} says it is page 812: zeroed or overwritten."),
        (0, "Page {0} says it is page 0: zeroed or overwritten."),
    ],
)
def test_a_page_that_is_another(path: Path, number: int, said: str) -> None:
    page = in_use(path)["leaves"][1]
    assert first_problem(path, with_page(GOOD, page, struct.pack("<Q", number))) == said.format(page)


def test_types_of_pages(path: Path) -> None:
    page = in_use(path)["leaves"][0]
    said = first_problem(path, with_page(GOOD, page, struct.pack("<H", FREELIST), 8))
    assert said == f"Page {page} is a free list where a branch page or a leaf page belongs."
    said = first_problem(path, with_page(GOOD, page, struct.pack("<H", 0x77), 8))
    assert "of the unknown type 0x77" in said


def test_counts_overflow_and_bounds(path: Path) -> None:
    page = in_use(path)["leaves"][0]
    assert "claims 65535 elements" in first_problem(path, with_page(GOOD, page, b"\xff\xff", 10))
    assert "is an empty leaf" in first_problem(path, with_page(GOOD, page, b"\0\0", 10))
    assert "4294967295 further pages" in first_problem(path, with_page(GOOD, page, b"\xff" * 4, 12))
    neighbour = min(number for number in in_use(path)["leaves"] if number + 1 in in_use(path)["leaves"])
    said_all = walk(path, with_page(GOOD, neighbour, struct.pack("<I", 1), 12)).problems
    assert any("to something else" in said for said in said_all)
    said = first_problem(path, with_page(GOOD, page, struct.pack("<I", 5000), HEADER + 4))
    assert said == f"Element 0 of page {page} lies outside the page."
    said = first_problem(path, with_page(GOOD, page, b"\xff" * 4, HEADER + 12))
    assert said == f"Element 0 of page {page} lies outside the page."
    assert "bucket inside the bucket" in first_problem(path, with_page(GOOD, page, b"\x01", HEADER))


def test_order_of_keys(path: Path) -> None:
    page = in_use(path)["leaves"][1]
    count = header(GOOD, page)[2]
    begin = page * PAGE + HEADER
    second = begin + HEADER
    at = second - page * PAGE + struct.unpack_from("<I", GOOD, second + 4)[0]
    assert (
        first_problem(path, with_page(GOOD, page, bytes(17), at))
        == f"Element 1 of page {page} is out of order."
    )
    first = begin - page * PAGE + struct.unpack_from("<I", GOOD, begin + 4)[0]
    said = first_problem(path, with_page(GOOD, page, bytes(17), first))
    assert said == f"Page {page} holds keys that do not belong there by the page above it."
    assert count > 1


def test_branches(path: Path) -> None:
    found = in_use(path)
    (page,), leaf_pages = found["branch"], found["leaves"]
    at = HEADER + HEADER + 8  # the second child
    said = first_problem(path, with_page(GOOD, page, struct.pack("<Q", leaf_pages[0]), at))
    assert said == f"Page {leaf_pages[0]} is reached twice, the second time from page {page}."
    said = first_problem(path, with_page(GOOD, page, struct.pack("<Q", page), at))
    assert "is reached twice" in said
    said = first_problem(path, with_page(GOOD, page, struct.pack("<Q", 1 << 63), at))
    assert f"page {page} points to page {1 << 63}, but the database has pages 2 to 11." in said.replace(
        "Page", "page"
    )
    assert "without children" in first_problem(path, with_page(GOOD, page, b"\0\0", 10))


def test_meta_pages(path: Path) -> None:
    path.write_bytes(with_page(GOOD, 0, b"\0", HEADER + 48))
    with PagedFile(path) as file:
        found, problems = metas(file)
    assert [meta.page for meta in found] == [1]
    assert problems == ["Meta page 0 does not fit its checksum: it was changed."]
    path.write_bytes(with_page(with_page(GOOD, 0, bytes(PAGE)), 1, b"\0" * 8, HEADER))
    with PagedFile(path) as file:
        found, problems = metas(file)
    assert not found
    assert problems == ["Meta page 0 is all zeros.", "Meta page 1 does not begin as a bbolt database does."]
    for field, value in (("root", 99), ("page_size", 4097), ("freelist", 99), ("high_water", 0)):
        path.write_bytes(with_meta(GOOD, **{field: value}))
        with PagedFile(path) as file:
            assert not metas(file)[0], field
    assert fnv64a(b"a") == 0xAF63DC4C8601EC8C


def test_a_high_water_beyond_everything_costs_no_memory(path: Path) -> None:
    found = walk(path, with_meta(GOOD, high_water=1 << 60))
    assert found.pages == 1 << 60 and not found.problems


def with_freelist(pages: list[int], wrong: list[int] | None = None, long: bool = False) -> bytes:
    """A file whose free list is stored, in the first of its free pages."""
    at, free = pages[0], wrong if wrong is not None else pages[1:]
    numbers = [len(free), *free] if long else free
    page = struct.pack(f"<QHHI{len(numbers)}Q", at, FREELIST, 0xFFFF if long else len(free), 0, *numbers)
    return with_page(with_meta(GOOD, freelist=at), at, page)


def test_a_stored_free_list(path: Path) -> None:
    found = in_use(path)
    free, used = found["free"], found["leaves"][0]
    assert len(free) > 2
    assert GOOD[HEADER + 32 : HEADER + 40] == struct.pack("<Q", NO_FREELIST)
    sound = walk(path, with_freelist(free))
    assert sound.freelist and not sound.problems and sound.free == len(free) - 1
    assert not walk(path, with_freelist(free, long=True)).problems
    said = first_problem(path, with_freelist(free, sorted([*free[1:], used])))
    assert said == f"The free list calls pages free that are in use: {used}."
    said = first_problem(path, with_freelist(free, free[2:]))
    assert said == f"1 page neither in use nor free, the first is page {free[1]}."
    assert "names a page twice" in first_problem(path, with_freelist(free, [free[1], free[1]]))
    assert "do not exist" in first_problem(path, with_freelist(free, [*free[1:], 1 << 40]))
    leaf_as_list = with_meta(GOOD, freelist=free[0])
    assert "free list" in first_problem(
        path, with_page(leaf_as_list, free[0], struct.pack("<QH", free[0], LEAF))
    )


def large_leaf(value: bytes, overflow: int, key: bytes = b"/a/large/key") -> bytes:
    """A leaf of one entry that runs over many pages."""
    name = struct.pack(">Q", 7) + b"_" + bytes(8)
    stored = b"\x0a" + bytes([len(key)]) + key + value
    element = struct.pack("<IIII", 0, HEADER, len(name), len(stored))
    return struct.pack("<QHHI", 2, LEAF, 1, overflow) + element + name + stored


def test_of_a_very_large_page_only_the_beginning_is_read(path: Path) -> None:
    page = large_leaf(bytes(200_000), 49)
    path.write_bytes(bytes(2 * PAGE) + page.ljust(50 * PAGE, b"\0"))
    with PagedFile(path) as file:
        head, data = file.page(2)
        assert len(data) == PAGE
        found = leaf(file, head, data, 2)
    assert not found.whole and user_keys(found) == [b"/a/large/key"]
    assert found.value_sizes[0] == 200_000 + 14 and len(found.data) < 1000


def test_plain_pages_joined_are_the_pages(path: Path) -> None:
    numbers = in_use(path)["leaves"]
    with PagedFile(path) as file:
        alone = [leaf(file, *file.page(number), number) for number in numbers]
        pages = [file.page(number) for number in numbers]
    together = joined([(head.elements, data) for head, data in pages], PAGE)
    assert together is not None
    assert together.keys == [key for found in alone for key in found.keys]
    assert user_keys(together) == [key for found in alone for key in user_keys(found)]
    assert together.edges[-1] == len(together.keys) and len(together.edges) == len(numbers)
    broken = pages[0][1][: HEADER + 4] + b"\xff" + pages[0][1][HEADER + 5 :]
    assert joined([(pages[0][0].elements, broken), (pages[1][0].elements, pages[1][1])], PAGE) is None


def test_shares_count_what_one_pass_counts(path: Path) -> None:
    numbers = in_use(path)["leaves"]
    with PagedFile(path) as file:
        found = [leaf(file, *file.page(number), number) for number in numbers]
    whole, first = LiveCounter(), LiveCounter(limit=10)
    for page in found:
        whole.page(page)
        first.page(page)
    assert first.shares > 1
    total = first.alive
    for share in range(1, first.shares):
        counter = LiveCounter(share, first.shares)
        for page in found:
            counter.page(page)
        total += counter.alive
    assert total == whole.alive == 74
    count = sum(len(page.keys) for page in found)
    marks = [live_marks(lambda: reversed(found), count, limit) for limit in (1000, 10)]
    assert marks[0] == marks[1] and sum(marks[0]) == 74


def test_cycles_end(path: Path) -> None:
    page = struct.pack("<QHHIIIQ", 2, BRANCH, 1, 0, HEADER, 1, 2) + b"a"
    path.write_bytes(with_meta(sealed(GOOD[: 2 * PAGE] + page.ljust(PAGE, b"\0")), root=2, high_water=3))
    with PagedFile(path) as file:
        meta = metas(file)[0][0]
        assert check(file, meta, {}, lambda pages: None).problems
        with pytest.raises(Damaged, match="reached twice"):
            leaves(file, meta, 2)


def test_numbers() -> None:
    assert varint(b"\xac\x02", 0) == (300, 2)
    for bad in (b"", b"\x80", b"\xff" * 11):
        with pytest.raises(Damaged):
            varint(bad, 0)
    assert revision(struct.pack(">Q", 7) + b"_" + struct.pack(">Q", 3) + b"t") == (7, 3)
    for name in (b"", b"x" * 17, struct.pack(">Q", 7) + b"_" + bytes(8) + b"x"):
        with pytest.raises(Damaged):
            revision(name)
    assert Page(3, 9, 0, 0).kind == "of the unknown type 0x9"
