"""The way back to a whole cluster: a new member comes, catches up, votes; then everything is looked at."""

from __future__ import annotations

from collections.abc import Callable

from etcdtui.errors import EtcdTuiError, Unreachable
from etcdtui.etcd import causes
from etcdtui.etcd.commands import member_promote
from etcdtui.model.comeback import LAGGING, pod_ready
from etcdtui.model.hashes import Sameness
from etcdtui.model.health import MemberHealth, MemberState, in_words, judge
from etcdtui.model.quorum import Verdict
from etcdtui.model.removal import may_add
from etcdtui.model.view import FRESH_API, ClusterView
from etcdtui.procedures import replace_checks as checks
from etcdtui.procedures.hashes import compare_hashes
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Reporter, Step, Work
from etcdtui.procedures.replace_decided import Case, Decided, Rebuild
from etcdtui.text import clean, counted, listed

SCALE_UP = 900.0  # seconds: pulling an image, a snapshot over the network, a rollout on every host
WHOLE = 900.0
PAUSE = 1.0  # seconds between two tries


def newcomers(decided: Decided, view: ClusterView) -> list[MemberHealth]:
    """Members that were not there when the plan was made, but those that others of it have become."""
    known = {m.id for m in (*decided.members, *decided.together)}
    rows = [row for row in judge(view).members if row.member.listed and row.member.id not in known]
    return sorted(rows, key=lambda row: not row.votes or row.member.learner)[len(decided.before) :]


def scale_up(decided: Decided) -> Step:
    """Where an operator adds the member: watched."""
    return Step(
        key="scale",
        title="The operator scales etcd up",
        why="etcd's operator adds the new member as a learner, which endangers no quorum, lets it catch up, "
        "promotes it, and rolls the new list out to every host. That takes minutes. Touch nothing meanwhile.",
        action=Action.WORK,
        work=checks.only_watched,
        verify=comes(decided),
        patience=SCALE_UP,
        cancel="Watching ends; the operator goes on.",
    )


def by_hand(decided: Decided) -> tuple[Step, ...]:
    """Where no operator does it: added, started by a human, caught up, promoted."""
    kind = " as a learner, which does not vote yet and endangers no quorum" if decided.learner else ""
    there = _in_list(decided)
    steps = [
        Step(
            key="add",
            title=f"Add {decided.name} anew",
            why=f"Under its name and its addresses, with a new ID{kind}. Only after that may it start.",
            action=Action.COMMAND,
            host=decided.add.host,
            argv=decided.add.argv,
            gate=Gate(GateKind.CONFIRM, prompt=f"Add {decided.name} anew?"),
            prechecks=(checks.removed(decided), checks.others_well(decided), _may_add(decided)),
            done=there,
            verify=there,
            cancel=f"Ends here; once {decided.name} was added it must be started, or taken out again.",
            explain=_explain_add(decided),
            skippable=False,
        ),
        Step(
            key="start",
            title=f"Start etcd on {decided.name}",
            why=f"Only you can do this. With an empty {decided.layout.at(decided.layout.data)}, and "
            f"ETCD_INITIAL_CLUSTER={decided.initial_cluster} ETCD_INITIAL_CLUSTER_STATE=existing "
            f"ETCD_NAME={decided.target.name} (or the flags --initial-cluster, --initial-cluster-state, "
            f"--name of its static pod).{_manifest_back(decided)}",
            action=Action.HUMAN,
            host=decided.host,
            verify=_joined(decided),
            patience=300.0,
            cancel=f"Watching ends. {decided.name} is in the list and does not run: it must not stay so.",
        ),
    ]
    if decided.learner:
        steps.append(
            Step(
                key="promote",
                title=f"Let {decided.name} vote",
                why="A learner does not count. It is promoted once it has caught up with the leader; etcd "
                "refuses that before.",
                action=Action.WORK,
                prechecks=(checks.others_well(decided),),
                done=comes(decided),
                work=_promote(decided),
                verify=comes(decided),
                patience=120.0,
                cancel="It stays a learner; this step can be repeated.",
                skippable=False,
            )
        )
    return tuple(steps)


def _manifest_back(decided: Decided) -> str:
    if decided.case is not Case.CRASHING:
        return ""
    return f" Its manifest is kept as {decided.manifest_aside}: put it back as {decided.manifest} with these."


