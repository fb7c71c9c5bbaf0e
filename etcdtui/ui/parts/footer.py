"""The line of keys."""

from __future__ import annotations

from textual.widgets import Footer


class KeyLine(Footer):
    """Textual's footer makes its keys anew whenever the focus moves, and each of them watches ``compact``.
    Those that went are forgotten only when that changes; where a screen is open for days they pile up."""

    async def recompose(self) -> None:
        await super().recompose()
        self.mutate_reactive(Footer.compact)
