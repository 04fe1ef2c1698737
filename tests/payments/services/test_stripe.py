"""Stripe through our own services: several events and one capture, declines that end nothing, refunds that fail late."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from config.core.money import Money
from gateways.abilities import Disputes
from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from gateways.sandbox.server import RunningSandbox
from gateways.sandbox.state import Payment as Order
from gateways.sandbox.stripe.simulator import KNOWN
from gateways.sandbox.stripe.simulator import Stripe as Provider
from gateways.stripe.adapter import CardRequest, Stripe
from payments.errors import GatewayTimeout
from payments.models import Attempt, Dispute, GatewayAccount, MoneyCase, Notification, Payment, PaymentMethod, Refund
from payments.services import accounts, authorizations, checkout, closing, expiry, notifications, refunds
from payments.services.refunds import NewRefund
from payments.states import AttemptStatus, DisputeStatus, NotificationStatus, PaymentStatus, RefundStatus
from tests import factories
from tests.factories import ApiClient
from tests.payments.conftest import NOWHERE

pytestmark = pytest.mark.django_db
(ACCOUNT, SECRET_KEY, PUBLISHABLE_KEY, WEBHOOK_SECRET, _), *_ = KNOWN


@dataclass(frozen=True, slots=True)
class OtherSide:
    """The payer, Stripe's courier and its misbehaviour, in one hand."""

    running: RunningSandbox

    @property
    def provider(self) -> Provider:
        """Stripe's side."""
        found = self.running.app.providers["stripe"]
        assert isinstance(found, Provider)
        return found

    def order(self, attempt: Attempt) -> Order:
        """What Stripe knows of an attempt."""
        return self.running.app.sandbox.world.payments["stripe", ACCOUNT, attempt.gateway_reference]

    def settle(self, attempt: Attempt, outcome: Outcome = Outcome.PAY) -> None:
        """Let the payer act, without a webhook."""
        self.fault(Fault.LOST_IPN)
        self.provider.settle(self.order(attempt), outcome)

    def events(self, attempt: Attempt) -> list[Parcel]:
        """Every event that tells what became of an attempt."""
        return self.provider.parcels(self.order(attempt))[0]

    def event(self, attempt: Attempt, kind: str, about: dict[str, Any]) -> Parcel:
        """Any event, truly signed."""
        fields = {"order": attempt.gateway_reference, "type": kind, "object": about, "url": NOWHERE}
        return self.provider.custom_notification(fields)

    def fault(self, fault: Fault, **spec: Any) -> None:
        """The next call goes wrong so."""
        self.running.app.sandbox.faults.add({"fault": fault.value, **spec}, possible=frozenset(Fault))


@pytest.fixture
def stripe(payment_sandbox: RunningSandbox, settings: Any) -> Iterator[OtherSide]:
    settings.PUBLIC_URL = NOWHERE
    world = payment_sandbox.app.sandbox.world
    keys = {**world.merchants["stripe", ACCOUNT].keys, "webhookUrl": NOWHERE}
    world.merchants["stripe", ACCOUNT].keys.update(keys)
    payment_sandbox.app.sandbox.faults.clear()
    yield OtherSide(payment_sandbox)
    payment_sandbox.app.sandbox.faults.clear()


@pytest.fixture
def account(db: None, stripe: OtherSide) -> GatewayAccount:
    (made,) = accounts.ensure_first_accounts(
        {
            "stripe": {
                "secret_key": SECRET_KEY, "webhook_secret": WEBHOOK_SECRET, "publishable_key": PUBLISHABLE_KEY,
                "endpoint": stripe.running.url,
            }
        }
    )  # fmt: skip
    return made


@pytest.fixture
def method(account: GatewayAccount) -> PaymentMethod:
    made: PaymentMethod = factories.PaymentMethodFactory(code="stripe", name_vi="Thẻ quốc tế", account=account)
    return made


@pytest.fixture
def form_method(account: GatewayAccount) -> PaymentMethod:
    """Cards on a page of the shop's own."""
    made: PaymentMethod = factories.PaymentMethodFactory(
        code="card_form", name_vi="Thẻ", account=account, channel="payment_intent", position=9
    )
    return made


def deliver(parcel: Parcel, path: str = "/api/v1/webhooks/stripe/stripe") -> int:
    """Stripe posts to our address; the HTTP status it reads."""
    assert parcel.sign is not None
    signature = parcel.sign(parcel.body)["Stripe-Signature"]
    return int(
        ApiClient()
        .generic(
            "POST", path, parcel.body, content_type="application/json; charset=utf-8",
            HTTP_STRIPE_SIGNATURE=signature,
        )
        .status_code
    )  # fmt: skip


