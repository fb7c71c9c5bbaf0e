"""A backup from the first check to the verdict: taken on the host that suits best, brought off the cluster,
proven byte by byte, put into the stores; old ones thinned out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from etcdtui.errors import Refusal
from etcdtui.model.backups import join
from etcdtui.model.maintenance import safe_to_take_one_down
from etcdtui.model.quorum import Verdict
from etcdtui.model.view import ClusterView, HostView
from etcdtui.offsite.keeping import Keeping
from etcdtui.platforms.layout import Layout
from etcdtui.procedures import backup_arrival as arrival
from etcdtui.procedures import backup_checks as checks
from etcdtui.procedures import backup_choice as choice
from etcdtui.procedures import backup_copies as copies
from etcdtui.procedures.backup_decided import Decided
from etcdtui.procedures.backup_words import explain
from etcdtui.procedures.procedure import Action, Context, Measure, Procedure, Reporter, Step
from etcdtui.procedures.thinning import LOOK, Thinning, written
from etcdtui.text import listed, size

KIND = "backup"
AGAIN = 10.0  # seconds for everything to be looked at anew

LayoutOf = Callable[[str], Layout]


def plan(
    view: ClusterView,
    layout_of: LayoutOf,
    keeping: Keeping,
    *,
    procedure_id: str,
    now: float,
    host: str | None = None,
    stores: Sequence[str] | None = None,
) -> Procedure:
    """A backup of the cluster in ``view``, on the best host or on ``host``, for all stores or ``stores``.

    Raises Refusal.
    """
    stop = choice.obstacle(view)
    if stop is not None:
        raise Refusal(*stop)
    chosen = [shelf.name for shelf in keeping.shelves] if stores is None else list(dict.fromkeys(stores))
    for name in chosen:
        keeping.shelf(name)
    need = choice.needed(view)
    best, reasons = _choose(view, layout_of, need, host)
    layout = layout_of(best.host.name)
    status = best.health.status
    folder = layout.at(layout.backups)
    known = best.host.facts.value.backups if best.host.facts.value else ()
    stamps = [s.stamp for s in join(f for f in known if f.directory == folder)]
    rules = (keeping.rule, keeping.rule_on_hosts, *(shelf.rule for shelf in keeping.shelves))
    decided = Decided(
        host=best.host.name,
        layout=layout,
        need=need,
        expected=status.db_size + 32 if status else 0,
        in_use=status.db_in_use if status else 0,
        newest=max(stamps, default=""),
        stores=tuple(chosen),
        thin=any(not rule.empty for rule in rules),
        rules=written(keeping),
    )
    words = (choice.unchecked_word(view, best.host), choice.api_word(view), choice.ill_word(view))
    reasons.extend(word for word in words if word)
    reasons.append(_kept_where(keeping, chosen))
    return _procedure(procedure_id, view.name, decided, tuple(reasons))


def rebuild(kind: str, procedure_id: str, cluster: str, parameters: Mapping[str, str]) -> Procedure:
    """The same procedure again, from its record. Raises KeyError and ValueError."""
    if kind != KIND:
        raise ValueError(f"{kind!r} is no backup")
    return _procedure(procedure_id, cluster, Decided.of(parameters), ())


def _kept_where(keeping: Keeping, stores: list[str]) -> str:
    if stores:
        return f"It is brought to {keeping.folder} here, and from here into {listed(stores)}."
    return (
        f"It is brought to {keeping.folder} here. No store is configured: name one in clusters.toml, so that "
        "it does not depend on this machine alone."
    )


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
    steps = (
        *_on_the_host(cluster, decided),
        *off_the_cluster(decided),
        *_afterwards(cluster, decided),
    )
    title = f"Back up {cluster} on {decided.host}"
    return Procedure(KIND, procedure_id, cluster, title, decided.parameters(), steps, reasons)


def _on_the_host(cluster: str, decided: Decided) -> tuple[Step, ...]:
    host, folder, script = decided.host, decided.folder, decided.script
    ready = (checks.still_right(decided), checks.root(decided))
    expected = f"about {size(decided.expected)}" if decided.expected else "the whole database"
    return (
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
            ask=checks.young(cluster),
            for_people=True,
            prechecks=ready,
            measure=Measure(folder, "snapshot_"),
            expected=decided.expected or None,
            cancel=f"The script and its etcdctl on {host} would be ended. What it has written so far is no "
            f"backup; afterwards {folder} is looked at and anything left there is named.",
            after_cancel=checks.left_behind(decided),
            explain=explain(host, folder, script),
            directory=decided.layout.at(decided.layout.jobs),
            skippable=False,
        ),
        look_at_files(decided),
    )


def look_at_files(decided: Decided) -> Step:
    """Both files of a backup, read once where they lie."""
    return Step(
        key="verify",
        title=f"Check the two files on {decided.host}",
        why="That a script ended well does not make its files good: they are listed and read once on the "
        "host, the snapshot against its own checksum.",
        host=decided.host,
        verify=checks.verified(decided),
        patience=5.0,
        skippable=False,
    )


def off_the_cluster(decided: Decided) -> tuple[Step, ...]:
    """A backup on a host: brought here, proven, put into stores, given its manifest."""
    host, homes = decided.host, arrival.homes_of(decided)
    stays = "Stops here. What has arrived is kept, and a resume goes on from there."
    stores = (
        Step(
            key=f"store {name}",
            title=f"Put both files into {name}",
            why=f"This machine may be lost too. After the upload {name} is asked what it has, and that is "
            "compared with what was proven.",
            action=Action.WORK,
            work=copies.put_into(name, homes),
            cancel=stays,
        )
        for name in decided.stores
    )
    return (
        Step(
            key="bring",
            title="Bring both files off the cluster",
            why=f"A backup on the master that just died is none. Both files come here over SSH, "
            f"hashed on the way: the snapshot carries its SHA-256, that of the other {host} makes.",
            action=Action.WORK,
            work=arrival.bring_off(decided),
            cancel=stays,
            skippable=False,
        ),
        Step(
            key="prove",
            title="Prove them byte by byte",
            why="etcdctl calls a file with flipped bits good. Here every page of the database is read: "
            "checksum, structure, revision, members, and whether it is of this cluster.",
            action=Action.WORK,
            work=arrival.prove_here(homes),
            cancel=stays,
            skippable=False,
        ),
        *stores,
        Step(
            key="manifest",
            title="Put the manifest beside every copy",
            why="It says what the backup is of, what was proven and where its copies are. A restore asks "
            "for it.",
            action=Action.WORK,
            work=copies.put_manifest(homes, decided),
            cancel=stays,
        ),
    )


def _afterwards(cluster: str, decided: Decided) -> tuple[Step, ...]:
    thinning = Thinning(decided.rules)
    thin = Step(
        key="thin",
        title="Thin out old backups",
        why="By the rules that were given. The last proven backup never goes, nor one of another cluster, "
        "nor anything that is not known. What would go is shown first.",
        action=Action.WORK,
        ask=thinning.ask,
        work=thinning.work,
        cancel="Stops. What is removed stays removed, the rest stays.",
    )
    verdict = Step(
        key="verdict",
        title="Say whether a master may go down",
        why=f"That there is a backup does not mean {cluster} can bear the loss of a member. Everything is "
        "read anew for this.",
        action=Action.WORK,
        work=_verdict(decided),
        skippable=False,
    )
    return (*((thin,) if decided.thin else ()), verdict)


def _verdict(decided: Decided) -> Callable[[Context, Reporter], Verdict]:
    def work(world: Context, report: Reporter) -> Verdict:
        world.look_at_places(LOOK)
        view = world.look_again(AGAIN)
        answer = safe_to_take_one_down(view)
        for reason in answer.reasons:
            report.say(reason.sentence)
        _, manifest = copies.manifest_of(world, decided)
        there = copies.whereabouts(view, world.keeping, manifest, decided.stores)
        return Verdict(True, f"The backup is proven and {there} {answer.sentence}")

    return work
