"""The parser of the command line, and the options that several commands share, as parents of theirs."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from etcdtui.model.retention import Rule

USAGE = 64  # bad arguments or configuration; 0 to 3 are verdicts


class Parser(argparse.ArgumentParser):
    """argparse ends with 2 on bad arguments; here 2 is a verdict."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


@dataclass(frozen=True, slots=True)
class Shared:
    """One parser for each group of options."""

    where: Parser  # which cluster
    json: Parser  # one document at the end
    events: Parser  # one object a line while it runs
    metrics: Parser
    keep: Parser


def local_path(word: str) -> Path:
    """A path on this machine. ``~`` is known also where no shell looked at it, as in ``--config=~/x``."""
    return Path(os.path.expanduser(word))


def shared() -> Shared:
    where, json, events, metrics, keep = (Parser(add_help=False) for _ in range(5))
    group = where.add_argument_group("which cluster")
    suppress = argparse.SUPPRESS
    group.add_argument(
        "--config", type=local_path, metavar="FILE", default=suppress, help="another clusters.toml"
    )
    group.add_argument("--cluster", metavar="NAME", default=suppress, help="a cluster of clusters.toml")
    group.add_argument("--ssh", metavar="USER@HOST", default=suppress, help="one master, no configuration")
    group.add_argument("--kubeconfig", metavar="FILE", default=suppress, help="find the hosts by the API")
    group.add_argument("--context", metavar="NAME", default=suppress, help="of the kubeconfig")
    group.add_argument("--read-only", action="store_true", default=suppress, help="no key changes anything")
    json.add_argument("--json", action="store_true", help="as JSON")
    events.add_argument("--json", action="store_true", help="JSON, one object a line while it runs")
    metrics.add_argument(
        "--metrics-file", type=local_path, metavar="FILE", help="for node_exporter's textfile collector"
    )
    keep.add_argument(
        "--keep",
        type=_keep,
        metavar="RULE",
        help="here, and in every place that has a rule, instead of that one: last=7,days=30,daily=7,weekly=4,"
        "monthly=6; places without a rule keep everything",
    )
    keep.add_argument("--yes", action="store_true", help="remove what the rules let go without asking")
    return Shared(where, json, events, metrics, keep)


def _keep(word: str) -> Rule:
    from etcdtui.model.retention import rule_of_words

    try:
        return rule_of_words(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
