"""Where the program begins, as ``etcdtui`` and as ``python -m etcdtui``."""

from __future__ import annotations

import signal


def start() -> int:
    """Run the command line; the exit code."""
    # Python would answer Ctrl-C in the middle of an import with a traceback.
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from etcdtui.cli.main import main

    if usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


if __name__ == "__main__":
    raise SystemExit(start())
