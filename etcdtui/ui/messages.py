"""What happened, and what the user wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from etcdtui.model.places import Backup
    from etcdtui.model.problems import Problem
    from etcdtui.ui.runs import Run


class ViewChanged(Message):
    """There is something new to see. Posted from any thread; many become one."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, ViewChanged)


class ProcedureMoved(Message):
    """Events of the running procedure wait to be read. Posted from any thread; many become one."""

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, ProcedureMoved)


@dataclass
class MemberChosen(Message):
    """Show everything known about this member."""

    member_id: int


@dataclass
class BackupChosen(Message):
    """Show everything known about this backup."""

    backup: Backup


@dataclass
class CompareWanted(Message):
    """Compare this backup with another one, or, ``with_cluster``, with the cluster as it is now."""

    backup: Backup
    with_cluster: bool = False


@dataclass
class FindWanted(Message):
    """Look for an object in all backups that are here; without words they are asked for."""

    words: str = ""


@dataclass
class TroubleChosen(Message):
    """Show in full why something cannot be looked at."""

    problem: Problem


@dataclass
class FindingChosen(Message):
    """Show this finding in full."""

    key: str


class LatencyChosen(Message):
    """Explain the latencies."""


Chosen = MemberChosen | FindingChosen | LatencyChosen


@dataclass
class StartWanted(Message):
    """Start the procedure that the screen shows."""

    run: Run


@dataclass
class CancelWanted(Message):
    """Cancel this step of the running procedure; the user has been asked about it."""

    run: Run
    step: str
