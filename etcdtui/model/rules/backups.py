"""Rules about the backups that were found on hosts."""

from __future__ import annotations

from collections.abc import Iterator

from etcdtui import text
from etcdtui.model.finding import Finding, Rule, Severity
from etcdtui.model.health import ClusterHealth
from etcdtui.model.view import ClusterView


def backups(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    """On hosts; where only they are known, how old the last backup is, too."""
    for backup in view.backups:
        if not backup.complete and not backup.writing:
            yield Finding(
                f"5-half-{backup.host}-{backup.stamp}",
                Severity.ADVICE,
                f"{backup.host}: the backup {backup.stamp} is {backup.completeness.value}: not a backup.",
                ", ".join(text.clean(f.name) for f in backup.files),
                "Do not restore from it.",
                backup.host,
            )
    if all(seen.place.is_host for seen in view.places):
        yield from _on_hosts(view, health)


def _on_hosts(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    looked = [host for host in view.hosts if host.facts.value is not None]
    if not looked:
        return
    complete = [backup for backup in view.backups if backup.complete and not backup.dirty]
    if not complete:
        unseen = [host.name for host in view.hosts if host.facts.value is None]
        yield Finding(
            "4-backup",
            Severity.WARNING,
            "There is no backup on any host that could be looked at.",
            f"Not looked at: {text.listed(unseen)}." if unseen else "",
            take_one(health),
        )
        return
    last = max(complete, key=lambda backup: backup.finished)
    old = view.now - last.finished
    if old > view.max_backup_age:
        yield Finding(
            "4-backup",
            Severity.WARNING,
            f"The last backup is {text.age(old)} old.",
            f"{last.stamp} on {last.host}.",
            "Take one now: b.",
        )
    else:
        yield Finding(
            "8-backup",
            Severity.ADVICE,
            f"The last backup is {text.age(old)} old; no copy off the cluster is known.",
            f"{last.stamp} on {last.host}.",
            "A backup on the master that dies is none: copy both files off the cluster.",
        )


def take_one(health: ClusterHealth) -> str:
    """The next step where a backup is missing."""
    return "Take one now: b." if health.all_well else "Take one as soon as a member is well: b."


def cut(view: ClusterView, health: ClusterHealth) -> Iterator[Finding]:
    """So many files that not all are listed."""
    for host in view.hosts:
        facts = host.facts.value
        if facts is not None and facts.backups_cut:
            yield Finding(
                f"8-backups-cut-{host.name}",
                Severity.ADVICE,
                f"{host.name}: {text.counted(facts.backups_cut, 'backup file is', 'backup files are')} not "
                "shown, for there are too many.",
                f"Left out were folders below {text.clean(facts.backup_directory)} first, then the oldest.",
                "Copy old backups off the host and delete them there.",
                host.name,
            )


RULES: tuple[Rule, ...] = (backups, cut)
