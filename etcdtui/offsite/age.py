"""Encryption on the way out, with age: who has a store's disk or its credentials still has no secret.

Files are encrypted to recipients (public keys); whoever restores needs an identity (a secret key), which
etcdtui never needs for a backup and never keeps. What is encrypted twice is never the same twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from etcdtui.errors import Cancelled, ConfigError, EtcdTuiError, Refusal
from etcdtui.landing import Cancel, Landing, LocalFault, Meter, Progress, faults, room_for, sha256_of
from etcdtui.model.file_names import AGE
from etcdtui.model.manifest import SUFFIX, File
from etcdtui.offsite.store import Item
from etcdtui.text import clean

_SECRET = "AGE-SECRET-KEY-"
_LARGEST_LIST = 1024 * 1024  # bytes of a file with recipients or identities


class CannotDecrypt(EtcdTuiError):
    """A file that no identity at hand opens, or that is damaged."""


class WrongIdentity(CannotDecrypt):
    """The file may be whole; it was not encrypted to this identity."""


@dataclass(frozen=True, slots=True)
class Recipients:
    """Whom to encrypt to. ``mark`` tells the same recipients again; ``keys`` are age's own objects."""

    mark: str
    keys: tuple[Any, ...] = field(repr=False)


def recipients_of(store: str, listed: Sequence[str], file: str | None = None) -> Recipients:
    """The recipients of ``store``: those listed in its configuration and those in ``file``, one in a line.

    ``age1…`` and SSH public keys (``ssh-ed25519 …``, ``ssh-rsa …``); in the file ``#`` begins a comment.
    Raises ConfigError naming the store and the entry; without pyrage the command that installs it.
    """
    pyrage = _pyrage(f"{store} encrypts with age")
    entries = [(entry, f"{store}: age_recipients") for entry in listed]
    if file:
        entries += [(line, f"{store}: {file}, line {number}") for number, line in _lines(Path(file), store)]
    if not entries:
        raise ConfigError(f"{store}: {file or 'age_recipients'} names no recipient.", "Name one: age1…")
    keys = tuple(_recipient(pyrage, entry.strip(), where) for entry, where in entries)
    mark = hashlib.sha256("\n".join(sorted(entry.strip() for entry, _ in entries)).encode()).hexdigest()
    return Recipients(mark[:12], keys)


def encrypt(
    source: Path,
    target: Path,
    recipients: Recipients,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
    *,
    sha256: str | None = None,
) -> File:
    """Write ``target``, mode 0600, all of it or nothing, in little memory; what it is then.

    ``sha256`` is what ``source`` is known to have. Raises Refusal when what was read has another, or when
    there is a ``target`` already; LocalFault, Cancelled.
    """
    pyrage = _pyrage("The backup is to be encrypted with age")
    _room(source, target)

    def run(reader: Any, writer: Any) -> None:
        try:
            pyrage.encrypt_io(reader, writer, list(recipients.keys))
        except pyrage.EncryptError as exc:
            raise LocalFault(f"{source} cannot be encrypted: {clean(str(exc), 160)}.") from exc

    return _through(run, source, target, f"Encrypting {source.name}", progress, cancelled, sha256)


def decrypt(
    source: Path,
    target: Path,
    identity: Path,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
    *,
    expected: tuple[int, str] | None = None,
) -> File:
    """Write what ``source`` holds to ``target``, mode 0600, all of it or nothing; what it is then.

    ``identity`` is a file with identities as age-keygen writes it, or an SSH private key without a
    passphrase. ``expected`` are size and SHA-256 of what it must hold; without them compare the digest with
    the manifest's. Raises CannotDecrypt when it does not fit or ``source`` is damaged or holds something
    else, ConfigError when the identity cannot be read, Refusal when there is a ``target``, LocalFault,
    Cancelled.
    """
    pyrage = _pyrage(f"{source.name} is encrypted with age")
    identities = _identities(pyrage, identity)
    _room(source, target)

    def run(reader: Any, writer: Any) -> None:
        try:
            pyrage.decrypt_io(reader, writer, identities)
        except (pyrage.DecryptError, OSError) as exc:
            if "no matching keys" in str(exc).lower():
                raise WrongIdentity(
                    f"{source} is not encrypted to the identity in {identity}.",
                    "Name the file of another identity: age_identity in clusters.toml, or --identity FILE.",
                ) from exc
            raise CannotDecrypt(
                f"{source} cannot be decrypted, it is damaged or cut: {clean(str(exc), 160)}.",
                "Bring it from the store again, or take another backup.",
            ) from exc

    def right(made: File) -> None:
        if expected not in (None, (made.size, made.sha256)):
            raise CannotDecrypt(
                f"{source} holds another file than its manifest says: its SHA-256 is {made.sha256[:16]}….",
                "Take it from another place, or another backup.",
            )

    return _through(run, source, target, f"Decrypting {source.name}", progress, cancelled, right=right)


