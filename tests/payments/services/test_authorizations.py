"""Money that a gateway reserved: taken, given free, or left to its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from config.core.models import OutboxEvent
from gateways.sandbox.faults import Fault
from payments.errors import GatewayTimeout
from payments.models import Payment
from payments.services import authorizations, expiry
from payments.services.sending import Opened
from payments.states import PaymentStatus

pytestmark = pytest.mark.django_db


@pytest.fixture
def authorized(pay: Any, order: Any, momo: Any, hear: Any, at: Any) -> Opened:
    """A payment whose money MoMo has reserved."""
    opened: Opened = pay(order(), at=at)
    assert (
        hear(momo.custom_ipn(orderId=opened.attempt.gateway_reference, amount=100_000, resultCode=9000)).status == 204
    )
    assert Payment.objects.get().status == PaymentStatus.AUTHORIZED
    return opened


def test_reserved_money_is_not_booked_and_waits_three_days(authorized: Opened, books: Any, at: Any) -> None:
    assert books() == {}
    assert expiry.expire_overdue(at=at + timedelta(hours=5)) == 0
    assert Payment.objects.get().expires_at >= at + timedelta(days=3)


def test_reserved_money_that_is_taken_pays_the_order(authorized: Opened, momo: Any, hear: Any, at: Any) -> None:
    hear(momo.custom_ipn(orderId=authorized.attempt.gateway_reference, amount=100_000, transId=88))
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_money_that_the_gateway_gave_free_ends_its_payment_once(
    authorized: Opened, momo: Any, hear: Any, books: Any
) -> None:
    for text in ("Cancelled", "Cancelled again"):
        hear(
            momo.custom_ipn(orderId=authorized.attempt.gateway_reference, amount=100_000, resultCode=1003, message=text)
        )
    assert Payment.objects.get().status == PaymentStatus.CANCELLED
    assert OutboxEvent.objects.filter(type="payment.failed").count() == 1
    assert books() == {}


def test_money_nobody_captured_in_time_is_tried_to_be_given_free(authorized: Opened, at: Any) -> None:
    assert authorizations.release_overdue(at=at + timedelta(days=2)) == 0
    assert authorizations.release_overdue(at=at + timedelta(days=3, minutes=1)) == 1


def test_a_capture_that_is_asked_for_again_does_not_put_off_the_question_about_the_first(
    pay: Any, order: Any, momo: Any, hear: Any, at: Any
) -> None:
    opened = pay(order(), at=at)
    momo.payment(opened.attempt).fields["autoCapture"] = False
    hear(momo.paid_ipn(opened.attempt), at=at)
    momo.fault(Fault.ERROR_500_AFTER_ACCEPT, scope="operation", operation="confirm", count=1)

    for seconds in (0, 20, 29):  # taken at the first, but nobody heard so; then refused as a repetition
        with pytest.raises(GatewayTimeout):
            authorizations.capture(
                payment_id=opened.payment.id, actor="system:shop", at=at + timedelta(seconds=seconds)
            )

    assert expiry.ask_due(at=at + timedelta(seconds=30)) == 1
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED
