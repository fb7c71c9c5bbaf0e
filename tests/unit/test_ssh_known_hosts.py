"""known_hosts files: what a line covers, and what a shown key means."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

import pytest

from etcdtui.errors import ConfigError, HostKeyChanged, HostKeyUnknown
from etcdtui.reach import known_hosts
from etcdtui.reach.known_hosts import Entry

ED, RSA = "ssh-ed25519", "ssh-rsa"


def text(blob: bytes) -> str:
    return base64.b64encode(blob).decode()


def hashed(name: str) -> str:
    salt = b"01234567890123456789"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{text(salt)}|{text(digest)}"


@pytest.fixture
def file(tmp_path):
    def write(*lines: str) -> str:
        path = tmp_path / "known_hosts"
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    return write


@pytest.mark.parametrize(
    ("names", "name", "covered"),
    [
        ("m1", "m1", True),
        ("M1", "m1", True),
        ("m1", "M1", True),
        ("m1,10.0.0.1", "10.0.0.1", True),
        ("m1", "m10", False),
        ("m?", "m1", True),
        ("*.example", "m1.example", True),
        ("*.example,!m1.example", "m1.example", False),
        ("[10.0.0.*]:2222", "[10.0.0.7]:2222", True),
        ("[10.0.0.*]:2222", "10.0.0.7", False),
        ("m1", "[m1]:2222", False),
        (hashed("m1"), "m1", True),
        (hashed("[m1]:22022"), "[m1]:22022", True),
        (hashed("m1"), "m2", False),
        ("|1|broken", "m1", False),
        ("|1|%%|%%", "m1", False),
    ],
)
def test_what_a_line_covers(names, name, covered):
    assert Entry("f", 1, names, ED, b"k").covers(name) is covered


def test_the_known_key_passes(file):
    known = known_hosts.read(
        [file("", "# note", f"m1 {ED} {text(b'one')} comment", f"m1 {RSA} {text(b'r')}")]
    )
    known.check("m1", 22, ED, b"one")
    known.check("m1", 22, RSA, b"r")
    assert known.key_types("m1", 22) == (ED, RSA)
    # OpenSSH takes a key known without a port for any port.
    known.check("m1", 2222, ED, b"one")
    assert known.key_types("m1", 2222) == (ED, RSA)


def test_an_unknown_host(file):
    known = known_hosts.read([file(f"m1 {ED} {text(b'one')}")])
    with pytest.raises(HostKeyUnknown) as caught:
        known.check("m2", 22022, ED, b"two")
    error = caught.value
    assert error.line == f"[m2]:22022 {ED} {text(b'two')}"
    assert error.fingerprint == known_hosts.fingerprint(b"two")
    assert not error.fingerprint.endswith("=")
    with pytest.raises(HostKeyUnknown):
        known.check("m1", 2222, ED, b"another")


def test_a_changed_key_names_file_and_line(file):
    path = file("# first", f"m1 {ED} {text(b'one')}")
    known = known_hosts.read([path])
    with pytest.raises(HostKeyChanged, match=rf"{path}, line 2") as caught:
        known.check("m1", 22, ED, b"other")
    assert f"ssh-keygen -R 'm1' -f {path}" in caught.value.hint
    with pytest.raises(HostKeyChanged, match="instead of ssh-ed25519"):
        known.check("m1", 22, RSA, b"r")


def test_an_alias_stands_for_the_host(file):
    known = known_hosts.read([file(f"cluster {ED} {text(b'one')}")])
    known.check("10.0.0.1", 2222, ED, b"one", alias="cluster")
    with pytest.raises(HostKeyUnknown) as caught:
        known.check("10.0.0.1", 2222, ED, b"one", alias="other")
    assert caught.value.line.startswith("other ")


def test_a_revoked_key_is_refused_even_if_known(file):
    known = known_hosts.read([file(f"m1 {ED} {text(b'one')}", f"@revoked * {ED} {text(b'one')}")])
    with pytest.raises(HostKeyChanged, match="revoked"):
        known.check("m1", 22, ED, b"one")


def test_what_is_left_out_is_told(file):
    path = file(
        f"@cert-authority * {ED} {text(b'ca')}", "m1 nonsense", f"m1 {ED} %%%", f"m1 {ED} {text(b'k')}"
    )
    known = known_hosts.read([path, "/nonexistent/known_hosts"])
    assert [e.line for e in known.entries] == [4]
    assert len(known.notes) == 3
    assert f"{path}, line 1: @cert-authority" in known.notes[0]


def test_trust_adds_a_line_and_keeps_what_was_there(tmp_path):
    unknown = HostKeyUnknown("m1", 22, ED, "SHA256:x", f"m1 {ED} {text(b'one')}")
    path = tmp_path / "ssh" / "known_hosts"
    known_hosts.trust(unknown, path)
    assert path.read_text() == unknown.line + "\n"
    path.write_text("m0 without-newline")
    known_hosts.trust(unknown, path)
    assert path.read_text() == f"m0 without-newline\n{unknown.line}\n"
    known_hosts.read([str(path)]).check("m1", 22, ED, b"one")


def test_trust_that_cannot_be_written_gives_the_line(tmp_path):
    (tmp_path / "file").write_text("")
    unknown = HostKeyUnknown("m1", 22, ED, "SHA256:x", "m1 the-line")
    with pytest.raises(ConfigError, match="the-line"):
        known_hosts.trust(unknown, tmp_path / "file" / "known_hosts")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_is_told(file):
    path = file("x")
    os.chmod(path, 0)
    assert "cannot be read" in known_hosts.read([path]).notes[0]
