"""The e-mails we write: one fact in, subject, text and HTML out. Knows nothing of sending."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Final

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.core.money import Money
from payments import amounts, links, transfer_details
from payments.models import Attempt, EmailMessageLog, OtpChallenge, Payment, Refund
from payments.states import AttemptStatus

K = EmailMessageLog.Kind

SUBJECTS: Final[dict[str, str | Promise]] = {
    K.PAYMENT_SUCCEEDED: _("We have received your payment for order %(order)s"),
    K.ORDER_CREATED: _("Your order %(order)s: please pay on delivery"),
    K.TRANSFER_DETAILS: _("Your order %(order)s: how to pay by bank transfer"),
    K.PAYMENT_FAILED: _("Your payment for order %(order)s did not go through"),
    K.REFUND_SUCCEEDED: _("Your refund for order %(order)s is on its way"),
    K.OTP: _("Your code to pay order %(order)s"),  # never the code itself: subjects are kept
}
MAX_SUBJECT: Final = 200


class Overtaken(Exception):
    """What the letter was to tell is gone."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What one person gets to read."""

    subject: str
    text: str
    html: str


def brand() -> str:
    """Who writes: the name in front of the sender's address."""
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return name or address


def write(row: EmailMessageLog) -> Letter:
    """The letter about a row's fact, in the row's language. Needs its payment with order and method. Raises Overtaken."""
    payment = row.payment
    challenge = challenge_of(row) if row.kind == K.OTP else None
    if challenge is not None and not challenge.sealed_code:
        raise Overtaken
    with translation.override(row.locale):
        context = {
            "language": row.locale,
            "brand": brand(),
            "kind": row.kind,
            "order": payment.order,
            "payment": payment,
            "shops": _shops(payment),
            "amount": amounts.shown(_amount(row), row.locale),
            "method": payment.method.name,
            "transaction": _transaction(payment),
            "transfer": transfer_details.newest(payment) if row.kind == K.TRANSFER_DETAILS else {},
            "link": links.pay_page(payment),
            "back_to": payment.return_url,
            "challenge": challenge,
        }
        subject = one_line(str(SUBJECTS[row.kind]) % {"order": payment.order.order_id})
        return Letter(
            subject=subject[:MAX_SUBJECT],
            text=render_to_string(f"emails/{row.kind}.txt", context).strip() + "\n",
            html=render_to_string(f"emails/{row.kind}.html", {**context, "subject": subject}),
        )


def challenge_of(row: EmailMessageLog) -> OtpChallenge:
    """The challenge whose code a letter of kind OTP tells."""
    challenge: OtpChallenge = OtpChallenge.objects.get(id=row.fact.rpartition(":")[2])
    return challenge


def one_line(text: str) -> str:
    """Text that can stand in a header: whatever breaks or hides lines becomes one space."""
    visible = "".join(" " if unicodedata.category(character)[0] in "CZ" else character for character in text)
    return " ".join(visible.split())


def _amount(row: EmailMessageLog) -> Money:
    if row.kind != K.REFUND_SUCCEEDED:
        return row.payment.amount
    refund_id = next((part for part in row.fact.split(":") if part.startswith("re_")), "")
    refund = Refund.objects.filter(id=refund_id).first()
    return refund.amount if refund else Money(row.payment.refunded_minor, row.payment.currency)


def _shops(payment: Payment) -> list[str]:
    names = payment.order.shop_orders.filter(is_owed=True).order_by("id").values_list("shop__name", flat=True)
    return list(dict.fromkeys(names))


def _transaction(payment: Payment) -> str:
    """The gateway's own number of the money, which the customer finds in the wallet too."""
    paid = Attempt.objects.filter(payment=payment, status=AttemptStatus.SUCCEEDED).order_by("-number").first()
    return paid.gateway_transaction_id if paid else ""
