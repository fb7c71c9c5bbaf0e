"""Keys of the proven snapshot, spread over all of it, that must be in the restored etcd as they were."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from etcdtui.etcd import shapes
from etcdtui.etcd.commands import etcdctl
from etcdtui.etcd.contents import Contents, Entry
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.procedure import Action, Context, Reporter, Step, Work
from etcdtui.procedures.restore_decided import Decided
from etcdtui.procedures.restore_etcd import ASK, access_of, point_of, why_not
from etcdtui.text import clean, grouped

SAMPLES = 8  # each costs one etcdctl


def keys_step(decided: Decided) -> Step:
    host = decided.recovery.host
    return Step(
        key="keys",
        title="Keys of the backup are there as they were",
        why=f"Besides the count: {SAMPLES} keys, spread over the whole snapshot, are looked up on {host}, "
        "with the revision of their last change. No value is read.",
        action=Action.WORK,
        host=host,
        work=_compare(decided),
        cancel="Looking up ends; nothing is changed by it.",
    )


def samples(entries: Iterable[Entry], count: int = SAMPLES, total: int = 0) -> list[Entry]:
    """Spread over ``total`` entries, the first among them and, when it fits, the last."""
    stride = max(1, (total - 1) // max(1, count - 1)) if total > 1 else 1
    plain = ((n, e) for n, e in enumerate(entries) if n % stride == 0 or n == total - 1)
    # One that cannot be given to etcdctl as a word is not looked up.
    found = [e for _, e in plain if e.text.isprintable() and e.key.decode("utf-8", "replace") == e.text]
    return found[:count] if len(found) <= count else [*found[: count - 1], found[-1]]


def _compare(decided: Decided) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        backup, host = decided.backup, decided.recovery.host
        folder = world.keeping.folder / backup.home if backup.host else Path(backup.directory)
        with Contents(folder / backup.snapshot.name, cancelled=report.cancelled.is_set) as contents:
            chosen = samples(contents.live(), total=backup.live_keys)
        if not chosen:
            return Verdict(True, "The backup holds no key that could be looked up.")
        access = access_of(decided, world)
        point = point_of(decided, world, access)
        if point is None:
            return Verdict(
                True, f"Revision {grouped(backup.revision)} is compacted on {host} already: not compared."
            )
        since: list[str] = []  # other than in the backup, where they may have been written since
        for entry in chosen:
            name = clean(entry.text, 200)
            words = ("get", entry.text, "--keys-only", "--consistency=s", f"--rev={point.revision}")
            argv = etcdctl(access, *words, endpoints=(decided.recovery.client_url,), json=True, timeout="15s")
            done = world.runner(host).run(argv, timeout=ASK)
            if not done.ok:
                return Verdict(False, f"{name} cannot be looked up on {host}: {why_not(done.err())}")
            wrong = _wrong(entry, _changed(done.out()), host)
            if wrong and point.certain:
                return Verdict(False, wrong)
            since += [wrong] if wrong else []
            report.say(wrong or f"{name}  revision {entry.revision[0]}")
        if len(since) == len(chosen):
            return Verdict(False, f"Not one key of the backup is as it was. {since[0]}")
        more = f"; {len(since)} of them may have been changed since" if since else ""
        same = f"{len(chosen) - len(since)} of {len(chosen)} keys" if since else f"{len(chosen)} keys"
        return Verdict(True, f"{same} of the backup are in etcd of {host} as they were{more}.")

    return work


def _wrong(entry: Entry, revision: int | None, host: str) -> str:
    """What is other than in the backup; empty: nothing."""
    name = clean(entry.text, 200)
    if revision is None:
        return f"{name} is in the backup, and not in etcd of {host}."
    if revision != entry.revision[0]:
        return (
            f"{name} was changed last at revision {grouped(entry.revision[0])} in the backup, and at "
            f"{grouped(revision)} in etcd of {host}: that is not the backup."
        )
    return ""


def _changed(said: str) -> int | None:
    """The revision of its last change; None where it is not there."""
    table = shapes.table(shapes.load(said, "etcdctl get"), "The answer of etcdctl get")
    kvs = table.get("kvs")
    if not isinstance(kvs, list) or not kvs or not isinstance(kvs[0], dict):
        return None
    found = kvs[0].get("mod_revision")
    return found if isinstance(found, int) else None
