"""Addresses and logins of a Nexus store; what its server does is in tests/live/test_stores.py."""

from __future__ import annotations

import sys
import types

import pytest

from etcdtui.errors import ConfigError
from etcdtui.offsite.http import fault, find_login
from etcdtui.offsite.nexus import NexusStore

URL = "https://nexus.example.com/repository/etcd"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nexus",
        "ftp://nexus/x",
        "https:///x",
        "https://me:word@nexus/x",
        "https://me:word@[nex/x",
        "https://me:word@n:x/x",
    ],
)
def test_what_is_no_address(url):
    with pytest.raises(ConfigError, match="is no repository") as wrong:
        NexusStore("nexus", url)
    assert "word" not in str(wrong.value).replace("without user and password", "")


def test_a_login_is_looked_for_before_the_address_is_known_to_be_one(tmp_path):
    (tmp_path / "netrc").write_text("machine nexus login me password word\n")
    (tmp_path / "netrc").chmod(0o600)
    assert find_login("nexus", "https://[nex", {"NETRC": str(tmp_path / "netrc")}, None, (None, None)) is None


def test_an_authority_that_is_none(tmp_path):
    (tmp_path / "ca").write_text("nonsense")
    with pytest.raises(ConfigError, match="of nexus cannot be used: the file holds no certificate"):
        NexusStore("nexus", URL, ca=str(tmp_path / "ca"))


def test_nothing_goes_unencrypted():
    with pytest.raises(ConfigError, match="is not encrypted"):
        NexusStore("nexus", URL.replace("https", "http"))
    assert NexusStore("nexus", URL.replace("https", "http"), plain=True).name == "nexus"


def test_the_environment_comes_first(tmp_path, monkeypatch):
    environ = {"U": "me", "P": "word", "NETRC": str(tmp_path / "netrc")}
    (tmp_path / "netrc").write_text("machine nexus.example.com login other password kept\n")
    (tmp_path / "netrc").chmod(0o600)
    assert find_login("nexus", URL, environ, None, ("U", "P")) == ("me", "word")
    assert find_login("nexus", URL, environ, None, (None, None)) == ("other", "kept")
    assert find_login("nexus", URL, environ, "me", (None, None)) is None
    keyring = types.ModuleType("keyring")
    keyring.get_password = lambda service, user: {("etcdtui nexus", "me"): "rung"}.get((service, user))
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    assert find_login("nexus", URL, environ, "me", (None, None)) == ("me", "rung")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"machine\nwhat is this", "netrc cannot be read: line 2"),
        (b"machine nexus.example.com login me password open sesame", "netrc cannot be read: line 1"),
        (b"machine nexus.example.com login me password \xff\xfe", "netrc cannot be read: it is not UTF-8"),
    ],
)
def test_a_broken_netrc(tmp_path, content, says):
    (tmp_path / "netrc").write_bytes(content)
    with pytest.raises(ConfigError, match=says) as said:
        find_login("nexus", URL, {"NETRC": str(tmp_path / "netrc")}, None, (None, None))
    assert "sesame" not in str(said.value)


def test_a_login_that_is_not_utf8_is_sent_as_it_is():
    login = ("me", b"\xff".decode(errors="surrogateescape"))
    assert NexusStore("nexus", URL, login=login).name == "nexus"


def test_no_netrc(tmp_path):
    assert find_login("nexus", URL, {"NETRC": str(tmp_path / "none")}, None, (None, None)) is None


def test_what_a_server_says_is_cleaned():
    said = fault("nexus", "x cannot be brought", 500, "Oh\x1b[2J no", "")
    assert "\x1b" not in str(said) and "Oh" in str(said)


WRONG_PROXIES = {
    "socks5://proxy:1080": "its scheme is neither http nor https",
    "sesame://open@proxy": "its scheme is neither http nor https",
    "http://me:sesame#open@proxy:3128": "its host or its port cannot be one",
    "http://me:sesame/open@proxy": "its host or its port cannot be one",
    "http://me:8080#sesame@proxy": "something other than a port follows its host",
    "http://proxy/sesame": "something other than a port follows its host",
    "http://me:sesame@": "it names no host",
    "http://me:sesame@proxy:99999": "its host or its port cannot be one",
    "http://sesame open:3128": "its host or its port cannot be one",
    "http://me:sesame@[::1": "its host or its port cannot be one",
}


@pytest.mark.parametrize(("proxy", "says"), WRONG_PROXIES.items())
def test_a_proxy_that_cannot_be_used_is_told_without_its_text(monkeypatch, proxy, says):
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(ConfigError) as said:
        NexusStore("nexus", URL)
    message = said.value.message
    assert message == f"The proxy for https that the environment names cannot be used: {says}."
    assert "sesame" not in str(said.value) and said.value.__context__ is None


@pytest.mark.parametrize(
    "proxy", ["proxy:3128", "http://me:pa%23ss@proxy/", "https://[::1]:3128", "http://a_b", "HTTP://proxy"]
)
def test_a_proxy_that_can_be_used(monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    assert NexusStore("nexus", URL).name == "nexus"
    monkeypatch.setenv("no_proxy", "nexus.example.com")
    monkeypatch.setenv("https_proxy", "socks5://proxy")
    assert NexusStore("nexus", URL).name == "nexus"
