"""Everything known about one backup, as paragraphs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from etcdtui.model.contents import NUMBERS, Summary, Tally, shortened
from etcdtui.model.known_backups import foreign_to
from etcdtui.model.manifest import Manifest
from etcdtui.model.places import Backup, PlacedSet
from etcdtui.model.proof import Check, Proof, SnapshotFacts, all_passed, behind, same_cluster
from etcdtui.model.view import ClusterView
from etcdtui.procedures.looking import Again
from etcdtui.text import age, clean, counted, grouped, listed, size
from etcdtui.ui.backup_words import OUTCOME, copy_state, members_of, verdict, when
from etcdtui.ui.looks import Line, Paragraph, Role, fit
from etcdtui.ui.titled import TITLES, heading, titled

if TYPE_CHECKING:
    from etcdtui.procedures.rehearsal import Rehearsed

NAMES = 44  # cells of a name in a list of what is in it


def title(view: ClusterView, backup: Backup) -> Line:
    words, role = verdict(backup, foreign_to(view, backup))
    return (f"Backup {when(backup)}", Role.STRONG), (f"  {words}", role)


def paragraphs(view: ClusterView, backup: Backup) -> list[Paragraph]:
    """What is known without opening its files."""
    out = [*_warnings(view, backup), *_times(view, backup)]
    told = backup.manifest
    if told is not None:
        out += [*_identity(view, told), *_versions(view, told)]
    out += [*heading("Copies", counted(len(backup.copies), "place"))]
    for copy in backup.copies:
        out += _copy(copy)
    if told is not None:
        out += heading(
            "What was proven", f"{_clock(told.proven.timestamp())} by etcdtui {clean(told.etcdtui, 20)}"
        )
        out += checks(told.checks)
    return out


def checks(found: Sequence[Check]) -> list[Paragraph]:
    """One line for each, and what else it has to say below it."""
    out = []
    for check in found:
        sign, role = OUTCOME[check.outcome]
        name = fit(clean(check.name, TITLES - 3), TITLES - 2)
        out.append(
            Paragraph(((f"{sign} ", role), (name, Role.MUTED), (clean(check.sentence), _tone(role))), TITLES)
        )
        out += [
            Paragraph(((" " * TITLES, Role.PLAIN), (clean(d), Role.MUTED)), TITLES) for d in check.details
        ]
    return out


def again(found: Again) -> list[Paragraph]:
    """What a new proof of the copy here has found."""
    sign, role = ("✓ ", Role.GOOD) if found.good else ("✗ ", Role.BAD)
    sentences = [found.snapshot.verdict]
    sentences.append(found.resources.verdict if found.resources else "There is no second file: no backup.")
    out = [Paragraph(((sign, role), (clean(" ".join(sentences), 1000), role)), 2)]
    if not all_passed(found.against) and found.against:
        said = "Do not restore from this copy: it is not what was proven when the backup was taken."
        out.append(Paragraph((("→ ", Role.KEY), (said, Role.PLAIN)), 2))
    facts = found.snapshot.facts
    told = facts.sentences if facts is not None else ()
    return [*out, *checks(found.checks), *(titled(f"· {title}", clean(words)) for title, words in told)]


def rehearsed(found: Rehearsed) -> list[Paragraph]:
    """What came of a rehearsal."""
    sign, role = OUTCOME[found.outcome]
    words = f"{found.sentence} {age(found.seconds)}. {found.kept}".strip()
    out = [Paragraph(((f"{sign} ", role), (clean(words, 1000), _tone(role))), 2)]
    if found.hint:
        out.append(Paragraph((("→ ", Role.KEY), (clean(found.hint, 1000), Role.PLAIN)), 2))
    return [*out, *checks(found.checks)]


def inside(summary: Summary) -> list[Paragraph]:
    """What lives in it: by kind, by namespace, by prefix."""
    out = [titled(title, words) for title, words in summary.sentences]
    for title, tallies in summary.lists:
        out += _tallies(title, tallies)
    return out


def _tallies(title: str, tallies: Sequence[Tally]) -> Iterator[Paragraph]:
    yield Paragraph(())
    yield Paragraph(((fit(title, NAMES), Role.MUTED), (NUMBERS, Role.MUTED)))
    shown, more = shortened(tallies)
    for tally in shown:
        name = "  " + fit(clean(tally.name) or "–", NAMES - 2)
        yield Paragraph(((name, Role.PLAIN), (tally.numbers, Role.PLAIN)))
    if more is not None:
        yield Paragraph(((f"  {fit(more.name, NAMES - 2)}{more.numbers}", Role.MUTED),))


def _warnings(view: ClusterView, backup: Backup) -> Iterator[Paragraph]:
    def warn(words: str, role: Role = Role.WARN) -> Paragraph:
        return Paragraph((("✗ " if role is Role.BAD else "▲ ", role), (words, Role.PLAIN)), 2)

    before = False
    if any(copy.set.writing for copy in backup.copies):
        yield warn("It is being written now: not a backup yet.")
    elif not backup.complete:
        yield warn("This is not a backup: a restore needs both files, whole.", Role.BAD)
    elif not backup.proven:
        yield warn("Nothing was proven of it; names and sizes look right, which says little.")
    else:
        before = True
    if foreign_to(view, backup):
        yield warn(f"It is of another cluster than {clean(view.name, 60)}: never restore it here.", Role.BAD)
    if backup.dirty:
        yield warn("The script marked it as possibly dirty: pods were changing while it was taken.")
    if backup.complete and all(copy.place.on_cluster for copy in backup.copies):
        yield warn("It is only on the cluster, and is lost with it.")
    elif before and not backup.off_cluster:
        yield warn("No copy off the cluster is proven.")
    taken = backup.taken
    if taken is not None and view.now - taken > view.max_backup_age:
        yield warn(f"It is older than the {age(view.max_backup_age)} that the rule allows the last one.")
    for copy in backup.copies:
        if copy.trouble:
            yield warn(clean(copy.trouble), Role.BAD)


def _times(view: ClusterView, backup: Backup) -> Iterator[Paragraph]:
    taken, told = backup.taken, backup.manifest
    moment = clean(backup.stamp, 40) if taken is None else f"{_clock(taken)}, {age(view.now - taken)} ago"
    guessed = "" if told is not None else " if the host's clock is this machine's"
    yield titled("Taken", moment + guessed)
    if told is not None:
        by = " as ".join(dict.fromkeys(clean(word, 60) for word in (told.member, told.host) if word))
        yield titled("Taken on", by or "–")
    yield titled("Size", f"{size(backup.size)}  ({grouped(backup.size)} bytes)")


def _identity(view: ClusterView, told: Manifest) -> Iterator[Paragraph]:
    facts = SnapshotFacts(
        told.revision, told.entries, told.live_keys, told.snapshot.size, members=told.members
    )
    proof = Proof(told.snapshot.name, told.snapshot.size, told.snapshot.sha256, told.checks, facts)
    yield titled("Revision", f"{grouped(told.revision)}, {grouped(told.live_keys)} live keys")
    live = [s.revision for e in view.endpoints if (s := e.status.value) is not None and s.revision]
    yield titled(
        "", clean(behind(proof, max(live))) if live else "The live revision is not known.", Role.MUTED
    )
    same = same_cluster(proof, members_of(view))
    role = Role.PLAIN if same.same else Role.WARN
    yield titled("Identity", clean(same.sentence, 1000), role)
    names = f"called {clean(told.cluster, 60)} then"
    ids = [f"etcd {told.cluster_id}" if told.cluster_id else "", clean(told.openshift_id, 60)]
    yield titled("", ", ".join(word for word in (names, *ids) if word), Role.MUTED)


def _versions(view: ClusterView, told: Manifest) -> Iterator[Paragraph]:
    parts = (
        ("OpenShift", told.openshift_version),
        ("etcd", told.etcd_version),
        ("storage", told.storage_version),
    )
    words = [f"{name} {clean(version, 40)}" for name, version in parts if version]
    yield titled("Versions", " · ".join(words) or "not known")
    now = view.api.value.version if view.api.value else ""
    if now and told.z_stream and now != told.z_stream:
        said = f"▲ The cluster has {clean(now, 40)} now; a restore needs the same z-stream."
        yield titled("", said, Role.WARN)
    if told.resource_revisions:
        pods = [f"{clean(pod, 60)} {revision}" for pod, revision in told.resource_revisions]
        yield titled("Static pods", f"revisions {listed(pods)}")


def _copy(copy: PlacedSet) -> Iterator[Paragraph]:
    words, role = copy_state(copy)
    place = (
        fit(clean(copy.place.label, 100), TITLES)
        if len(copy.place.label) < TITLES
        else f"{clean(copy.place.label, 60)}  "
    )
    yield Paragraph(((place, Role.STRONG), (words, role)), TITLES)
    yield titled("", clean(copy.set.directory, 1000), Role.MUTED)
    for file in copy.set.files:
        mode = f"  mode {file.mode:o}" if copy.place.kind != "store" else ""
        open_ = "  ▲ others may read it" if mode and file.mode & 0o077 else ""
        yield titled(
            "", f"{clean(copy.stored_name(file), 200)}  {size(file.size)}{mode}{open_}", _open_role(open_)
        )


def _open_role(open_: str) -> Role:
    return Role.WARN if open_ else Role.PLAIN


def _tone(role: Role) -> Role:
    return Role.PLAIN if role is Role.GOOD else role


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
