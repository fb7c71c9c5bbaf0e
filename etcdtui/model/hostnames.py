"""Whether two names are of the same machine. Pure."""

from __future__ import annotations


def same_machine(one: str, other: str) -> bool:
    """The same name; or the same short name, where at least one of the two has no domain."""
    one, other = (name.strip().rstrip(".").lower() for name in (one, other))
    if not one or not other:
        return False
    short, _, domain = one.partition(".")
    other_short, _, other_domain = other.partition(".")
    return one == other or (short == other_short and not (domain and other_domain))
