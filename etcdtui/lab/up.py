"""`etcdtui lab up`: a lab in the foreground, until it is told to end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from etcdtui.children.reaper import Reaper
from etcdtui.errors import ConfigError, EtcdTuiError, Refusal
from etcdtui.lab import actions, control, places
from etcdtui.lab.eras import DEFAULT, ERAS
from etcdtui.lab.pace import Pace
from etcdtui.lab.sshd import KINDS as SSH_KINDS
from etcdtui.lab.supervisor import Supervisor

KEYS = 3000
FAILED, USAGE = 1, 64  # exit codes; 64 as everywhere in etcdtui
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    directory: Path,
    *,
    nodes: int = 3,
    etcd_dir: Path | None = None,
    ssh: str = "auto",
    keys: int = KEYS,
    pace: float = 1.0,
    era: str = DEFAULT.name,
    say: Callable[[str], None] = print,
    until_stdin_closes: bool = False,
) -> int:
    """Bring a lab up in ``directory``, say where its clusters.toml is, run until a signal (or the end of
    standard input), take everything away again. 0, FAILED after saying what did, or USAGE.
    """
    try:
        directory = checked(directory, nodes=nodes, ssh=ssh, keys=keys, pace=pace)
        made = _claim(directory)
    except EtcdTuiError as exc:
        say(str(exc))
        return USAGE
    say = _unbreakable(say)
    ending = threading.Event()
    with _until(ending, until_stdin_closes):
        reaper = Reaper()
        for path in made:
            reaper.remove(path)
        lab = None
        try:
            lab = Supervisor(
                directory,
                reaper,
                say,
                nodes=nodes,
                etcd_dir=etcd_dir,
                ssh=ssh,
                pace=Pace().scaled(pace),
                era=ERAS[era],
            )
            supervisor = lab
            server = control.ControlServer(
                directory, lambda name, node: actions.perform(supervisor, name, node)
            )
            server.publish(os.getpid())
            lab.start(keys)
            say(str(lab.plan.config))
            ending.wait()
            server.close()
            return 0
        except EtcdTuiError as exc:
            say(str(exc))
            return FAILED
        except OSError as exc:
            say(f"The lab cannot be built in {directory}: {exc}.")
            return FAILED
        finally:
            if lab is not None:
                lab.close()
            reaper.finish()


def _unbreakable(say: Callable[[str], None]) -> Callable[[str], None]:
    # Whoever listened may have gone; that must not keep us from cleaning up.
    def speak(line: str) -> None:
        with contextlib.suppress(OSError):
            say(line)

    return speak


def checked(directory: Path, *, nodes: int, ssh: str, keys: int, pace: float = 1.0) -> Path:
    """The absolute directory, if all options make sense. Raises ConfigError."""
    if not 1 <= nodes <= 9:
        raise ConfigError(f"A lab has 1 to 9 nodes, not {nodes}.")
    if ssh not in SSH_KINDS:
        raise ConfigError(f"There is no SSH server {ssh!r}.", f"Known: {', '.join(SSH_KINDS)}.")
    if keys < 0:
        raise ConfigError(f"A lab cannot have {keys} keys.")
    if not 0 <= pace <= 100:
        raise ConfigError(f"A lab cannot take {pace} times as long.")
    # Not resolve(): the user should find the path as typed.
    directory = Path(os.path.abspath(directory.expanduser()))
    if not re.fullmatch(r"[\w./+,=@-]+", str(directory)):
        raise ConfigError(f"The path {str(directory)!r} has blanks or signs in it that a lab cannot bear.")
    return directory


def _claim(directory: Path) -> list[Path]:
    """Make the directory ours; what is to be removed at the end. Raises Refusal or ConfigError."""
    try:
        if not directory.exists():
            directory.mkdir(parents=True, mode=0o700)
            return [directory]
        if places.lab_file(directory).exists():
            _take_over(directory)
        elif any(directory.iterdir()):
            raise Refusal(f"{directory} is not empty, and not a lab.", "Name an empty or a new folder.")
    except OSError as exc:
        raise ConfigError(f"The lab's folder {directory} cannot be made: {exc.strerror}.") from exc
    return [directory / name for name in _OURS]


# Everything a lab makes in its folder.
_OURS = (
    "nodes",
    "image",
    "bin",
    "system",
    "api",
    "kubeconfig",
    "known_hosts",
    "operator_ed25519",
    "operator_ed25519.pub",
    "clusters.toml",
    "backups",
    "outside",
    "lab.json",
)


def _take_over(directory: Path) -> None:
    pid = int(control.read(directory).get("pid", 0))
    with contextlib.suppress(EtcdTuiError):
        control.send(directory, "status", timeout=5)
        raise Refusal(f"A lab is running in {directory} (process {pid}).", "Stop it, or name another folder.")
    leftovers = Reaper()
    for name in _OURS:
        leftovers.remove(directory / name)
    leftovers.finish()


@contextlib.contextmanager
def _until(ending: threading.Event, until_stdin_closes: bool) -> Iterator[None]:
    """Set ``ending`` at the first signal, or when standard input ends."""
    main = threading.current_thread() is threading.main_thread()
    before = {}
    if main:
        for number in _SIGNALS:
            before[number] = signal.signal(number, lambda *_: ending.set())
    if until_stdin_closes:
        threading.Thread(target=_wait_for_end_of_input, args=(ending,), daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_end_of_input(ending: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    ending.set()
