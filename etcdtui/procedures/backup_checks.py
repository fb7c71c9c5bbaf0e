"""What is looked at before a backup is taken, and at its two files on the host afterwards."""

from __future__ import annotations

from etcdtui.model.backups import BackupSet
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import FRESH_API
from etcdtui.procedures import backup_choice as choice
from etcdtui.procedures import backup_proof as proof
from etcdtui.procedures.backup_decided import Decided
from etcdtui.procedures.procedure import Ask, Check, Context, Gate, GateKind
from etcdtui.text import age, clean, listed, size

ROOT = 15.0  # seconds for asking whether commands can be run as root
YOUNG = 24 * 3600.0  # seconds after the installation until its certificates have been renewed


def still_right(decided: Decided) -> Check:
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
        words = (choice.api_word(view), choice.unchecked_word(view, host), choice.ill_word(view))
        return Verdict(
            True,
            f"{decided.host} is well, {size(found.disk.free)} are free on {found.disk.path}. "
            f"{' '.join(word for word in words if word)}",
        )

    return check


def root(decided: Decided) -> Check:
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


def verified(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        runner, sudo = world.runner(decided.host), decided.layout.sudo
        listing = proof.list_folder(runner, sudo, decided.folder)
        made = decided.found_in(listing, world)
        if made is None and decided.stamp:
            return Verdict(False, f"{decided.folder} on {decided.host} holds no backup {decided.stamp} now.")
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
    )
    return " ".join(word for word in words if word)


def _snapshot(made: BackupSet) -> str:
    return made.snapshot.name if made.snapshot else f"The snapshot {made.stamp}"


def left_behind(decided: Decided) -> Check:
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


def young(cluster: str) -> Ask:
    """Asks before a backup of a cluster whose first certificates have not been renewed yet."""

    def ask(world: Context) -> Gate:
        facts = world.view().api.current(world.now(), FRESH_API)
        if facts is None or facts.installed is None or world.now() - facts.installed >= YOUNG:
            return Gate()
        ago = age(max(0.0, world.now() - facts.installed))
        return Gate(
            GateKind.CONFIRM,
            prompt=f"{cluster} was installed only {ago} ago. A backup from the first 24 h holds certificates "
            "that run out soon, and a restore from it later would fail. Take one all the same?",
        )

    return ask
