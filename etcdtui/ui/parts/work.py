"""Something long that a screen started and shows: how far it is, how it ended, and that it can be stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from textual.message_pump import MessagePump

from etcdtui.errors import Cancelled, EtcdTuiError
from etcdtui.procedures.looking import Look
from etcdtui.text import age, clean
from etcdtui.ui.background import in_background
from etcdtui.ui.looks import Line, Paragraph, Role

T = TypeVar("T")
EVERY = 0.25  # seconds between two looks at how far it is


class Work(Generic[T]):
    """Runs from the moment it is made. ``moved`` is called on the loop when it has ended."""

    def __init__(
        self,
        pump: MessagePump,
        call: Callable[[Look], T],
        moved: Callable[[], None],
        *,
        name: str,
        clock: Callable[[], float],
        doing: str = "reading",
    ) -> None:
        self.look = Look()
        self.result: T | None = None
        self.error: EtcdTuiError | None = None
        self._moved, self._clock, self._doing = moved, clock, doing
        self._began, self.running = clock(), True
        in_background(pump, lambda: call(self.look), self._done, self._failed, name=name)

    @property
    def stopped(self) -> bool:
        return isinstance(self.error, Cancelled)

    def stop(self) -> None:
        """Ask it to end; returns at once. What it found so far is not kept."""
        self.look.stop()

    def line(self) -> Line:
        """What it is at; nothing once it ended."""
        if not self.running:
            return ()
        look, seconds = self.look, age(self._clock() - self._began)
        far = f" {100 * look.done // look.total} %" if look.total else ""
        if look.stopped():
            return ("◌ ", Role.ADVICE), (f"stopping · {seconds}", Role.PLAIN)
        return (
            ("◌ ", Role.ADVICE),
            (f"{self._doing} {clean(look.what, 120) or '…'}{far} · {seconds} · ", Role.PLAIN),
            ("x", Role.KEY),
            (" stops it", Role.PLAIN),
        )

    def trouble(self) -> list[Paragraph]:
        """Why there is no result; nothing while there may be one."""
        if self.error is None:
            return []
        if self.stopped:
            return [Paragraph((("– ", Role.MUTED), ("Stopped before it was done.", Role.MUTED)), 2)]
        out = [Paragraph((("✗ ", Role.BAD), (clean(self.error.message, 1000), Role.BAD)), 2)]
        if self.error.hint:
            out.append(Paragraph((("→ ", Role.KEY), (clean(self.error.hint, 1000), Role.PLAIN)), 2))
        return out

    def _done(self, result: T) -> None:
        self.result = result
        self._ended()

    def _failed(self, error: EtcdTuiError) -> None:
        self.error = error
        self._ended()

    def _ended(self) -> None:
        self.running = False
        self._moved()
