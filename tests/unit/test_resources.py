"""The proof of the second file: a gzip tar with the static pods' resources."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdtui.errors import Cancelled
from etcdtui.etcd import resources
from etcdtui.etcd.bbolt import Unreadable
from etcdtui.etcd.resources import PODS, escapes, prove_resources
from etcdtui.model.proof import Outcome, ResourcesProof

NUMBERS = {"etcd": 9, "kube-apiserver": 12, "kube-controller-manager": 7, "kube-scheduler": 6}


def packed(more: Mapping[str, bytes | tarfile.TarInfo] | None = None, leave: str = "") -> bytes:
    files: dict[str, bytes | tarfile.TarInfo] = {}
    for pod, number in NUMBERS.items():
        if pod != leave:
            folder = f"static-pod-resources/{pod}-pod-{number}"
            files[f"{folder}/{pod}-pod.yaml"] = b"kind: Pod\n"
            files[f"{folder}/configmaps/config/config.yaml"] = random.Random(number).randbytes(700)
    if leave != "etcd":
        files["static-pod-resources/etcd-pod-9/configmaps/restore-etcd-pod/pod.yaml"] = b"kind: Pod\n"
    buffer = io.BytesIO()
    with tarfile.open(mode="w:gz", fileobj=buffer) as archive:
        for name, content in {**files, **(more or {})}.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> dict[str, tarfile.TarInfo]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return {name: info}


GOOD = packed()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "static_kuberesources_2026-11-23_020000.tar.gz"


def proven(path: Path, data: bytes) -> ResourcesProof:
    path.write_bytes(data)
    return prove_resources(path)


def failed(proof: ResourcesProof) -> str:
    assert not proof.good
    return proof.failed[0].sentence


def test_good(path: Path) -> None:
    proof = proven(path, GOOD)
    assert proof.good and dict(proof.revisions) == NUMBERS and proof.restore_pod
    assert "kube-scheduler 6" in proof.verdict
    assert (proof.size, len(proof.sha256)) == (len(GOOD), 64) and proof.unpacked > 2800


def test_without_the_restore_pod_it_is_still_good_and_says_so(path: Path) -> None:
    buffer = io.BytesIO()
    with (
        tarfile.open(mode="r:gz", fileobj=io.BytesIO(GOOD)) as old,
        tarfile.open(mode="w:gz", fileobj=buffer) as new,
    ):
        for member in old:
            if "restore-etcd-pod" not in member.name:
                new.addfile(member, old.extractfile(member))
    proof = proven(path, buffer.getvalue())
    assert proof.good and not proof.restore_pod
    assert "the host must have it" in " ".join(detail for check in proof.checks for detail in check.details)


@pytest.mark.parametrize("pod", PODS)
def test_each_pod_must_be_there(path: Path, pod: str) -> None:
    assert failed(proven(path, packed(leave=pod))) == f"The resources of {pod} are missing."


@pytest.mark.parametrize("pod", PODS)
def test_a_folder_without_the_manifest_of_its_pod_does_not_count(path: Path, pod: str) -> None:
    name = f"static-pod-resources/{pod}-pod-{NUMBERS[pod]}/{pod}-pod.yaml"
    for instead in ({name: b""}, link(name, "configmaps/config"), {name: tarfile.TarInfo("elsewhere.yaml")}):
        proof = proven(path, packed(instead))
        assert failed(proof) == f"{pod}-pod.yaml is not in it: no pod can be started without."


def test_empty_folders_and_links_are_no_pods(path: Path) -> None:
    for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE):
        buffer = io.BytesIO()
        with tarfile.open(mode="w:gz", fileobj=buffer) as archive:
            for pod in PODS:
                info = tarfile.TarInfo(f"static-pod-resources/{pod}-pod-3")
                info.type, info.linkname = kind, "x" if kind == tarfile.SYMTYPE else ""
                archive.addfile(info)
        assert "etcd-pod.yaml, kube-apiserver-pod.yaml" in failed(proven(path, buffer.getvalue()))


def test_a_broken_header_is_not_the_end_wherever_it_is(path: Path) -> None:
    plain = gzip.decompress(GOOD)
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        headers = [member.offset for member in archive]
    for at in headers:
        broken = plain[: at + 5] + b"?" + plain[at + 6 :]
        assert "header" in failed(proven(path, gzip.compress(broken)))


def test_two_blocks_of_zeros_are_the_end(path: Path) -> None:
    plain = gzip.decompress(GOOD)
    end = len(plain.rstrip(b"\0")) // 512 * 512 + 512
    assert proven(path, gzip.compress(plain[:end] + bytes(1024))).good
    for short in (0, 100, 512, 1000):
        said = failed(proven(path, gzip.compress(plain[:end] + bytes(short))))
        assert "header in the archive is damaged" in said or said == "The end of the archive is missing."
    for more in (b"x", bytes(600) + b"x"):
        said = failed(proven(path, gzip.compress(plain[:end] + bytes(1024) + more)))
        assert said == "Something that is no tar follows in the archive."
    said = failed(proven(path, gzip.compress(plain[:end] + bytes(512) + plain)))
    assert said == "Something that is no tar follows in the archive."


def test_two_revisions(path: Path) -> None:
    said = failed(proven(path, packed({"static-pod-resources/etcd-pod-8/x": b"x"})))
    assert said == "More than one revision of etcd (8 and 9): nobody knows which one was running."


@pytest.mark.parametrize(
    "more",
    [
        {"/etc/passwd": b"x"},
        {"static-pod-resources/../../etc/passwd": b"x"},
        link("static-pod-resources/a", "/etc/shadow"),
        link("static-pod-resources/a", "../../x"),
        link("static-pod-resources/a", "../x", tarfile.LNKTYPE),
    ],
)
def test_no_path_may_escape(path: Path, more: dict[str, bytes | tarfile.TarInfo]) -> None:
    assert "outside the folder." in failed(proven(path, packed(more)))


def test_links_inside_are_fine_devices_are_not(path: Path) -> None:
    assert proven(path, packed(link("static-pod-resources/etcd-pod-9/now", "configmaps/config"))).good
    device = link("static-pod-resources/dev", "", tarfile.CHRTYPE)
    assert "neither a file nor a folder" in failed(proven(path, packed(device)))


def test_damage(path: Path) -> None:
    assert "no readable gzip tar" in failed(proven(path, GOOD[:-10]))
    assert "no readable gzip tar" in failed(proven(path, b"<html>404</html>"))
    assert failed(proven(path, b"")) == "The file is empty."
    wrong = GOOD[:-8] + bytes([GOOD[-8] ^ 1]) + GOOD[-7:]
    assert "no readable gzip tar" in failed(proven(path, wrong))
    assert {check.name: check.outcome for check in proven(path, b"x").checks}[
        "paths"
    ] is Outcome.NOT_APPLICABLE


def test_bombs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "LARGEST", 1 << 20)
    said = failed(proven(path, packed({"static-pod-resources/etcd-pod-9/zeros": bytes(2 << 20)})))
    assert said == "It unpacks to more than 1.0M, which no static pods need."
    monkeypatch.setattr(resources, "MOST", 3)
    assert "more than 3 files" in failed(proven(path, GOOD))


def test_cancelled_and_unreadable(path: Path) -> None:
    with pytest.raises(Unreadable):
        prove_resources(path)
    path.write_bytes(GOOD)
    with pytest.raises(Cancelled):
        prove_resources(path, cancelled=lambda: True)


def test_escapes() -> None:
    for bad in ("/x", "../x", "a/../../x", "\\x", "C:\\x", "a\\..\\..\\x", "a\0b"):
        assert escapes(bad), bad
    for fine in ("x", "./x", "a/../x", "a/b/../../x", "..x/y"):
        assert not escapes(fine), fine


@given(seed=st.integers(0, 1 << 48), inside=st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_bytes_come_there_is_an_answer(seed: int, inside: bool) -> None:
    pick = random.Random(seed)
    data = bytearray(gzip.decompress(GOOD) if inside else GOOD)
    for _ in range(pick.randrange(1, 6)):
        at = pick.randrange(len(data))
        data[at : at + pick.choice((0, 1, 4))] = pick.randbytes(pick.choice((0, 1, 4, 40)))
    with tempfile.TemporaryDirectory() as folder:
        proof = proven(Path(folder) / "x.tar.gz", gzip.compress(bytes(data)) if inside else bytes(data))
        assert proof.verdict.endswith(".") or proof.verdict.endswith(")")
