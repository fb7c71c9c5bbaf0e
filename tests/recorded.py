"""Outputs of real programs, recorded by ``tests/data/record.py``, and text that nobody should choke on."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data"
VERSIONS = ("3.4.23", "3.5.1")

NASTY = (
    "",
    " ",
    "\x1b[31mred\x1b[0m\x07",
    "[bold]markup[/bold] [/]",
    "a\rb\nc\x00d",
    "\u202egnp.exe\u2066",
    "x" * 4096,
    "ünïcödé 漢字 \U0001f600",
    "https://[fd00::10]:2379",
    '{"header":',
    "'; rm -rf / #$(reboot)`id`",
    "\ud800 lone surrogate".encode("utf-8", "replace").decode(),
)


@dataclass(frozen=True)
class Recorded:
    """One recorded run. ``raw`` are the bytes of an HTTP answer."""

    status: int
    stdout: str
    stderr: str
    raw: bytes


def recorded(command: str, version: str, case: str) -> Recorded:
    output = json.loads((DATA / command / f"{version}-{case}.json").read_text("utf-8"))["output"]
    return Recorded(
        output.get("status", 0),
        output.get("stdout", ""),
        output.get("stderr", ""),
        base64.b64decode(output.get("base64", "")),
    )
