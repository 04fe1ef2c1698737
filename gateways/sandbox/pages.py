"""What the pay pages of all providers have in common: the frame, the clock and what it asks, the QR code."""

from __future__ import annotations

import html
import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from string import Template
from typing import Final

import segno

from gateways.sandbox.state import Payment, Stage, World, now_ms
from gateways.sandbox.web import Response, json_response

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


def state(
    world: World, payment: Payment | None, *, expire_if_due: Callable[[Payment], None], leave: Callable[[Payment], str]
) -> Response:
    """What an open page asks every two seconds, so that it can leave when the payment ends elsewhere, say by a scan."""
    if payment is None:
        return json_response({"error": "not_found"}, 404)
    with world.lock:
        expire_if_due(payment)
    waiting = payment.stage is Stage.WAITING
    return json_response({"stage": payment.stage, "leave": "" if waiting else leave(payment)})


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
