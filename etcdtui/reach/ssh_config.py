"""How to reach a host by SSH: our configuration and the user's ssh_config, made into one SshTarget."""

from __future__ import annotations

import functools
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from etcdtui.config import Host, SshOptions, user_name
from etcdtui.errors import ConfigError
from etcdtui.text import clean, reason

DEFAULT_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
DEFAULT_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_SEVERAL_WORDS = frozenset({"userknownhostsfile", "globalknownhostsfile"})

Settings = Mapping[str, tuple[str, ...]]
"""ssh_config for one host: lower-case keyword to its values. ``etcdtui-note`` holds sentences to show."""


@dataclass(frozen=True, slots=True)
class SshTarget:
    """Everything needed to log in to one host. Paths are expanded; files may be missing.

    ``agent`` is the socket of the ssh-agent, or "" for none. ``jumps`` are passed through in order.
    ``notes`` are sentences about what was left out of the user's ssh_config.
    """

    name: str
    address: str
    port: int = 22
    user: str = "root"
    identities: tuple[str, ...] = ()
    identities_only: bool = False
    agent: str = ""
    known_hosts: tuple[str, ...] = ()
    host_key_alias: str = ""
    jumps: tuple[SshTarget, ...] = ()
    proxy_command: str = ""
    notes: tuple[str, ...] = ()


def resolve(host: Host, options: SshOptions, *, ssh_g: Callable[..., Settings] | None = None) -> SshTarget:
    """The target for ``host``: configuration before ssh_config before OpenSSH's defaults. Raises ConfigError.

    ``ssh_g(name, file, address, user, port)`` gives ssh_config's settings; by default it asks ``ssh -G``
    and remembers the answer. ``options.config`` "none" reads no ssh_config at all.
    """
    return _resolve(host, options, ssh_g or read_settings, ())


def _resolve(
    host: Host, options: SshOptions, ssh_g: Callable[..., Settings], seen: tuple[str, ...]
) -> SshTarget:
    for text in (host.name, host.address):
        if not text or text.startswith("-"):
            raise ConfigError(f"{text!r} is no name of a host.")
    user, port = host.user or options.user, host.port or options.port
    given: Settings = {}
    if options.config != "none":
        given = ssh_g(host.name, options.config, host.address, user, port)

    def first(key: str, default: str = "") -> str:
        values = given.get(key, ())
        return values[0] if values else default

    target = SshTarget(
        name=host.name,
        # Without an address of its own, the name may be an alias that ssh_config translates.
        address=first("hostname", host.address) if host.address == host.name else host.address,
        port=port or _number(first("port", "22"), host.name),
        user=user or first("user") or user_name(),
        identities_only=first("identitiesonly") == "yes" or (bool(options.identity) and not given),
        agent=_agent(first("identityagent")),
        host_key_alias=first("hostkeyalias"),
        notes=given.get("etcdtui-note", ()),
    )
    expand = functools.partial(_expand, target=target, name=host.name)
    keys = list(given.get("identityfile", () if given or options.identity else DEFAULT_KEYS))
    if options.identity:
        keys.insert(0, options.identity)
    if options.known_hosts:
        files: tuple[str, ...] = (options.known_hosts,)
    else:
        files = given.get("userknownhostsfile", DEFAULT_KNOWN_HOSTS)
        files += given.get("globalknownhostsfile", GLOBAL_KNOWN_HOSTS)
    command = first("proxycommand")
    jump = first("proxyjump")
    return replace(
        target,
        agent=expand(target.agent),
        identities=tuple(dict.fromkeys(expand(k) for k in keys if k != "none")),
        known_hosts=tuple(dict.fromkeys(expand(f) for f in files if f not in ("none", "/dev/null"))),
        jumps=_jumps(jump, options, ssh_g, (*seen, host.name)) if jump not in ("", "none") else (),
        proxy_command=expand(command) if command not in ("", "none") and jump in ("", "none") else "",
    )


def _jumps(
    text: str, options: SshOptions, ssh_g: Callable[..., Settings], seen: tuple[str, ...]
) -> tuple[SshTarget, ...]:
    if len(seen) > 8:
        raise ConfigError(f"The ProxyJump of {seen[0]} goes in a circle: {' -> '.join(seen)}.")
    # What the configuration says of the cluster's hosts (user, port, key) is not said of a jump host.
    others = SshOptions(known_hosts=None, config=options.config)
    hops: list[SshTarget] = []
    for index, word in enumerate(text.split(",")):
        word = word.strip().removeprefix("ssh://")
        user, _, place = word.rpartition("@")
        match = re.fullmatch(r"\[(.+)\](?::(\d+))?|([^:]+)(?::(\d+))?|(.*:.*:.*)", place)
        if not match:
            raise ConfigError(f"ProxyJump {text!r} of {seen[-1]} in ssh_config cannot be read.")
        name = match[1] or match[3] or match[5]
        number = match[2] or match[4]
        hop = _resolve(Host(name, name, int(number) if number else None, user or None), others, ssh_g, seen)
        if options.known_hosts:
            hop = replace(hop, known_hosts=(options.known_hosts, *hop.known_hosts))
        # Only the way to the first hop is its own; the others are reached through the one before.
        hops += [*hop.jumps, replace(hop, jumps=())] if index == 0 else [replace(hop, jumps=())]
    return tuple(hops)


