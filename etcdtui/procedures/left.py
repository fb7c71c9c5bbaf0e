"""Locks that runs of this machine have left on hosts: whether anybody can still be at work behind one."""

from __future__ import annotations

import socket
from contextlib import suppress

from etcdtui.journal import Journal
from etcdtui.procedures.procedure import Ending
from etcdtui.procedures.unended import unended
from etcdtui.records import JournalError, Run
from etcdtui.text import clean


def over(journal: Journal, run: str) -> str:
    """Why nobody goes on with ``run`` now, and what of it may still run; empty where somebody may be at it,
    or nobody can tell: it is of another machine, or of another user."""
    with suppress(JournalError):
        return _over(journal.read(run))
    return ""


def _over(run: Run) -> str:
    if run.abandoned:
        why = "it was abandoned"
    elif run.ending is not None:
        why = "it was stopped" if run.ending is Ending.STOPPED else f"it has ended ({run.ending.value})"
    elif run.who.host == socket.gethostname() and not run.alive:
        why = "its process is gone"
    else:
        return ""
    jobs = unended(run.entries)
    return f"{why}; a command of it may still run on {clean(jobs[-1].host)}" if jobs else why
