"""Logging in by public key: files and the ssh-agent, in an order that spends few tries."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from paramiko.agent import AgentKey, AgentSSH
from paramiko.pkey import UnknownKeyType

from etcdtui.errors import AuthFailed, TimedOut, Unreachable
from etcdtui.reach.ssh_config import SshTarget
from etcdtui.text import reason

# An agent may ask its user to confirm (ssh-add -c), so it gets longer than a machine.
AGENT_TIMEOUT = 30.0


class _Agent(AgentSSH):
    """The ssh-agent behind one socket; paramiko's own knows only SSH_AUTH_SOCK and no timeout."""

    def __init__(self, path: str) -> None:
        super().__init__()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(AGENT_TIMEOUT)
            connection.connect(path)
            self._connect(connection)  # type: ignore[attr-defined]
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        self._close()  # type: ignore[attr-defined]


@dataclass
class _Ring:
    """The keys to try, each with the name the user knows it by, and why others are not tried."""

    keys: list[tuple[str, paramiko.PKey]] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def authenticate(transport: paramiko.Transport, target: SshTarget) -> None:
    """Log in. Raises AuthFailed, TimedOut or Unreachable."""
    agent, problem = _agent(target)
    try:
        ring = _ring(target, agent)
        if problem:
            ring.notes.append(problem)
        _try(transport, target, ring)
    finally:
        if agent:
            agent.close()


def _try(transport: paramiko.Transport, target: SshTarget, ring: _Ring) -> None:
    accepted: list[str] = []
    tried: list[str] = []
    cause: BaseException | None = None
    try:
        if not ring.keys:
            transport.auth_none(target.user)
            return
    except paramiko.BadAuthenticationType as exc:
        accepted, cause = list(exc.allowed_types), exc
    except paramiko.SSHException as exc:
        cause = exc
    for name, key in ring.keys:
        tried.append(name)
        try:
            more = transport.auth_publickey(target.user, key)
        except paramiko.BadAuthenticationType as exc:
            accepted, cause = list(exc.allowed_types), exc
            break
        except (paramiko.SSHException, EOFError, OSError) as exc:
            cause = exc
            if "timeout" in str(exc).lower():
                raise TimedOut(f"{target.name} does not answer while logging in as {target.user}.") from exc
            if not transport.is_active():
                break
            continue
        if not more:
            return
        raise AuthFailed(
            f"{target.name} wants more than a key from {target.user}: {', '.join(more)}.",
            "Only public keys are supported. Ask for an account without a second factor.",
        )
    if ring.keys and not accepted and transport.is_active():
        try:  # only to learn what it would accept
            transport.auth_none(target.user)
            return
        except paramiko.BadAuthenticationType as exc:
            accepted = list(exc.allowed_types)
        except (paramiko.SSHException, EOFError, OSError):
            pass
    raise _refused(transport, target, ring, tried, accepted, cause) from cause


def _refused(
    transport: paramiko.Transport,
    target: SshTarget,
    ring: _Ring,
    tried: list[str],
    accepted: list[str],
    cause: BaseException | None,
) -> AuthFailed | Unreachable:
    what = f"with {', '.join(tried)}" if tried else "without a key, and there is none to offer"
    said = ""
    if accepted:
        said = f"; it accepts {', '.join(accepted)}"
    elif not transport.is_active():
        said = f"; it hung up ({reason(cause, 'without a reason') if cause else 'without a reason'})"
    hints = []
    if ring.locked:
        hints.append(
            f"{', '.join(ring.locked)} is encrypted and not in the ssh-agent: run ssh-add {ring.locked[0]}."
        )
    hints += ring.notes
    if not transport.is_active() and len(tried) > 3:
        hints.append("Too many keys were offered: name one with IdentityFile and IdentitiesOnly yes.")
    if not hints:
        hints.append(
            f"Check that the key belongs to {target.user} there, or name another one "
            "(identity in the configuration, IdentityFile in ssh_config)."
        )
    return AuthFailed(f"{target.name} does not let {target.user} in {what}{said}.", " ".join(hints))


def _agent(target: SshTarget) -> tuple[_Agent | None, str]:
    if not target.agent:
        return None, ""
    try:
        return _Agent(target.agent), ""
    except (OSError, paramiko.SSHException) as exc:
        return None, f"The ssh-agent at {target.agent} does not answer ({reason(exc)})."


def _ring(target: SshTarget, agent: _Agent | None) -> _Ring:
    ring = _Ring(notes=list(target.notes))
    held: tuple[AgentKey, ...] = agent.get_keys() if agent else ()
    from_files: list[tuple[str, paramiko.PKey]] = []
    wanted: list[tuple[str, paramiko.PKey]] = []
    used: set[bytes] = set()
    for path in target.identities:
        blob = _public(path)
        match = next((key for key in held if blob and key.blob == blob), None)
        if match is not None:
            wanted.append((f"{_short(path)} (agent)", match))
            used.add(match.blob)
            continue
        if not os.path.exists(path):
            continue
        try:
            from_files.append((_short(path), paramiko.PKey.from_path(path)))
        except (paramiko.PasswordRequiredException, TypeError):  # TypeError: cryptography's word for locked
            ring.locked.append(_short(path))
        except (OSError, ValueError, paramiko.SSHException, UnknownKeyType) as exc:
            ring.notes.append(f"The key {_short(path)} cannot be used: {reason(exc)}.")
    others = [(f"{key.comment or key.name} (agent)", key) for key in held if key.blob not in used]
    if target.identities_only:
        others = []
    ring.keys = [*wanted, *others, *from_files] if not from_files or wanted else [*from_files, *others]
    return ring


def _public(path: str) -> bytes | None:
    """The public half, from the file beside the key: it can be read even where the key is locked."""
    import base64

    try:
        words = Path(path.removesuffix(".pub") + ".pub").read_text(encoding="utf-8").split()
        return base64.b64decode(words[1], validate=True)
    except (OSError, ValueError, IndexError):
        return None


def _short(path: str) -> str:
    home = str(Path.home())
    return "~" + path[len(home) :] if path.startswith(home + "/") else path
