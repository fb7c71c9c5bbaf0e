"""Why something does not answer, told apart as far as it can be from outside."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """The kinds of failure that ask for different next steps."""

    REFUSED = "refused"  # the machine is there, nothing listens
    SILENT = "no answer"  # nothing in time: frozen, starved, off, or packets that are dropped
    UNREACHABLE = "unreachable"  # no route, no such name
    DROPPED = "connection closed"  # it takes connections and ends them
    TLS = "TLS"  # certificates do not fit
    NO_LEADER = "no leader"  # it answers, but knows no leader
    NO_QUORUM_READ = "no quorum read"  # it answers, but cannot confirm with the others
    LOGIN = "login"  # SSH, sudo or the API does not let us in
    HOST_KEY = "host key"  # the SSH host is one we never met
    OTHER_HOST = "another host key"  # the SSH host is not the one we met
    NO_TOOLS = "no tools"  # what we need is not on that host
    NOT_ASKED = "not asked"  # no host to ask it through: says nothing about the thing itself
    ODD = "unexpected answer"


@dataclass(frozen=True, slots=True)
class Problem:
    """One failure of one source: its kind, a sentence, what the machine said, what to do."""

    fault: Fault
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return self.message
