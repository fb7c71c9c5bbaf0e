"""`etcdtui demo --drill`: a lab is hurt, the ordinary program opened before it, and told how it went."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from etcdtui.drill import words
from etcdtui.drill.catalogue import DRILLS, drill_of
from etcdtui.drill.debrief import debrief
from etcdtui.drill.scene import Scene
from etcdtui.errors import ConfigError, EtcdTuiError

if TYPE_CHECKING:
    from etcdtui.cli.demo import Open, Watch


REACHED, NOT_REACHED = 0, 1
LIST = "list"


def drill(options: argparse.Namespace, open_: Open) -> int:
    """0: the goal was reached; 1: it was not. ``open_`` runs the program to its end."""
    name: str = options.drill
    if name == LIST:
        print("\n".join(words.listing(DRILLS)))
        return REACHED
    chosen = drill_of(name)
    if options.nodes not in (None, chosen.nodes):
        raise ConfigError(f"The drill {name} has {chosen.nodes} nodes.", "Leave --nodes away.")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("A drill needs a terminal.", "etcdtui demo --drill list needs none.")
    from etcdtui import config
    from etcdtui.lab.demo import Lab

    nodes, programs, server = chosen.nodes, options.etcd_dir, options.ssh_server
    with Lab(nodes=nodes, etcd_dir=programs, ssh=server, era=options.era, progress=print) as lab:
        os.environ["XDG_STATE_HOME"] = str(lab.directory / "state")
        cluster = config.load(lab.config).cluster(None)
        scene = Scene(chosen, lab, cluster, config.state_directory())
        print("bringing the situation about")
        scene.set(print)
        print("\n".join(words.briefing(chosen, lab.directory)))
        try:
            _run(scene, lambda watch: open_(cluster, mouse=not options.no_mouse, watch=watch))
            seen = debrief(chosen, scene.facts())
        finally:
            scene.close()
        print("\n".join(words.told(seen)))
        return REACHED if seen.reached else NOT_REACHED


def _run(scene: Scene, open_: Callable[[Watch], int]) -> None:
    from etcdtui.drill.witness import Witness

    _ask("Press enter to open etcdtui. ")
    scene.begin()
    while True:
        open_(lambda cluster: Witness(cluster, scene.noted))
        print("looking at the lab")
        lacks = scene.state().lacks(scene.drill.nodes)
        if not lacks or not _again(scene, lacks):
            return


def _again(scene: Scene, lacks: tuple[str, ...]) -> bool:
    """Back to etcdtui? What people on the machines are to do is done meanwhile."""
    print("\n".join(words.unreached(lacks)))
    while True:
        said = _ask("drill> ")
        if said is None or said in {"end", "q", "quit"}:
            return False
        if not said:
            return True
        if said == "?":
            print("\n".join(words.hands()))
            continue
        try:
            done = scene.hand(said)
        except EtcdTuiError as error:
            done = str(error)
        print("\n".join(words.paragraph(done)))


def _ask(prompt: str) -> str | None:
    """What was typed; None at the end of input."""
    try:
        return input(prompt).strip()
    except EOFError:
        print()
        return None