def whole_again(decided: Decided) -> tuple[Step, ...]:
    """The last looks."""
    return (
        Step(
            key="whole",
            title="Is everything whole again?",
            why="Every member healthy, every etcd pod ready in all its containers, no alarm, and the cluster "
            f"can lose {counted(decided.tolerance, 'member')} again.",
            action=Action.WORK,
            work=checks.only_watched,
            verify=_whole(decided),
            patience=WHOLE,
            cancel="Watching ends.",
        ),
        Step(
            key="hash",
            title="Do all members hold the same keys?",
            why="Each is asked for the hash of its keys at one revision that all of them have.",
            action=Action.WORK,
            work=_same_keys(decided),
            cancel="Nothing is changed by it.",
        ),
    )


def comes(decided: Decided) -> Check:
    """A new voter is there, well and caught up; until then what can be seen of its coming."""

    def check(world: Context) -> Verdict:
        view = world.view()
        rows = newcomers(decided, view)
        if not rows:
            told = (_hinders(decided, view), _around(decided, view), _old_disk(decided))
            return Verdict(False, " ".join(("No new member yet.", *(words for words in told if words))))
        if len(rows) > 1 + len(decided.after):
            names = listed([f"{r.member.label} ({r.member.hex_id})" for r in rows])
            return Verdict(False, f"{names} are new: one was expected. Find out who adds members.")
        row = rows[0]
        name = f"{row.member.label} ({row.member.hex_id})"
        if not row.member.started:
            return Verdict(False, f"{name} is added and has not started. {_around(decided, view)}".strip())
        if row.member.learner or row.state is MemberState.LEARNER:
            return Verdict(False, f"{name} is a learner{_behind(row)}. {_around(decided, view)}".strip())
        if not row.votes:
            return Verdict(False, f"{name} {in_words(row.state)}. {_around(decided, view)}".strip())
        if row.lag is None or row.lag > LAGGING:
            return Verdict(False, f"{name} votes{_behind(row)}.")
        return Verdict(True, f"{name} votes, {counted(row.lag, 'entry', 'entries')} behind the leader.")

    return check


def _hinders(decided: Decided, view: ClusterView) -> str:
    """Another member that is not well keeps an operator, and an older etcd, from adding anybody."""
    rows = [row for row in judge(view).members if not row.member.learner and not row.votes]
    names = [f"{row.member.label} {in_words(row.state)}" for row in rows if row.member.listed]
    if not names or not decided.platform.operator:
        return ""
    return f"etcd's operator adds nobody while a member is not well: {listed(names)}."


def _old_disk(decided: Decided) -> str:
    """What keeps an operator from adding a host that is back under its old name."""
    if not decided.platform.operator or decided.platform.rebuild is not Rebuild.BY_HAND:
        return ""
    return (
        f"If {decided.name} came back with its old disk, its old data keeps it out: on that host, "
        f"sudo mv -T {decided.data} {decided.data_aside}"
    )


def _behind(row: MemberHealth) -> str:
    return "" if row.lag is None else f", {counted(row.lag, 'entry', 'entries')} behind the leader"


def _around(decided: Decided, view: ClusterView) -> str:
    """What the API shows of it: node, pod, rollout."""
    facts = view.api.current(view.now, FRESH_API)
    if facts is None:
        silent = decided.platform.operator and view.api_configured
        return "The API does not answer now; it goes on being asked." if silent else ""
    said = []
    known = {m.name for m in decided.remaining}
    for pod in facts.pods:
        if pod.node not in known:
            waiting = f", {pod.waiting}" if pod.waiting else ""
            said.append(f"Pod {pod.name} {pod.ready}/{pod.containers}{waiting}.")
    rollout = facts.condition("NodeInstallerProgressing")
    if rollout is not None and rollout.status == "True":
        said.append(f"Rollout: {clean(rollout.message, 120)}.")
    return " ".join(said)


