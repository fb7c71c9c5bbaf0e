"""Encryption with age: there and back, what does not fit, and nothing half done."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import subprocess
import sys
import threading

import pytest

from etcdtui.errors import Cancelled, ConfigError, Refusal
from etcdtui.landing import BLOCK, Landing, LocalFault, Moved
from etcdtui.offsite.age import CannotDecrypt, decrypt, encrypt, recipients_of, seal
from etcdtui.offsite.directory import DirectoryStore
from etcdtui.offsite.store import Item, shelve

pyrage = pytest.importorskip("pyrage", reason="pyrage is not installed")

DATA = os.urandom(3 * BLOCK + 5)
SUM = hashlib.sha256(DATA).hexdigest()
MINE, OTHER = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
KEY = str(MINE.to_public())


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "snapshot.db"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def identity(tmp_path):
    path = tmp_path / "identity"
    path.write_text(f"# created: today\n# public key: {KEY}\n{MINE}\n")
    return path


def test_there_and_back(plain, identity, tmp_path):
    told: list[Moved] = []
    made = encrypt(plain, tmp_path / "snapshot.db.age", recipients_of("nas", [KEY]), told.append)
    sealed = tmp_path / made.name
    assert (made.size, made.sha256) == (
        sealed.stat().st_size,
        hashlib.sha256(sealed.read_bytes()).hexdigest(),
    )
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    assert sealed.read_bytes().startswith(b"age-encryption.org/v1\n") and DATA[:64] not in sealed.read_bytes()
    assert told[-1] == Moved("Encrypting snapshot.db", len(DATA), len(DATA), told[-1].rate, told[-1].left)
    back = decrypt(sealed, tmp_path / "back", identity)
    assert (back.name, back.size, back.sha256) == ("back", len(DATA), SUM)
    assert (tmp_path / "back").read_bytes() == DATA
    assert stat.S_IMODE((tmp_path / "back").stat().st_mode) == 0o600


def test_every_recipient_can_open_it(plain, tmp_path):
    (tmp_path / "team").write_text(f"# the team\n\n  {OTHER.to_public()}\n")
    encrypt(plain, tmp_path / "x", recipients_of("nas", [KEY], str(tmp_path / "team")))
    for number, who in enumerate((MINE, OTHER)):
        (tmp_path / "who").write_text(str(who))
        assert decrypt(tmp_path / "x", tmp_path / f"back{number}", tmp_path / "who").sha256 == SUM


def test_an_ssh_key(plain, tmp_path):
    key = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    encrypt(plain, tmp_path / "x", recipients_of("nas", [(tmp_path / "id.pub").read_text()]))
    assert decrypt(tmp_path / "x", tmp_path / "back", key).sha256 == SUM


@pytest.mark.parametrize("entry", ["age1xyz", "", "ssh-ed25519 AAAA", "me@example.com", "age1\x1b[2J"])
def test_a_recipient_that_is_none(entry, tmp_path):
    with pytest.raises(ConfigError, match=r"^nas: age_recipients: .* is no recipient of age") as wrong:
        recipients_of("nas", [KEY, entry])
    assert "\x1b" not in str(wrong.value)
    (tmp_path / "team").write_text(f"{KEY}\nnonsense\n")
    with pytest.raises(ConfigError, match=r"^nas: .*team, line 2: 'nonsense' is no recipient"):
        recipients_of("nas", [], str(tmp_path / "team"))


def test_a_secret_key_among_recipients_is_not_shown():
    with pytest.raises(ConfigError, match="there is a secret key of age where a public one belongs") as wrong:
        recipients_of("nas", [str(MINE)])
    assert str(MINE)[:20] not in str(wrong.value)


def test_no_recipients(tmp_path):
    with pytest.raises(ConfigError, match="age_recipients names no recipient"):
        recipients_of("nas", [])
    (tmp_path / "team").write_text("# nobody\n")
    with pytest.raises(ConfigError, match="team names no recipient"):
        recipients_of("nas", [], str(tmp_path / "team"))
    with pytest.raises(ConfigError, match=r"nas: the recipients in .*none cannot be read: No such file"):
        recipients_of("nas", [], str(tmp_path / "none"))


def test_without_pyrage_the_command_is_named(monkeypatch, plain, identity, tmp_path):
    recipients = recipients_of("nas", [KEY])
    monkeypatch.setitem(sys.modules, "pyrage", None)
    for call in (
        lambda: recipients_of("nas", [KEY]),
        lambda: encrypt(plain, tmp_path / "x", recipients),
        lambda: decrypt(plain, tmp_path / "x", identity),
    ):
        with pytest.raises(ConfigError, match=r"pyrage is not installed\. Run: pip install 'etcdtui\[age\]'"):
            call()


def test_an_identity_that_does_not_fit_or_is_none(plain, tmp_path):
    encrypt(plain, tmp_path / "x", recipients_of("nas", [KEY]))
    (tmp_path / "other").write_text(str(OTHER))
    with pytest.raises(CannotDecrypt, match=r"x is not encrypted to the identity in .*other"):
        decrypt(tmp_path / "x", tmp_path / "back", tmp_path / "other")
    (tmp_path / "bad").write_text(str(OTHER)[:-3])
    for content in (str(OTHER)[:-3], "", "# nothing", KEY, "-----BEGIN OPENSSH PRIVATE KEY-----\nx"):
        (tmp_path / "bad").write_text(content)
        with pytest.raises(ConfigError, match="bad holds no identity of age") as wrong:
            decrypt(tmp_path / "x", tmp_path / "back", tmp_path / "bad")
        assert str(OTHER)[:30] not in str(wrong.value)
    with pytest.raises(ConfigError, match=r"identity file .*none cannot be read: No such file"):
        decrypt(tmp_path / "x", tmp_path / "back", tmp_path / "none")
    assert not list(tmp_path.glob("back*"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "header", "empty"])
def test_what_is_damaged_gives_nothing(plain, identity, tmp_path, damage):
    encrypt(plain, tmp_path / "x", recipients_of("nas", [KEY]))
    content = bytearray((tmp_path / "x").read_bytes())
    match damage:
        case "cut":
            del content[-100:]
        case "flipped":
            content[-100] ^= 1
        case "header":
            content[30] ^= 1
        case "empty":
            content.clear()
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(CannotDecrypt):
        decrypt(tmp_path / "x", tmp_path / "back", identity)
    assert not list(tmp_path.glob("back*"))


def test_a_stop_and_a_full_disk_leave_nothing(plain, identity, tmp_path, monkeypatch):
    stop, recipients = threading.Event(), recipients_of("nas", [KEY])
    with pytest.raises(Cancelled, match=r"Encrypting snapshot\.db: this was stopped"):
        encrypt(plain, tmp_path / "x", recipients, lambda _: stop.set(), stop)
    encrypt(plain, tmp_path / "whole", recipients)
    with pytest.raises(Cancelled, match="Decrypting whole: this was stopped"):
        decrypt(tmp_path / "whole", tmp_path / "x", identity, None, stop)

    def full(*_):
        raise LocalFault("no room", full=True)

    monkeypatch.setattr(Landing, "write", full)
    with pytest.raises(LocalFault, match="no room"):
        encrypt(plain, tmp_path / "x", recipients)
    with pytest.raises(LocalFault, match="no room"):
        decrypt(tmp_path / "whole", tmp_path / "x", identity)
    assert not list(tmp_path.glob("x*"))


def test_nothing_is_overwritten_and_a_missing_file_is_said(plain, tmp_path):
    (tmp_path / "x").write_bytes(b"mine")
    with pytest.raises(Refusal, match="not overwritten"):
        encrypt(plain, tmp_path / "x", recipients_of("nas", [KEY]))
    assert (tmp_path / "x").read_bytes() == b"mine"
    with pytest.raises(LocalFault, match="none cannot be read"):
        encrypt(tmp_path / "none", tmp_path / "y", recipients_of("nas", [KEY]))


def test_sealed_on_the_way_to_a_store(plain, identity, tmp_path):
    (tmp_path / "share").mkdir()
    store = DirectoryStore("nas", tmp_path / "share")
    manifest = tmp_path / "snapshot.manifest.json"
    manifest.write_bytes(b"{}")
    items = [
        Item(plain, "a/snapshot.db", SUM),
        Item(manifest, "a/snapshot.manifest.json", hashlib.sha256(b"{}").hexdigest()),
    ]
    before = sorted(tmp_path.iterdir())
    with seal(recipients_of("nas", [KEY]), items, tmp_path) as sealed:
        done = shelve(store, sealed)
    assert [s.name for s in done] == ["a/snapshot.db.age", "a/snapshot.manifest.json"]
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "share/a/snapshot.manifest.json").read_bytes() == b"{}"
    assert decrypt(tmp_path / "share/a/snapshot.db.age", tmp_path / "back", identity).sha256 == SUM


def test_a_second_attempt_sends_the_same_bytes(plain, tmp_path):
    (tmp_path / "share").mkdir()
    store, items = DirectoryStore("nas", tmp_path / "share"), [Item(plain, "x", SUM)]
    with contextlib.suppress(ZeroDivisionError), seal(recipients_of("nas", [KEY]), items, tmp_path) as sealed:
        (first,) = shelve(store, sealed)
        raise ZeroDivisionError  # the line went down before the rest was there
    with seal(recipients_of("nas", [KEY]), items, tmp_path) as sealed:
        assert shelve(store, sealed) == (first,)
    assert not list(tmp_path.glob(".*"))


def test_other_recipients_are_another_file(plain, tmp_path):
    seen = []
    for key in (KEY, str(OTHER.to_public())):
        with (
            contextlib.suppress(ZeroDivisionError),
            seal(recipients_of("nas", [key]), [Item(plain, "x", SUM)], tmp_path) as sealed,
        ):
            seen.append(sealed[0].path)
            raise ZeroDivisionError
    assert len(set(seen)) == 2


def test_memory_stays_bounded(tmp_path):
    """A file sixteen times as large takes no more of it."""
    code = """
import resource, sys
from pathlib import Path
from etcdtui.offsite.age import decrypt, encrypt, recipients_of
folder, peaks = Path(sys.argv[1]), []
for name in ("small", "large"):
    encrypt(folder / name, folder / f"{name}.age", recipients_of("nas", [sys.argv[2]]))
    decrypt(folder / f"{name}.age", folder / f"{name}.back", folder / "identity")
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""
    (tmp_path / "identity").write_text(str(MINE))
    for name, blocks in (("small", 4), ("large", 64)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(blocks * BLOCK)
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path, KEY], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) < 16 * 1024
