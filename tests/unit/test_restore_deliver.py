"""A file brought to a host: whole, or not at all."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from etcdtui.errors import Cancelled, Dropped, Refusal
from etcdtui.landing import Moved
from etcdtui.reach import deliver as module
from etcdtui.reach.deliver import deliver
from etcdtui.reach.local import LocalRunner
from etcdtui.reach.runner import Stream

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "here" / "snapshot.db"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "there" / "restore-1" / "snapshot.db"


def test_it_arrives_as_it_is_for_nobody_elses_eyes(source: Path, target: Path) -> None:
    moved: list[Moved] = []
    deliver(LocalRunner(), source, str(target), sha256=SHA, progress=moved.append)
    assert target.read_bytes() == CONTENT and [p.name for p in target.parent.iterdir()] == ["snapshot.db"]
    assert target.stat().st_mode & 0o777 == 0o600 and target.parent.stat().st_mode & 0o777 == 0o700
    assert moved[-1].done == len(CONTENT)
    deliver(LocalRunner(), source, str(target), sha256=SHA)  # a second time changes nothing


def test_another_file_of_that_name_stays(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"another")
    with pytest.raises(Refusal, match="another file"):
        deliver(LocalRunner(), source, str(target), sha256=SHA)
    assert target.read_bytes() == b"another"


@pytest.mark.parametrize("left", [CONTENT[:300_000], b"something else" * 1000, CONTENT + b"more"])
def test_what_an_earlier_attempt_left_is_used_or_thrown_away(source: Path, target: Path, left: bytes) -> None:
    target.parent.mkdir(parents=True)
    (target.parent / "snapshot.db.part").write_bytes(left)
    deliver(LocalRunner(), source, str(target), sha256=SHA)
    assert target.read_bytes() == CONTENT and len(list(target.parent.iterdir())) == 1


class Dropping(LocalRunner):
    """The connection breaks the first ``drops`` times, each time after ``blocks`` blocks."""

    def __init__(self, drops: int, blocks: int = 1) -> None:
        super().__init__("masternode1")
        self.drops, self.blocks = drops, blocks

    def stream(self, argv: Sequence[str], *, timeout: float) -> Stream:
        stream = super().stream(argv, timeout=timeout)
        if self.drops:
            self.drops -= 1
            send, sent = stream.send, [0]

            def breaks(data: bytes, timeout: float) -> None:
                sent[0] += 1
                if sent[0] > self.blocks:
                    raise Dropped("masternode1: the connection broke.")
                send(data, timeout)

            stream.send = breaks  # type: ignore[method-assign]
        return stream


def test_a_broken_connection_is_made_again(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.01, 0.01))
    deliver(Dropping(2), source, str(target), sha256=SHA)
    assert target.read_bytes() == CONTENT
    target.unlink()
    with pytest.raises(Dropped):
        deliver(Dropping(9, blocks=0), source, str(target), sha256=SHA)
    assert not target.exists()


def test_cancelling_keeps_what_has_come_and_gives_it_no_name(source: Path, target: Path) -> None:
    stop = threading.Event()
    with pytest.raises(Cancelled, match="was stopped"):
        deliver(LocalRunner(), source, str(target), sha256=SHA, cancelled=stop, progress=lambda m: stop.set())
    assert not target.exists()
