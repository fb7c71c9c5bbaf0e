"""How a function becomes a word that a lab can be told. An action's first line is its help."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass


class On(enum.Enum):
    """What an action is done to, and so what it is called with beside the lab."""

    LAB = "the whole lab"  # nothing
    HOST = "a host"  # its fleet.Host, whatever has become of it
    RUNNING = "a host that is on"  # its fleet.Host
    NAME = "a name"  # a string: there need not be such a host yet


@dataclass(frozen=True, slots=True)
class Action:
    """A word, what it is done to, and what it does. ``looks``: it changes nothing."""

    name: str
    on: On
    run: Callable[..., str]
    looks: bool = False

    @property
    def help(self) -> str:
        return (self.run.__doc__ or "").strip().splitlines()[0]


@dataclass(frozen=True, slots=True)
class Order:
    """What the lab was told to do, and when (epoch seconds)."""

    action: str
    node: str | None
    at: float


ACTIONS: dict[str, Action] = {}


def action(name: str, on: On, *, looks: bool = False) -> Callable[[Callable[..., str]], Callable[..., str]]:
    """Register a function as an action."""

    def register(function: Callable[..., str]) -> Callable[..., str]:
        ACTIONS[name] = Action(name, on, function, looks)
        return function

    return register
