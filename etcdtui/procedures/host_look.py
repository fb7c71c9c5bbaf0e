"""A look at one host by one script of ours: an answer that was cut off says nothing."""

from __future__ import annotations

from collections.abc import Sequence

from etcdtui.procedures.procedure import Context

BEGIN = r"""
LC_ALL=C; export LC_ALL
printf 'state\n'
"""
RUNTIME = r"""
command -v crictl >/dev/null 2>&1 || { echo no-runtime; echo end; exit 0; }
"""
"""What comes behind it asks crictl: without one the answer ends here."""
END = r"""
echo end
exit 0
"""


def look(world: Context, host: str, argv: Sequence[str], *, timeout: float) -> tuple[str, ...] | None:
    """The lines between BEGIN and END of the script that ``argv`` runs; None where they are not all there.

    Raises Unreachable and its kin.
    """
    done = world.runner(host).run(tuple(argv), timeout=timeout)
    lines = done.out().splitlines()
    whole = done.ok and lines[:1] == ["state"] and lines[-1:] == ["end"]
    return tuple(lines[1:-1]) if whole else None


def unknown(host: str) -> str:
    """What is said where the answer is not whole."""
    return f"What lies on {host} could not be looked at (sudo, or its shell)."
