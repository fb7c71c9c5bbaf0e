"""The screen as text, and golden frames of it. ETCDTUI_UPDATE_FRAMES=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

from textual.app import App

FOLDER = Path(__file__).parent / "frames"


def frame(app: App[object]) -> str:
    """What the terminal shows, line by line, without trailing spaces. The one private use of Textual."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips) + "\n"


def assert_frame(app: App[object], name: str) -> None:
    """The screen is the golden frame ``name``."""
    path, shown = FOLDER / f"{name}.txt", frame(app)
    if os.environ.get("ETCDTUI_UPDATE_FRAMES"):
        path.write_text(shown, encoding="utf-8")
        return
    assert path.exists(), f"no golden frame {path.name}; run with ETCDTUI_UPDATE_FRAMES=1"
    assert shown == path.read_text(encoding="utf-8"), f"the screen is not {path.name} any more:\n{shown}"
