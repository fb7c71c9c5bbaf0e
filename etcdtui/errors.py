"""The errors etcdtui raises, as one tree.

Every message is a sentence for a tired person: what failed, on which host, what the machine said.
``hint`` is the next thing to do. Foreign exceptions are mapped at the edge, once, with ``from exc``.

    EtcdTuiError
    ├── ConfigError            a file or an option of ours is wrong
    ├── Unreachable            a host, port or API cannot be reached
    │   ├── TimedOut           it said nothing in time
    │   ├── Refused            it said no at once: nothing listens there
    │   ├── NameUnknown        the name has no address
    │   ├── Dropped            a connection ended that should have gone on
    │   └── Unsure             a write was sent, and whether it was done is not known
    ├── HostKeyUnknown         an SSH host we never met
    ├── HostKeyChanged         an SSH host that is not the one we met
    ├── AuthFailed             SSH or the API does not let us in
    ├── SudoRefused            sudo on the host wants a password or says no
    ├── TlsFailed              certificates do not fit
    ├── CommandFailed          a command ran and ended badly
    ├── UnexpectedOutput       an answer we cannot read
    ├── Forbidden              the API knows us and does not allow it
    ├── NotFound               the API has no such object
    ├── Conflict               the API's object is not what we took it for
    │   └── Exists             there is one of that name already
    ├── Invalid                the API does not take what we wrote
    ├── Refusal                we will not do it, and why
    └── Cancelled              the user stopped it
"""

from __future__ import annotations

from collections.abc import Sequence


class EtcdTuiError(Exception):
    """What failed, where (``message``), and what to do (``hint``, may be empty)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ConfigError(EtcdTuiError):
    """A file or an option of ours is wrong."""


class Unreachable(EtcdTuiError):
    """A host, a port or the API cannot be reached."""


class TimedOut(Unreachable):
    """Something said nothing within the deadline; the message tells how far it had come."""


class Refused(Unreachable):
    """The machine answered at once that nothing listens there."""


class NameUnknown(Unreachable):
    """The name has no address."""


class Dropped(Unreachable):
    """A connection ended that should have gone on."""


class Unsure(Unreachable):
    """A write was sent and its answer lost: whether it was done must be read back."""


class HostKeyUnknown(EtcdTuiError):
    """An SSH host that no known_hosts file names. ``fingerprint`` is ``SHA256:…``."""

    def __init__(self, host: str, port: int, key_type: str, fingerprint: str, line: str) -> None:
        where = host if port == 22 else f"{host}:{port}"
        super().__init__(
            f"{where} shows an SSH host key that is in no known_hosts file: {key_type} {fingerprint}.",
            "Compare the fingerprint with the host's own before trusting it.",
        )
        self.host, self.port, self.key_type, self.fingerprint = host, port, key_type, fingerprint
        self.line = line  # what would be appended to known_hosts


class HostKeyChanged(EtcdTuiError):
    """An SSH host that shows another key than the one known."""


class AuthFailed(EtcdTuiError):
    """SSH or the API does not let us in."""


class SudoRefused(EtcdTuiError):
    """sudo on the host wants a password, or says no."""


class TlsFailed(EtcdTuiError):
    """A TLS handshake failed: wrong authority, dates or names."""


class CommandFailed(EtcdTuiError):
    """A command ran and ended badly. ``status`` is its exit code, ``said`` the end of its stderr."""

    def __init__(
        self, message: str, hint: str = "", *, argv: Sequence[str] = (), status: int = -1, said: str = ""
    ) -> None:
        super().__init__(message, hint)
        self.argv = tuple(argv)
        self.status = status
        self.said = said


class UnexpectedOutput(EtcdTuiError):
    """An answer that cannot be read."""


class Forbidden(EtcdTuiError):
    """The API knows us and does not allow it."""


class NotFound(EtcdTuiError):
    """The API answers that there is no such object."""


class Conflict(EtcdTuiError):
    """The object at the API is not what we took it for: somebody changed it meanwhile."""


class Exists(Conflict):
    """There is an object of that name already."""


class Invalid(EtcdTuiError):
    """The API does not take what was to be written; the message holds its own words."""


class Refusal(EtcdTuiError):
    """etcdtui will not do it; the message says why and what would have happened."""


class Cancelled(EtcdTuiError):
    """The user stopped it."""
