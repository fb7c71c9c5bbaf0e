"""The verbs of the app: one table for the command line, the palette and the help."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

if TYPE_CHECKING:
    from etcdtui.ui.app import EtcdTui


@dataclass(frozen=True, slots=True)
class Verb:
    """``name`` is typed after a colon, ``action`` is the app's; ``writes`` is gone in read-only mode.

    ``takes`` says what may be typed behind the name; that is given to the action.
    """

    name: str
    action: str
    help: str
    aliases: tuple[str, ...] = ()
    writes: bool = False
    takes: str = ""


VERBS = (
    Verb("members", "go_to(1)", "The members of the cluster", ("m",)),
    Verb("latency", "go_to(2)", "How long reads take, and the disks", ("l",)),
    Verb("backups", "go_to(3)", "The backups on all hosts", ("snapshots",)),
    Verb("find", "find", "Look for an object in every backup that is here", takes="deployment prod/web"),
    Verb("findings", "go_to(4)", "What to know now, and the next step", ("f",)),
    Verb("health", "health", "Run etcdctl endpoint health, as by hand", ("h",)),
    Verb("backup", "backup", "Plan a backup", ("b",), writes=True),
    Verb("mark", "mark", "Mark a member for removal, or unmark it", writes=True, takes="masternode3"),
    Verb("marks", "marks", "The marked members, and what may be done about each"),
    Verb("replace", "replace", "Open the guide for the marked member", writes=True),
    Verb("lead", "lead", "Let this member lead; the plan is shown first", writes=True, takes="masternode2"),
    Verb("requests", "requests", "Approve what nodes ask for, after a look", ("csr",), writes=True),
    Verb("restore", "restore", "Should it be restored at all? Looks, then plans", writes=True),
    Verb("putback", "put_back", "The way back from a restore; the plan is shown first", writes=True),
    Verb("maintenance", "maintenance", "May the chosen member go down now?"),
    Verb("upload", "upload", "Bring the last proven backup into stores that lack it", ("u",), writes=True),
    Verb("prune", "prune", "Remove what the rules let go; shown first", writes=True),
    Verb("hashes", "hashes", "Do all members hold the same keys? Compares their hashes"),
    Verb("journal", "journal", "What was done on this cluster, by whom, how it ended", ("j",)),
    Verb("export", "export", "Write the incident down as Markdown"),
    Verb("resume", "resume", "Go on with what was interrupted, or abandon it", writes=True),
    Verb("debts", "debts", "What an earlier run took away and still owes"),
    Verb("log", "log", "Every command that ran on the hosts", ("audit",)),
    Verb("trust", "trust", "Decide about SSH host keys that no known_hosts file names"),
    Verb("pause", "pause", "Hold the picture still, or let it go on"),
    Verb("refresh", "refresh_now", "Ask every source now", ("r",)),
    Verb("theme", "change_theme", "Choose another theme"),
    Verb("help", "help", "All keys", ("?",)),
    Verb("quit", "leave", "Leave etcdtui", ("q", "q!", "exit")),
)


WRITING = frozenset(verb.action for verb in VERBS if verb.writes) | {"bring"}
"""Actions of the app that are taken away in read-only mode."""


def find_verb(words: str) -> Verb | None:
    """The verb with this name or alias, or the only one that begins so."""
    word = words.strip().lstrip(":").lower()
    for verb in VERBS:
        if word == verb.name or word in verb.aliases:
            return verb
    begun = [verb for verb in VERBS if word and verb.name.startswith(word)]
    return begun[0] if len(begun) == 1 else None


def find_command(line: str) -> tuple[Verb, str] | None:
    """The verb of a line, and what is typed behind it; None where it takes nothing."""
    word, _, rest = line.strip().lstrip(":").strip().partition(" ")
    verb = find_verb(word)
    return (verb, rest.strip()) if verb is not None and (verb.takes or not rest.strip()) else None


def unknown(words: str) -> str:
    """What to say to a line that is no command."""
    word = words.strip().lstrip(":")
    first, space, _ = word.partition(" ")
    if space and (verb := find_verb(first)) is not None:
        return f":{verb.name} takes nothing behind it."
    names = [verb.name for verb in VERBS]
    begun = [name for name in names if word and name.startswith(word.lower())]
    if len(begun) > 1:
        return f"{word} could be {' or '.join(begun)}."
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.4)
    return f"There is no command {word[:40]!r}. " + (
        f"Did you mean :{close[0]}?" if close else f"There are: {', '.join(names)}."
    )


class Verbs(Provider):
    """The same verbs in the palette."""

    def _allowed(self) -> list[tuple[Verb, Callable[[], None]]]:
        app = cast("EtcdTui", self.app)
        return [(verb, partial(app.do, verb)) for verb in VERBS if app.allows(verb) and verb.name != "theme"]

    async def discover(self) -> Hits:
        for verb, run in self._allowed():
            yield DiscoveryHit(verb.name.capitalize(), run, help=verb.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for verb, run in self._allowed():
            score = matcher.match(f"{verb.name} {verb.help}")
            if score > 0:
                yield Hit(score, matcher.highlight(verb.name.capitalize()), run, help=verb.help)
