"""The channel catalogue: what the documents of gateways with many channels know, and which of them are up just now.

Read-only data of files, no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from config.core import clock
from config.core.admin.cells import NOTHING, Cell, Text, Tone, chip, identifier, to
from config.core.admin.panels import Table, columns
from gateways import channels
from gateways.channels import Channel, ChannelKind
from payments.models import PaymentMethod
from payments.services import channel_status
from payments.services.channel_status import Told, Verdict

KINDS: Final[dict[ChannelKind, Text]] = {
    ChannelKind.CARD: _("card"),
    ChannelKind.BANK: _("bank transfer"),
    ChannelKind.WALLET: _("e-wallet"),
    ChannelKind.QR: _("QR"),
    ChannelKind.PAY_LATER: _("pay later (BNPL)"),
    ChannelKind.INSTALMENT: _("instalments"),
    ChannelKind.VIRTUAL_ACCOUNT: _("virtual account"),
    ChannelKind.CASH: _("cash counter"),
    ChannelKind.DIRECT_DEBIT: _("direct debit"),
    ChannelKind.OTHER: _("other"),
}
COUNTRIES: Final[dict[str, Text]] = {
    "MY": _("Malaysia"),
    "SG": _("Singapore"),
    "PH": _("Philippines"),
    "TH": _("Thailand"),
    "ID": _("Indonesia"),
    "VN": _("Viet Nam"),
    "CN": _("China"),
    "TW": _("Taiwan"),
    "": _("several countries"),
}
SEVERAL: Final = "several"
"""How the filter calls the channels of no one country."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the page is narrowed to; odd values narrow to nothing that is there, never to an error."""

    term: str
    gateway: str
    country: str
    kind: str

    @classmethod
    def of(cls, query: QueryDict) -> Wanted:
        """What the address says."""
        return cls(*(query.get(name, "").strip()[:60] for name in ("q", "gateway", "country", "kind")))

    def fits(self, channel: Channel) -> bool:
        """Whether a channel is wanted."""
        country = "" if self.country == SEVERAL else self.country
        return (
            self.gateway in ("", channel.gateway)
            and (not self.country or country == channel.country)
            and self.kind in ("", channel.kind)
            and self.term.lower() in " ".join((channel.code, channel.name, *channel.spellings)).lower()
        )


def view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The page; who may see it is the caller's matter."""
    wanted = Wanted.of(request.GET)
    every = channels.every()
    found = [one for one in every if wanted.fits(one)]
    is_told = any(one.gateway in channel_status.TELLING for one in found)
    told = channel_status.of_enabled_accounts(at=clock.now()) if is_told else ()
    filters = (
        ("gateway", _("gateway"), wanted.gateway, [(one, one) for one in sorted({c.gateway for c in every})]),
        ("country", _("country"), wanted.country, [(code or SEVERAL, word) for code, word in COUNTRIES.items()]),
        ("kind", _("kind"), wanted.kind, [(kind.value, word) for kind, word in KINDS.items()]),
    )
    more = {
        "title": _("Channel catalogue"),
        "is_fullwidth": "1",
        "term": wanted.term,
        "filters": filters,
        "is_narrowed": any((wanted.term, wanted.gateway, wanted.country, wanted.kind)),
        "count": len(found),
        "told": [_sentence(one) for one in told],
        "panels": [_table(found, told)],
    }
    return TemplateResponse(request, "admin/channels.html", {**context, **more})


def _sentence(told: Told) -> str:
    """How one account's gateway was asked, and what came of it."""
    words = {
        Verdict.TOLD: _("%(account)s: asked at %(time)s; up: %(up)d, down: %(down)d."),
        Verdict.SILENT: _("%(account)s: asked at %(time)s, and nobody answered."),
        Verdict.NO_LIST: _("%(account)s: asked at %(time)s, without a usable answer: %(code)s."),
        Verdict.WAITING: _("%(account)s: asked at %(time)s, and there is no answer yet."),
        Verdict.UNUSABLE: _("%(account)s: not asked, because its settings are unusable."),
        Verdict.UNASKED: _("%(account)s: not asked, because Redis is away."),
    }
    ups = [one.is_up for one in told.states]
    values = {
        "account": told.account, "time": _time(told), "code": told.code,
        "up": ups.count(True), "down": ups.count(False),
    }  # fmt: skip
    return str(words[told.verdict]) % values


def _time(told: Told) -> str:
    return f"{timezone.localtime(told.asked_at):%H:%M %d/%m/%Y}"


def _table(found: Sequence[Channel], told: Sequence[Told]) -> Table:
    heads = columns(
        _("Gateway"), _("Code"), _("Name"), _("Country"), _("Currencies"), _("Kind"), _("Limits"), _("Refund"), _("Offered as"),
        _("Now"),
    )  # fmt: skip
    offered = _offered()
    rows = [
        (
            one.gateway,
            identifier(one.code),
            format_html('{}<div class="o-quiet">{}</div>', one.name, one.note) if one.note else one.name,
            COUNTRIES.get(one.country, one.country),
            ", ".join(one.currencies) or _("many"),
            KINDS[one.kind],
            _limits(one),
            _refund(one),
            offered.get((one.gateway, one.code), NOTHING),
            _now(one, told),
        )
        for one in found
    ]
    return Table(_("Channels"), heads, rows, _("No channel of the catalogue is like this."))


def _offered() -> dict[tuple[str, str], Cell]:
    """Our methods that lead straight to a channel, by gateway and channel."""
    rows = PaymentMethod.objects.exclude(channel="").select_related("account").order_by("position", "id")
    methods: dict[tuple[str, str], list[tuple[Cell]]] = {}
    for one in rows:
        methods.setdefault((one.account.gateway, one.channel), []).append(
            (to("payments_paymentmethod", one.pk, one.code),)
        )
    return {key: format_html_join(", ", "{}", links) for key, links in methods.items()}


def _now(channel: Channel, told: Sequence[Told]) -> Cell:
    """What each account's gateway says of this channel; nothing where none of them lists it."""
    words = {True: (_("up"), Tone.GOOD), False: (_("down"), Tone.BAD), None: (_("unclear"), Tone.CALM)}
    chips = [
        (chip(*words[state.is_up], f"{answer.account}, {_time(answer)}"),)
        for answer in told
        if answer.gateway == channel.gateway
        for state in answer.states
        if channel.code in state.codes
    ]
    return format_html_join(" ", "{}", chips) if chips else NOTHING


def _limits(channel: Channel) -> Cell:
    low, high = (None if one is None else _shown(one) for one in (channel.minimum, channel.maximum))
    above = ">" if channel.is_above_minimum else "≥"
    if low is None:
        return NOTHING if high is None else f"≤ {high}"
    return f"{above} {low}" if high is None else f"{above.replace('≥', '')} {low} – {high}".strip()


def _shown(amount: Decimal) -> str:
    """Major units as they are written here."""
    return f"{amount:,f}".replace(",", "_").replace(".", ",").replace("_", ".")


def _refund(channel: Channel) -> Cell:
    if channel.refundable is None:
        return chip(_("not told"), Tone.CALM, _("The documents do not say; the gateway is asked and may refuse."))
    if channel.refundable:
        return chip(_("by the gateway"), Tone.GOOD)
    return chip(_("by bank transfer"), Tone.CALM, _("The gateway does not send this money back by itself."))