@pytest.fixture
def paid(pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide) -> Callable[[], Attempt]:
    def make() -> Attempt:
        attempt: Attempt = pay(order(), method=method).attempt
        stripe.settle(attempt)
        assert [deliver(parcel) for parcel in stripe.events(attempt)] == [200] * 3
        return attempt

    return make


# --- paying ----------------------------------------------------------------------------------------------------------


def test_three_events_of_one_payment_are_one_capture_whichever_comes_first(
    pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide, books: Any
) -> None:
    numbers = []
    for first in range(3):
        attempt = pay(order(order_id=f"ORD-{first}", amount_minor=50_000), method=method).attempt
        assert attempt.status == AttemptStatus.REQUIRES_ACTION
        assert attempt.gateway_transaction_id.startswith("cs_test_")
        stripe.settle(attempt)
        events = stripe.events(attempt)

        heard = [deliver(parcel) for parcel in (*events[first:], *events[:first], *events)]

        attempt.refresh_from_db()
        assert heard == [200] * 6
        assert attempt.status == AttemptStatus.SUCCEEDED
        assert attempt.payment.captures.get().gateway_transaction_id == stripe.order(attempt).fields["intent"]
        numbers.append(stripe.order(attempt).fields["intent"])
    assert list(books()) == [f"cap:stripe:{number}" for number in numbers]
    assert {book["gw:stripe:clearing"] for book in books().values()} == {50_000}
    assert sorted(Notification.objects.values_list("status", flat=True)) == ["ignored"] * 6 + ["processed"] * 3


def test_the_reference_systems_path_hears_the_first_account(
    pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide
) -> None:
    attempt = pay(order(), method=method).attempt
    stripe.settle(attempt)
    forged = stripe.provider.notification(stripe.order(attempt), "forged")

    heard = [deliver(parcel, "/api/v1/stripe/webhook") for parcel in (forged, *stripe.events(attempt))]

    assert heard == [400, 200, 200, 200]
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_a_refused_card_leaves_the_payment_open_for_another(
    pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide, at: Any
) -> None:
    made = order()
    attempt = pay(made, method=method, at=at).attempt
    stripe.settle(attempt, Outcome.DECLINE)

    heard = [deliver(parcel) for parcel in stripe.events(attempt)]
    expiry.ask_due(at=at + timedelta(seconds=30))

    attempt.refresh_from_db()
    assert heard == [200, 200]
    assert (attempt.status, attempt.failure_code) == (AttemptStatus.REQUIRES_ACTION, "")
    assert pay(made, method=method, at=at).attempt.pay_url == attempt.pay_url
    stripe.settle(attempt)
    deliver(stripe.events(attempt)[0])
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_a_page_that_expired_ends_its_attempt(pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide) -> None:
    attempt = pay(order(), method=method).attempt
    stripe.settle(attempt, Outcome.EXPIRE)

    assert deliver(stripe.events(attempt)[0]) == 200

    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.EXPIRED
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT


@pytest.mark.parametrize(("end", "status"), [("succeeded", "succeeded"), ("failed", "awaiting_payment")])
def test_a_slow_method_is_waited_for(
    pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide, end: str, status: str
) -> None:
    attempt = pay(order(amount_minor=50_000), method=method).attempt
    intent = {
        "id": stripe.order(attempt).fields["intent"], "object": "payment_intent", "status": "processing", "amount": 50_000,
        "currency": "vnd", "metadata": {"attempt_id": attempt.gateway_reference},
    }  # fmt: skip
    page = {
        **stripe.provider.sessions.session(stripe.order(attempt)),
        "status": "complete",
        "payment_intent": intent["id"],
    }
    for kind, about in (("payment_intent.processing", intent), ("checkout.session.completed", page)):
        assert deliver(stripe.event(attempt, kind, about)) == 200
    assert Payment.objects.get().status == PaymentStatus.PROCESSING

    paid = {**page, "payment_status": "paid" if end == "succeeded" else "unpaid"}
    assert deliver(stripe.event(attempt, f"checkout.session.async_payment_{end}", paid)) == 200

    attempt.refresh_from_db()
    assert (attempt.status, Payment.objects.get().status) == (AttemptStatus(end), status)


