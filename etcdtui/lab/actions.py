"""What a lab can be told to do: all the words, and how one is carried out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from etcdtui.errors import Refusal
from etcdtui.lab import disasters, keys, troubles
from etcdtui.lab.registry import ACTIONS, Action, On, Order

if TYPE_CHECKING:
    from etcdtui.lab.supervisor import Supervisor

# All register their actions when they are imported.
__all__ = ["ACTIONS", "check", "disasters", "keys", "perform", "troubles"]


def perform(lab: Supervisor, name: str, node: str | None) -> str:
    """Carry out one action; what to tell the user. Raises Refusal for a wrong name."""
    action = check(name, node)
    said = _run(lab, action, node)
    if not action.looks:
        lab.orders.append(Order(name, node, time.time()))
    return said


def _run(lab: Supervisor, action: Action, node: str | None) -> str:
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
