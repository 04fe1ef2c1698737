"""The control page for people: payments with buttons, faults with switches, the log."""

from __future__ import annotations

import html
from pathlib import Path
from string import Template
from typing import Final

TEMPLATES: Final = Path(__file__).parent / "templates"


def render(public_url: str) -> str:
    """The page; it talks to the control API by itself."""
    template = Template((TEMPLATES / "control.html").read_text(encoding="utf-8"))
    return template.safe_substitute(public_url=html.escape(public_url))
