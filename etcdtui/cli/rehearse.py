"""A backup restored into a throw-away etcd on this machine, without the screen: made for a weekly timer."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etcdtui.cli.cluster import cluster_config
from etcdtui.cli.options import Shared, local_path
from etcdtui.errors import Cancelled, ConfigError
from etcdtui.streams import say
from etcdtui.text import clean

if TYPE_CHECKING:
    from etcdtui.cli.measuring import MetricsFile
    from etcdtui.config import ClusterConfig
    from etcdtui.procedures.rehearsal import Rehearsed, Tell

RESTORED, NOT, COULD_NOT = 0, 1, 2
LAST = "last"
STOPPED = 130  # as a shell tells of Ctrl-C
_CODES = {"ok": RESTORED, "failed": NOT, "not applicable": COULD_NOT}
_SIGNS = {"ok": "✓", "failed": "✗"}


def register(commands: Any, shared: Shared) -> None:
    """``etcdtui rehearse``."""
    command = commands.add_parser(
        "rehearse",
        parents=[shared.where, shared.json, shared.metrics],
        help="restore a backup into a throw-away etcd, and compare",
        description="On this machine, for nobody else, no cluster touched. Exit codes: 0 restored as proven, "
        "1 not, 2 it could not be tried, 64 no such file or bad arguments, 70 etcdtui itself failed.",
    )
    command.add_argument(
        "what",
        metavar="last|STAMP|FOLDER|FILE",
        help="the newest proven one on this machine, a time stamp of etcdtui backups, a folder, a snapshot",
    )
    command.add_argument(
        "--etcd-dir", type=local_path, metavar="DIR", help="with the etcd and etcdutl of this folder"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from etcdtui import metricsfile
    from etcdtui.cli.measuring import MetricsFile

    failed = metricsfile.not_rehearsed(vars(options).get("cluster", ""))
    with MetricsFile(options.metrics_file, failed) as metrics:
        return rehearse(
            options.what, lambda: cluster_config(options), options.etcd_dir, metrics, as_json=options.json
        )


def rehearse(
    what: str,
    config: Callable[[], ClusterConfig],
    etcd_dir: Path | None,
    metrics: MetricsFile,
    *,
    as_json: bool,
) -> int:
    """0: restored as proven; 1: not; 2: it could not be tried. The worst of several counts, 1 before 2.

    Raises ConfigError when there is no such backup on this machine.
    """
    from etcdtui import metricsfile
    from etcdtui.children import binaries
    from etcdtui.procedures import rehearsal

    paths = _snapshots(what, config)
    done: list[Rehearsed] = []
    stop = threading.Event()
    with _interruptible(stop):
        for path in paths:
            try:
                found = rehearsal.rehearse(path, lambda: binaries.find(etcd_dir), _tell(as_json), stop.is_set)
            except Cancelled as cancelled:
                say(f"etcdtui: {clean(cancelled.message)}", sys.stderr)
                return STOPPED
            done.append(found)
            if not as_json:
                _print(found)
    if as_json:
        print(json.dumps({"rehearsals": [_as_json(each) for each in done]}, indent=2))
    metrics.write(metricsfile.rehearsals(done))
    codes = [_CODES[each.outcome.value] for each in done]
    return NOT if NOT in codes else max(codes)


def _snapshots(what: str, config: Callable[[], ClusterConfig]) -> list[Path]:
    from etcdtui.cli.verify import SNAPSHOT, located

    if what == LAST:
        return [_last(config())]
    alone, places = located(what, lambda: config().backups.directory)
    if alone is not None:
        found = [alone]
    else:
        found = [place / made.snapshot.name for place, made in places if made and made.snapshot]
    if not found:
        raise ConfigError(
            f"{clean(what)} holds no snapshot.", f"Name a file that ends in {SNAPSHOT}, or a backup's folder."
        )
    return found


def _last(config: ClusterConfig) -> Path:
    """The newest one of this cluster to rely on: proven good, and not taken by force."""
    from etcdtui.errors import EtcdTuiError
    from etcdtui.landing import faults
    from etcdtui.model.backups import DIRTY
    from etcdtui.model.manifest import SUFFIX, Manifest
    from etcdtui.procedures.manifests import parsed

    folder = config.backups.directory
    proven: list[tuple[Manifest, Path]] = []
    for path in folder.glob(f"*/*{SUFFIX}"):
        with suppress(EtcdTuiError), faults(f"{path} cannot be read"):
            told = parsed(path.read_bytes(), str(path))
            snapshot = path.with_name(told.snapshot.name)
            ours = told.good and told.cluster == config.name and DIRTY not in snapshot.name
            if ours and snapshot.is_file():
                proven.append((told, snapshot))
    if not proven:
        raise ConfigError(
            f"There is no proven backup of {config.name} in {folder}.",
            "Take one with etcdtui backup, or name a file.",
        )
    return max(proven, key=lambda each: (each[0].taken, each[1].name))[1]


@contextmanager
def _interruptible(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end it in order; however else it ends, the reaper cleans up."""
    ends = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(as_json: bool) -> Tell:
    """What it is at, one line for each thing; on standard error where the answer is JSON."""
    last = ""

    def tell(what: str, done: int, total: int) -> None:
        nonlocal last
        if what != last:
            last = what
            say(f"… {clean(what, 200)}", sys.stderr if as_json else sys.stdout)

    return tell


def _print(done: Rehearsed) -> None:
    say(clean(str(done.snapshot), 4000))
    for check in done.checks:
        say(f"  {_SIGNS.get(check.outcome.value, '·')} {check.name}: {clean(check.sentence, 2000)}")
    words = " ".join(word for word in (done.sentence, done.hint, done.kept) if word)
    say(f"  {_SIGNS.get(done.outcome.value, '–')} {clean(words, 4000)} ({done.seconds:.1f} s)")


def _as_json(done: Rehearsed) -> dict[str, Any]:
    return {
        "file": str(done.snapshot),
        "restored": {"ok": True, "failed": False}.get(done.outcome.value),
        "sentence": done.sentence,
        "hint": done.hint or None,
        "etcd": done.etcd or None,
        "at": done.at,
        "seconds": round(done.seconds, 3),
        "sha256": (done.proof.sha256 if done.proof else "") or None,
        "kept": done.kept or None,
        "checks": [{"name": c.name, "outcome": c.outcome.value, "sentence": c.sentence} for c in done.checks],
    }
