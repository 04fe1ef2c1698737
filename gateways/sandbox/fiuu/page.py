"""The hosted page, its end, its error, and the form by which a browser carries the result back; drawn from templates."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Final

from gateways.sandbox import pages
from gateways.sandbox.fiuu import rules
from gateways.sandbox.state import Payment, Stage

STYLE: Final = "fiuu.css"
ENDED: Final = {
    Stage.PAID: "Payment successful",
    Stage.AUTHORIZED: "Payment authorised",
    Stage.DECLINED: "Payment declined",
    Stage.INSUFFICIENT: "Not paid: not enough money",
    Stage.EXPIRED: "The time to pay is over",
    Stage.CANCELLED: "Payment cancelled",
}
ICONS: Final = {"card": "▭", "bank": "⌂", "wallet": "◉", "cash": "◇"}


def render(payment: Payment) -> str:
    """The open page: the sum, the channels, and how it may end."""
    offered = rules.channels_for(payment.currency)
    if payment.fields["fixed"]:
        offered = [rules.channel(payment.fields["channel"])]
    tiles = "".join(
        f'<label class="tile"><input type="radio" name="channel" value="{html.escape(one.code)}"'
        f"{' checked' if one.code == payment.fields['channel'] or len(offered) == 1 else ''}>"
        f'<span class="icon" aria-hidden="true">{ICONS[one.kind]}</span><span>{html.escape(one.name)}</span></label>'
        for one in offered
    )
    return _drawn("fiuu_pay.html", payment, channels=tiles, seconds=pages.seconds_left(payment))


def ended(payment: Payment) -> str:
    """The page of an order that has ended, with a way back."""
    way = "" if payment.fields["tries"] and payment.return_url else "hidden"
    return _drawn("fiuu_ended.html", payment, stage_text=ENDED.get(payment.stage, "This payment has ended"), way=way)


def leave(payment: Payment, fields: Mapping[str, str]) -> str:
    """The form that posts itself to the shop, as at the gateway; where nothing happened, there is nothing to post."""
    inputs = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    stage = ENDED.get(payment.stage, "This payment has ended")
    return _drawn("fiuu_leave.html", payment, inputs=inputs, target=html.escape(payment.return_url), stage_text=stage)


def error(code: str, text: str) -> str:
    """What the page shows instead: the gateway's code."""
    return pages.drawn("fiuu_error.html", {**pages.ENGLISH, "code": code, "text": text}, style=STYLE)


def _drawn(template: str, payment: Payment, **more: str) -> str:
    """`more` is HTML already."""
    amount = rules.amount(payment.amount, payment.currency)
    whole, _, part = amount.partition(".")
    values = {
        **pages.ENGLISH, "amount_text": f"{payment.currency} {int(whole):,}.{part}", "order_text": payment.order,
        "info_text": payment.description, "shop_text": payment.merchant, "token": payment.token,
    }  # fmt: skip
    return pages.drawn(template, values, style=STYLE, **more)
