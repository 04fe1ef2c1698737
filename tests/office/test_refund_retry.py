"""Sending a refund again: where the gateway may pay twice the page says so, and wants a word for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from config.core.clock import now
from config.core.money import Money
from payments.models import GatewayAccount, PaymentMethod, Refund
from payments.services import accounts, refunds
from tests import factories
from tests.office.conftest import deed, open_payment, report_paid

WARNING = "sending it again pays the customer twice"
NOWHERE = "http://127.0.0.1:9"
SETTINGS = {
    "vnpay": {"tmn_code": "SHOPTST1", "hash_secret": "s", "pay_url": NOWHERE, "api_url": NOWHERE},
    "momo": {"partner_code": "MOMO", "access_key": "access-1", "secret_key": "secret-1", "endpoint": NOWHERE},
}


@pytest.fixture
def unknown(transactional_db: None) -> Callable[[str], Refund]:
    """A refund of an hour ago, of which its gateway never said anything."""

    def make(gateway: str) -> Refund:
        accounts.forget()
        accounts.ensure_first_accounts({gateway: SETTINGS[gateway]})
        account = GatewayAccount.objects.get(code=gateway)
        method: PaymentMethod = factories.PaymentMethodFactory(code=gateway, account=account)
        payment = open_payment(method)
        report_paid(payment.attempts.get(), number="4242")
        wish = refunds.NewRefund(
            payment_id=payment.pk, amount=Money(40_000, "VND"), reason="came back", actor="user:a@x"
        )
        made = refunds.request_refund(wish=wish, at=now() - timedelta(hours=1)).refund
        Refund.objects.filter(pk=made.pk).update(status="unknown")
        return made

    return make


def test_a_gateway_that_may_pay_twice_is_warned_of_and_sent_only_after_a_word(
    login: Callable[..., Client], unknown: Callable[[str], Refund]
) -> None:
    refund, treasury = unknown("vnpay"), login("treasury")
    page = deed("payments_refund", refund.pk, "retry")
    assert WARNING in treasury.get(page).text

    refused = treasury.post(page, {"reason": "again"})
    assert (refused.status_code, "this one may pay twice" in refused.text) == (422, True)
    refund.refresh_from_db()
    assert refund.status == "unknown"

    assert treasury.post(page, {"reason": "again", "is_surely_not_there": "on"}).status_code == 302
    refund.refresh_from_db()
    assert refund.status == "approved"


def test_a_gateway_that_knows_our_reference_is_sent_it_again_with_a_reason_alone(
    login: Callable[..., Client], unknown: Callable[[str], Refund]
) -> None:
    refund, treasury = unknown("momo"), login("treasury")
    page = deed("payments_refund", refund.pk, "retry")
    assert WARNING not in treasury.get(page).text

    assert treasury.post(page, {"reason": "again"}).status_code == 302
    refund.refresh_from_db()
    assert refund.status == "approved"
