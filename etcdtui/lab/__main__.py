"""The lab's command line: `etcdtui lab`, and `python -m etcdtui.lab` without the rest of the program."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from etcdtui.errors import ConfigError, EtcdTuiError, Refusal
from etcdtui.lab import actions, control, eras, sshd, up

_CODES = "Exit codes: 0 done, 1 it could not be done, 64 bad arguments, or no lab there."


def main(words: Sequence[str] | None = None, called: str = "python -m etcdtui.lab") -> int:
    """Run the command line, which the user knows as ``called``; the exit code, see ``_CODES``."""
    options = _parser(called).parse_args(words)
    if options.verb == "up":
        return up.run(
            options.directory,
            nodes=options.nodes,
            etcd_dir=options.etcd_dir,
            ssh=options.ssh,
            keys=options.keys,
            pace=options.pace,
            era=options.era,
            say=lambda line: print(line, flush=True),
            until_stdin_closes=options.until_stdin_closes,
        )
    try:
        actions.check(options.action, options.node)
        print(control.send(options.directory, options.action, options.node))
    except EtcdTuiError as exc:
        print(exc, file=sys.stderr)
        return up.USAGE if isinstance(exc, Refusal | ConfigError) else up.FAILED
    return 0


class _Parser(argparse.ArgumentParser):
    """argparse ends with 2 on bad arguments, which is a verdict of ``etcdtui status``."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(up.USAGE, f"{self.prog}: {message}\n")


def _parser(called: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=called, description=f"A control plane in a folder. {_CODES}")
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    start = verbs.add_parser("up", help="bring a lab up and run it until Ctrl-C")
    start.add_argument("directory", type=Path, metavar="DIR")
    start.add_argument("--nodes", type=int, default=3, metavar="N", help="3 unless told")
    start.add_argument("--etcd-dir", type=Path, metavar="DIR", help="folder with the etcd programs")
    start.add_argument("--ssh-server", "--ssh", dest="ssh", default="auto", choices=sshd.KINDS)
    start.add_argument("--keys", type=int, default=up.KEYS, metavar="N", help="how many to write into etcd")
    start.add_argument(
        "--pace",
        type=float,
        default=1.0,
        metavar="X",
        help="how long machines and operators take; 1 unless told",
    )
    start.add_argument(
        "--era",
        default=eras.DEFAULT.name,
        choices=list(eras.ERAS),
        help=f"of which release scripts, pods and operators are; {eras.DEFAULT.name} unless told",
    )
    start.add_argument("--until-stdin-closes", action="store_true", help="end with standard input, too")
    width = max(map(len, actions.ACTIONS)) + 2
    listing = "\n".join(f"  {a.name:<{width}}{a.help}" for a in actions.ACTIONS.values())
    do = verbs.add_parser(
        "do",
        help="have a running lab do something",
        epilog=f"actions:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    do.add_argument("directory", type=Path, metavar="DIR")
    do.add_argument("action", metavar="ACTION")
    do.add_argument("node", nargs="?", metavar="NODE")
    return parser


if __name__ == "__main__":
    sys.exit(main())