def identities_in(path: Path) -> int:
    """How many identities that file holds: to be asked before anything long is begun. Raises ConfigError."""
    return len(_identities(_pyrage("The backup is encrypted with age"), path))


@contextlib.contextmanager
def seal(
    recipients: Recipients,
    items: Sequence[Item],
    folder: Path,
    progress: Progress | None = None,
    cancelled: Cancel | None = None,
) -> Iterator[Sequence[Item]]:
    """``items`` as they leave this machine: encrypted and named ``NAME.age``, the manifest as it is.

    The encrypted files are hidden ones in ``folder`` and are removed when the block ends well. When it does
    not, whole ones stay, and the next attempt sends those very bytes: else what has arrived already would be
    another object. Raises as ``encrypt``, also Refusal when a file is not what its item says.
    """
    sealed: list[Item] = []
    made: list[Path] = []
    for item in items:
        if item.name.endswith(SUFFIX):
            sealed.append(item)
            continue
        stem = f".{item.sha256[:16]}-{recipients.mark}"
        left = _left_over(item, folder, stem, cancelled)
        if left is None:
            whole = encrypt(
                item.path, folder / f"{stem}{AGE}", recipients, progress, cancelled, sha256=item.sha256
            )
            left = Item(folder / _sealed_name(stem, whole.sha256), item.name + AGE, whole.sha256)
            with faults(f"{left.path} cannot be written"):
                (folder / whole.name).rename(left.path)
        made.append(left.path)
        sealed.append(left)
    yield sealed
    for path in made:
        _remove(path)


def _left_over(item: Item, folder: Path, stem: str, cancelled: Cancel | None) -> Item | None:
    """What an earlier attempt made of ``item``, when it is still what it was then; else it is removed."""
    found: Item | None = None
    for path in sorted(folder.glob(f"{stem}*{AGE}")):
        digest = sha256_of(path, cancelled)
        if found is None and path.name == _sealed_name(stem, digest):
            found = Item(path, item.name + AGE, digest)
        else:
            _remove(path)
    if found is not None and sha256_of(item.path, cancelled) != item.sha256:
        raise _changed(item.path)
    return found


def _sealed_name(stem: str, digest: str) -> str:
    """It tells what the file has to be: nothing else could, for nobody here can decrypt it."""
    return f"{stem}-{digest[:16]}{AGE}"


def _remove(path: Path) -> None:
    with faults(f"{path} cannot be removed"):
        path.unlink(missing_ok=True)


def _changed(path: Path) -> Refusal:
    return Refusal(
        f"{path} is not what was proven: its SHA-256 is another. It is not encrypted.",
        "Bring the backup off the cluster again.",
    )


class _Reader:
    """What age reads from: hashed while it flows, tells how far it is, stops when that is wanted.

    age turns exceptions of ours into words of its own; ``fault`` is the original.
    """

    def __init__(self, file: BinaryIO, meter: Meter, stop: Cancelled, cancelled: Cancel | None) -> None:
        self._file, self._meter, self._stop, self._cancelled = file, meter, stop, cancelled
        self._done, self.digest = 0, hashlib.sha256()
        self.fault: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            if self._cancelled and self._cancelled.is_set():
                raise self._stop
            block = self._file.read(size)
        except Exception as exc:
            self.fault = exc
            raise
        self.digest.update(block)
        self._done += len(block)
        self._meter.at(self._done)
        return block


