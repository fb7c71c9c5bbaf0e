"""How long things take in a lab, in seconds: a few where a real cluster needs minutes, less in tests."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True, slots=True)
class Pace:
    """Every wait of the lab's controllers that is not etcd's own."""

    notice: float = 2.0  # until a silent node is called NotReady
    remove: float = 2.0  # until a deleted machine is gone
    build: float = 5.0  # until a new machine has a host
    boot: float = 2.0  # until the kubelet of a new host asks for its certificates
    join: float = 1.0  # from an approved certificate to what it allows
    install: float = 2.5  # an installer pod on one node
    settle: float = 1.0  # until a change of the specification becomes a revision

    def scaled(self, factor: float) -> Self:
        """Everything ``factor`` times as long."""
        return type(self)(**{field.name: getattr(self, field.name) * factor for field in fields(self)})
