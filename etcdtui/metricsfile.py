"""The last proven backups in Prometheus' text format, for the textfile collector of node_exporter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etcdtui.landing import PART, faults
from etcdtui.model.known_backups import foreign_to
from etcdtui.model.places import Backup, Place, PlaceKind
from etcdtui.model.view import ClusterView

if TYPE_CHECKING:
    from etcdtui.procedures.rehearsal import Rehearsed

_HELP = {
    "etcdtui_backup_last_proven_timestamp_seconds": "When the last proven backup in this place was taken.",
    "etcdtui_backup_last_proven_size_bytes": "Size of both files of that backup.",
    "etcdtui_backup_last_proven_revision": "Revision of etcd in that backup.",
    "etcdtui_backup_place_listed": "Whether this place could be listed (1) or not (0).",
    "etcdtui_backup_last_run_timestamp_seconds": "When the backup was run that wrote this file.",
    "etcdtui_backup_last_run_success": "Whether it ended with a proven backup in every place (1) or not (0).",
}

_REHEARSED: dict[str, tuple[str, Callable[[Rehearsed], float]]] = {
    "etcdtui_rehearsal_timestamp_seconds": ("When this snapshot was rehearsed.", lambda done: done.at),
    "etcdtui_rehearsal_success": (
        "Whether it was restored as it was proven (1) or not, or could not be tried (0).",
        lambda done: float(done.outcome.value == "ok"),
    ),
    "etcdtui_rehearsal_duration_seconds": ("How long that took.", lambda done: done.seconds),
}


def text(view: ClusterView, *, success: bool | None = None) -> str:
    """One sample a place and metric. ``success`` of the run that writes it; None: nothing was run."""
    samples: dict[str, list[str]] = {}

    def sample(metric: str, value: float, **labels: str) -> None:
        samples.setdefault(metric, []).append(_sample(metric, value, **labels))

    for place, ok in _places(view):
        labels = {"cluster": view.name, "place": place.label, "kind": place.kind.value}
        sample("etcdtui_backup_place_listed", int(ok), **labels)
        last = _last(view, place)
        if last is not None and last.taken is not None:
            sample("etcdtui_backup_last_proven_timestamp_seconds", last.taken, **labels)
            sample("etcdtui_backup_last_proven_size_bytes", last.size, **labels)
            sample("etcdtui_backup_last_proven_revision", last.revision or 0, **labels)
    if success is not None:
        samples |= _run(view.name, view.now, success)
    return _lines({metric: (_HELP[metric], told) for metric, told in samples.items()})


def failed(cluster: str, now: float) -> str:
    """Of a backup that failed before anything could be looked at. ``cluster`` is empty where it is not known
    which."""
    told = _run(cluster, now, success=False)
    return _lines({metric: (_HELP[metric], samples) for metric, samples in told.items()})


def rehearsals(done: Sequence[Rehearsed]) -> str:
    """What came of rehearsals: one that could not be tried is no success either."""
    return _lines(
        {
            metric: (
                sentence,
                [_sample(metric, value(e), cluster=e.cluster, snapshot=e.snapshot.name) for e in done],
            )
            for metric, (sentence, value) in _REHEARSED.items()
        }
    )


def not_rehearsed(cluster: str) -> str:
    """Of a run that ended before its time. ``cluster`` is empty where it is not known which."""
    metric = "etcdtui_rehearsal_success"
    return _lines({metric: (_REHEARSED[metric][0], [_sample(metric, 0, cluster=cluster, snapshot="")])})


def _run(cluster: str, now: float, success: bool) -> dict[str, list[str]]:
    values = {"timestamp_seconds": now, "success": float(success)}
    metrics = {f"etcdtui_backup_last_run_{name}": value for name, value in values.items()}
    return {metric: [_sample(metric, value, cluster=cluster)] for metric, value in metrics.items()}


def _sample(metric: str, value: float, **labels: str) -> str:
    told = ",".join(f'{name}="{_escaped(word)}"' for name, word in labels.items())
    return f"{metric}{{{told}}} {value:.17g}"


def _lines(samples: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    """By metric: its sentence, and what was measured."""
    lines: list[str] = []
    for metric, (sentence, told) in samples.items():
        lines += [f"# HELP {metric} {sentence}", f"# TYPE {metric} gauge", *told]
    return "\n".join(lines) + "\n"


def write(path: Path, content: str) -> None:
    """All of it or as it was; readable by the collector, for it holds no secret. Raises LocalFault."""
    part = path.with_name(f".{path.name}{PART}")
    with faults(f"{path} cannot be written"):
        part.unlink(missing_ok=True)
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            os.fchmod(fd, 0o644)  # whatever the umask: the collector is somebody else
            file.write(content)
        os.replace(part, path)


def _places(view: ClusterView) -> Iterator[tuple[Place, bool]]:
    for host in view.hosts:
        yield Place(PlaceKind.HOST, host.name), host.facts.problem is None and host.facts.value is not None
    for seen in view.places:
        if seen.place.kind is not PlaceKind.HOST:  # of those only the manifests are told there
            yield seen.place, seen.listed


def _last(view: ClusterView, place: Place) -> Backup | None:
    for backup in view.known_backups:
        copy = backup.copy_in(place)
        if copy is None or not copy.proven or backup.dirty or backup.age(view.now) is None:
            continue  # nothing to rely on: it must not keep the alarm about an older one silent
        if foreign_to(view, backup) is False:
            return backup
    return None


def _escaped(word: str) -> str:
    return word.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
