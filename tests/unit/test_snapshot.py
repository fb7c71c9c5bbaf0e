"""The proof of a snapshot: real files, every kind of damage, nothing bad called good."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdtui.errors import Cancelled, EtcdTuiError
from etcdtui.etcd.bbolt import Damaged, Unreadable
from etcdtui.etcd.bbolt_check import Structure
from etcdtui.etcd.comparing import compare
from etcdtui.etcd.contents import Contents
from etcdtui.etcd.crc32c import FOLD, POLYNOMIAL, Crc32c, crc32c
from etcdtui.etcd.revisions import PLAIN
from etcdtui.etcd.snapshot import _cluster, etcd_hash, prove
from etcdtui.model.members import Member
from etcdtui.model.proof import Alarm, Identity, Outcome, Proof, SnapshotFacts, behind, same_cluster, whose
from tests.recorded import VERSIONS
from tests.snapshotfiles import PAGE, RAISED, REAL, mutated, resealed, with_entry, with_page, written

# What etcdctl 3.4.23 and etcdutl 3.5.1 print of these two files.
KNOWN = {"3.4.23": (1550294841, 9, 90), "3.5.1": (4054916499, 9, 92)}
RAISED_HASH = 2551957299
FILES = [*REAL.values(), RAISED]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(version: str, tmp_path: Path) -> Path:
    return written(tmp_path, REAL[version])


def failures(proof: Proof) -> dict[str, str]:
    return {check.name: check.sentence for check in proof.failed}


def test_a_real_snapshot_is_good(path: Path, version: str) -> None:
    proof = prove(path, etcd_hash=True)
    assert proof.good and not proof.failed
    assert [check.name for check in proof.checks] == [
        *("length", "digest", "meta pages", "structure", "cluster", "unchanged")
    ]
    facts = proof.facts
    assert facts is not None
    assert (facts.etcd_hash, facts.revision, facts.entries) == KNOWN[version]
    assert (facts.live_keys, facts.tombstones, facts.raised) == (74, 1, False)
    assert [member.name for member in facts.members] == ["m1"]
    assert facts.cluster_version == f"{version[:3]}.0"
    assert facts.voters == ((facts.members[0].id,) if version > "3.5" else ())
    assert "is good" in proof.verdict and "74 live keys" in proof.verdict


def test_after_a_raised_revision_its_mark_is_no_key_and_no_damage(tmp_path: Path) -> None:
    proof = prove(written(tmp_path, RAISED), etcd_hash=True)
    assert proof.good, proof.verdict
    facts = proof.facts
    # Revision, entries and hash are what etcdutl 3.5.16 prints; `etcdctl get` finds four keys.
    assert facts is not None and facts.etcd_hash == RAISED_HASH
    assert (facts.revision, facts.entries, facts.revisions) == (1_000_000_007, 13, 5)
    assert (facts.live_keys, facts.tombstones, facts.raised) == (4, 0, True)
    said = dict(facts.sentences)
    assert "a restore has raised the revision" in said["history"]
    assert said["keys"] == "4 live, as etcdctl from 3.6 on counts; 13 as it counts up to 3.5"
    assert "4 live keys" in proof.verdict


def test_an_empty_entry_is_the_mark_of_a_raise_only_where_it_can_be(tmp_path: Path) -> None:
    mark = 1_000_000_007

    def said(data: bytes) -> str:
        return " ".join(failures(prove(written(tmp_path, data))).values())

    for revision in (2, 4, 5, 6):  # the keys that live
        told = said(with_entry(RAISED, revision, size=0))
        assert f"revisions {revision} and 1\u202f000\u202f000\u202f007 are empty" in told, told
        no_key = with_entry(RAISED, revision, at=PLAIN + 1, content=b"\x00")
        assert "key of an entry of the bucket of keys is empty." in said(no_key)
        no_key = with_entry(RAISED, revision, at=PLAIN + 1, content=b"\x80\x00")
        assert "key of an entry of the bucket of keys is empty." in said(no_key)
    later = with_entry(RAISED, mark, content=(mark + 1).to_bytes(8, "big"))
    assert "The entry of revision 1\u202f000\u202f000\u202f008 is empty" in said(later)
    second = with_entry(RAISED, mark, at=16, content=b"\x01")
    assert "does not begin with a key" in said(second)
    assert said(RAISED) == ""


def test_a_tombstone_is_no_mark_of_a_raise(path: Path, version: str) -> None:
    path.write_bytes(with_entry(REAL[version], 9, size=0, mark=b"t"))
    assert "does not begin with a key" in " ".join(failures(prove(path)).values())


def test_progress_grows_to_its_end_and_cancel_ends_it(path: Path) -> None:
    seen: list[tuple[int, int]] = []
    prove(path, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1]
    with pytest.raises(Cancelled, match="stopped"):
        prove(path, cancelled=lambda: True)


def test_digest(path: Path, version: str) -> None:
    good = REAL[version]
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert failures(prove(path)) == {
        "digest": "The sha256 behind the database does not fit: "
        "bytes were changed after the snapshot was taken."
    }
    path.write_bytes(good[:-32])
    said = failures(prove(path))
    assert said["length"] == "The last 32 bytes, the digest, are missing."
    assert said["digest"].startswith("There is no sha256 behind the database")


def test_length(path: Path, version: str) -> None:
    good = REAL[version]
    path.write_bytes(good[: len(good) // 2])
    assert failures(prove(path))["length"].startswith("The end of the file is missing: ")
    path.write_bytes(resealed(good + bytes(PAGE)))
    assert failures(prove(path))["length"].startswith("The file has 4\u202f096 bytes more than")
    path.write_bytes(b"")
    assert failures(prove(path))["length"] == "The file is empty."
    path.write_bytes(b"<html>404 Not Found</html>")
    proof = prove(path)
    assert not proof.good and proof.facts is None
    assert {check.name: check.outcome for check in proof.checks}["structure"] is Outcome.NOT_APPLICABLE


def test_a_file_of_zeros(path: Path) -> None:
    path.write_bytes(bytes(10 * PAGE + 32))
    assert failures(prove(path))["meta pages"] == "Meta page 0 is all zeros."


def test_a_copy_of_the_database_of_a_running_etcd_is_no_snapshot(path: Path, version: str) -> None:
    path.write_bytes(REAL[version][:-32] + bytes(64 * PAGE))
    said = failures(prove(path))
    assert "more than its database" in said["length"] and "digest" in said


def test_a_file_that_is_written_to_while_it_is_read(path: Path) -> None:
    def touch(done: int, total: int) -> None:
        os.utime(path, (1, 1))

    assert "unchanged" in failures(prove(path, progress=touch))


def test_a_file_that_shrinks_while_it_is_read(path: Path) -> None:
    proof = prove(path, progress=lambda done, total: os.truncate(path, PAGE))
    assert not proof.good


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        prove(tmp_path / "none.db")
    with pytest.raises(Unreadable, match="is not a file"):
        prove(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(Unreadable, match="is not a file"):
        prove(pipe)


def test_a_database_of_something_else(path: Path, version: str) -> None:
    """The bucket of keys renamed: bbolt finds nothing wrong with it."""
    named = b"cluster", b"clusteq"  # still in order
    path.write_bytes(resealed(REAL[version].replace(*named)))
    assert prove(path).good  # nobody needs to know the cluster's version
    path.write_bytes(resealed(REAL[version].replace(b"members", b"membert")))
    assert "no bucket members" in failures(prove(path))["cluster"]


@given(seed=st.integers(0, 1 << 48), good=st.sampled_from(FILES), times=st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_no_damaged_file_is_called_good(seed: int, good: bytes, times: int) -> None:
    pick, bad = random.Random(seed), good
    for _ in range(times):
        bad = mutated(bad, pick) if len(bad) >= PAGE else bad
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), bad)
        proof = prove(path)
        assert proof.good == (bad == good)
        if bad != good:
            assert proof.failed and all(check.sentence.endswith(".") for check in proof.failed)
            assert "NOT good" in proof.verdict


@given(seed=st.integers(0, 1 << 48), good=st.sampled_from(FILES), times=st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_with_a_fitting_digest_nothing_but_our_errors_come_out(seed: int, good: bytes, times: int) -> None:
    pick, bad = random.Random(seed), good
    for _ in range(times):
        bad = mutated(bad, pick) if len(bad) >= PAGE else bad
    with tempfile.TemporaryDirectory() as folder:
        path, other = written(Path(folder), resealed(bad)), written(Path(folder), good, "good.db")
        proof = prove(path, etcd_hash=True)
        assert proof.verdict and {"length", "digest"} <= {check.name for check in proof.checks}
        try:
            assert (etcd_hash(path) is not None) and proof.facts is not None
            with Contents(path) as contents:
                contents.summary()
                contents.find("pod prod/web")
            compare(other, path)
        except EtcdTuiError as error:
            assert error.message.endswith(".")


@given(data=st.binary(max_size=3 * PAGE))
@settings(max_examples=50, deadline=None)
def test_any_bytes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert not prove(written(Path(folder), data)).good


def test_every_page_zeroed_is_found_by_the_structure(path: Path, version: str) -> None:
    """Not by the digest, which is made to fit; a free page may hold anything."""
    good = REAL[version]
    whole = prove(path)
    assert whole.facts is not None
    found = 0
    for number in range(whole.facts.pages):
        path.write_bytes(with_page(good, number, bytes(PAGE)))
        proof = prove(path)
        if not proof.good:
            found += 1
            said = " ".join(failures(proof).values())
            assert f"Page {number} says it is page 0: zeroed or overwritten." in said or number < 2
    assert found == whole.facts.pages - whole.facts.free_pages


def test_crc32c() -> None:
    def plain(data: bytes) -> int:
        state = 0xFFFFFFFF
        for byte in data:
            state ^= byte
            for _ in range(8):
                state = state >> 1 ^ (POLYNOMIAL if state & 1 else 0)
        return state ^ 0xFFFFFFFF

    assert crc32c(b"123456789") == 0xE3069283
    pick = random.Random(1)
    for length in (0, 1, 4, 4096, 4097, 7000, 7001, 54_217, 70_003):
        data = pick.randbytes(length)
        assert crc32c(data) == plain(data), length
    data, pieces = pick.randbytes(3 << 20), Crc32c()
    for at in range(0, len(data), 70_001):
        pieces.update(data[at : at + 70_001])
    assert pieces.value() == crc32c(data)


def test_the_fold_rests_on_a_multiple_of_the_polynomial() -> None:
    whole = int(f"{POLYNOMIAL:032b}"[::-1], 2) | 1 << 32
    rest = 1
    for exponent in FOLD:
        rest ^= 1 << exponent
    while rest.bit_length() > 32:
        rest ^= whole << (rest.bit_length() - 33)
    assert rest == 0


def test_identity(path: Path) -> None:
    proof = prove(path)
    assert proof.facts is not None
    (member,) = proof.facts.members
    m1, m2 = Member(member.id, "m1"), Member(99, "m2")
    assert same_cluster(proof, [m1]) == Identity(
        True, "Taken from this cluster: m1 are its members, by name and ID."
    )
    assert "m2 came since" in same_cluster(proof, [m1, m2]).sentence
    other = same_cluster(proof, [Member(7, "m1")])
    assert other.same is False and "same names but other IDs and other addresses" in other.sentence
    stranger = same_cluster(proof, [m2])
    assert stranger.same is False and "another cluster" in stranger.sentence
    assert same_cluster(proof, []).same is None
    assert same_cluster(Proof("x", 0, "", ()), [m1]).same is None


def test_an_alarm_that_was_active_is_a_detail_of_its_check() -> None:
    facts = SnapshotFacts(1, 1, 1, 4096, members=(Member(1, "m1"),), alarms=(Alarm(1, "NOSPACE"),), term=4)
    structure = Structure(buckets=dict.fromkeys((b"key", b"meta", b"members")))  # type: ignore[arg-type]
    found = _cluster(structure, facts, [])
    assert found.ok and found.details == ("The alarm NOSPACE of m1 was active when it was taken.",)
    assert ("alarms", "NOSPACE of m1") in facts.sentences and ("raft", "term 4") in facts.sentences


def test_where_no_id_tells_an_address_does() -> None:
    peer, client = "https://10.0.0.1:2380", "https://10.0.0.1:2379"
    then = (Member(1, "m1", (peer,), (client,)),)
    restored = whose(then, [Member(7, "m1", (peer,))])
    assert restored.same and "by address" in restored.sentence and "as after a restore" in restored.sentence
    named = whose(then, [Member(1, "", client_urls=(client,), listed=False)])  # the number is no ID
    assert named.same and client in named.sentence and "IDs of its members are not known" in named.sentence
    elsewhere = (Member(1, "", client_urls=("https://10.0.0.9:2379",), listed=False),)
    assert whose(then, elsewhere).same is None, "that proves no other cluster"
    assert whose(then, [Member(7, "m1", ("https://10.0.0.9:2380",))]).same is False


def test_behind(path: Path) -> None:
    proof = prove(path)
    assert proof.facts is not None
    own = proof.facts.revision
    assert behind(proof, own + 283).startswith("283 revisions behind: ")
    assert behind(proof, own + 1).startswith("1 revision behind: ")
    assert "Nothing was written" in behind(proof, own)
    assert "AHEAD" in behind(proof, own - 1)


def test_nothing_checked_is_nothing_proven() -> None:
    proof = Proof("x.db", 0, "", ())
    assert not proof.good and proof.verdict == "x.db is not proven."


def test_hash_of_a_damaged_file(path: Path, version: str) -> None:
    path.write_bytes(REAL[version][:PAGE])
    with pytest.raises(Damaged):
        etcd_hash(path)
