"""From configuration and ssh_config to an SshTarget."""

from __future__ import annotations

import getpass
import os
import shutil
from pathlib import Path

import pytest

from etcdtui.config import Host, SshOptions
from etcdtui.errors import ConfigError
from etcdtui.reach.ssh_config import parse_settings, read_settings, resolve

HOST = Host("m1", "m1")
G = """user anna
hostname 10.0.0.1
port 2222
identitiesonly yes
identityfile ~/.ssh/id_a
identityfile /keys/%h-%r-%p
hostkeyalias alias1
userknownhostsfile ~/.ssh/known_hosts "/with space/known"
globalknownhostsfile /etc/ssh/ssh_known_hosts
identityagent none
"""


def from_g(text):
    """A reader that always gives the settings in ``text``."""
    return lambda *_: parse_settings(text)


def test_ssh_config_fills_what_the_configuration_leaves_open():
    target = resolve(HOST, SshOptions(), ssh_g=from_g(G))
    home = str(Path.home())
    assert (target.name, target.address, target.port, target.user) == ("m1", "10.0.0.1", 2222, "anna")
    assert target.identities == (f"{home}/.ssh/id_a", "/keys/10.0.0.1-anna-2222")
    assert target.identities_only
    assert target.host_key_alias == "alias1"
    assert target.known_hosts == (
        f"{home}/.ssh/known_hosts",
        "/with space/known",
        "/etc/ssh/ssh_known_hosts",
    )
    assert (target.agent, target.jumps, target.proxy_command) == ("", (), "")


def test_who_has_no_name_on_this_machine_is_known_by_a_number(monkeypatch):
    """As in a pod of OpenShift, which runs under a number that nobody listed."""

    def nobody():
        raise KeyError("getpwuid(): uid not found: 1000660000")

    monkeypatch.setattr(getpass, "getuser", nobody)
    target = resolve(HOST, SshOptions(config="none"))
    assert target.user == str(os.getuid())


def test_configuration_comes_before_ssh_config():
    options = SshOptions(user="core", port=23, identity="/mine", known_hosts="/known")
    target = resolve(Host("m1", "192.0.2.1"), options, ssh_g=from_g(G))
    assert (target.address, target.port, target.user) == ("192.0.2.1", 23, "core")
    assert target.identities[0] == "/mine"
    assert target.known_hosts == ("/known",)
    own = resolve(Host("m1", "m1", 24, "root"), options, ssh_g=from_g(G))
    assert (own.port, own.user) == (24, "root")


def test_none_reads_no_ssh_config():
    def refuse(*_):
        raise AssertionError("ssh_config was read")

    target = resolve(HOST, SshOptions(config="none"), ssh_g=refuse)
    assert (target.user, target.port, target.address) == (getpass.getuser(), 22, "m1")
    assert target.identities[0] == str(Path.home() / ".ssh/id_ed25519")
    only = resolve(HOST, SshOptions(config="none", identity="/key"), ssh_g=refuse)
    assert (only.identities, only.identities_only) == (("/key",), True)


