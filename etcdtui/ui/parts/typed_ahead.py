"""Keys of one burst, as a slow line delivers them: each goes to where the keys before it led.

Textual sends a key to what has the focus when it comes in; what the keys before it do, happens later.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from textual import events
from textual.message_pump import MessagePump


class TypedAhead:
    """Remembers to whom each key was sent, and sends those on that a field of text should have had."""

    def __init__(self) -> None:
        self._sent_to: WeakKeyDictionary[events.Key, MessagePump | None] = WeakKeyDictionary()

    def came(self, event: events.Key, focused: MessagePump | None) -> None:
        """A key comes in, and goes to what has the focus."""
        self._sent_to[event] = focused

    def sent_on(self, event: events.Key, field: MessagePump | None) -> bool:
        """A key that nobody took goes to the ``field`` in which the user types by now; True if it went."""
        if field is None or self._sent_to.get(event) is field:
            return False
        again = events.Key(event.key, event.character)
        again._set_forwarded()
        self._sent_to[again] = field
        return field.post_message(again)
