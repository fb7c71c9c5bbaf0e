"""Reading the tables of clusters.toml: each wrong key and value is an error naming file, place and remedy."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etcdtui.errors import ConfigError
from etcdtui.text import clean

MOST = (
    1_000_000  # of anything that is counted, and of days and hours: more is a slip, and no clock goes so far
)


def table_of(value: Any, path: Path, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} in {path} must be a table.")
    return value


def known_keys(table: Mapping[str, Any], allowed: set[str], path: Path, where: str) -> None:
    for key in table:
        if key not in allowed:
            raise ConfigError(
                f"{path} has an unknown key {key!r} in {where}.", nearest_of(key, sorted(allowed))
            )


def no_nul(value: Any, path: Path, where: str = "the file") -> None:
    """TOML can write a NUL character; no system call takes one, in a path, a name or an address."""
    if isinstance(value, dict):
        for key, below in value.items():
            no_nul(key, path, f"a name in {where}")
            no_nul(below, path, f"{where}.{key}" if where != "the file" else key)
    elif isinstance(value, list):
        for below in value:
            no_nul(below, path, where)
    elif isinstance(value, str) and "\0" in value:
        raise ConfigError(f"There is a NUL character in {where} of {path}.", "Take it out (\\u0000 in TOML).")


def text_of(table: Mapping[str, Any], key: str, path: Path, where: str) -> str | None:
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{key} in {where} of {path} must be a text in quotes.")
    return value


def file_of(table: Mapping[str, Any], key: str, path: Path, where: str) -> str | None:
    value = text_of(table, key, path, where)
    return os.path.expanduser(value) if value else value


def port_of(value: Any, where: str) -> int:
    """From a number, or from the digits of one."""
    try:
        port = value if isinstance(value, int) else int(value) if isinstance(value, str) else 0
    except ValueError:
        port = 0
    if isinstance(value, bool) or not 0 < port < 65536:
        raise ConfigError(f"{_shown(value)} is no port ({where}).", "A port is a number from 1 to 65535.")
    return port


def nearest_of(word: str, words: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, [w for w in words if w], n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(w for w in words if w)}."


def flag_of(table: Mapping[str, Any], key: str, path: Path, where: str) -> bool:
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise ConfigError(f"{key} in {where} of {path} must be true or false.")
    return value


def number_of(table: Mapping[str, Any], key: str, path: Path, where: str, *, whole: bool) -> float | None:
    """A number from 0 to MOST, None when there is none."""
    value = table.get(key)
    if value is None:
        return None
    right = isinstance(value, int if whole else int | float)
    if isinstance(value, bool) or not right or not 0 <= value <= MOST:
        kind = "whole number" if whole else "number"
        raise ConfigError(
            f"{key} = {_shown(value)} in {where} of {path} must be a {kind}, 0 or more, and {MOST} at most."
        )
    return float(value)


def _shown(value: Any) -> str:
    """A wrong value for a sentence, not the whole of a long one."""
    try:
        return clean(repr(value), 60)
    except ValueError:  # Python prints no whole number of more than 4300 digits
        return "a number of thousands of digits"


def words_of(table: Mapping[str, Any], key: str, path: Path, where: str, example: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise ConfigError(f"{key} in {where} of {path} must be a list of texts, like {example}.")
    return tuple(value)


def absolute_of(table: Mapping[str, Any], key: str, path: Path, where: str) -> Path | None:
    """A path, ``~`` being the home of the user."""
    value = file_of(table, key, path, where)
    if value is None:
        return None
    if not os.path.isabs(value):
        raise ConfigError(f"{key} = {value!r} in {where} of {path} must be an absolute path.")
    return Path(value)
