"""On the recovery host: the backup is brought there and proven, the present data copied, the script run."""

from __future__ import annotations

from pathlib import Path

from etcdtui.errors import NotFound
from etcdtui.etcd.bbolt import Damaged, Unreadable
from etcdtui.etcd.resources import prove_resources
from etcdtui.etcd.snapshot import prove
from etcdtui.landing import Moved
from etcdtui.model.quorum import Verdict
from etcdtui.procedures.procedure import Action, Check, Context, Gate, GateKind, Measure, Reporter, Step, Work
from etcdtui.procedures.restore_bump import command, what_it_does
from etcdtui.procedures.restore_decided import Decided, Standstill
from etcdtui.procedures.restore_past import lost_by_now
from etcdtui.procedures.restore_state import NO_DATA, all_stopped, pod_stopped, right_host, silent, state_of
from etcdtui.procedures.restore_stop import may_stop, stop_pod
from etcdtui.procedures.restore_watch import watch
from etcdtui.procedures.restore_words import explain, heard, way_back
from etcdtui.reach.deliver import deliver
from etcdtui.reach.remote_db import read_position
from etcdtui.reach.transfer import Source, fetch, host_digest
from etcdtui.text import grouped, size

ASK = 60.0  # seconds for copying within a host to begin with
COPY = 900.0

# Arguments: file, folder. On the same host, without a way over this machine.
_COPY = r"""
umask 077
mkdir -p -- "$2" || exit 1
to=$2/${1##*/}
[ -e "$to" ] && exit 0
cp -- "$1" "$to.part" && sync && mv -n -- "$to.part" "$to"
"""
_LIST = 'ls -A -- "$1"'

# Arguments: the data folder, the copy, the folder of the script's own single copy, what stays. Everything can
# be done twice: a name is given only to what is whole. What is not the member's (archives) goes away from
# there, for the restore pod refuses a folder that is not empty; and the copy of an earlier restore goes
# away from where the script would delete it.
_SAFE = r"""
set -eu
umask 077
data=$1 safe=$2 kept=$3 stays=$4
mkdir -p -- "$safe"
if [ -e "$data/member" ] && [ ! -e "$safe/member" ]; then
  rm -rf -- "$safe/member.part"
  echo "copying $data/member to $safe"
  cp -a --reflink=auto -- "$data/member" "$safe/member.part"
  sync
  mv -- "$safe/member.part" "$safe/member"
fi
for one in "$data"/* "$data"/.[!.]*; do
  [ -e "$one" ] || continue
  case ${one##*/} in
    member) ;;
    "$stays") [ -e "$safe/$stays" ] || cp -p -- "$one" "$safe/";;
    *) echo "moving $one to $safe"; mv -n -- "$one" "$safe/";;
  esac
done
if [ -e "$kept/member" ]; then
  echo "moving $kept/member to $safe/member-of-an-earlier-restore"
  mv -n -T -- "$kept/member" "$safe/member-of-an-earlier-restore"
fi
du -sk -- "$safe"
"""


def bring_steps(decided: Decided) -> tuple[Step, ...]:
    """Before anything is stopped."""
    backup, host = decided.backup, decided.recovery.host
    where = f"from {backup.host}" if backup.host else "here"
    return (
        Step(
            key="prove",
            title=f"Prove the backup {backup.stamp} again",
            why=f"A proof of another day says nothing about the bytes of today. Both files "
            f"({size(backup.size)}) are read {where} byte by byte, and compared with the manifest.",
            action=Action.WORK,
            work=_prove(decided),
            skippable=False,
        ),
        Step(
            key="deliver",
            title=f"Bring it to {host}",
            why=f"Into {decided.folder}, a folder with exactly this pair: the script takes the newest of "
            f"what it finds, whatever was meant. {host} makes its own SHA-256 of both.",
            action=Action.WORK,
            host=host,
            prechecks=(right_host(decided, decided.recovery),),
            work=_deliver(decided),
            cancel=f"What has come stays in {decided.folder} on {host}; a resume goes on from there.",
            skippable=False,
        ),
    )


