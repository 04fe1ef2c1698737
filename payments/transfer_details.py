"""What a customer who pays by bank transfer was told: where to send how much, with which text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.core.money import Money
from gateways.bank_transfer.adapter import DETAILS
from payments import amounts
from payments.models import Attempt, Payment


@dataclass(frozen=True, slots=True)
class Detail:
    """One line of the instructions. `copied` is what a button copies, "" where nobody needs to type it."""

    name: str | Promise
    value: str
    copied: str = ""
    is_code: bool = False


def told(attempt: Attempt) -> Mapping[str, str]:
    """The details as they were when the attempt began, by name; empty for other ways to pay."""
    details: Mapping[str, str] = attempt.response.get(DETAILS) or {}
    return details


def newest(payment: Payment) -> Mapping[str, str]:
    """What the newest attempt by transfer was told."""
    attempt = payment.attempts.filter(response__has_key=DETAILS).order_by("number").last()
    return told(attempt) if attempt else {}


def lines(attempt: Attempt, language: str) -> list[Detail]:
    """The instructions as the pay page shows them."""
    details = told(attempt)
    if not details:
        return []
    amount, account, text = details["amount"], details["account_number"], details["text"]
    return [
        Detail(_("Bank"), details["bank_name"]),
        Detail(_("Account number"), account, copied=account, is_code=True),
        Detail(_("Account holder"), details["account_name"]),
        Detail(_("Amount"), amounts.shown(Money.parse(amount, attempt.currency), language), copied=amount),
        Detail(_("Text of the transfer"), text, copied=text, is_code=True),
    ]
