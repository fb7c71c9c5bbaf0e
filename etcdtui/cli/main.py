"""The command line: opens the screen, or does one job without it.

Every import that costs time stands inside the function that needs it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from etcdtui import __version__
from etcdtui.cli.cluster import cluster_config, cluster_of
from etcdtui.errors import ConfigError, EtcdTuiError
from etcdtui.streams import say, silence
from etcdtui.text import clean

if TYPE_CHECKING:
    from etcdtui.cli.demo import Watch
    from etcdtui.config import ClusterConfig
    from etcdtui.model.retention import Rule

USAGE = 64  # bad arguments or configuration; 0 to 3 are verdicts
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


class _Parser(argparse.ArgumentParser):
    """argparse ends with 2 on bad arguments; here 2 is a verdict."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    where = _Parser(add_help=False)
    group = where.add_argument_group("which cluster")
    suppress = argparse.SUPPRESS
    group.add_argument("--config", metavar="FILE", default=suppress, help="another clusters.toml")
    group.add_argument("--cluster", metavar="NAME", default=suppress, help="a cluster of clusters.toml")
    group.add_argument("--ssh", metavar="USER@HOST", default=suppress, help="one master, no configuration")
    group.add_argument("--kubeconfig", metavar="FILE", default=suppress, help="find the hosts by the API")
    group.add_argument("--context", metavar="NAME", default=suppress, help="of the kubeconfig")
    group.add_argument("--read-only", action="store_true", default=suppress, help="no key changes anything")

    parser = _Parser(
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

    _backup_commands(commands, where)

    journal = commands.add_parser(
        "journal",
        parents=[where],
        help="what was done, when, by whom",
        description="Exit codes: 0 shown, 2 it cannot be read, 64 bad arguments, 70 etcdtui itself failed.",
    )
    journal.add_argument("id", nargs="?", metavar="ID", help="one run, in full")
    journal.add_argument("--json", action="store_true", help="as JSON lines")
    journal.set_defaults(run=_journal)

    from etcdtui.cli import demo

    demo.register(commands, _open)

    lab = commands.add_parser("lab", add_help=False, help="the same control plane without the screen")
    lab.add_argument("words", nargs=argparse.REMAINDER)
    lab.set_defaults(run=_lab)
    return parser


def _backup_commands(commands: Any, where: argparse.ArgumentParser) -> None:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="JSON, one object a line while it runs")
    metrics = argparse.ArgumentParser(add_help=False)
    metrics.add_argument(
        "--metrics-file", type=Path, metavar="FILE", help="for node_exporter's textfile collector"
    )
    keep = argparse.ArgumentParser(add_help=False)
    keep.add_argument(
        "--keep",
        type=_keep,
        metavar="RULE",
        help="here, and in every place that has a rule, instead of that one: last=7,days=30,daily=7,weekly=4,"
        "monthly=6; places without a rule keep everything",
    )
    keep.add_argument("--yes", action="store_true", help="remove what the rules let go without asking")

    take = commands.add_parser(
        "backup",
        parents=[where, shared, metrics, keep],
        help="take, prove and bring off a backup",
        description="Exit codes: 0 proven and in every place, 1 proven but not in every place, or old ones "
        "could not be thinned out, 2 no proven backup, or it could not be done, 64 bad arguments or "
        "configuration, 70 etcdtui itself failed.",
    )
    take.add_argument("--store", action="append", metavar="NAME", help="only this store; may be repeated")
    take.add_argument("--host", metavar="NAME", help="take it there instead of on the best host")
    take.set_defaults(run=_backup)

    known = commands.add_parser(
        "backups",
        parents=[where, shared, metrics],
        help="the backups in every place",
        description="Exit codes: 0 the last proven backup is off the cluster and young enough, 1 it is not, "
        "3 that is not known, for a place does not answer, 64 bad arguments or configuration, 70 etcdtui "
        "itself failed.",
    )
    known.set_defaults(run=_backups, could_not=UNKNOWN)

    verify = commands.add_parser(
        "verify",
        parents=[where, shared],
        help="prove a backup's files byte by byte",
        description="Of a folder or a stamp both files of each backup must be there. Exit codes: 0 good, 1 "
        "not good, 2 it could not be found out, 64 no such file, 70 etcdtui itself failed.",
    )
    verify.add_argument(
        "what", metavar="FILE|FOLDER|STAMP", help="a file, a folder, or a time stamp of etcdtui backups"
    )
    verify.add_argument(
        "--hash", action="store_true", help="also the hash that etcdctl snapshot status prints"
    )
    verify.set_defaults(run=_verify)

    maintenance = commands.add_parser(
        "maintenance",
        parents=[where, shared],
        help="may this master go down now?",
        description="Exit codes: 0 it may, 1 it may not, 3 too little is known, 64 bad arguments or "
        "configuration, 70 etcdtui itself failed.",
    )
    maintenance.add_argument("node", metavar="NODE")
    maintenance.set_defaults(run=_maintenance, could_not=UNKNOWN)

    prune = commands.add_parser(
        "prune",
        parents=[where, shared, keep],
        help="remove what the rules let go",
        description="Shows the list; removes it with --yes only. Exit codes: 0 nothing is left that may go, "
        "1 something may go and --yes was not given, 2 not all of it could be removed, or a place was not "
        "listed, 64 bad arguments or configuration, 70 etcdtui itself failed.",
    )
    prune.set_defaults(run=_prune)

    from etcdtui.cli import fetch, rehearse, restore

    fetch.register(commands, [where, shared], cluster_config)
    rehearse.register(commands, [where, shared], cluster_config)
    restore.register(commands, [where, shared], cluster_config)

    resume = commands.add_parser(
        "resume",
        parents=[where, shared],
        help="go on with what was interrupted",
        description="Exit codes: 0 done, or nothing was interrupted, 1 done and a step was passed over, "
        "2 not done, 3 several were interrupted: name one, 64 bad arguments or configuration, 70 etcdtui "
        "itself failed.",
    )
    resume.add_argument("id", nargs="?", metavar="ID", help="as etcdtui journal shows it")
    resume.add_argument("--yes", action="store_true", help="answer yes, as with the command that began it")
    resume.set_defaults(run=_resume)


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
    """The screen; ``watch`` puts something between it and the cluster."""
    from etcdtui.config import state_directory
    from etcdtui.model.findings import find
    from etcdtui.procedures.operations import Operations
    from etcdtui.ui.app import EtcdTui

    cluster = cluster_of(config)
    operations = Operations(cluster, state_directory())
    try:
        EtcdTui(watch(cluster) if watch else cluster, operations, find).run(mouse=mouse)
    finally:
        cluster.close()
    return 0


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