def safe_steps(decided: Standstill) -> tuple[Step, ...]:
    """The recovery host's own etcd is stopped, and its data copied."""
    recovery, host = decided.recovery, decided.recovery.host
    data, safe = recovery.layout.at(recovery.layout.data), decided.safe
    words = ("sh", "-c", _SAFE, "etcdtui-safety-copy", data, safe, decided.kept, decided.stays)
    return (
        stop_pod(decided, recovery, "etcd", may_stop(decided, recovery)),
        Step(
            key="safe",
            title=f"Copy the present data of {host}",
            why="etcd does not run there any more, so the copy is whole: "
            f"{size(decided.data_size)} to {safe}, under a name that nothing ever writes over. No "
            "script keeps more than one copy.",
            action=Action.JOB,
            host=host,
            argv=(*recovery.layout.sudo, *words),
            prechecks=(right_host(decided, recovery), pod_stopped(decided, recovery, "etcd")),
            done=is_safe(decided),
            verify=is_safe(decided),
            patience=10.0,
            measure=Measure(safe, "member.part"),
            expected=decided.data_size or None,
            cancel=f"The copy would be ended; {data} stays as it is.",
            directory=recovery.layout.at(recovery.layout.jobs),
            skippable=False,
        ),
    )


def run_steps(decided: Decided) -> tuple[Step, ...]:
    """After the others have been stopped."""
    recovery, host = decided.recovery, decided.recovery.host
    return (
        *safe_steps(decided),
        Step(
            key="restore",
            title=f"Restore on {host}",
            why="OpenShift's own script stops what still runs, moves the data away, unpacks the static pods "
            "of the backup and starts an etcd of one member from the snapshot. Its exit code 0 is not yet "
            f"success; what counts is an etcd that answers. {what_it_does(decided)}".rstrip(),
            action=Action.JOB,
            host=host,
            argv=command(decided),
            gate=_gate(decided, decided.lost),
            ask=lambda world: _gate(decided, lost_by_now(decided, world)),
            prechecks=(
                right_host(decided, recovery),
                all_stopped(decided),
                *(silent(decided, master) for master in decided.off),
                is_safe(decided),
                exactly_the_pair(decided),
            ),
            cancel=f"The script would be ended in the middle. Then nothing runs on {host}. "
            f"{way_back(decided)}",
            verify=ran_through(decided, "cluster-restore.sh"),
            patience=1.0,
            after_cancel=left(decided),
            explain=explain(decided),
            watch=watch(decided),
            directory=recovery.layout.at(recovery.layout.jobs),
            skippable=False,
        ),
    )


def _gate(decided: Decided, lost: str) -> Gate:
    return Gate(
        GateKind.PHRASE,
        decided.phrase,
        f"{decided.cluster} goes back to {decided.backup.when}, revision "
        f"{grouped(decided.backup.revision)}. {lost} Type “{decided.phrase}” to restore.",
    )


# -- the backup


def _local(decided: Decided, world: Context) -> Path:
    """Where its files are, or will be, on this machine."""
    backup = decided.backup
    return world.keeping.folder / backup.home if backup.host else Path(backup.directory)


def _prove(decided: Decided) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        backup, folder = decided.backup, _local(decided, world)
        if backup.host:
            fetch(
                world.runner(backup.host),
                [Source(f"{backup.directory}/{f.name}", f.size, f.sha256) for f in backup.files],
                folder,
                sudo=world.layout_of(backup.host).sudo,
                progress=report.moved,
                cancelled=report.cancelled,
            )
        proof = prove(
            folder / backup.snapshot.name,
            progress=lambda done, total: report.moved(Moved(f"the proof of {backup.stamp}", done, total)),
            cancelled=report.cancelled.is_set,
        )
        resources = prove_resources(folder / backup.resources.name, cancelled=report.cancelled.is_set)
        for check in (*proof.checks, *resources.checks):
            report.say(f"{check.name}: {check.sentence}")
        if not proof.good:
            return Verdict(False, f"{proof.verdict} It is not restored.")
        if not resources.good:
            return Verdict(False, f"{resources.verdict} It is not restored.")
        told = (backup.snapshot.sha256, backup.resources.sha256)
        if (proof.sha256, resources.sha256) != told:
            return Verdict(False, f"The files in {folder} are not the ones of the manifest: another SHA-256.")
        return Verdict(True, f"{proof.verdict} {resources.verdict}")

    return work