class _Writer:
    """What age writes to: a landing file, hashed while it flows."""

    def __init__(self, landing: Landing) -> None:
        self._landing, self.digest = landing, hashlib.sha256()
        self.fault: Exception | None = None

    def write(self, block: bytes) -> int:
        try:
            self._landing.write(block)
        except Exception as exc:
            self.fault = exc
            raise
        self.digest.update(block)
        return len(block)

    def flush(self) -> None:
        """Landing keeps nothing back."""


def _through(
    run: Callable[[_Reader, _Writer], None],
    source: Path,
    target: Path,
    doing: str,
    progress: Progress | None,
    cancelled: Cancel | None,
    sha256: str | None = None,
    right: Callable[[File], None] = lambda made: None,
) -> File:
    """``right`` raises when what was made must not be kept."""
    stop = Cancelled(f"{doing}: this was stopped.", "Nothing is left of it.")
    with faults(f"{source} cannot be read"):
        size = source.stat().st_size
        file = source.open("rb")
    with file, Landing(target) as landing:
        landing.take_up(0)
        reader, writer = _Reader(file, Meter(doing, size, progress), stop, cancelled), _Writer(landing)
        try:
            try:
                run(reader, writer)
            except Exception as exc:
                known = reader.fault or writer.fault
                if known is None:
                    raise
                with faults(f"{source} cannot be read"):
                    raise known from exc
            if sha256 not in (None, reader.digest.hexdigest()):
                raise _changed(source)
            landing.sync()
            made = File(target.name, landing.length, writer.digest.hexdigest())
            right(made)
            landing.settle()
        except BaseException:
            with contextlib.suppress(LocalFault):
                landing.discard()
            raise
    return made


def _room(source: Path, target: Path) -> None:
    with faults(f"{source} cannot be read"):
        size = source.stat().st_size
    room_for(target.parent, size)


def _pyrage(why: str) -> Any:
    try:
        return importlib.import_module("pyrage")
    except ImportError as exc:
        raise ConfigError(f"{why}, and pyrage is not installed.", "Run: pip install 'etcdtui[age]'") from exc


def _recipient(pyrage: Any, entry: str, where: str) -> Any:
    if entry.upper().startswith(_SECRET):  # must not be shown, nor kept there
        raise ConfigError(
            f"{where}: there is a secret key of age where a public one belongs.",
            "Name the public key, age1…; a secret key that lay here is better replaced by a new one.",
        )
    kind = pyrage.ssh if entry.startswith("ssh-") else pyrage.x25519
    try:
        return kind.Recipient.from_str(entry)
    except (pyrage.RecipientError, ValueError) as exc:
        raise ConfigError(
            f"{where}: {clean(entry, 80)!r} is no recipient of age: {clean(str(exc), 120)}.",
            "Write it as age-keygen shows it, age1 and 58 letters and digits, or name an SSH public key.",
        ) from exc


def _identities(pyrage: Any, path: Path) -> list[Any]:
    try:
        content = _read(path)
    except (OSError, UnicodeDecodeError) as exc:
        said = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise ConfigError(
            f"The identity file {path} cannot be read: {said}.", "Check age_identity, or --identity."
        ) from exc
    wrong = ConfigError(
        f"{path} holds no identity of age.",
        "It must hold a line AGE-SECRET-KEY-1…, as age-keygen writes it, or an SSH key without a passphrase.",
    )
    try:
        if "-----BEGIN" in content:
            return [pyrage.ssh.Identity.from_buffer(content.encode())]
        lines = [line for line in map(str.strip, content.splitlines()) if line and not line.startswith("#")]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines]
    except (pyrage.IdentityError, ValueError):
        raise wrong from None  # what it says might hold the key
    if not found:
        raise wrong
    return found


def _lines(path: Path, store: str) -> list[tuple[int, str]]:
    try:
        numbered = enumerate(_read(path).splitlines(), 1)
    except (OSError, UnicodeDecodeError) as exc:
        said = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise ConfigError(f"{store}: the recipients in {path} cannot be read: {said}.") from exc
    return [(number, line) for number, line in numbered if line.strip() and not line.lstrip().startswith("#")]


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LARGEST_LIST).decode()
