"""A backup: cluster-backup.sh on the host that suits best, and a look at what it wrote."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from etcdtui.errors import Refusal
from etcdtui.model.backups import BackupSet, join
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView, HostView
from etcdtui.platforms.layout import Layout
from etcdtui.procedures import backup_choice as choice
from etcdtui.procedures import backup_proof as proof
from etcdtui.procedures.backup_words import explain
from etcdtui.procedures.procedure import (
    Action,
    Check,
    Context,
    Measure,
    Procedure,
    Step,
)
from etcdtui.text import clean, listed, size

KIND = "backup"
ROOT = 15.0  # seconds for asking whether commands can be run as root

LayoutOf = Callable[[str], Layout]


@dataclass(frozen=True, slots=True)
class Decided:
    """Every decision of a plan, as the record keeps it."""

    host: str
    layout: Layout
    need: int  # bytes that must be free
    expected: int  # bytes the snapshot will have; 0: not known
    in_use: int  # bytes of the database that hold something
    newest: str  # time stamp of the newest backup in that folder before this one

    @property
    def folder(self) -> str:
        return self.layout.at(self.layout.backups)

    @property
    def script(self) -> str:
        return self.layout.at(self.layout.backup_script)

    def parameters(self) -> dict[str, str]:
        return {
            "host": self.host,
            "folder": self.folder,
            "script": self.script,
            "jobs": self.layout.at(self.layout.jobs),
            "sudo": shlex.join(self.layout.sudo),
            "need": str(self.need),
            "expected": str(self.expected),
            "in_use": str(self.in_use),
            "newest": self.newest,
        }

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Decided:
        """Raises KeyError and ValueError."""
        layout = Layout(
            backups=parameters["folder"],
            backup_script=parameters["script"],
            jobs=parameters["jobs"],
            sudo=tuple(shlex.split(parameters["sudo"])),
        )
        need, expected, in_use = (int(parameters[key]) for key in ("need", "expected", "in_use"))
        return cls(parameters["host"], layout, need, expected, in_use, parameters["newest"])


def plan(
    view: ClusterView,
    layout_of: LayoutOf,
    *,
    procedure_id: str,
    now: float,
    host: str | None = None,
) -> Procedure:
    """A backup of the cluster in ``view``, on the best host or on ``host``. Raises Refusal."""
    stop = choice.obstacle(view)
    if stop is not None:
        raise Refusal(*stop)
    need = choice.needed(view)
    best, reasons = _choose(view, layout_of, need, host)
    layout = layout_of(best.host.name)
    status = best.health.status
    folder = layout.at(layout.backups)
    known = best.host.facts.value.backups if best.host.facts.value else ()
    stamps = [s.stamp for s in join(f for f in known if f.directory == folder)]
    decided = Decided(
        host=best.host.name,
        layout=layout,
        need=need,
        expected=status.db_size + 32 if status else 0,
        in_use=status.db_in_use if status else 0,
        newest=max(stamps, default=""),
    )
    reasons.append(choice.api_word(view))
    return _procedure(procedure_id, view.name, decided, tuple(reasons))


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no backup")
    return _procedure(procedure_id, cluster, Decided.of(parameters), ())


def _choose(
    view: ClusterView, layout_of: LayoutOf, need: int, wanted: str | None
) -> tuple[choice.Candidate, list[str]]:
    hosts = [h for h in view.hosts if wanted is None or h.name == wanted]
    if not hosts:
        known = f"known are {listed([h.name for h in view.hosts])}" if view.hosts else "no host is known"
        asked = f"{wanted} is no host of {view.name}" if wanted else f"No host of {view.name} can be used"
        raise Refusal(
            f"{asked}: {known}.", "Name the control plane hosts in clusters.toml, or one with --ssh."
        )
    good: list[choice.Candidate] = []
    bad: list[str] = []
    for host in hosts:
        found = choice.assess(view, host, layout_of(host.name), need)
        if isinstance(found, str):
            bad.append(found)
        else:
            good.append(found)
    if not good:
        looked = listed([h.name for h in hosts])
        why = "; ".join(bad)
        raise Refusal(
            f"No backup can be taken now. Looked at {looked}: {why}.", _hint([*hosts], layout_of, bad)
        )
    best = min(good, key=lambda c: c.rank)
    folder = layout_of(best.host.name).at(layout_of(best.host.name).backups)
    reasons = choice.why_chosen(best, [c for c in good if c is not best], need, folder)
    reasons.extend(f"Not possible: {why}." for why in bad)
    return best, reasons


def _hint(hosts: list[HostView], layout_of: LayoutOf, bad: list[str]) -> str:
    words = " ".join(bad)
    if "are free on" in words:
        return "Remove old backups that lie safely elsewhere, or set another folder (layout.backups)."
    if "as root" in words:
        return "Allow the login user sudo without a password there, as OpenShift does for core."
    if "by SSH" in words:
        return "Mend the way to one of the hosts first; the sentence above says what it answered."
    if "is not on" in words:
        script = layout_of(hosts[0].name).backup_script
        return f"The etcd operator puts {script} there; on other platforms set layout.backup_script."
    return "Mend one of these first, then try again."


def _procedure(procedure_id: str, cluster: str, decided: Decided, reasons: tuple[str, ...]) -> Procedure:
    host, folder, script = decided.host, decided.folder, decided.script
    ready = (_still_right(decided), _root(decided))
    expected = f"about {size(decided.expected)}" if decided.expected else "the whole database"
    steps = (
        Step(
            key="check",
            title=f"Check {cluster} and {host}",
            why="A backup is only worth something from a healthy member, with room for it, while no operator "
            "changes anything. All of this is read anew now.",
            host=host,
            prechecks=ready,
            skippable=False,
        ),
        Step(
            key="take",
            title=f"Take the backup on {host}",
            why=f"OpenShift's own script saves etcd's data ({expected}) and the static pods' resources as "
            f"two files in {folder}. It runs on {host} by itself, whatever becomes of this connection.",
            action=Action.JOB,
            host=host,
            argv=(*decided.layout.sudo, script, folder),
            prechecks=ready,
            measure=Measure(folder, "snapshot_"),
            expected=decided.expected or None,
            cancel=f"The script and its etcdctl on {host} would be ended. What it has written so far is no "
            f"backup; afterwards {folder} is looked at and anything left there is named.",
            after_cancel=_left_behind(decided),
            explain=explain(host, folder, script),
            directory=decided.layout.at(decided.layout.jobs),
            skippable=False,
        ),
        Step(
            key="verify",
            title="Verify the two files",
            why="That a script ended well does not make its files good: they are listed and read once on the "
            "host, the snapshot against its own checksum.",
            host=host,
            verify=_proven(decided),
            patience=5.0,
            skippable=False,
        ),
    )
    return Procedure(
        KIND, procedure_id, cluster, f"Back up {cluster} on {host}", decided.parameters(), steps, reasons
    )


# -- checks


def _still_right(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        view = world.view()
        stop = choice.obstacle(view)
        if stop is not None:
            return Verdict(False, " ".join(stop))
        host = next((h for h in view.hosts if h.name == decided.host), None)
        if host is None:
            return Verdict(False, f"{decided.host} is no longer known as a host of {view.name}.")
        found = choice.assess(view, host, decided.layout, decided.need)
        if isinstance(found, str):
            return Verdict(False, f"No backup from {decided.host} now: {found}. Plan it again.")
        return Verdict(
            True,
            f"{decided.host} is well, {size(found.disk.free)} are free on {found.disk.path}. "
            f"{choice.api_word(view)}",
        )

    return check


def _root(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        host, script = decided.host, decided.script
        done = world.runner(host).run((*decided.layout.sudo, "test", "-x", script), timeout=ROOT)
        said = clean(done.err().strip(), 200)
        if done.ok:
            return Verdict(True, f"{script} can be run as root on {host}.")
        if "sudo" in said:
            return Verdict(
                False,
                f"Commands cannot be run as root on {host}: {said}. Allow the login user sudo without a "
                "password there, as OpenShift does for core.",
            )
        if said:
            return Verdict(False, f"{script} on {host} cannot be looked at: {said}.")
        return Verdict(False, f"{script} is not on {host}, or is no program.")

    return check


def _proven(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        runner, sudo = world.runner(decided.host), decided.layout.sudo
        listing = proof.list_folder(runner, sudo, decided.folder)
        made = proof.made_by(listing, world.said("take"), decided.newest)
        if made is None:
            return Verdict(
                False,
                f"The script ended well, but {decided.folder} on {decided.host} holds no backup of this run. "
                "Look at the script's output and into that folder.",
            )
        bad = proof.complaint(made, decided.in_use)
        if bad:
            return Verdict(False, bad)
        found = proof.prove(runner, sudo, made)
        if found.checksum is False:
            return Verdict(
                False,
                f"{_snapshot(made)} on {decided.host} does not fit its own checksum: it is damaged. Do not "
                "rely on it, take another one.",
            )
        if found.broken or not found.entries:
            said = found.broken or "it holds nothing"
            return Verdict(
                False,
                f"The static resources of the backup {made.stamp} on {decided.host} cannot be unpacked: "
                f"{said}. Take another one.",
            )
        return Verdict(True, _success(decided, made, found, listing))

    return check


def _success(decided: Decided, made: BackupSet, found: proof.Proof, listing: proof.Listing) -> str:
    files = listed([f"{f.name} ({size(f.size)})" for f in sorted(made.files, key=lambda f: f.name)])
    proven = (
        "The snapshot fits its checksum and the static resources can be unpacked."
        if found.checksum
        else "The static resources can be unpacked; the snapshot's checksum could not be computed there."
    )
    words = (
        f"{files} are in {decided.folder} on {decided.host}. {proven}",
        proof.modes(made, listing.owners),
        "They still lie only on the cluster: copy them off it.",
    )
    return " ".join(word for word in words if word)


def _snapshot(made: BackupSet) -> str:
    return made.snapshot.name if made.snapshot else f"The snapshot {made.stamp}"


def _left_behind(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        listing = proof.list_folder(world.runner(decided.host), decided.layout.sudo, decided.folder)
        stamps = set(proof.stamps_in(world.said("take")))
        left = [s for s in listing.sets if s.stamp in stamps or s.stamp > decided.newest]
        names = [f"{f.name} ({size(f.size)})" for s in left for f in s.files]
        if not names:
            return Verdict(True, f"Nothing of it was left behind in {decided.folder}.")
        return Verdict(
            False,
            f"Left behind in {decided.folder} on {decided.host}, and no backup: {listed(names)}. Remove them "
            "when nobody else is taking a backup there.",
        )

    return check
