"""Where the backups of one cluster are kept besides on its hosts, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from etcdtui.errors import Refusal
from etcdtui.landing import Cancel, Progress
from etcdtui.model.retention import Rule
from etcdtui.offsite.store import Item, Store
from etcdtui.text import listed

Sealing = Callable[
    [Sequence[Item], Path, Progress | None, Cancel | None], AbstractContextManager[Sequence[Item]]
]
"""Items and a folder for what is made of them -> the items as they leave here. Cleaned up after use."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A store of this cluster, opened when it is used. ``seal`` encrypts for the way out; None: as it is.

    ``identity`` is the file with what opens it again on the way back.
    """

    name: str
    open: Callable[[], Store]
    rule: Rule = field(default_factory=Rule)
    seal: Sealing | None = None
    identity: Path | None = None


@dataclass(frozen=True, slots=True)
class Keeping:
    """``folder`` is on this machine; ``max_age`` in seconds: an older last backup is a finding."""

    cluster: str
    folder: Path
    shelves: tuple[Shelf, ...] = ()
    rule: Rule = field(default_factory=Rule)
    rule_on_hosts: Rule = field(default_factory=Rule)
    max_age: float = 86400.0

    def shelf(self, name: str) -> Shelf:
        """Raises Refusal when the configuration names none like that."""
        for shelf in self.shelves:
            if shelf.name == name:
                return shelf
        known = listed([shelf.name for shelf in self.shelves]) or "none"
        raise Refusal(
            f"{self.cluster} has no store called {name}; configured: {known}.",
            "Name it in clusters.toml, or leave it out.",
        )