def _may_add(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        return may_add(world.view(), learner=decided.learner, now=world.now())

    return check


def _in_list(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        rows = newcomers(decided, world.view())
        mine = [r for r in rows if set(r.member.peer_urls) & set(decided.target.peer_urls)]
        if not mine:
            return Verdict(False, f"{decided.name} is not in the member list yet.")
        return Verdict(True, f"{decided.name} is in the member list anew, as {mine[0].member.hex_id}.")

    return check


def _explain_add(decided: Decided) -> Callable[[int, str], str]:
    def words(status: int, said: str) -> str:
        if "unhealthy cluster" in said:
            return "etcd adds nobody now: a member is not connected for 5 s yet. Nothing was changed."
        if "Peer URLs already exists" in said:
            return f"{listed(decided.target.peer_urls)} is in the list already. Try again: it looks first."
        problem = causes.explain(said)
        return f"{decided.name} was not added: {problem.message}." if problem else ""

    return words


def _joined(decided: Decided) -> Check:
    """It started and catches up; that it votes is seen later."""

    def check(world: Context) -> Verdict:
        verdict = comes(decided)(world)
        rows = newcomers(decided, world.view())
        if rows and rows[0].member.started and rows[0].current:
            return Verdict(True, verdict.reason)
        return verdict

    return check


def _promote(decided: Decided) -> Callable[[Context, Reporter], Verdict]:
    def work(world: Context, report: Reporter) -> Verdict:
        said = ""
        while not report.cancelled.wait(PAUSE):
            rows = newcomers(decided, world.view())
            if not rows:
                return Verdict(False, f"{decided.name} is not in the member list any more.")
            member = rows[0].member
            if not member.learner:
                return Verdict(True, f"{member.label} votes.")
            try:
                host, access = world.etcdctl(decided.host)
                argv = member_promote(access, member.id)
                done = world.runner(host).run(argv, timeout=checks.ASK)
            except Unreachable as exc:
                said = _once(report, said, f"{exc.message} Waiting for a host to ask from.")
                continue
            if done.ok:
                return Verdict(True, f"{member.label} ({member.hex_id}) was promoted, asked from {host}.")
            problem = causes.explain(done.err())
            why = clean(causes.last_words(done.err())) or (problem.message if problem else "no word")
            if "in sync" not in why and problem is None:
                return Verdict(False, f"{member.label} was not promoted: {why}.")
            said = _once(report, said, f"Not yet: {why}{_behind(rows[0])}.")
        return Verdict(False, f"{decided.name} is still a learner.")

    return work


def _once(report: Reporter, before: str, now: str) -> str:
    if now != before:
        report.say(now)
    return now


def _whole(decided: Decided) -> Check:
    def check(world: Context) -> Verdict:
        view = world.view()
        health = judge(view)
        voters = [r for r in health.members if not r.member.learner]
        looked = [r for r in health.members if r.member.id not in decided.ailing]
        lacking = [f"{r.member.label} {in_words(r.state)}" for r in looked if not r.well]
        if lacking:
            return Verdict(False, f"Not yet: {listed(lacking)}.")
        if len(voters) != decided.voters:
            return Verdict(False, f"{counted(len(voters), 'voter')}, {decided.voters} are wanted.")
        alarms = [f"{r.member.label} {' '.join(r.status.alarms)}" for r in voters if r.status]
        alarms = [told for told in alarms if not told.endswith(" ")]
        if alarms:
            return Verdict(False, f"Alarms: {listed(alarms)}.")
        tolerance = decided.tolerance
        if health.quorum.tolerance < tolerance:
            return Verdict(False, f"It can lose {health.quorum.tolerance}, {tolerance} is wanted.")
        unready = _unready(decided, view, [r.member.name for r in looked if not r.member.learner])
        if unready:
            return Verdict(False, unready)
        can = f"the cluster can lose {counted(tolerance, 'member')}"
        if decided.ailing:
            before = f"{counted(len(decided.ailing), 'other member')} failed before"
            return Verdict(True, f"The new member is well, no alarm, {can} now; {before}.")
        return Verdict(True, f"All {decided.voters} voters are well, no alarm, {can} again.")

    return check


def _unready(decided: Decided, view: ClusterView, names: list[str]) -> str:
    """What the API says is not ready yet; empty when all is, or no operator is there."""
    if not decided.platform.operator:
        return ""
    facts = view.api.current(view.now, FRESH_API)
    if facts is None:
        return "The members are well; the API does not answer, whether all pods are ready is not known."
    pods = {name: facts.pod_on(name) for name in names}
    short = [
        f"{name} {pod.ready}/{pod.containers}" if pod else f"{name} none"
        for name, pod in pods.items()
        if not pod_ready(facts, name)
    ]
    if short:
        return f"etcd pods not ready: {listed(short)}."
    rollout = facts.condition("NodeInstallerProgressing")
    if rollout is not None and rollout.status == "True":
        return f"The rollout goes on: {clean(rollout.message, 120)}."
    return ""


def _same_keys(decided: Decided) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        return _compared(decided, world, report)

    return work


def _compared(decided: Decided, world: Context, report: Reporter) -> Verdict:
    sentence = "The keys were not compared."
    for _ in range(3):
        try:
            found = compare_hashes(world, decided.ailing)
        except EtcdTuiError as exc:
            sentence = str(exc)
        else:
            for answer in found.answers:
                told = answer.trouble if answer.hash is None else f"{answer.hash:08x}"
                report.say(f"{answer.name}: {told}")
            if found.sameness is not Sameness.UNKNOWN:
                return Verdict(found.sameness is Sameness.IDENTICAL, found.sentence)
            sentence = found.sentence
        if report.cancelled.wait(PAUSE):
            break
    return Verdict(False, sentence)
