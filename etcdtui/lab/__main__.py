"""`python -m etcdtui.lab`: a lab without the rest of the program."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from etcdtui.errors import EtcdTuiError, Refusal
from etcdtui.lab import actions, control, sshd, up


def main(words: list[str] | None = None) -> int:
    """0 for success, 1 when it could not be done, 2 for a wrong word."""
    options = _parser().parse_args(words)
    if options.verb == "up":
        return up.run(
            options.directory,
            nodes=options.nodes,
            etcd_dir=options.etcd_dir,
            ssh=options.ssh,
            keys=options.keys,
            say=lambda line: print(line, flush=True),
            until_stdin_closes=options.until_stdin_closes,
        )
    try:
        actions.check(options.action, options.node)
        print(control.send(options.directory, options.action, options.node))
    except EtcdTuiError as exc:
        print(exc, file=sys.stderr)
        return 2 if isinstance(exc, Refusal) else 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etcdtui.lab", description="A control plane in a folder.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    start = verbs.add_parser("up", help="bring a lab up and run it until Ctrl-C")
    start.add_argument("directory", type=Path, metavar="DIR")
    start.add_argument("--nodes", type=int, default=3)
    start.add_argument("--etcd-dir", type=Path, help="folder with the etcd programs")
    start.add_argument("--ssh", default="auto", choices=sshd.KINDS)
    start.add_argument("--keys", type=int, default=up.KEYS, help="how many keys to write into etcd")
    start.add_argument("--until-stdin-closes", action="store_true", help="end with standard input, too")
    listing = "\n".join(f"  {a.name:<16}{a.help}" for a in actions.ACTIONS.values())
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
