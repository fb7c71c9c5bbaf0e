"""What a lab can be told to do: all the words, and how one is carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etcdtui.errors import Refusal
from etcdtui.lab import disasters, troubles
from etcdtui.lab.registry import ACTIONS, Action, On

if TYPE_CHECKING:
    from etcdtui.lab.supervisor import Supervisor

# Both register their actions when they are imported.
__all__ = ["ACTIONS", "check", "disasters", "perform", "troubles"]


def perform(lab: Supervisor, name: str, node: str | None) -> str:
    """Carry out one action; what to tell the user. Raises Refusal for a wrong name."""
    action = check(name, node)
    if node is None or action.on is On.LAB:
        return action.run(lab)
    if action.on is On.NAME:
        return action.run(lab, node)
    host = lab.fleet.running(node) if action.on is On.RUNNING else lab.fleet.host(node)
    return action.run(lab, host)


def check(name: str, node: str | None) -> Action:
    """The action called ``name``. Raises Refusal for an unknown one, or one that lacks its node."""
    action = ACTIONS.get(name)
    if action is None:
        raise Refusal(f"A lab does not know {name!r}.", f"It knows: {', '.join(sorted(ACTIONS))}.")
    if action.on is not On.LAB and not node:
        raise Refusal(f"{name} wants a node.", f"For example: {name} masternode1.")
    if node and action.on is On.LAB:
        raise Refusal(f"{name} is for the whole lab, not for {node}.")
    return action