def _keep(word: str) -> Rule:
    from etcdtui.model.retention import rule_of_words

    try:
        return rule_of_words(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _kept_by(config: ClusterConfig, rule: Rule | None) -> ClusterConfig:
    """The same cluster with this rule, where one is given: here, and in every place that has a rule."""
    from dataclasses import replace

    if rule is None:
        return config
    stores = tuple(store if store.keep.empty else replace(store, keep=rule) for store in config.stores)
    on_hosts = config.backups.keep_on_hosts if config.backups.keep_on_hosts.empty else rule
    return replace(config, backups=replace(config.backups, keep=rule, keep_on_hosts=on_hosts), stores=stores)


def _backup(options: argparse.Namespace) -> int:
    import time

    from etcdtui import metricsfile
    from etcdtui.cli import backups
    from etcdtui.cli.measuring import MetricsFile

    failed = metricsfile.failed(vars(options).get("cluster", ""), time.time())
    with MetricsFile(options.metrics_file, failed) as metrics:
        return backups.backup(
            _kept_by(cluster_config(options), options.keep),
            host=options.host,
            stores=options.store,
            yes=options.yes,
            as_json=options.json,
            metrics=metrics,
        )


def _backups(options: argparse.Namespace) -> int:
    from etcdtui.cli import backups

    return backups.backups(cluster_config(options), as_json=options.json, metrics=options.metrics_file)


def _verify(options: argparse.Namespace) -> int:
    from etcdtui.cli import verify

    def folder() -> Path:
        return cluster_config(options).backups.directory

    return verify.verify(options.what, folder, as_json=options.json, etcd_hash=options.hash)


def _maintenance(options: argparse.Namespace) -> int:
    from etcdtui.cli import backups

    return backups.maintenance(cluster_config(options), node=options.node, as_json=options.json)


def _prune(options: argparse.Namespace) -> int:
    from etcdtui.cli import backups

    chosen = _kept_by(cluster_config(options), options.keep)
    return backups.prune(chosen, yes=options.yes, as_json=options.json)


def _resume(options: argparse.Namespace) -> int:
    from etcdtui.cli import resume

    return resume.resume(cluster_config(options), options.id, yes=options.yes, as_json=options.json)


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
