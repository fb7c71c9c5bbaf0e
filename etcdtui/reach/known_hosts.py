"""The files of known SSH hosts: reading, comparing, adding one on the user's explicit word.

Understands hashed names, lists, ``[host]:port``, wildcards, negation and ``@revoked``. Lines of
``@cert-authority`` are left out and told. Host keys are compared here, strictly; nothing is ever added
without ``trust``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from etcdtui.errors import ConfigError, HostKeyChanged, HostKeyUnknown


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a known_hosts file."""

    file: str
    line: int
    names: str
    key_type: str
    blob: bytes
    revoked: bool = False

    def covers(self, name: str) -> bool:
        """Whether this line speaks of ``name`` (a host, or ``[host]:port``)."""
        name = name.lower()
        if self.names.startswith("|1|"):
            return _hashed(self.names, name)
        found = False
        for pattern in self.names.lower().split(","):
            if pattern.startswith("!"):
                if _glob(pattern[1:], name):
                    return False
            elif _glob(pattern, name):
                found = True
        return found


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """All entries of several files, in order, and what was left out (sentences)."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()

    def of(self, name: str) -> tuple[Entry, ...]:
        """The entries that speak of ``name``, revoked ones left out."""
        return tuple(e for e in self.entries if not e.revoked and e.covers(name))

    def key_types(self, address: str, port: int, alias: str = "") -> tuple[str, ...]:
        """Key types known for this host, so that the server can be asked for one of them."""
        entries = self.of(label(address, port, alias)) or (() if alias else self.of(address))
        return tuple(dict.fromkeys(e.key_type for e in entries))

    def check(self, address: str, port: int, key_type: str, blob: bytes, *, alias: str = "") -> None:
        """Return when the shown key is the known one. Raises HostKeyUnknown or HostKeyChanged."""
        name = label(address, port, alias)
        for entry in self.entries:
            if entry.revoked and entry.blob == blob and (entry.covers(name) or entry.covers(address)):
                raise HostKeyChanged(
                    f"{name} shows an SSH host key that is marked as revoked: {key_type} {fingerprint(blob)} "
                    f"({entry.file}, line {entry.line}).",
                    "Do not go on: somebody may have stolen that key. Ask who looks after this host.",
                )
        entries = self.of(name)
        if any(e.blob == blob for e in entries):
            return
        # OpenSSH accepts a key that is known for the host without its port, and so do its users.
        if not alias and port != 22 and any(e.blob == blob for e in self.of(address)):
            return
        if not entries:
            line = f"{name} {key_type} {base64.b64encode(blob).decode()}"
            raise HostKeyUnknown(address, port, key_type, fingerprint(blob), line)
        old = next((e for e in entries if e.key_type == key_type), entries[0])
        raise HostKeyChanged(
            f"{name} shows another SSH host key than the known one: {key_type} {fingerprint(blob)} "
            f"instead of {old.key_type} {fingerprint(old.blob)} ({old.file}, line {old.line}).",
            "If the machine was rebuilt, compare the fingerprint on its console, then run: "
            f"ssh-keygen -R '{name}' -f {old.file}. If nobody rebuilt it, do not go on: "
            "somebody may be in between.",
        )


def read(files: Iterable[str]) -> KnownHosts:
    """Read known_hosts files; a missing one is empty, an unreadable one is told in ``notes``."""
    entries: list[Entry] = []
    notes: list[str] = []
    for file in files:
        try:
            text = Path(file).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            notes.append(f"{file} cannot be read: {exc.strerror}.")
            continue
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            marker = words.pop(0) if words[0].startswith("@") else ""
            if marker not in ("", "@revoked"):
                notes.append(f"{file}, line {number}: {marker} is not supported and was left out.")
                continue
            try:
                names, key_type, text_key = words[:3]
                blob = base64.b64decode(text_key, validate=True)
            except (ValueError, binascii.Error):
                notes.append(f"{file}, line {number} is no host key and was left out.")
                continue
            entries.append(Entry(file, number, names, key_type, blob, marker == "@revoked"))
    return KnownHosts(tuple(entries), tuple(notes))


def trust(unknown: HostKeyUnknown, file: Path) -> None:
    """Append the key the user has compared and accepted to ``file`` (0600). Raises ConfigError."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as handle:
            size = handle.seek(0, os.SEEK_END)
            if size:
                handle.seek(-1, os.SEEK_END)
            start = b"\n" if size and handle.read(1) != b"\n" else b""
            handle.write(start + unknown.line.encode() + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as exc:
        raise ConfigError(
            f"The host key of {unknown.host} cannot be written to {file}: {exc.strerror}.",
            "Add the line yourself: " + unknown.line,
        ) from exc


def fingerprint(blob: bytes) -> str:
    """``SHA256:…`` as ssh-keygen -l prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def label(address: str, port: int, alias: str = "") -> str:
    """The name a host has in known_hosts."""
    return alias or (address if port == 22 else f"[{address}]:{port}")


def _hashed(names: str, name: str) -> bool:
    try:
        _, _, salt, digest = names.split("|")
        # SHA-1 is what the file format prescribes.
        seen = hmac.new(base64.b64decode(salt), name.encode(), "sha1").digest()
        return hmac.compare_digest(seen, base64.b64decode(digest))
    except (ValueError, binascii.Error):
        return False


def _glob(pattern: str, name: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), name) is not None
