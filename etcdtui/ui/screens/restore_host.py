"""Which host the restore is run on: each with what speaks for it, or why it cannot be."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from etcdtui.errors import Refusal
from etcdtui.procedures.restore_offer import BackupOffer, HostOffer, hosts
from etcdtui.ui import keys
from etcdtui.ui.backup_words import when
from etcdtui.ui.looks import as_text, plain, wrap
from etcdtui.ui.parts.footer import KeyLine
from etcdtui.ui.parts.listing import Item, Listing
from etcdtui.ui.restore_words import host_paragraphs
from etcdtui.ui.screens.restore_page import Found, RestorePage


class HostListing(Listing):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "choose", "Plan…", show=True)]


class RestoreHostScreen(RestorePage):
    """The cursor begins at the proposed one."""

    NUMBER, QUESTION = 3, "On which host?"
    AUTO_FOCUS = "#hosts"
    BINDINGS: ClassVar[list[BindingType]] = [*keys.PAGE]

    def __init__(self, found: Found, chosen: BackupOffer) -> None:
        super().__init__(found)
        self.chosen = chosen
        self.hosts: dict[str, HostOffer] = {one.name: one for one in hosts(found.offer.looked, chosen.backup)}
        self.listing = HostListing(id="hosts", classes="text", empty="No control plane host is known.")

    def compose(self) -> ComposeResult:
        yield self.title_bar
        yield self.listing
        yield self.said
        yield KeyLine()

    def on_mount(self) -> None:
        self.listing.set_items([Item(one.name, host_paragraphs(one)) for one in self.hosts.values()])
        self._explain()

    def action_copy(self) -> None:
        if self.listing.current is not None:
            text = "\n".join(as_text(p.line) for p in self.listing.current.paragraphs)
            self.copied(text, self.listing.current.key[:120])

    @on(Listing.Moved)
    def _explain(self) -> None:
        words = (
            f"The backup of {when(self.chosen.backup)} is restored on one host, which then is the only "
            "member; the others join it again. enter takes the host under the cursor."
        )
        self.said.set_builder(lambda width: wrap(plain(words), width))

    @on(Listing.Chosen)
    def _chosen(self, event: Listing.Chosen) -> None:
        from etcdtui.ui.screens.restore_plan import RestorePlanScreen

        event.stop()
        one = self.hosts.get(event.key)
        if one is None or self.found is None:
            return
        if one.refusal:
            self.refuse(
                Refusal(f"{one.name}: {one.refusal}", "Mend that and look again, or take another host.")
            )
        else:
            stamp, host = self.chosen.backup.stamp, one.name
            self.app.push_screen(
                RestorePlanScreen(
                    self.found,
                    lambda procedures, looked: procedures.plan_restore(looked, backup=stamp, host=host),
                )
            )
