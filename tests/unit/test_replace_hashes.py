"""The keys of all members compared at one revision: identical, different, or why not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from etcdtui.etcd.commands import ClientAccess
from etcdtui.model.hashes import HashAnswer, Sameness, compare
from etcdtui.procedures.hashes import compare_hashes
from etcdtui.reach.runner import Completed
from tests.procedures import FakeRunner, FakeWorld
from tests.views import healthy


def told(*hashes: int | None, compacted: tuple[int, ...] = ()) -> list[HashAnswer]:
    marks = compacted or (-1,) * len(hashes)
    return [HashAnswer(f"m{n}", value, marks[n], "no answer") for n, value in enumerate(hashes)]


@pytest.mark.parametrize(
    ("answers", "expected", "words"),
    [
        (told(7, 7, 7), Sameness.IDENTICAL, "All 3 voters hold identical keys at revision 40"),
        (told(7, 7, 8), Sameness.DIFFERENT, "m0 and m1 00000007; m2 00000008"),
        (told(7, None, 8), Sameness.DIFFERENT, "DIFFER"),
        (told(7, None, 7), Sameness.UNKNOWN, "because of m1: no answer"),
        (told(7, 9, 7, compacted=(5, 6, 5)), Sameness.UNKNOWN, "compacted at different revisions"),
        (told(7, 9, 8, compacted=(5, 6, 5)), Sameness.DIFFERENT, "m2 00000008"),
        (told(7), Sameness.UNKNOWN, "nothing to compare"),
    ],
)
def test_compared(answers: list[HashAnswer], expected: Sameness, words: str) -> None:
    found = compare(40, answers)
    assert found.sameness is expected and words in found.sentence


def test_learners_are_named_and_left_out() -> None:
    assert compare(40, told(7, 7), ["m9"]).sentence.endswith("m9 is a learner, not compared.")


class Host(FakeRunner):
    """etcdctl that answers status and hashkv for each endpoint."""

    def __init__(self, hashed: Callable[[str, int], Completed]) -> None:
        super().__init__()
        self.hashed = hashed
        self.asked: list[tuple[str, int]] = []

    def run(self, argv, *, timeout, stdin=b""):  # type: ignore[no-untyped-def]
        url = next(w.partition("=")[2] for w in argv if w.startswith("--endpoints="))
        if "hashkv" in argv:
            revision = int(next(w.partition("=")[2] for w in argv if w.startswith("--rev=")))
            self.asked.append((url, revision))
            return self.hashed(url, revision)
        number = int(url.split(".")[3].split(":")[0])
        header = {"member_id": number, "revision": 30 + number}
        status = {"header": header, "version": "3.5.1", "leader": 1}
        return Completed(tuple(argv), 0, json.dumps([{"Endpoint": url, "Status": status}]).encode(), b"")


def answer(url: str, value: int) -> Completed:
    entry = {"Endpoint": url, "HashKV": {"header": {"revision": 99}, "hash": value, "compact_revision": -1}}
    return Completed((), 0, json.dumps([entry]).encode(), b"")


def world(host: Host) -> FakeWorld:
    made = FakeWorld(healthy(), host)
    made.etcdctl = lambda: (host.host, ClientAccess())  # type: ignore[method-assign,attr-defined]
    return made


def test_asked_at_the_lowest_revision() -> None:
    host = Host(lambda url, revision: answer(url, 7))
    found = compare_hashes(world(host))
    assert found.sameness is Sameness.IDENTICAL and {r for _, r in host.asked} == {40}
    assert len(host.asked) == 3


def test_asked_again_when_a_compaction_came_between() -> None:
    tries = iter([True, False, False, False, False, False])

    def hashed(url: str, revision: int) -> Completed:
        if next(tries):
            return Completed((), 1, b"", b"mvcc: required revision has been compacted")
        return answer(url, 7)

    host = Host(hashed)
    assert compare_hashes(world(host)).sameness is Sameness.IDENTICAL and len(host.asked) == 6


def test_one_that_does_not_answer_is_named() -> None:
    def hashed(url: str, revision: int) -> Completed:
        if url.endswith(".11:2379"):
            return Completed((), 1, b"", b"context deadline exceeded")
        return answer(url, 7)

    found = compare_hashes(world(Host(hashed)))
    assert found.sameness is Sameness.UNKNOWN and "because of masternode2" in found.sentence