def test_forged_and_tampered_events_hear_400_and_change_nothing(
    pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide, books: Any
) -> None:
    attempt = pay(order(), method=method).attempt
    forged = stripe.provider.notification(stripe.order(attempt), "forged")
    stripe.settle(attempt)
    tampered = stripe.provider.notification(stripe.order(attempt), "tampered")

    assert [deliver(forged), deliver(tampered)] == [400, 400]

    assert set(Notification.objects.values_list("status", flat=True)) == {NotificationStatus.REJECTED}
    assert (Payment.objects.get().status, books()) == (PaymentStatus.AWAITING_PAYMENT, {})


def test_a_message_that_waited_is_verified_again_by_the_moment_it_came(
    pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide, at: Any
) -> None:
    attempt = pay(order(), method=method).attempt
    stripe.settle(attempt)
    deliver(stripe.events(attempt)[0])
    notification = Notification.objects.get()
    assert "stripe-signature" in notification.proof

    acknowledged = notifications.replay(
        notification_id=notification.id, actor="staff:1", reason="test", at=at + timedelta(days=2)
    )

    notification.refresh_from_db()
    assert (acknowledged.value, notification.status) == ("duplicate", NotificationStatus.IGNORED)


def test_an_event_of_another_application_on_the_account_is_ignored(
    pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide, books: Any
) -> None:
    attempt = pay(order(), method=method).attempt
    about = {"id": "pi_x", "object": "payment_intent", "status": "succeeded", "amount_received": 5, "currency": "usd"}

    assert deliver(stripe.event(attempt, "payment_intent.succeeded", about)) == 200

    notification = Notification.objects.get()
    assert (notification.status, notification.outcome) == (NotificationStatus.IGNORED, "not_for_us")
    assert (MoneyCase.objects.count(), books()) == (0, {})


def test_a_create_whose_answer_was_lost_is_found_by_asking(
    pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide, at: Any
) -> None:
    stripe.fault(Fault.ERROR_500_AFTER_ACCEPT, operation="create")
    with pytest.raises(GatewayTimeout):
        pay(order(), method=method, at=at)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.gateway_transaction_id) == (AttemptStatus.UNKNOWN, "")
    stripe.settle(attempt)

    expiry.ask_due(at=at + timedelta(seconds=30))

    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


# --- a card form of the shop's own -----------------------------------------------------------------------------------


def test_an_intent_is_opened_once_and_its_secret_is_handed_out_and_kept_nowhere(
    pay: Any, order: Any, form_method: PaymentMethod, stripe: OtherSide, account: GatewayAccount
) -> None:
    made = order()
    first, again = pay(made, method=form_method), pay(made, method=form_method)

    attempt = Attempt.objects.get()
    assert first.client_secret == stripe.order(attempt).fields["secret"]
    assert (again.attempt.id, again.is_replay, again.client_secret) == (attempt.id, True, "")
    kept = json.dumps([getattr(attempt, field.attname) for field in Attempt._meta.concrete_fields], default=str)
    assert "_secret_" not in kept + repr(first)
    gateway = accounts.of(account)
    assert isinstance(gateway, Stripe)
    assert gateway.client_secret_of(attempt.gateway_transaction_id) == first.client_secret


def test_a_token_pays_it_and_the_webhook_books_it(
    pay: Any, order: Any, form_method: PaymentMethod, stripe: OtherSide, account: GatewayAccount
) -> None:
    attempt = pay(order(), method=form_method).attempt
    gateway = accounts.of(account)
    assert isinstance(gateway, Stripe)

    gateway.confirm_card(
        CardRequest(
            reference=attempt.gateway_reference,
            gateway_transaction_id=attempt.gateway_transaction_id,
            payment_method="pm_card_visa",
            operation_id=f"{attempt.gateway_reference}-1",
            return_url=NOWHERE,
        )
    )
    heard = [deliver(parcel) for parcel in stripe.events(attempt)]

    assert heard == [200, 200]
    assert Payment.objects.get().captures.get().gateway_transaction_id == attempt.gateway_transaction_id


# --- closing ---------------------------------------------------------------------------------------------------------


def test_a_page_that_lives_longer_than_its_payment_is_closed_with_it(
    pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide, at: Any
) -> None:
    attempt = pay(order(), method=method, at=at).attempt

    assert expiry.expire_overdue(at=at + timedelta(minutes=90)) == 1
    assert [deliver(parcel) for parcel in stripe.events(attempt)] == [200]

    assert stripe.order(attempt).fields["session_status"] == "expired"
    assert (Payment.objects.get().status, MoneyCase.objects.count()) == (PaymentStatus.EXPIRED, 0)


