"""Names of procedures: unique, and readable in a listing."""

from __future__ import annotations

import secrets
import time


def named(kind: str, now: float) -> str:
    """Kind, time, a few random letters."""
    return f"{kind}-{dated(now)}-{secrets.token_hex(2)}"


def dated(now: float) -> str:
    """A moment as part of a name, by this machine's clock."""
    return time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