def test_the_agent(monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    monkeypatch.setenv("OTHER", "/run/other")
    for setting, path in (
        ("", "/run/agent"),
        ("identityagent SSH_AUTH_SOCK", "/run/agent"),
        ("identityagent $OTHER", "/run/other"),
        ("identityagent ~/agent", str(Path.home() / "agent")),
        ("identityagent none", ""),
    ):
        assert resolve(HOST, SshOptions(), ssh_g=from_g(setting)).agent == path


def test_jumps_in_order_each_with_its_own_settings():
    files = {
        "m1": "proxyjump anna@one:2022,ssh://two,[2001:db8::1]:23\nuser core",
        "one": "user x\nport 22\nproxyjump zero\nuserknownhostsfile /one",
        "zero": "user z\nhostname 10.9.9.9",
        "two": "user t\nport 2222\nproxyjump ignored",
        "2001:db8::1": "user v",
        "ignored": "user i",
    }
    asked = []

    def ssh_g(name, file, address, user, port):
        asked.append(name)
        return parse_settings(files[name])

    target = resolve(HOST, SshOptions(identity="/mine", known_hosts="/ours"), ssh_g=ssh_g)
    hops = [(hop.user, hop.address, hop.port) for hop in target.jumps]
    assert hops == [
        ("z", "10.9.9.9", 22),
        ("anna", "one", 2022),
        ("t", "two", 2222),
        ("v", "2001:db8::1", 23),
    ]
    assert all(hop.jumps == () for hop in target.jumps)
    assert target.jumps[1].known_hosts[:2] == ("/ours", "/one")
    assert "/mine" not in target.jumps[1].identities


def test_a_proxy_command_with_tokens():
    text = "hostname 10.0.0.1\nuser core\nproxycommand nc -X %% %h %p %r"
    assert resolve(HOST, SshOptions(), ssh_g=from_g(text)).proxy_command == "nc -X % 10.0.0.1 22 core"
    both = text + "\nproxyjump none"
    assert resolve(HOST, SshOptions(), ssh_g=from_g(both)).proxy_command


@pytest.mark.parametrize(
    ("host", "text", "words"),
    [
        (Host("-oProxyCommand=x", "m1"), "", "no name of a host"),
        (Host("m1", "-x"), "", "no name of a host"),
        (HOST, "port many", "port 'many'"),
        (HOST, "port 70000", "port '70000'"),
        (HOST, "proxyjump m1", "circle"),
        (HOST, "proxyjump a:b", "cannot be read"),
    ],
)
def test_what_cannot_be_is_said(host, text, words):
    with pytest.raises(ConfigError, match=words):
        resolve(host, SshOptions(), ssh_g=from_g(text))


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh on this machine")
def test_ssh_itself_reads_the_file_with_include_and_match(tmp_path):
    (tmp_path / "more").write_text("Host m*\n  Port 2022\n")
    file = tmp_path / "config"
    file.write_text(
        f"Include {tmp_path}/more\nMatch user core\n  IdentityFile /for/core\n"
        "Match host 192.0.2.7\n  HostKeyAlias seven\n"
    )
    read_settings.cache_clear()
    target = resolve(Host("m1", "192.0.2.7", None, "core"), SshOptions(config=str(file)))
    assert (target.port, target.address, target.host_key_alias) == (2022, "192.0.2.7", "seven")
    assert "/for/core" in target.identities
    assert target.notes == ()


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh on this machine")
def test_a_broken_ssh_config_is_told(tmp_path):
    file = tmp_path / "config"
    file.write_text("Nonsense yes\n")
    read_settings.cache_clear()
    with pytest.raises(ConfigError, match=r"ssh refuses its configuration for m1: .*[Nn]onsense"):
        resolve(HOST, SshOptions(config=str(file)))


def test_without_ssh_the_file_is_read_all_the_same(tmp_path, monkeypatch):
    file = tmp_path / "config"
    file.write_text(
        "Host m1\n  HostName 10.0.0.9\n  User anna\n  IdentityFile /a\n  IdentityFile /b\n"
        "  ProxyJump none\n  UserKnownHostsFile /x /y\n"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    read_settings.cache_clear()
    target = resolve(HOST, SshOptions(config=str(file)))
    assert (target.address, target.user) == ("10.0.0.9", "anna")
    assert target.identities == ("/a", "/b")
    assert target.known_hosts[:2] == ("/x", "/y")
    assert "Include" in target.notes[0]
    read_settings.cache_clear()
    with pytest.raises(ConfigError, match="no ssh_config"):
        resolve(HOST, SshOptions(config=str(tmp_path / "none")))
    read_settings.cache_clear()
    assert os.environ["PATH"] == str(tmp_path)


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh on this machine")
def test_the_zone_of_an_address_is_no_token(tmp_path):
    (tmp_path / "config").write_text("Host *\n  ProxyCommand nc %h %p\n")
    options = SshOptions(user="core", config=str(tmp_path / "config"))
    target = resolve(Host("m1", "fe80::1%eth0"), options)
    assert (target.address, target.proxy_command) == ("fe80::1%eth0", "nc fe80::1%eth0 22")
