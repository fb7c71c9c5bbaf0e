"""All drills there are, in the order in which they are best practised."""

from __future__ import annotations

import difflib

from etcdtui.drill.drills import Danger, Do, Drill
from etcdtui.errors import ConfigError
from etcdtui.model.causes import Cause

M1, M2, M3, M4, M5 = (f"masternode{number}" for number in range(1, 6))
WHOLE = "Three healthy voters, every key as it was, no alarm, the guard on, no lock left."
FIVE = "Five healthy voters, every key as it was, no alarm, the guard on, no lock left."

_NO_BACKUP = "before a member goes, a proven backup is the only thing that cannot get worse"
_GUARD = "without its guard the operator may roll out what takes the quorum away"
_UNVERIFIED = "what was not seen to be true is not known to be true"
_WELL = "the others are all that holds the quorum: with one of them removed the cluster stands still"
_REPLACING = {
    Danger.NO_BACKUP: _NO_BACKUP,
    Danger.HEALTHY_REMOVED: _WELL,
    Danger.UNVERIFIED: _UNVERIFIED,
    Danger.GUARD_LEFT: _GUARD,
}


def _repairable(why: str) -> dict[Danger, str]:
    return {Danger.NEEDLESSLY_REPLACED: why, Danger.HEALTHY_REMOVED: _WELL}


