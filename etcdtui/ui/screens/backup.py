"""One backup: what is known of it, what the copy here holds, and a new proof of that when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from etcdtui.errors import Refusal
from etcdtui.model.contents import Summary
from etcdtui.model.known_backups import silent
from etcdtui.model.places import HERE, Backup, PlacedSet
from etcdtui.procedures.looking import Again, Look, contents, copy_here, prove_again, rehearse_here
from etcdtui.ui import backup_text, keys
from etcdtui.ui.backup_words import found_again
from etcdtui.ui.looks import Paragraph, muted
from etcdtui.ui.messages import CompareWanted, FindWanted
from etcdtui.ui.parts.bar import Bar
from etcdtui.ui.parts.footer import KeyLine
from etcdtui.ui.parts.lines import Lines
from etcdtui.ui.parts.work import EVERY, Work
from etcdtui.ui.picture import Picture
from etcdtui.ui.titled import heading

if TYPE_CHECKING:
    from etcdtui.procedures.rehearsal import Rehearsed
    from etcdtui.ui.app import EtcdTui

T = TypeVar("T")


class BackupScreen(Screen[None]):
    """Follows its backup through every picture; the last one stays when it is gone."""

    CSS_PATH = "backup.tcss"
    AUTO_FOCUS = "#text"
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.BACKUP,
        keys.STOP,
        keys.BACK,
        keys.COPY,
        keys.HELP,
        keys.COMMAND,
    ]

    def __init__(self, backup: Backup, picture: Picture, clock: Callable[[], float]) -> None:
        super().__init__()
        self.backup = backup
        self._picture, self._clock = picture, clock
        self._contents: Work[Summary] | None = None
        self._again: Work[Again] | None = None
        self._rehearsed: Work[Rehearsed] | None = None
        self.title_bar = Bar(classes="title", most=2)
        self.body = Lines(id="text", classes="text")
        self.progress = Bar(classes="progress", most=2)

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.body
        yield self.progress
        yield KeyLine()

    def on_mount(self) -> None:
        self.progress.set_line(())
        self.set_interval(EVERY, self._tell_progress)
        self._look_inside()
        self._show()

    def on_unmount(self) -> None:
        self.action_stop()

    def show_picture(self, picture: Picture) -> None:
        now = found_again(self.backup, picture.view.known_backups)
        self._picture, self.backup = picture, now or self.backup
        self._look_inside()
        self._show()

    def _look_inside(self) -> None:
        """Once there is a copy here, which may have come a moment ago."""
        if self._contents is None and copy_here(self.backup) is not None:
            self._contents = self._work(partial(contents, self.backup), "contents")
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return any(work.running for work in self._works)
        if action == "rehearse":
            return copy_here(self.backup) is not None
        if action == "bring":
            return self._to_bring() is not None
        return True

    async def action_bring(self) -> None:
        copy = self._to_bring()
        if copy is not None:
            action = "bring" if copy.place.is_host else "fetch"
            await self.app.run_action(("app", action, (copy.set.stamp, copy.place.name)))

    def _to_bring(self) -> PlacedSet | None:
        """A whole copy elsewhere, where none is here yet."""
        if copy_here(self.backup) is not None:
            return None
        copies = [c for c in self.backup.copies if c.complete and c.place != HERE]
        if self._picture.read_only:  # from a store nothing is changed but this machine
            copies = [c for c in copies if not c.place.is_host]
        gone = silent(self._picture.view)

        def order(copy: PlacedSet) -> tuple[bool, bool, bool, bool]:
            """Where it can be had, then a host, then what is proven, then what needs no identity."""
            return copy.place in gone, not copy.place.is_host, not copy.proven, copy.encrypted

        return min(copies, key=order, default=None)

    def action_prove(self) -> None:
        if copy_here(self.backup) is None:
            words = "The backup is not on this machine, so nothing can be proven here."
            cast("EtcdTui", self.app).tell(Refusal(words, "Bring it here first."))
        elif self._again is None or not self._again.running:
            self._again = self._work(partial(prove_again, self.backup), "proof")
            self._show()
            self.body.scroll_home(animate=False)

    def action_rehearse(self) -> None:
        if self._rehearsed is None or not self._rehearsed.running:
            self._rehearsed = self._work(partial(rehearse_here, self.backup), "rehearsal", "rehearsing:")
            self._show()
            self.body.scroll_home(animate=False)

    def action_compare(self) -> None:
        self.app.post_message(CompareWanted(self.backup))

    def action_find(self) -> None:
        self.app.post_message(FindWanted())

    def action_stop(self) -> None:
        for work in self._works:
            work.stop()

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self.body.text)
        self.notify("The whole text.", title="Copied", markup=False)

    @property
    def _works(self) -> list[Work[Summary] | Work[Again] | Work[Rehearsed]]:
        works = (self._contents, self._again, self._rehearsed)
        return [work for work in works if work is not None]

    def _work(self, call: Callable[[Look], T], name: str, doing: str = "reading") -> Work[T]:
        return Work(self.app, call, self._ended, name=name, clock=self._clock, doing=doing)

    def _ended(self) -> None:
        if self.is_running:
            self._show()
            self._tell_progress()
            self.refresh_bindings()

    def _tell_progress(self) -> None:
        self.progress.set_builder(lambda width: [work.line() for work in self._works if work.running])

    def _show(self) -> None:
        view = self._picture.view
        self.title_bar.set_line(backup_text.title(view, self.backup))
        parts = backup_text.paragraphs(view, self.backup)
        self.body.set_paragraphs([*self._rehearsal(), *self._proof(), *parts, *self._inside()])

    def _rehearsal(self) -> list[Paragraph]:
        work = self._rehearsed
        if work is None:
            return []
        said = backup_text.rehearsed(work.result) if work.result else work.trouble()
        now = "being restored" if work.running else "the copy here, in a throw-away etcd on this machine"
        return [*heading("Rehearsed", now)[1:], *said, Paragraph(())]

    def _proof(self) -> list[Paragraph]:
        """The new proof comes first: it is newer than anything below it."""
        work = self._again
        if work is None:
            return []
        said = backup_text.again(work.result) if work.result else work.trouble()
        head = heading(
            "Proven again here", "being read" if work.running else "every byte of the copy on this machine"
        )[1:]
        return [*head, *said, Paragraph(())]

    def _inside(self) -> list[Paragraph]:
        work = self._contents
        if work is None:
            return [
                *heading("What is in it"),
                Paragraph(muted("No copy that can be read is on this machine.")),
            ]
        if work.result is not None:
            return [*heading("What is in it", "the copy here, by its keys"), *backup_text.inside(work.result)]
        return [*heading("What is in it", "being read" if work.running else ""), *work.trouble()]
