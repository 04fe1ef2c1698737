"""What a value looks like on a page: money, states, times, ids and links, the same on every screen.

Amounts follow Vietnamese custom in both languages (1.234.567 ₫), as finance reads them on bank statements.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from config.core.money import Money, exponent

Text = str | Promise
Cell = str | SafeString | Promise | int

NOTHING: Final = SafeString('<span class="o-none">–</span>')
SIGNS: Final = {"VND": "₫"}
_NARROW_SPACE: Final = "\u00a0"
_COMMA_GROUPS: Final = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_DOT_GROUPS: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{3})+(,[0-9]+)?|[0-9]+,[0-9]+")


class Tone(StrEnum):
    """How a state feels: its colour, never its only message."""

    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    CALM = "calm"


def money_text(amount: Money) -> str:
    """An amount as a reader expects it: 1.234.567 ₫, -12,50 USD."""
    places = exponent(amount.currency)
    whole, rest = divmod(abs(amount.minor), 10**places)
    text = f"{whole:,}".replace(",", ".")
    if places:
        text += f",{rest:0{places}d}"
    sign = "-" if amount.minor < 0 else ""
    return f"{sign}{text}{_NARROW_SPACE}{SIGNS.get(amount.currency, amount.currency)}"


def read_money(text: str, currency: str) -> Money:
    """An amount as somebody types it: 1.234.567, 1,234,567 and 1234567 are one; 12,50 and 12.50 too. Raises MoneyError."""
    plain = text.replace("₫", "").replace(_NARROW_SPACE, "").replace(" ", "")
    if _COMMA_GROUPS.fullmatch(plain):
        plain = plain.replace(",", "")
    elif _DOT_GROUPS.fullmatch(plain):
        plain = plain.replace(".", "").replace(",", ".")
    return Money.parse(plain, currency)


def money(amount: Money, *, dash_zero: bool = False) -> SafeString:
    """An amount in a table: figures of one width, negative in red with its minus."""
    if dash_zero and not amount:
        return NOTHING
    return format_html(
        '<span class="o-money{}">{}</span>', " o-negative" if amount.minor < 0 else "", money_text(amount)
    )


def number(count: int) -> str:
    """A count with thousands separators."""
    return f"{count:,}".replace(",", ".")


def chip(word: Text, tone: Tone = Tone.CALM, title: Text = "") -> SafeString:
    """A state as a chip; `title` says in plain words what it means."""
    return format_html('<span class="o-chip o-{}" title="{}">{}</span>', tone.value, title, word)


def when(moment: datetime | None, *, seconds: bool = False) -> Cell:
    """A moment in the business's time; the tooltip has its seconds and zone."""
    if moment is None:
        return NOTHING
    local = timezone.localtime(moment)
    return format_html(
        '<time class="o-when" datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        f"{local:%d/%m/%Y %H:%M:%S %Z}",
        f"{local:%d/%m/%Y %H:%M:%S}" if seconds else f"{local:%d/%m/%Y %H:%M}",
    )


def day(value: date | None) -> Cell:
    """A business day."""
    return NOTHING if value is None else f"{value:%d/%m/%Y}"


def age(moment: datetime | None, *, at: datetime) -> Cell:
    """How long ago, in one unit."""
    if moment is None:
        return NOTHING
    return format_html(
        '<span title="{}">{}</span>', f"{timezone.localtime(moment):%d/%m/%Y %H:%M:%S}", span(at - moment)
    )


def span(length: timedelta) -> str:
    """A length of time in its largest unit."""
    seconds = max(int(length.total_seconds()), 0)
    if seconds < 60:
        return _("%(n)d s") % {"n": seconds}
    if seconds < 3600:
        return _("%(n)d min") % {"n": seconds // 60}
    if seconds < 2 * 86400:
        return _("%(n)d h") % {"n": seconds // 3600}
    return _("%(n)d d") % {"n": seconds // 86400}


def identifier(text: str) -> Cell:
    """An id or reference in full, with a button that copies it."""
    if not text:
        return NOTHING
    return format_html(
        '<span class="o-code">{}</span><button type="button" class="o-copy" data-copy="{}" title="{}">'
        '<span class="material-symbols-outlined">content_copy</span></button>',
        text,
        text,
        _("Copy"),
    )


def short(text: str) -> Cell:
    """An id in a list: its kind and its end, which differ; the tooltip has it all."""
    if not text:
        return NOTHING
    prefix, _mark, rest = text.rpartition("_")
    shown = f"{prefix}_…{rest[-8:]}" if prefix and len(rest) == 26 else text
    return format_html('<span class="o-code" title="{}">{}</span>', text, shown)


def clipped(text: str, length: int = 60) -> Cell:
    """Words of a person or another system, cut for a list."""
    if not text:
        return NOTHING
    return format_html('<span title="{}">{}</span>', text, text if len(text) <= length else f"{text[: length - 1]}…")


def link(url: str, shown: Cell) -> SafeString:
    """A link."""
    return format_html('<a class="o-link" href="{}">{}</a>', url, shown)


def page(name: str, key: object) -> str:
    """The address of one thing's page: page("payments_payment", payment.pk)."""
    return reverse(f"admin:{name}_change", args=[key])


def to(name: str, key: object, shown: Cell = "") -> SafeString:
    """A link to one thing's page, shown by its short id unless told otherwise."""
    return link(page(name, key), shown or short(str(key)))


def listing(name: str, **query: object) -> str:
    """The address of a list, filtered: listing("payments_payment", status="succeeded")."""
    address = reverse(f"admin:{name}_changelist")
    return f"{address}?{'&'.join(f'{key}={value}' for key, value in query.items())}" if query else address


def yes_no(value: bool) -> SafeString:
    """A yes or a no as a chip."""
    return chip(_("yes"), Tone.GOOD) if value else chip(_("no"))


def meter(percent: int | None) -> Cell:
    """A share as a bar and a number."""
    if percent is None:
        return NOTHING
    tone = "" if percent >= 80 else "o-warn" if percent >= 50 else "o-bad"
    return format_html(
        '<span class="o-bar"><i class="{}" style="width:{}%"></i></span> {}%', tone, str(percent), str(percent)
    )