def test_a_card_form_that_was_left_is_closed_and_its_intent_cancelled(
    pay: Any, order: Any, form_method: PaymentMethod, momo_method: PaymentMethod, stripe: OtherSide, at: Any
) -> None:
    attempt = pay(order(), method=form_method, at=at).attempt
    checkout.pay_again(payment_id=attempt.payment_id, method=momo_method, actor="customer:1", at=at)

    assert closing.close_due(at=at) == 1

    attempt.refresh_from_db()
    fields = stripe.order(attempt).fields
    assert (fields["intent_status"], fields["cancellation_reason"]) == ("canceled", "abandoned")
    assert (attempt.status, attempt.close_at) == (AttemptStatus.CANCELLED, None)
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT


# --- money that goes back --------------------------------------------------------------------------------------------


def ask_back(attempt: Attempt, minor: int, *, at: Any) -> Refund:
    wish = NewRefund(payment_id=attempt.payment_id, amount=Money(minor, "VND"), actor="system:tests", reason="hàng lỗi")
    return refunds.request_refund(wish=wish, at=at).refund


def test_a_refund_that_fails_days_later_is_taken_back_and_a_person_asked(
    paid: Any, stripe: OtherSide, books: Any, balances: Any, at: Any
) -> None:
    attempt = paid()
    before = balances()
    made = ask_back(attempt, 10_000, at=at)
    assert (made.status, made.gateway_refund_id[:3]) == (RefundStatus.SUCCEEDED, "re_")
    assert books()[f"{made.id}:executed"] == {"refund:payable": 10_000, "gw:stripe:clearing": -10_000}

    about = {
        "id": made.gateway_refund_id, "object": "refund", "status": "failed", "amount": 10_000, "currency": "vnd",
        "failure_reason": "lost_or_stolen_card", "metadata": {"refund_id": made.gateway_reference},
    }  # fmt: skip
    heard = [deliver(stripe.event(attempt, "refund.failed", about)) for _ in range(2)]

    made.refresh_from_db()
    payment = Payment.objects.get()
    assert heard == [200, 200]
    assert (made.status, made.failure_code) == (RefundStatus.FAILED, "lost_or_stolen_card")
    assert (payment.refunded_minor, payment.refunding_minor) == (0, 0)
    assert balances() == before
    assert MoneyCase.objects.get().kind == MoneyCase.Kind.REFUND_FAILED


def test_a_dispute_is_heard_answered_and_won(
    paid: Any, stripe: OtherSide, account: GatewayAccount, balances: Any
) -> None:
    attempt = paid()
    before = balances()
    opened = stripe.provider.returns.open_dispute(stripe.order(attempt))
    assert deliver(stripe.event(attempt, "charge.dispute.created", opened)) == 200
    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.payment_id) == (DisputeStatus.NEEDS_RESPONSE, attempt.payment_id)
    assert balances()["fee:chargeback"] == 380_000

    stripe.provider.returns.end_dispute(stripe.order(attempt), stripe.order(attempt).fields["disputes"][0], "won")
    gateway = accounts.of(account)
    assert isinstance(gateway, Disputes)
    now = gateway.query_dispute(opened["id"])
    data = stripe.order(attempt).fields["disputes"][0]
    about = {**opened, "status": data["status"], "balance_transactions": []}
    for kind in ("charge.dispute.funds_reinstated", "charge.dispute.closed"):
        assert deliver(stripe.event(attempt, kind, about)) == 200

    dispute.refresh_from_db()
    assert (now.status.value, dispute.status) == ("won", DisputeStatus.WON)
    after = balances()
    assert {name: after.get(name, 0) - before.get(name, 0) for name in {*after, *before} if after.get(name) != before.get(name)} == {
        "fee:chargeback": 380_000, "gw:stripe:clearing": -380_000,
    }  # fmt: skip


@pytest.mark.parametrize("order_of_events", [1, -1])
def test_held_money_is_captured_once(
    pay: Any, order: Any, method: PaymentMethod, stripe: OtherSide, at: Any, books: Any, order_of_events: int
) -> None:
    attempt = pay(order(), method=method, at=at).attempt
    stripe.order(attempt).fields["manual"] = True
    stripe.settle(attempt)
    assert [deliver(parcel) for parcel in stripe.events(attempt)[::order_of_events]] == [200] * 3
    assert (Payment.objects.get().status, books()) == (PaymentStatus.AUTHORIZED, {})

    payment = authorizations.capture(payment_id=attempt.payment_id, actor="staff:1", at=at)
    for parcel in stripe.events(attempt):
        deliver(parcel)

    assert payment.status == PaymentStatus.SUCCEEDED
    assert list(books()) == [f"cap:stripe:{stripe.order(attempt).fields['intent']}"]
