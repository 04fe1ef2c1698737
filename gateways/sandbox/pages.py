"""What the pay pages of all providers have in common: the frame, the clock, the QR code."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from string import Template
from typing import Final

import segno

from gateways.sandbox.state import Payment, now_ms

TEMPLATES: Final = Path(__file__).parent / "templates"
VIETNAM: Final = timezone(timedelta(hours=7))
ENGLISH: Final[Mapping[str, str]] = {"language": "en", "test": "Test environment, no real money"}


def drawn(name: str, words: Mapping[str, str], *, style: str, **ready: str) -> str:
    """A page: its template (the first line is the title) in the frame, with the provider's `style` sheet.

    `words` are escaped here and need a `language` and a `test` for the banner; `ready` is HTML already.
    """
    title, _, body = _read(name).partition("\n")
    escaped = {one: html.escape(value) for one, value in words.items()}
    return Template(_read("frame.html")).substitute(
        language=escaped["language"],
        test=escaped["test"],
        title=Template(title).substitute(escaped, **ready),
        style=_read("frame.css") + (_read(style) if style else ""),
        body=Template(body).substitute(escaped, countdown=_read("countdown.js"), **ready),
    )


def gone() -> str:
    """What a wrong address shows."""
    return drawn("gone.html", ENGLISH, style="")


def seconds_left(payment: Payment) -> str:
    """For the clock of a page."""
    return str(max(0, (payment.expires_ms - now_ms()) // 1000))


def vietnamese_moment(at_ms: int) -> str:
    """A moment as a Vietnamese page writes it."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone(VIETNAM).strftime("%H:%M %d/%m/%Y")


def dong(amount: int) -> str:
    """An amount of đồng as a Vietnamese page writes it, without its sign."""
    return f"{amount:,}".replace(",", ".")


def qr(text: str, *, dark: str, border: int = 1) -> str:
    """A QR code as SVG."""
    drawing = io.BytesIO()
    segno.make(text, error="m").save(
        drawing, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=border, dark=dark
    )
    return drawing.getvalue().decode()


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
