"""`etcdtui demo`: a living control plane on this machine, and the ordinary program before it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from etcdtui.cli.options import local_path
from etcdtui.errors import ConfigError

if TYPE_CHECKING:
    from etcdtui.cluster import Cluster
    from etcdtui.config import ClusterConfig
    from etcdtui.ui.ports import ClusterPort

Watch = Callable[["Cluster"], "ClusterPort"]
NODES = 3


class Open(Protocol):
    """The ordinary program, opened before a cluster; returns when it is left."""

    def __call__(self, config: ClusterConfig, *, mouse: bool, watch: Watch | None = None) -> int: ...


def register(commands: Any, open_: Open) -> None:
    """``etcdtui demo``."""
    demo = commands.add_parser(
        "demo",
        help="a living control plane on this machine, and the dashboard",
        description="Exit codes: 0 done, or the drill's goal was reached, 1 it was not, 2 it could not be "
        "brought up, 64 bad arguments, 70 etcdtui itself failed.",
    )
    demo.add_argument("--drill", metavar="NAME", help="a situation to practise; “list” names them all")
    demo.add_argument("--nodes", type=int, metavar="N", help=f"{NODES} unless told")
    demo.add_argument("--etcd-dir", type=local_path, metavar="DIR", help="other etcd binaries")
    eras = "whose scripts, pods and operators: 4.5, 4.10, 4.12, 4.16 (unless told), 4.19, newest"
    demo.add_argument("--era", default="4.16", metavar="RELEASE", help=eras)
    demo.add_argument("--ssh-server", choices=("auto", "openssh", "builtin"), default="auto")
    demo.add_argument("--no-mouse", action="store_true", help=argparse.SUPPRESS)

    def run(options: argparse.Namespace) -> int:
        if options.drill is None:
            return _demo(options, open_)
        from etcdtui.cli import drill

        return drill.drill(options, open_)

    demo.set_defaults(run=run)


def _demo(options: argparse.Namespace, open_: Open) -> int:
    from dataclasses import replace

    from etcdtui import config
    from etcdtui.lab.demo import Lab

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("The demo's dashboard needs a terminal.", "Without one: etcdtui lab up DIR.")
    nodes = NODES if options.nodes is None else options.nodes
    programs, server = options.etcd_dir, options.ssh_server
    with Lab(nodes=nodes, etcd_dir=programs, ssh=server, era=options.era, progress=print) as lab:
        os.environ["XDG_STATE_HOME"] = str(lab.directory / "state")
        cluster = config.load(lab.config).cluster(None)
        if vars(options).get("read_only"):
            cluster = replace(cluster, read_only=True)
        return open_(cluster, mouse=not options.no_mouse)
