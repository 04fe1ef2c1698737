"""VNPay through our own services: its notification is a GET, its link is no call, its refunds have no id of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from config.core.models import AuditEntry, OutboxEvent
from config.core.money import Money
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.state import Payment as SandboxPayment
from gateways.sandbox.vnpay.simulator import INVENTED
from payments.errors import AttemptUndecided, RefundRefused
from payments.models import Attempt, MoneyCase, Notification, Payment, PaymentMethod, Refund
from payments.services import accounts, checkout, expiry, refund_steps, refunds
from payments.services.checkout import NewPayment
from payments.services.refunds import NewRefund
from payments.services.sending import Opened
from payments.states import AttemptStatus, NotificationStatus, PaymentStatus, RefundStatus
from tests import factories
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db

(TERMINAL, SECRET), *_ = INVENTED
WEBHOOK = "/api/v1/webhooks/vnpay/vnpay"


@dataclass(frozen=True, slots=True)
class VNPaySide:
    """The payer's browser, VNPay's courier and its misbehaviour, in one hand."""

    running: RunningSandbox

    def open(self, attempt: Attempt) -> SandboxPayment:
        """The customer follows the link."""
        assert requests.get(attempt.pay_url, timeout=5).status_code == 200
        return self.running.app.sandbox.world.payments["vnpay", TERMINAL, attempt.gateway_reference]

    def pay(self, attempt: Attempt, outcome: Outcome = Outcome.PAY, **how: Any) -> str:
        """The customer follows the link and ends the payment; the query of the notification about it."""
        payment = self.open(attempt)
        self.running.app.providers["vnpay"].settle(payment, outcome, **how)
        return self.ipn(payment)

    def ipn(self, payment: SandboxPayment, kind: str = "genuine") -> str:
        """The query of a notification about a payment as it is now."""
        return urlsplit(self.running.app.providers["vnpay"].notification(payment, kind).url).query

    def fault(self, fault: Fault, **spec: Any) -> None:
        self.running.app.sandbox.faults.add({"fault": fault.value, **spec}, possible=frozenset(Fault))

    def refunds(self) -> list[int]:
        """What VNPay truly sends back, by the payments of this test."""
        known = set(Attempt.objects.values_list("gateway_reference", flat=True))
        return [one.amount for one in self.running.app.sandbox.world.refunds.values() if one.payment in known]


@pytest.fixture
def vnpay(payment_sandbox: RunningSandbox, settings: Any) -> Iterator[VNPaySide]:
    settings.PUBLIC_URL = "https://pay.example.vn"
    payment_sandbox.app.sandbox.faults.clear()
    yield VNPaySide(payment_sandbox)
    payment_sandbox.app.sandbox.faults.clear()


@pytest.fixture
def method(db: None, vnpay: VNPaySide) -> PaymentMethod:
    (account,) = accounts.ensure_first_accounts(
        {
            "vnpay": {
                "tmn_code": TERMINAL,
                "hash_secret": SECRET,
                "pay_url": vnpay.running.url,
                "api_url": vnpay.running.url,
                "timeout_seconds": 5.0,
            }
        }
    )
    made: PaymentMethod = factories.PaymentMethodFactory(
        code="vnpay", name_vi="VNPAY", name_en="VNPAY", account=account, position=3
    )
    return made


@pytest.fixture
def opened(method: PaymentMethod, order: Any, at: Any) -> Callable[..., Opened]:
    """Open a payment of a new order by VNPay."""

    def make(**options: Any) -> Opened:
        bought = order({"order_subtotal": 1_000_000, "shop_voucher_discount": 20_000, "shipping_fee": 30_000},
                       site_voucher=50_000, **options)  # fmt: skip
        wish = NewPayment(order_id=bought.order_id, method=method, client="tests", actor="system:tests")
        return checkout.create_payment(wish=wish, at=at)

    return make


def tell(query: str) -> dict[str, str]:
    """VNPay calls our notification view; its reading of our answer."""
    reply = ApiClient().get(f"{WEBHOOK}?{query}")
    assert (reply.status_code, reply["Content-Type"]) == (200, "application/json")
    answer: dict[str, str] = reply.json()
    return answer


def refund_of(payment: Payment, amount: int) -> Refund:
    wish = NewRefund(payment_id=payment.id, amount=Money(amount, "VND"), actor="staff:ke.toan01", reason="Hàng lỗi")
    return refunds.request_refund(wish=wish, at=payment.created_at + timedelta(hours=1)).refund


@pytest.fixture
def paid(opened: Any, vnpay: VNPaySide) -> Payment:
    """A payment that VNPay has reported as paid."""
    attempt = opened().attempt
    assert tell(vnpay.pay(attempt))["RspCode"] == "00"
    payment: Payment = Payment.objects.get(id=attempt.payment_id)
    return payment


# --- paying ----------------------------------------------------------------------------------------------------------


def test_a_payment_goes_from_the_link_over_the_notification_into_the_books(
    opened: Any, vnpay: VNPaySide, books: Any
) -> None:
    made = opened()
    query = vnpay.pay(made.attempt)

    first, again = tell(query), tell(query)

    payment = Payment.objects.get(id=made.payment.id)
    attempt = payment.attempts.get()
    number = vnpay.open(attempt).transactions[0].number
    assert first == {"RspCode": "00", "Message": "Confirm Success"}
    assert again == {"RspCode": "02", "Message": "Order already confirmed"}
    assert (payment.status, payment.captured_minor, attempt.status) == ("succeeded", 960_000, "succeeded")
    assert attempt.gateway_transaction_id == str(number)
    assert list(books()) == [f"cap:vnpay:{number}"]
    assert books()[f"cap:vnpay:{number}"]["gw:vnpay:clearing"] == 960_000
    notification = Notification.objects.get()
    assert (notification.method, notification.deliveries, notification.status) == (
        "GET",
        2,
        NotificationStatus.PROCESSED,
    )
    assert made.attempt.pay_url.startswith(f"{vnpay.running.url}/paymentv2/vpcpay.html?vnp_Amount=96000000&")
    assert "vnp_ReturnUrl=https%3A%2F%2Fpay.example.vn%2Fpay%2Freturn%2Fvnpay" in made.attempt.pay_url


def test_a_recorded_failure_is_answered_00_and_the_customer_may_try_again(opened: Any, vnpay: VNPaySide) -> None:
    made = opened()

    assert tell(vnpay.pay(made.attempt, Outcome.INSUFFICIENT))["RspCode"] == "00"

    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.failure_code, attempt.gateway_transaction_id) == ("failed", "51", "")
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT


@pytest.mark.parametrize("kind", ["forged", "tampered"])
def test_a_false_notification_is_answered_97_and_changes_nothing(
    opened: Any, vnpay: VNPaySide, books: Any, kind: str
) -> None:
    payment = vnpay.open(opened().attempt)

    assert tell(vnpay.ipn(payment, kind))["RspCode"] == "97"

    assert (Attempt.objects.get().status, books()) == (AttemptStatus.REQUIRES_ACTION, {})
    assert Notification.objects.get().status == NotificationStatus.REJECTED


def test_another_sum_is_answered_04_once_and_held_with_a_case(opened: Any, vnpay: VNPaySide, balances: Any) -> None:
    made = opened()
    vnpay.fault(Fault.WRONG_AMOUNT, amount=5_000)
    query = vnpay.pay(made.attempt)

    answers = [tell(query)["RspCode"], tell(query)["RspCode"]]

    assert answers == ["04", "02"]
    assert MoneyCase.objects.get().kind == MoneyCase.Kind.AMOUNT_MISMATCH
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT
    assert balances()["gw:vnpay:clearing"] == 5_000


def test_money_for_an_order_we_do_not_have_is_answered_01_and_held(method: PaymentMethod, vnpay: VNPaySide) -> None:
    provider = vnpay.running.app.providers["vnpay"]
    fields = {"vnp_TxnRef": "nobody-knows-this", "vnp_Amount": "500000", "ipnUrl": "http://127.0.0.1:9"}
    query = urlsplit(provider.custom_notification(fields).url).query

    assert [tell(query)["RspCode"], tell(query)["RspCode"]] == ["01", "02"]
    assert MoneyCase.objects.get().kind == MoneyCase.Kind.UNKNOWN_ORDER


def test_suspicious_money_waits_for_vnpays_word(opened: Any, vnpay: VNPaySide, books: Any) -> None:
    made = opened()

    assert tell(vnpay.pay(made.attempt, code=7))["RspCode"] == "00"
    assert (Payment.objects.get().status, books()) == (PaymentStatus.PROCESSING, {})

    assert tell(vnpay.pay(made.attempt))["RspCode"] == "00"
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_nobody_pays_beside_suspicious_money_and_its_end_may_take_days(opened: Any, vnpay: VNPaySide, at: Any) -> None:
    made = opened()
    tell(vnpay.pay(made.attempt, code=7))

    with pytest.raises(AttemptUndecided):
        checkout.pay_again(payment_id=made.payment.id, method=None, actor="customer:1", at=at + timedelta(minutes=2))
    assert expiry.expire_overdue(at=at + timedelta(days=6)) == 0
    assert Attempt.objects.count() == 1
    assert expiry.expire_overdue(at=at + timedelta(days=8)) == 1


def test_suspicious_money_that_is_refused_leaves_the_customer_their_own_time(
    opened: Any, vnpay: VNPaySide, at: Any
) -> None:
    made = opened()
    tell(vnpay.pay(made.attempt, code=7))

    tell(vnpay.pay(made.attempt, Outcome.DECLINE))

    payment = Payment.objects.get()
    assert (payment.status, payment.expires_at) == (PaymentStatus.AWAITING_PAYMENT, made.attempt.expires_at)


def test_a_link_that_nobody_has_opened_yet_is_no_failure(opened: Any, vnpay: VNPaySide, at: Any) -> None:
    """VNPay answers 91 until a browser comes: half a minute is no time for a customer to find a card."""
    made = opened()

    assert expiry.ask_due(at=at + timedelta(seconds=30)) == 1
    waiting = Attempt.objects.get()
    query = vnpay.pay(made.attempt)

    assert waiting.status == AttemptStatus.REQUIRES_ACTION
    assert not OutboxEvent.objects.filter(type="transaction.failed").exists()
    assert tell(query)["RspCode"] == "00"


def test_a_link_that_nobody_ever_opened_ends_with_its_payment(opened: Any, vnpay: VNPaySide, at: Any) -> None:
    opened()

    assert expiry.expire_overdue(at=at + timedelta(minutes=90)) == 1

    assert Payment.objects.get().status == PaymentStatus.EXPIRED


def test_a_lost_notification_is_made_good_by_the_poll(opened: Any, vnpay: VNPaySide, at: Any) -> None:
    made = opened()
    vnpay.pay(made.attempt)

    assert expiry.ask_due(at=at + timedelta(seconds=30)) == 1

    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


# --- refunds ---------------------------------------------------------------------------------------------------------


def test_an_accepted_refund_is_pending_until_vnpay_says_done(paid: Payment, vnpay: VNPaySide, books: Any) -> None:
    made = refund_of(paid, 100_000)
    accepted = (made.status, bool(made.gateway_refund_id), f"{made.id}:executed" in books())

    done = refund_steps.ask(refund_id=made.id, at=made.created_at + timedelta(minutes=1))

    assert accepted == (RefundStatus.PENDING, True, False)
    assert (done.status, done.gateway_refund_id) == (RefundStatus.SUCCEEDED, made.gateway_refund_id)
    assert books()[f"{made.id}:executed"] == {"refund:payable": 100_000, "gw:vnpay:clearing": -100_000}
    assert vnpay.refunds() == [100_000]


def test_a_refund_that_was_never_answered_is_found_and_not_sent_again(paid: Payment, vnpay: VNPaySide) -> None:
    vnpay.fault(Fault.ERROR_500_AFTER_ACCEPT, operation="refund")
    made = refund_of(paid, 100_000)
    unknown = made.status

    found = refund_steps.ask(refund_id=made.id, at=made.created_at + timedelta(minutes=1))

    assert (unknown, found.status, vnpay.refunds()) == (RefundStatus.UNKNOWN, RefundStatus.SUCCEEDED, [100_000])


def test_a_refund_that_vnpay_does_not_show_is_never_sent_twice_and_ends_with_a_person(
    paid: Payment, vnpay: VNPaySide
) -> None:
    vnpay.fault(Fault.ERROR_500, operation="refund")
    made = refund_of(paid, 100_000)

    for _ in range(30):
        waiting = Refund.objects.get(id=made.id)
        if waiting.next_step_at is None:
            break
        refund_steps.advance_due(at=waiting.next_step_at)

    assert Refund.objects.get(id=made.id).status == RefundStatus.NEEDS_OPERATOR
    assert MoneyCase.objects.get().kind == MoneyCase.Kind.REFUND_UNKNOWN
    assert vnpay.refunds() == []


def test_a_refund_that_may_be_at_vnpay_is_sent_again_only_when_somebody_looked(paid: Payment, vnpay: VNPaySide) -> None:
    vnpay.fault(Fault.ERROR_500, operation="refund")
    made = refund_of(paid, 100_000)
    soon, later = (made.created_at + timedelta(minutes=minutes) for minutes in (4, 5))
    assert made.status == RefundStatus.UNKNOWN
    assert [refund_steps.may_pay_twice(made, at=at) for at in (soon, later)] == [False, True]

    with pytest.raises(RefundRefused) as caught:
        refund_steps.retry(refund_id=made.id, actor="user:a@x", reason="again", at=later)

    assert caught.value.field == "is_surely_not_there"
    kept = Refund.objects.get(id=made.id)
    assert (kept.status, kept.steps, kept.next_step_at) == (made.status, made.steps, made.next_step_at)
    assert (AuditEntry.objects.filter(action="refund.retried").exists(), vnpay.refunds()) == (False, [])

    refund_steps.retry(refund_id=made.id, actor="user:a@x", reason="again", at=later, is_surely_not_there=True)
    refund_steps.advance_due(at=later)

    assert vnpay.refunds() == [100_000]
    assert AuditEntry.objects.get(action="refund.retried").after == {"surely_not_there": True}


def test_of_two_equal_refunds_the_unanswered_one_is_not_taken_for_the_other(paid: Payment, vnpay: VNPaySide) -> None:
    first = refund_of(paid, 100_000)
    refund_steps.ask(refund_id=first.id, at=first.created_at + timedelta(minutes=1))
    vnpay.fault(Fault.ERROR_500, operation="refund")  # the second never arrives: VNPay goes on to show the first
    second = refund_of(paid, 100_000)

    asked = refund_steps.ask(refund_id=second.id, at=second.created_at + timedelta(minutes=1))

    assert Refund.objects.get(id=first.id).status == RefundStatus.SUCCEEDED
    assert (asked.status, asked.gateway_refund_id, vnpay.refunds()) == (RefundStatus.UNKNOWN, "", [100_000])
    paid.refresh_from_db()
    assert (paid.refunded_minor, paid.refunding_minor) == (100_000, 100_000)
