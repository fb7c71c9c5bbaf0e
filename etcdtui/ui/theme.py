"""Our own theme: dark and calm, colour only where it means something."""

from __future__ import annotations

from textual.theme import Theme

CALM = Theme(
    name="etcdtui",
    primary="#5b9bd5",
    secondary="#7f8fa6",
    accent="#d7ba7d",
    foreground="#d4d8de",
    background="#14171c",
    surface="#1a1e25",
    panel="#232932",
    success="#6fbf73",
    warning="#e5a33d",
    error="#e0606a",
    dark=True,
    variables={
        "footer-key-foreground": "#d7ba7d",
        "footer-background": "#1a1e25",
        "footer-description-foreground": "#9aa3af",
        "border": "#3a4452",
        "input-selection-background": "#5b9bd5 35%",
    },
)
