"""Calls that may block, in threads that never hold up leaving.

Threads of an executor are waited for at the end of the program, also those stuck in a dead connection;
a daemon thread is not. The answer comes back as one message.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from textual.message import Message
from textual.message_pump import MessagePump

from etcdtui.errors import EtcdTuiError

T = TypeVar("T")


@dataclass
class CallEnded(Message):
    """A call in the background ended: run this on the loop. Also when a dialog is in front."""

    then: Callable[[], None]


def in_background(
    pump: MessagePump,
    call: Callable[[], T],
    done: Callable[[T], None],
    failed: Callable[[EtcdTuiError], None],
    *,
    name: str,
) -> None:
    """Make ``call`` in a thread; ``done`` or ``failed`` then runs on the loop. Only our own errors are caught
    as such; any other is a defect and is told as one."""

    def work() -> None:
        try:
            result = call()
        except EtcdTuiError as exc:
            error = exc
            pump.post_message(CallEnded(lambda: failed(error)))
        except Exception as exc:
            defect = EtcdTuiError(f"Defect in etcdtui ({name}): {type(exc).__name__}: {exc}")
            pump.post_message(CallEnded(lambda: failed(defect)))
        else:
            pump.post_message(CallEnded(lambda: done(result)))

    threading.Thread(target=work, name=f"etcdtui-ui-{name}", daemon=True).start()


def close_within(close: Callable[[], Any], seconds: float) -> None:
    """Close something that may hang, and wait no longer than this."""
    thread = threading.Thread(target=close, name="etcdtui-ui-close", daemon=True)
    thread.start()
    thread.join(seconds)