@functools.lru_cache(maxsize=256)
def read_settings(
    name: str, file: str | None = None, address: str = "", user: str | None = None, port: int | None = None
) -> Settings:
    """ssh_config's settings for ``name``, through ``ssh -G``, or paramiko's reader where there is no ssh.

    Remembered for the life of the process. Raises ConfigError when ssh refuses the file.
    """
    argv = ["ssh", "-G", *(("-F", file) if file else ())]
    # The zone of an IPv6 address is no token of ssh's.
    argv += ["-o", f"HostName={address.replace('%', '%%')}"] if address and address != name else []
    argv += ["-l", user] if user else []
    argv += ["-p", str(port)] if port else []
    try:
        # ssh reads nothing from a terminal here; 5 s are for a slow "Match exec".
        done = subprocess.run([*argv, name], capture_output=True, stdin=subprocess.DEVNULL, timeout=5.0)
    except FileNotFoundError:
        return _read_without_ssh(name, file)
    except subprocess.TimeoutExpired:
        found = dict(_read_without_ssh(name, file))
        return found | {"etcdtui-note": (f"ssh -G {name} gave no answer within 5 s.", *found["etcdtui-note"])}
    if done.returncode != 0:
        said = clean(done.stderr.decode("utf-8", "replace").strip(), 400).rstrip(".")
        raise ConfigError(f"ssh refuses its configuration for {name}: {said}.", "Correct that file.")
    return parse_settings(done.stdout.decode("utf-8", "replace"))


def parse_settings(text: str) -> Settings:
    """What ``ssh -G`` printed, as Settings."""
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        if value:
            found[key.lower()] = found.get(key.lower(), ()) + _words(key.lower(), value)
    return found


def _words(key: str, value: str) -> tuple[str, ...]:
    if key not in _SEVERAL_WORDS:
        return (value.strip('"'),)
    try:
        return tuple(shlex.split(value))
    except ValueError:
        return tuple(value.split())


def _read_without_ssh(name: str, file: str | None) -> Settings:
    import paramiko

    notes = ["The ssh program is missing: Include and some Match lines of ssh_config are not read."]
    found: dict[str, tuple[str, ...]] = {}
    for path in (file,) if file else ("~/.ssh/config", "/etc/ssh/ssh_config"):
        try:
            config = paramiko.SSHConfig.from_path(os.path.expanduser(path))
            values = config.lookup(name)
        except FileNotFoundError:
            if file:
                raise ConfigError(f"There is no ssh_config {file}.") from None
            continue
        except (paramiko.ConfigParseError, paramiko.CouldNotCanonicalize, OSError) as exc:
            notes.append(f"{path} cannot be read: {reason(exc)}.")
            continue
        for key, value in dict[str, str | list[str]](values).items():
            words = tuple(value) if isinstance(value, list) else _words(key, str(value))
            # hostname is always filled in; only a line that names another one says something.
            if key != "hostname" or str(value) != name:
                found.setdefault(key, words)
    found.setdefault("identityfile", DEFAULT_KEYS)
    return found | {"etcdtui-note": tuple(notes)}


def _agent(setting: str) -> str:
    if setting == "none":
        return ""
    if setting in ("", "SSH_AUTH_SOCK"):
        return os.environ.get("SSH_AUTH_SOCK", "")
    return os.environ.get(setting[1:], "") if re.fullmatch(r"\$\w+", setting) else setting


def _expand(text: str, *, target: SshTarget, name: str) -> str:
    """``~``, ``${VAR}`` and the tokens that make sense before a connection."""
    tokens = {
        "%": "%",
        "h": target.address,
        "n": name,
        "p": str(target.port),
        "r": target.user,
        "u": user_name(),
        "d": str(Path.home()),
        "k": target.host_key_alias or name,
        "i": str(os.getuid()),
        "l": socket.gethostname(),
        "L": socket.gethostname().partition(".")[0],
    }
    text = re.sub(r"%(.)", lambda m: tokens.get(m[1], m[0]), text)
    text = re.sub(r"\$\{(\w+)\}", lambda m: os.environ.get(m[1], m[0]), text)
    return os.path.expanduser(text)


def _number(text: str, name: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ConfigError(f"ssh_config gives {name} the port {text!r}, which is none.")
    return int(text)
