"""Opens what looks into backups: one of them, two compared, an object in all of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from etcdtui.errors import Refusal
from etcdtui.model.places import Backup
from etcdtui.ui.backup_words import when

if TYPE_CHECKING:
    from etcdtui.model.changes import Differences
    from etcdtui.ui.app import EtcdTui

RESTORED = "A restore brings back what is removed here, and takes away what was added or changed since."


class Looking:
    """Belongs to the app. Nothing in here blocks: what takes time is done by the screens' own threads."""

    def __init__(self, app: EtcdTui) -> None:
        self.app = app

    def open(self, backup: Backup) -> None:
        from etcdtui.ui.screens.backup import BackupScreen

        if self.app.picture is not None:
            self.app.push_screen(BackupScreen(backup, self.app.picture, self.app.clock))

    def compare(self, backup: Backup, *, with_cluster: bool = False) -> None:
        """Ask with what, then compare; without asking ``with_cluster``."""
        from etcdtui.procedures.looking import copy_here
        from etcdtui.ui.screens.compare_with import CompareWithScreen

        if copy_here(backup) is None:
            words = f"The backup {when(backup)} is not on this machine, so that it cannot be compared."
            self.app.tell(Refusal(words, "Bring it here first; its places are in its details (enter)."))
            return
        if with_cluster:
            self._compare_with_cluster(backup, RESTORED)
            return
        known = self._known()
        others = [b for b in known if b is not backup and b != backup and copy_here(b) is not None]

        def chosen(other: Backup | str | None) -> None:
            if isinstance(other, Backup):
                self._compare(*sorted((backup, other), key=lambda b: (b.taken or 0.0, b.stamp)))
            elif other is not None:
                self._compare_with_cluster(backup)

        self.app.push_screen(CompareWithScreen(backup, others, self.app.cluster.name), chosen)

    def find(self, words: str = "") -> None:
        from etcdtui.ui.screens.search import SearchScreen

        self.app.push_screen(SearchScreen(self._known(), words, self.app.clock))

    def _known(self) -> tuple[Backup, ...]:
        return self.app.picture.view.known_backups if self.app.picture is not None else ()

    def _compare(self, before: Backup, after: Backup) -> None:
        from etcdtui.procedures.looking import compare
        from etcdtui.ui.screens.compare import CompareScreen

        call = partial(compare, before, after)
        self.app.push_screen(CompareScreen(when(before), when(after), call, self.app.clock))

    def _compare_with_cluster(self, before: Backup, note: str = "") -> None:
        from etcdtui.procedures.looking import Look, compare_with_live
        from etcdtui.text import clean
        from etcdtui.ui.screens.compare import CompareScreen

        cluster = self.app.cluster

        def call(look: Look) -> Differences:
            return compare_with_live(before, cluster.live_keys(look.stopped), look)

        after = f"{clean(cluster.name, 60)} as it is now"
        self.app.push_screen(CompareScreen(when(before), after, call, self.app.clock, note))