def _deliver(decided: Decided) -> Work:
    def work(world: Context, report: Reporter) -> Verdict:
        backup, recovery = decided.backup, decided.recovery
        runner, sudo, folder = world.runner(recovery.host), recovery.layout.sudo, _local(decided, world)
        for file in backup.files:
            if backup.host == recovery.host:
                words = ("sh", "-c", _COPY, "etcdtui-copy", f"{backup.directory}/{file.name}", decided.folder)
                runner.run((*sudo, *words), timeout=COPY)
            deliver(
                runner,
                folder / file.name,
                f"{decided.folder}/{file.name}",
                sha256=file.sha256,
                sudo=sudo,
                progress=report.moved,
                cancelled=report.cancelled,
            )
            report.say(f"{file.name}  {size(file.size)}  sha256 {file.sha256}")
        return exactly_the_pair(decided)(world)

    return work


def exactly_the_pair(decided: Decided) -> Check:
    """The folder on the recovery host holds these two files, as they were proven, and nothing else."""

    def check(world: Context) -> Verdict:
        recovery, host = decided.recovery, decided.recovery.host
        runner, sudo = world.runner(host), recovery.layout.sudo
        done = runner.run((*sudo, "sh", "-c", _LIST, "etcdtui-list", decided.folder), timeout=ASK)
        there = set(done.out().splitlines())
        wanted = {file.name for file in decided.backup.files}
        if not done.ok or there != wanted:
            return Verdict(False, f"{decided.folder} on {host} does not hold exactly the two files.")
        for file in decided.backup.files:
            if host_digest(runner, sudo, f"{decided.folder}/{file.name}") != file.sha256:
                return Verdict(False, f"{decided.folder}/{file.name} on {host} is not what was proven.")
        return Verdict(True, f"{decided.folder} on {host} holds exactly the proven pair.")

    return check


# -- the present data


def is_safe(decided: Standstill) -> Check:
    """The copy is there, and says the same as what it is a copy of, as long as that is there too."""

    def check(world: Context) -> Verdict:
        recovery, host = decided.recovery, decided.recovery.host
        state = state_of(decided, recovery, world)
        if any(stray != decided.stays for stray in state.strays):
            return Verdict(False, f"{recovery.layout.at(recovery.layout.data)} on {host} holds other things.")
        if state.kept and (state.data or not state.safe):
            # The script would delete it; and the way back would take it for the data of before this one.
            return Verdict(
                False, f"{decided.kept}/member on {host} is of an earlier restore, and in the way."
            )
        if not state.safe:
            if state.data:
                return Verdict(False, f"There is no copy in {decided.safe} on {host} yet.")
            return Verdict(True, f"{NO_DATA} {host} to be copied.")
        runner, sudo = world.runner(host), recovery.layout.sudo
        if not state.data:
            return Verdict(True, f"The data of {host} is kept in {decided.safe}.")
        try:
            copy = read_position(runner, sudo, decided.safe)
            data = read_position(runner, sudo, recovery.layout.at(recovery.layout.data))
        except (NotFound, Damaged, Unreadable) as exc:
            # What cannot be read was copied as it is: it is no reason to restore nothing.
            return Verdict(True, f"A copy is in {decided.safe}; what it holds cannot be read: {exc.message}")
        if copy.position != data.position or copy.size != data.size:
            return Verdict(False, f"The copy in {decided.safe} on {host} is not like the data it is of.")
        return Verdict(
            True,
            f"The data of {host} is kept in {decided.safe}, revision {grouped(copy.position.revision)}.",
        )

    return check


def ran_through(decided: Standstill, script: str) -> Check:
    """Its words, line by line: exit code 0 alone says nothing."""

    def check(world: Context) -> Verdict:
        told = heard(world.said("restore"))
        host = decided.recovery.host
        if not told.restoring or told.trouble:
            why = told.trouble or "it never put the restore pod in etcd's place"
            return Verdict(False, f"{script} on {host} ended with exit code 0, but {why}. {told.sentence}")
        return Verdict(True, f"{script} on {host} went through. {told.sentence} etcd has yet to answer.")

    return check


def left(decided: Standstill) -> Check:
    """What is true after the script was ended."""

    def check(world: Context) -> Verdict:
        told = heard(world.said("restore"))
        return Verdict(False, f"{told.sentence} {way_back(decided)}")

    return check
