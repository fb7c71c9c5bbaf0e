"""The command line: opens the screen, or does one job without it.

Every import that costs time stands inside the function that needs it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from etcdtui import __version__
from etcdtui.cli import backups, demo, fetch, maintenance, rehearse, restore, resume, verify
from etcdtui.cli.cluster import cluster_config, cluster_of
from etcdtui.cli.options import USAGE, Parser, shared
from etcdtui.errors import ConfigError, EtcdTuiError
from etcdtui.streams import say, silence
from etcdtui.text import clean

if TYPE_CHECKING:
    from etcdtui.cli.demo import Watch
    from etcdtui.config import ClusterConfig

COULD_NOT, UNKNOWN = 2, 3  # for a reason beside these; those of the commands that judge what they find
BROKEN = 70  # etcdtui itself failed, or nobody reads its output
DOUBT = 2.5  # seconds a lost quorum is looked at again, for an election passes
PATIENCE = 6.0  # seconds `status` waits for sources
STORES = 1.0  # seconds it waits for stores besides: they change nothing about the verdict


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    # The lab has a command line of its own, which is not loaded for anything else.
    own = argparse.Namespace(run=_lab, could_not=COULD_NOT, words=words[1:])
    options = own if words[:1] == ["lab"] else _parser().parse_args(words)
    command: Callable[[argparse.Namespace], int] = options.run
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before we began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign must not stop the sentence
    try:
        code = command(options)
        sys.stdout.flush()
        return code
    except EtcdTuiError as error:
        say(f"etcdtui: {clean(str(error), 4000)}", sys.stderr)
        return USAGE if isinstance(error, ConfigError) else options.could_not
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if isinstance(error, OSError) and (gone := _unheard()):
            # Nobody may take for a verdict what nobody could read.
            say(f"etcdtui: what it prints cannot be written: {gone}.", sys.stderr)
            return BROKEN
        if os.environ.get("ETCDTUI_TRACEBACK"):
            raise
        say(
            f"etcdtui itself failed, which is a defect of it: {type(error).__name__}: {clean(str(error))}. "
            "ETCDTUI_TRACEBACK=1 shows where.",
            sys.stderr,
        )
        return BROKEN


def _unheard() -> str:
    """Why standard output takes nothing, not even the end of a line; empty when it does."""
    try:
        print(flush=True)
    except OSError as error:
        silence(sys.stdout)
        return os.strerror(error.errno) if error.errno else str(error)
    return ""


def _parser() -> argparse.ArgumentParser:
    given = shared()
    where = given.where
    parser = Parser(
        prog="etcdtui",
        description="Look after the etcd cluster of an OpenShift control plane.",
        parents=[where],
        epilog="Without a command: the dashboard. Try it without a cluster: etcdtui demo",
    )
    parser.add_argument("--version", action="version", version=f"etcdtui {__version__}")
    parser.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    parser.set_defaults(run=_dashboard, could_not=COULD_NOT)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    status = commands.add_parser(
        "status",
        parents=[where],
        help="how the cluster is, in lines or JSON",
        description="Exit codes: 0 healthy, 1 degraded, 2 no quorum, 3 cannot tell, 64 bad arguments or "
        "configuration, 70 etcdtui itself failed.",
    )
    status.add_argument("--json", action="store_true", help="the documented JSON shape")
    status.add_argument("--timeout", type=_seconds, default=PATIENCE, metavar="SECONDS")
    status.set_defaults(run=_status, could_not=UNKNOWN)

    for command in (backups, verify, maintenance, fetch, rehearse, restore, resume):
        command.register(commands, given)

    journal = commands.add_parser(
        "journal",
        parents=[where],
        help="what was done, when, by whom",
        description="Exit codes: 0 shown, 2 it cannot be read, 64 bad arguments, 70 etcdtui itself failed.",
    )
    journal.add_argument("id", nargs="?", metavar="ID", help="one run, in full")
    journal.add_argument("--json", action="store_true", help="as JSON lines")
    journal.set_defaults(run=_journal)

    demo.register(commands, _open)

    lab = commands.add_parser("lab", add_help=False, help="the same control plane without the screen")
    lab.add_argument("words", nargs=argparse.REMAINDER)
    lab.set_defaults(run=_lab)
    return parser


def _seconds(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value <= 600:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of seconds between 0 and 600")
    return value


def _dashboard(options: argparse.Namespace) -> int:
    config = cluster_config(options)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("The dashboard needs a terminal.", "Without one: etcdtui status, etcdtui journal.")
    return _open(config, mouse=not options.no_mouse)


def _open(config: ClusterConfig, *, mouse: bool, watch: Watch | None = None) -> int:
    """The screen, and the exit code; ``watch`` puts something between it and the cluster."""
    from etcdtui.config import state_directory
    from etcdtui.model.findings import find
    from etcdtui.procedures.operations import Operations
    from etcdtui.ui.app import EtcdTui

    cluster = cluster_of(config)
    operations = Operations(cluster, state_directory())
    app = EtcdTui(watch(cluster) if watch else cluster, operations, find)
    try:
        app.run(mouse=mouse)
    finally:
        cluster.close()
    return BROKEN if app.return_code else 0  # what broke it was printed


def _status(options: argparse.Namespace) -> int:
    import json

    from etcdtui.cluster.settled import places_listed, settled
    from etcdtui.model.findings import find
    from etcdtui.model.health import judge
    from etcdtui.status import as_json, as_lines

    cluster = cluster_of(cluster_config(options))
    cluster.start()
    try:
        cluster.wait(settled, options.timeout)
        view = cluster.wait(places_listed, min(STORES, options.timeout))
        if judge(view).doubtful:
            view = cluster.wait(lambda later: not judge(later).doubtful, DOUBT)
    finally:
        cluster.close()
    health = judge(view)
    findings = find(view, health)
    if options.json:
        print(json.dumps(as_json(view, health, findings), indent=2))
    else:
        for line in as_lines(view, health, findings):
            print(line)
    return int(health.level)


def _journal(options: argparse.Namespace) -> int:
    from etcdtui.config import state_directory
    from etcdtui.journal import Journal
    from etcdtui.journal_text import lines

    journal = Journal(state_directory() / "journal")
    for line in lines(journal, options.id, cluster=vars(options).get("cluster"), as_json=options.json):
        print(line)
    return 0


def _lab(options: argparse.Namespace) -> int:
    from etcdtui.lab.__main__ import main as lab

    return lab(options.words, "etcdtui lab")
