"""Xendit through our own services: from the order to the journal and back, and what makes it another gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from config.core.money import Money
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from gateways.sandbox.state import Stage
from payments.errors import GatewayTimeout, RefundRefused
from payments.models import Attempt, Dispute, MoneyCase, Notification, Payment, PaymentMethod, Refund
from payments.services import checkout, expiry, gateway_watch, refund_steps, refunds
from payments.services.gateway_watch import Verdict
from payments.services.refunds import NewRefund
from payments.states import AttemptStatus, PaymentStatus, RefundStatus
from tests import factories

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def paid(pay: Any, order: Any, xendit_method: PaymentMethod, xendit: Any, webhook: Any) -> Callable[..., Attempt]:
    """A paid payment of 100,000 VND."""

    def make(**how: Any) -> Attempt:
        attempt: Attempt = pay(order(), **{"method": xendit_method, **how}).attempt
        assert webhook(xendit.paid(attempt)).status_code == 200
        return attempt

    return make


def ask_back(attempt: Attempt, minor: int, *, at: Any) -> Refund:
    wish = NewRefund(payment_id=attempt.payment_id, amount=Money(minor, "VND"), actor="system:tests", reason="hàng lỗi")
    return refunds.request_refund(wish=wish, at=at).refund


# --- paying ----------------------------------------------------------------------------------------------------------
def test_an_order_is_paid_from_the_page_over_the_webhook_into_the_journal(
    pay: Any, order: Any, xendit_method: PaymentMethod, xendit: Any, webhook: Any, books: Any
) -> None:
    opened = pay(order(), method=xendit_method)
    assert opened.attempt.pay_url == f"{xendit.running.url}/web/{opened.attempt.gateway_transaction_id}"

    body = xendit.paid(opened.attempt)
    first, again = webhook(body), webhook(body, path="/api/v1/webhooks/xendit/xendit")

    payment, invoice = Payment.objects.get(), xendit.invoice(opened.attempt)
    assert (first.status_code, again.status_code) == (200, 200)
    assert (payment.status, payment.captured_minor) == (PaymentStatus.SUCCEEDED, 100_000)
    assert payment.captures.get().gateway_transaction_id == invoice.fields["id"]
    (book,) = books().values()
    assert book["gw:xendit:clearing"] == 100_000
    assert list(books()) == [f"cap:xendit:{invoice.fields['id']}"]


def test_settled_after_paid_is_the_same_money(paid: Any, xendit: Any, webhook: Any, books: Any) -> None:
    attempt = paid()
    xendit.provider.lifecycle.settle_money(xendit.invoice(attempt))

    told = xendit.told(attempt).body

    assert json.loads(told)["status"] == "SETTLED"
    assert webhook(told).status_code == 200
    assert (len(books()), MoneyCase.objects.count(), Notification.objects.count()) == (1, 0, 2)


def test_settled_alone_is_paid_too(
    pay: Any, order: Any, xendit_method: PaymentMethod, xendit: Any, webhook: Any
) -> None:
    attempt = pay(order(), method=xendit_method).attempt
    xendit.provider.lifecycle.settle_money(xendit.settle(attempt))

    webhook(xendit.told(attempt).body)

    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_two_links_of_one_order_that_are_both_paid_are_one_capture_and_one_case(
    pay: Any, order: Any, xendit_method: PaymentMethod, xendit: Any, webhook: Any, balances: Any, at: Any
) -> None:
    """The payer left the first page open, chose anew and paid both."""
    bought = order()
    first = pay(bought, method=xendit_method).attempt
    other: PaymentMethod = factories.PaymentMethodFactory(
        code="xendit-cards", name_vi="Thẻ", account=xendit_method.account, channel="CREDIT_CARD"
    )
    second = checkout.pay_again(payment_id=first.payment_id, method=other, actor="customer:1", at=at).attempt

    for attempt in (first, second):
        assert webhook(xendit.paid(attempt)).status_code == 200

    payment, case = Payment.objects.get(), MoneyCase.objects.get()
    assert (payment.status, payment.captured_minor) == (PaymentStatus.SUCCEEDED, 100_000)
    assert (case.kind, case.amount_minor, case.payment_id) == ("double_payment", 100_000, payment.id)
    assert (balances()["gw:xendit:clearing"], balances()["suspense:over"]) == (200_000, -100_000)
    assert payment.captures.count() == 2


def test_a_create_that_was_never_answered_is_looked_for_and_not_made_again(
    pay: Any, order: Any, xendit_method: PaymentMethod, xendit: Any, books: Any, at: Any
) -> None:
    known = len(xendit.running.app.sandbox.world.payments)
    xendit.fault(Fault.ERROR_500_AFTER_ACCEPT, operation="create")
    with pytest.raises(GatewayTimeout):
        pay(order(), method=xendit_method, at=at)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.gateway_transaction_id) == (AttemptStatus.UNKNOWN, "")

    expiry.ask_due(at=at + MINUTE)
    assert Attempt.objects.get().status == AttemptStatus.PENDING
    xendit.settle(attempt)
    expiry.refresh(payment_id=attempt.payment_id, actor="staff:x", at=at + 2 * MINUTE)

    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED
    assert len(books()) == 1
    assert len(xendit.running.app.sandbox.world.payments) == known + 1


def test_a_create_that_never_arrived_may_be_tried_again(
    pay: Any, order: Any, xendit_method: PaymentMethod, xendit: Any, at: Any
) -> None:
    bought = order()
    xendit.fault(Fault.ERROR_500, operation="create")
    with pytest.raises(GatewayTimeout):
        pay(bought, method=xendit_method, at=at)

    expiry.ask_due(at=at + MINUTE)

    assert Attempt.objects.get().status == AttemptStatus.FAILED
    assert pay(bought, method=xendit_method, at=at + MINUTE).attempt.number == 2


def test_a_declined_payer_stays_on_the_page_and_an_expired_invoice_ends_the_attempt(
    pay: Any, order: Any, xendit_method: PaymentMethod, xendit: Any, webhook: Any, at: Any
) -> None:
    attempt = pay(order(), method=xendit_method, at=at).attempt
    xendit.settle(attempt, Outcome.DECLINE)
    expiry.refresh(payment_id=attempt.payment_id, actor="staff:x", at=at)
    assert Attempt.objects.get().status == AttemptStatus.REQUIRES_ACTION

    xendit.settle(attempt, Outcome.EXPIRE)
    webhook(xendit.told(attempt).body)
    assert Attempt.objects.get().status == AttemptStatus.EXPIRED

    xendit.settle(attempt, again=True)  # and yet it is paid
    webhook(xendit.told(attempt).body)
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_another_sum_than_asked_for_is_held_with_a_case(
    pay: Any, order: Any, xendit_method: PaymentMethod, xendit: Any, webhook: Any
) -> None:
    attempt = pay(order(), method=xendit_method).attempt
    xendit.fault(Fault.WRONG_AMOUNT, amount=5_000)

    assert webhook(xendit.paid(attempt)).status_code == 200

    case = MoneyCase.objects.get()
    assert (case.kind, case.amount_minor) == (MoneyCase.Kind.AMOUNT_MISMATCH, 5_000)
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT


def test_a_browser_that_comes_back_makes_us_ask_and_is_believed_in_nothing(
    pay: Any, order: Any, xendit_method: PaymentMethod, xendit: Any
) -> None:
    attempt = pay(order(), method=xendit_method).attempt
    invoice = xendit.invoice(attempt)
    success = urlsplit(invoice.return_url)
    assert (success.path, invoice.fields["failure_redirect_url"] != invoice.return_url) == ("/pay/return/xendit", True)

    early = Client().get(f"{success.path}?{success.query}")
    assert (early.status_code, Payment.objects.get().status) == (302, PaymentStatus.AWAITING_PAYMENT)
    forged = Client().get(f"{success.path}?external_id={attempt.gateway_reference}&result=paid")
    assert forged.status_code == 404


def test_a_browser_that_comes_back_after_paying_finds_it_paid_without_a_webhook(
    pay: Any, order: Any, xendit_method: PaymentMethod, xendit: Any
) -> None:
    attempt = pay(order(), method=xendit_method).attempt
    success = urlsplit(xendit.settle(attempt).return_url)

    assert Client().get(f"{success.path}?{success.query}").status_code == 302
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_the_sample_of_the_dashboard_gets_200_and_changes_nothing(xendit_method: PaymentMethod, webhook: Any) -> None:
    sample = {"id": "579c8d61f23fa4ca35e52da4", "external_id": "invoice_123124123", "status": "PAID", "amount": 50_000}

    assert webhook({**sample, "currency": "IDR", "paid_amount": 50_000}).status_code == 200

    assert (Payment.objects.count(), MoneyCase.objects.count()) == (0, 0)


def test_an_account_is_tried_with_a_harmless_question(xendit_method: PaymentMethod, xendit: Any, at: Any) -> None:
    account = xendit_method.account
    assert gateway_watch.ask(account, at=at).verdict is Verdict.FINE

    account.secrets = {**account.secrets, "secret_key": "xnd_development_revoked"}
    account.save()

    answer = gateway_watch.ask(account, at=at)
    assert (answer.verdict, answer.text) == (Verdict.REFUSED, "xendit query: INVALID_API_KEY")


# --- refunds ---------------------------------------------------------------------------------------------------------
def test_a_refund_is_pending_until_its_webhook_and_booked_then(
    paid: Any, xendit: Any, webhook: Any, books: Any, at: Any
) -> None:
    attempt = paid(at=at)

    made = ask_back(attempt, 40_000, at=at)
    assert (made.status, made.gateway_refund_id[:4]) == (RefundStatus.PENDING, "rfd-")
    assert f"{made.id}:executed" not in books()
    data = {"id": made.gateway_refund_id, "reference_id": made.gateway_reference, "status": "SUCCEEDED", "amount": 1}
    answers = [webhook({"event": "refund.succeeded", "data": {"data": data}, "n": n}).status_code for n in (1, 2)]

    made.refresh_from_db()
    assert (answers, made.status) == ([200, 200], RefundStatus.SUCCEEDED)
    assert books()[f"{made.id}:executed"] == {"refund:payable": 40_000, "gw:xendit:clearing": -40_000}
    assert [one.amount for one in xendit.refunds(attempt)] == [40_000]
    assert Payment.objects.get().refunded_minor == 40_000


def test_a_second_refund_waits_its_turn_and_goes_out_by_itself(paid: Any, xendit: Any, books: Any, at: Any) -> None:
    attempt = paid(at=at)
    xendit.fault(Fault.REFUND_PENDING, seconds=3600)
    first = ask_back(attempt, 40_000, at=at)
    second = ask_back(attempt, 30_000, at=at)
    assert (first.status, second.status) == (RefundStatus.PENDING, RefundStatus.UNKNOWN)
    (open_one,) = xendit.refunds(attempt)
    open_one.done_after_ms = 0  # the channel has it by now

    for minutes in (2, 6, 20):
        refund_steps.advance_due(at=at + minutes * MINUTE)

    assert [one.status for one in Refund.objects.order_by("created_at")] == [RefundStatus.SUCCEEDED] * 2
    assert sorted(one.amount for one in xendit.refunds(attempt)) == [30_000, 40_000]


def test_a_refund_that_the_channel_sends_back_is_taken_back_in_the_books(
    paid: Any, xendit: Any, webhook: Any, at: Any
) -> None:
    attempt = paid(at=at)
    made = ask_back(attempt, 40_000, at=at)
    refund_steps.advance_due(at=at + MINUTE)
    made.refresh_from_db()
    assert made.status == RefundStatus.SUCCEEDED
    xendit.refunds(attempt)[0].stage = Stage.REJECTED

    data = {"id": made.gateway_refund_id, "reference_id": made.gateway_reference, "status": "FAILED"}
    assert webhook({"event": "refund.failed", "data": data}).status_code == 200

    made.refresh_from_db()
    assert (made.status, made.failure_code) == (RefundStatus.FAILED, "REFUND_FAILED")
    assert MoneyCase.objects.get().kind == MoneyCase.Kind.REFUND_FAILED
    assert Payment.objects.get().refunded_minor == 0


def test_money_of_a_channel_that_cannot_be_refunded_goes_back_by_bank(
    paid: Any, xendit: Any, xendit_method: PaymentMethod, at: Any
) -> None:
    bank: PaymentMethod = factories.PaymentMethodFactory(
        code="xendit-bidv", name_vi="BIDV", account=xendit_method.account, channel="BIDV_VIRTUAL_ACCOUNT"
    )
    attempt = paid(method=bank, at=at)

    made = ask_back(attempt, 40_000, at=at)

    assert made.route == Refund.Route.BANK
    assert xendit.refunds(attempt) == []


def test_what_the_customer_chose_on_the_page_decides_whether_it_can_go_back(
    pay: Any, order: Any, xendit: Any, xendit_method: PaymentMethod, webhook: Any, at: Any
) -> None:
    """The method offers all channels; the payer took a virtual account, which Xendit cannot refund."""
    attempt = pay(order(), method=xendit_method, at=at).attempt
    xendit.invoice(attempt).fields |= {"payment_method": "BANK_TRANSFER", "payment_channel": "BIDV"}
    assert webhook(xendit.paid(attempt)).status_code == 200
    assert Payment.objects.get().captures.get().channel == "BIDV"

    with pytest.raises(RefundRefused) as caught:
        wish = NewRefund(
            payment_id=attempt.payment_id, amount=Money(40_000, "VND"), actor="system:tests", route=Refund.Route.GATEWAY
        )
        refunds.request_refund(wish=wish, at=at)
    assert (caught.value.field, caught.value.facts) == ("route", {"channel": "BIDV", "route": "bank"})
    assert (Refund.objects.count(), Payment.objects.get().refunding_minor) == (0, 0)

    made = ask_back(attempt, 40_000, at=at)
    assert (made.route, xendit.refunds(attempt)) == (Refund.Route.BANK, [])


@pytest.mark.parametrize("channel", ["ZALOPAY", "SOMETHING_NEW"])
def test_what_can_go_back_or_what_nobody_listed_is_sent_back_by_the_gateway(
    pay: Any, order: Any, xendit: Any, xendit_method: PaymentMethod, webhook: Any, at: Any, channel: str
) -> None:
    attempt = pay(order(), method=xendit_method, at=at).attempt
    xendit.invoice(attempt).fields |= {"payment_method": "EWALLET", "payment_channel": channel}
    webhook(xendit.paid(attempt))

    made = ask_back(attempt, 40_000, at=at)

    assert (Payment.objects.get().captures.get().channel, made.route) == (channel, Refund.Route.GATEWAY)
    assert len(xendit.refunds(attempt)) == 1


# --- disputes --------------------------------------------------------------------------------------------------------
def test_a_dispute_is_heard_and_followed_to_its_end(paid: Any, webhook: Any) -> None:
    attempt = paid()
    told = {
        "event": "dispute.action_required", "id": "mi-dspt-1", "status": "ACTION_REQUIRED", "currency": "VND",
        "amount": {"initial": "100000", "terminal": None}, "payment_id": "py-1", "channel_code": "CARDS",
        "reference_id": attempt.gateway_reference, "due_date": "2026-12-01T00:00:00Z", "category": {"name": "FRAUD"},
        "created_at": "2026-11-20T06:40:26Z", "updated_at": "2026-11-20T06:40:26Z",
    }  # fmt: skip

    assert webhook(told).status_code == 200
    dispute = Dispute.objects.get()
    assert (dispute.gateway_dispute_id, dispute.payment_id, dispute.amount_minor) == (
        "mi-dspt-1", attempt.payment_id, 100_000,
    )  # fmt: skip
    assert str(dispute.status) == "needs_response"
    assert webhook(told, token="wrong").status_code == 200  # the same bytes: we have them, and say no more
    won = {**told, "event": "dispute.won", "status": "WON", "updated_at": "2026-12-09T06:40:26Z"}
    assert webhook({**won, "id": "mi-dspt-2"}, token="wrong").status_code == 400
    assert webhook(won).status_code == 200

    assert [str(one.status) for one in Dispute.objects.all()] == ["won"]