DRILLS: tuple[Drill, ...] = (
    Drill(
        name="member-down",
        title="etcd members down: 1 of 3, since 03:02",
        story="03:10. The alert says: etcd members down, 1 of 3. Users notice nothing. Somebody was logged "
        "in to the control plane this evening, nobody knows what for.",
        goal=WHOLE,
        hurt=(Do("stop", M3),),
        causes={M3: (Cause.PROCESS_ENDED,)},
        cure="Its process had ended and nobody started it again. The kubelet of masternode3 was to be "
        "started; nothing had to be removed.",
        practise="tell a stopped process from a lost member, and leave it in the list",
        dangers=_repairable("a member that only stopped has all its data; it catches up in seconds"),
        down=frozenset({M3}),
        hands=frozenset({"start"}),
    ),
    Drill(
        name="crash-loop",
        title="etcd-masternode3 has been in CrashLoopBackOff since 02:21",
        story="02:40. etcd-masternode3 is in CrashLoopBackOff, 9 restarts and counting. The storage people "
        "changed a controller yesterday.",
        goal=WHOLE,
        hurt=(Do("damage-data", M3),),
        causes={M3: (Cause.DAMAGED,)},
        cure="Its database was damaged: it was to be stopped for good, its data kept aside, the member "
        "removed and added anew on the same host.",
        practise="replace a member whose host stays",
        dangers=_REPLACING,
        down=frozenset({M3}),
        lost=frozenset({M3}),
        needs=frozenset({"replace"}),
    ),
    Drill(
        name="pod-not-up",
        title="The etcd pod of masternode3 has not come up since 04:02",
        story="04:15. After a “clean-up of old files” the etcd pod of masternode3 does not come up any "
        "more. The colleague swears that it was only caches.",
        goal=WHOLE,
        hurt=(Do("wipe-data", M3),),
        causes={M3: (Cause.WIPED,)},
        cure="Its data folder was emptied while it stood in the member list. It can never rejoin under its "
        "old ID: it was to be removed and added anew.",
        practise="see why restarting does not help, and replace it",
        dangers=_REPLACING,
        down=frozenset({M3}),
        lost=frozenset({M3}),
        needs=frozenset({"replace"}),
    ),
    Drill(
        name="slow-api",
        title="Every third call of the API has been slow since 00:00",
        story="00:05. Since midnight the API logs errors about etcd, every third call is slow. The "
        "dashboards of the control plane hosts are green.",
        goal=WHOLE,
        hurt=(Do("expire-cert", M3),),
        causes={M3: (Cause.EXPIRED,)},
        cure="The serving certificate of masternode3 had expired. It was to be renewed; replacing a member "
        "is not the way for expired certificates.",
        practise="tell TLS from a dead member, and repair in place",
        dangers=_repairable("it votes among its peers all the while; removed, it is one voter less"),
        hands=frozenset({"right-cert"}),
    ),
    Drill(
        name="silent-logs",
        title="masternode3 takes no pods and logs nothing since 05:12",
        story="05:30. Something is odd with masternode3: pods cannot be placed there, logs have stopped. "
        "etcd still answers. The next writes may end it.",
        goal=WHOLE,
        hurt=(Do("fill-disk", M3),),
        causes={M3: (Cause.DISK_FULL,)},
        cure="The disk that etcd's data lie on was full. Space was to be made on it at once, without "
        "touching anything of etcd's.",
        practise="find the cause before etcd dies of it",
        dangers=_repairable("it is a healthy voter; its data are the newest there are"),
        hands=frozenset({"free-disk"}),
    ),
    Drill(
        name="refused-tokens",
        title="Tokens have been refused now and then since 01:05",
        story="01:20. Tokens are refused now and then, log lines of one master come from the future, and "
        "etcd warns about its peers. Nothing is down.",
        goal=WHOLE,
        hurt=(Do("clock-off", M3),),
        causes={M3: (Cause.CLOCK,)},
        cure="The clock of masternode3 was a minute and a half ahead. It was to be set right.",
        practise="examine members that look healthy, too",
        dangers=_repairable("a wrong clock is no reason to lose a voter"),
        hands=frozenset({"clock-right"}),
    ),
    Drill(
        name="no-answer",
        title="masternode3 has been out since 03:31",
        story="03:45. masternode3 does not answer, to nobody and nothing. The cloud's console does not show "
        "the instance any more. Somebody tidied up “unused” machines.",
        goal=WHOLE,
        hurt=(Do("destroy-node", M3),),
        causes={M3: (Cause.MACHINE_GONE,)},
        cure="The machine was destroyed with its disk. The member was to be removed, the Machine deleted "
        "and made anew, the requests of the new host approved; the operator then adds its etcd.",
        practise="replace a member through the Machine API",
        dangers=_REPLACING,
        down=frozenset({M3}),
        lost=frozenset({M3}),
        needs=frozenset({"replace"}),
    ),
    Drill(
        name="bare-metal",
        title="Smoke in the rack; masternode3 has been out since 02:52",
        story="03:00. Smoke in the rack. The technician says that masternode3 will never start again; a "
        "spare machine stands there, empty. Nothing but people installs machines here.",
        goal=WHOLE,
        hurt=(Do("machine-api-off"), Do("destroy-node", M3)),
        causes={M3: (Cause.NODE_DOWN, Cause.MACHINE_GONE)},
        cure="The member was to be removed first; then the technician installs the spare machine as "
        "masternode3 (build-node masternode3), and its requests are approved.",
        practise="replace a member with the hands of somebody else",
        dangers=_REPLACING,
        down=frozenset({M3}),
        lost=frozenset({M3}),
        needs=frozenset({"replace"}),
        hands=frozenset({"build-node", "approve-csrs"}),
    ),
    Drill(
        name="ssh-is-back",
        title="masternode3 has SSH again since 06:05, and still no etcd",
        story="06:20, the end of a long night. masternode3 died, and the technician has installed a new "
        "machine, masternode4, “under the same address, so that nothing has to be changed”. SSH to "
        "masternode3 works again, and yet etcd does not come back.",
        goal=WHOLE,
        hurt=(
            Do("machine-api-off"),
            Do("destroy-node", M3),
            Do("reuse-address", M3),
            Do("build-node", M4),
        ),
        causes={M3: (Cause.IMPOSTOR,)},
        cure="The old member was still in the list, with the address of the new machine. It was to be "
        "removed; the new host then joins under its own name.",
        practise="prove who sits at an address before anything is removed",
        dangers=_REPLACING,
        down=frozenset({M3}),
        lost=frozenset({M3}),
        needs=frozenset({"replace"}),
        hands=frozenset({"approve-csrs"}),
    ),
    Drill(
        name="two-failed",
        title="Two of five have been out since 01:58 and 02:18",
        story="02:20. A cluster of five. First masternode4 fell, twenty minutes later masternode5, each in "
        "a way of its own. It still works, and cannot bear one more failure.",
        goal=FIVE,
        hurt=(Do("damage-data", M4), Do("wipe-data", M5)),
        causes={M4: (Cause.DAMAGED,), M5: (Cause.WIPED,)},
        cure="Both were to be marked, and replaced in one guide: the operator adds nobody while a failed "
        "member is in the list, so both leave it, then come back one after the other.",
        practise="mark two, and let one guide replace them in the right order",
        dangers=_REPLACING | {Danger.PAST_QUORUM: "three of five is the quorum: no other member may go"},
        down=frozenset({M4, M5}),
        lost=frozenset({M4, M5}),
        needs=frozenset({"replace"}),
        nodes=5,
    ),
    Drill(
        name="second-trouble",
        title="masternode3 out since 04:41, and now everything is slow",
        story="04:50. masternode3 is down. While you log in, the pager goes again: everything has become "
        "slow. Somebody on the phone wants masternode2 “thrown out, it is the slow one”.",
        goal=WHOLE,
        hurt=(Do("stop", M3), Do("slow", M2)),
        causes={M3: (Cause.PROCESS_ENDED,), M2: (Cause.SLOW, Cause.SLOW_DISK)},
        cure="masternode2 was slow and voted; with masternode3 down it was half of the quorum. masternode3 "
        "was to be started first, then what slowed masternode2 to be found.",
        practise="leave the slow one alone while another one is down",
        dangers={
            Danger.HEALTHY_REMOVED: "masternode2 is slow and votes: without it no quorum is left",
            Danger.PAST_QUORUM: "two of three is the quorum, and masternode3 does not count",
            Danger.NEEDLESSLY_REPLACED: "masternode3 only stopped: started, it catches up in seconds",
        },
        down=frozenset({M3}),
        hands=frozenset({"start", "fast"}),
    ),
    Drill(
        name="quorum-lost",
        title="A rack is gone; no write has gone through since 03:20",
        story="03:33. A whole rack is gone, masternode2 and masternode3 with it, and nobody will bring them "
        "back. Nothing can be written. There is a backup of last night; nothing was changed since.",
        goal=WHOLE,
        hurt=(Do("destroy-node", M2), Do("destroy-node", M3)),
        causes={M1: (Cause.NO_QUORUM,), **dict.fromkeys((M2, M3), (Cause.NODE_DOWN, Cause.MACHINE_GONE))},
        cure="Two of three voters were lost for good: no member could be removed or added any more. The "
        "cluster was to be restored on masternode1 (key R), then both masters built anew (build-node).",
        practise="restore from a backup, then let the others join",
        dangers={
            Danger.DATA_LOST: "a restore takes the cluster back to its backup: choose the newest",
            Danger.UNVERIFIED: _UNVERIFIED,
            Danger.GUARD_LEFT: _GUARD,
        },
        down=frozenset({M2, M3}),
        lost=frozenset({M2, M3}),
        needs=frozenset({"restore", "quorum-restore"}),
        hands=frozenset({"build-node", "approve-csrs"}),
        backup=True,
    ),
    Drill(
        name="no-writes",
        title="No write has gone through since 04:58",
        story="05:05. Nothing can be written. masternode1 was down for maintenance in the evening and is up "
        "again, alone; masternode2 has no power; etcd on masternode3 does not run. The shop took orders "
        "until 04:58. “There is a backup of last night”, says the manager.",
        goal=WHOLE,
        hurt=(Do("power-off", M2), Do("stop", M3), Do("start", M1)),
        causes={M1: (Cause.NO_QUORUM,), M2: (Cause.NODE_DOWN,), M3: (Cause.PROCESS_ENDED,)},
        cure="The data on masternode3 were newer than any backup and than those of masternode1. etcd was to "
        "be started there: with masternode1 that is a quorum, and nothing is lost. Then masternode2.",
        practise="find the newest data before anything is restored",
        dangers={
            Danger.RESTORED: "every restore here loses the orders of the night",
            Danger.DATA_LOST: "the orders are on masternode3 alone, and on masternode2 when it comes back",
        },
        down=frozenset({M2, M3}),
        hands=frozenset({"start", "power-on"}),
        backup=True,
        since=(Do("stop", M1), Do("more-keys")),
    ),
    Drill(
        name="namespace-deleted",
        title="A namespace of production was deleted at 23:41",
        story="23:50. “oc delete namespace shop-production”: it was meant for the test cluster. etcd is "
        "healthy, the shop is gone. Last night's backup has it, and nothing was changed since.",
        goal=WHOLE,
        hurt=(Do("delete-namespace"),),
        causes={M1: (Cause.NOTHING,)},
        cure="No member was at fault. First a look into the backup (o in the backups pane) whether it has "
        "the namespace; then the cluster was to be restored from it (key R).",
        practise="restore a cluster that is well, and know what that costs",
        dangers={
            Danger.DATA_LOST: "the backup must be one that still has the namespace",
            Danger.HEALTHY_REMOVED: "no member is to be replaced: the deletion is on all of them",
            Danger.UNVERIFIED: _UNVERIFIED,
        },
        needs=frozenset({"restore"}),
        backup=True,
    ),
)


FORMERLY = {
    "process-dead": "member-down",
    "damaged-data": "crash-loop",
    "wiped-data": "pod-not-up",
    "expired-certificate": "slow-api",
    "disk-full": "silent-logs",
    "clock-off": "refused-tokens",
    "machine-gone": "no-answer",
    "address-reused": "ssh-is-back",
    "newer-data": "no-writes",
}
"""The names of drills that told the cause, and what those are called now."""


def drill_of(name: str) -> Drill:
    """The drill called ``name``. Raises ConfigError with its present name or the nearest match."""
    names = [drill.name for drill in DRILLS]
    found = next((drill for drill in DRILLS if drill.name == name), None)
    if found is None:
        if name in FORMERLY:
            raise ConfigError(
                f"The drill {name!r} is called {FORMERLY[name]!r} now: a name is not to tell the cause.",
                f"Begin it with: etcdtui demo --drill {FORMERLY[name]}",
            )
        close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"There is no drill {name!r}.", f"{hint}All of them: etcdtui demo --drill list")
    return found
