"""What Stripe's webhooks tell: several of one payment, only what is over ends it, and who is believed."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateways.errors import ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage
from gateways.reports import Report, ReportStatus
from gateways.sandbox.server import RunningSandbox
from gateways.stripe import messages
from gateways.stripe.adapter import Stripe
from gateways.stripe.events import READERS
from tests.gateways.driver import Inbox
from tests.gateways.drivers.stripe import StripeDriver

KEYS = {"secret_key": "sk_test_x", "webhook_secret": "whsec_x"}
REFERENCE = "01m7z5t73jfbc8aped471eq1vz"


@pytest.fixture
def stripe(sandbox: RunningSandbox, inbox: Inbox) -> StripeDriver:
    return StripeDriver(sandbox, inbox)


def adapter(stripe: StripeDriver, **changes: object) -> Stripe:
    gateway = stripe.build(**changes)
    assert isinstance(gateway, Stripe)
    return gateway


def event(kind: str, about: dict[str, Any], *, secret: str = "whsec_x", **changes: Any) -> HttpMessage:
    """An event, truly signed just now."""
    whole = {
        "id": "evt_1", "object": "event", "type": kind, "created": 1_795_000_000, "livemode": False,
        "data": {"object": about}, **changes,
    }  # fmt: skip
    body, at = json.dumps(whole).encode(), datetime.now(UTC)
    stamp = int(at.timestamp())
    header = f"t={stamp},v1={messages.signature(secret, stamp, body)}"
    return HttpMessage(method="POST", path="/", headers={"stripe-signature": header}, body=body, received_at=at)


def intent(**changes: Any) -> dict[str, Any]:
    return {
        "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 1000, "amount_received": 1000,
        "amount_capturable": 0, "currency": "usd", "metadata": {"attempt_id": REFERENCE}, **changes,
    }  # fmt: skip


def session(**changes: Any) -> dict[str, Any]:
    return {
        "id": "cs_1", "object": "checkout.session", "status": "complete", "payment_status": "paid", "amount_total": 1000,
        "currency": "usd", "metadata": {"attempt_id": REFERENCE}, "payment_intent": "pi_1", **changes,
    }  # fmt: skip


def told(message: HttpMessage, **settings: Any) -> tuple[Any, ...]:
    return Stripe(**{**KEYS, **settings}).read_notification(message)


def test_three_events_tell_one_payment_by_one_number(stripe: StripeDriver) -> None:
    request = stripe.opened()
    stripe.end(request.reference, "pay")

    kinds = [json.loads(message.body)["type"] for message in stripe.inbox.messages]
    reports = [stripe.heard(message) for message in stripe.inbox.messages]

    assert kinds == ["payment_intent.succeeded", "charge.succeeded", "checkout.session.completed"]
    assert {(one.reference, one.status, one.money, one.gateway_transaction_id) for one in reports} == {
        (request.reference, ReportStatus.PAID, request.money, reports[0].gateway_transaction_id)
    }
    assert reports[0].gateway_transaction_id.startswith("pi_")
    assert len({one.event_id for one in reports}) == 3


def test_a_signature_is_of_the_moment_that_the_sandbox_plays(stripe: StripeDriver) -> None:
    moment = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
    stripe.control("POST", "/settings", {"at_ms": int(moment.timestamp() * 1000)})
    try:
        request = stripe.opened(created_at=moment, expires_at=moment + timedelta(hours=1))
        (message,) = stripe.end(request.reference, "pay")
    finally:
        stripe.control("POST", "/settings", {"at_ms": None})

    with pytest.raises(ReportInvalid):
        stripe.heard(message)
    assert stripe.heard(dataclasses.replace(message, received_at=moment)).status is ReportStatus.PAID


def test_a_message_signed_with_the_previous_secret_is_heard_during_a_rotation(stripe: StripeDriver) -> None:
    _, message, report = stripe.paid()
    rotated = adapter(stripe, webhook_secret="whsec_new", previous_webhook_secret="whsec_sandbox_one")

    assert rotated.read_notification(message) == (report,)
    with pytest.raises(ReportInvalid):
        adapter(stripe, webhook_secret="whsec_new").read_notification(message)


def test_a_late_look_counts_the_signatures_age_to_when_it_came() -> None:
    fresh = event("payment_intent.succeeded", intent())
    assert fresh.received_at is not None

    old = dataclasses.replace(fresh, received_at=fresh.received_at + timedelta(seconds=302))

    assert len(told(fresh)) == 1
    with pytest.raises(ReportInvalid):
        told(old)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (event("payment_intent.succeeded", intent(), livemode=True), "the other mode"),
        (event("payment_intent.succeeded", intent(), livemode=None), "the other mode"),
        (event("payment_intent.succeeded", intent(), id=""), "no event"),
        (event("payment_intent.succeeded", intent(), data={}), "no event"),
        (event("payment_intent.succeeded", intent(currency="xyz")), "which we do not know"),
        (event("payment_intent.succeeded", intent(amount_received="1000")), "amount or a currency is missing"),
    ],
)
def test_a_truly_signed_message_that_cannot_be_ours_is_refused(message: HttpMessage, why: str) -> None:
    with pytest.raises(ReportInvalid, match=why):
        told(message)


@pytest.mark.parametrize(
    "message",
    [
        event("payment_intent.created", intent(status="requires_payment_method")),
        event("customer.created", {"id": "cus_1", "object": "customer"}),
        event("payout.paid", {"id": "po_1", "object": "payout"}),
        event("payment_intent.succeeded", intent(metadata={})),
        event("payment_intent.succeeded", intent(metadata={"attempt_id": "order-7"})),
        event("checkout.session.completed", session(metadata=None)),
        event("charge.succeeded", {"id": "ch_1", "status": "succeeded", "metadata": {"attempt_id": REFERENCE}}),
        event("charge.dispute.created", {"id": "du_1", "status": "of_a_new_kind"}),
        event("x", {}, object="v2.core.event"),
    ],
)
def test_what_does_not_concern_us_tells_nothing(message: HttpMessage) -> None:
    assert told(message) == ()


@pytest.mark.parametrize(
    ("kind", "about", "status"),
    [
        ("payment_intent.processing", intent(status="processing"), ReportStatus.PROCESSING),
        ("payment_intent.requires_action", intent(status="requires_action"), ReportStatus.PENDING),
        ("payment_intent.payment_failed", intent(status="requires_payment_method"), ReportStatus.PENDING),
        (
            "payment_intent.amount_capturable_updated",
            intent(status="requires_capture", amount_capturable=900),
            ReportStatus.AUTHORIZED,
        ),
        ("payment_intent.canceled", intent(status="canceled", cancellation_reason="abandoned"), ReportStatus.CANCELLED),
        ("payment_intent.canceled", intent(status="canceled", cancellation_reason="automatic"), ReportStatus.EXPIRED),
        ("payment_intent.succeeded", intent(status="of_a_new_kind"), ReportStatus.UNKNOWN),
        ("payment_intent.succeeded", intent(amount_received=0), ReportStatus.UNKNOWN),
        ("checkout.session.completed", session(payment_status="unpaid"), ReportStatus.PENDING),
        ("checkout.session.completed", session(payment_intent=None), ReportStatus.UNKNOWN),
        ("checkout.session.async_payment_succeeded", session(), ReportStatus.PAID),
        ("checkout.session.async_payment_failed", session(payment_status="unpaid"), ReportStatus.FAILED),
        ("checkout.session.expired", session(status="expired", payment_status="unpaid"), ReportStatus.EXPIRED),
    ],
)
def test_only_what_is_over_ends_a_payment(kind: str, about: dict[str, Any], status: ReportStatus) -> None:
    (report,) = told(event(kind, about))

    assert isinstance(report, Report)
    assert (report.status, report.reference) == (status, REFERENCE)
    has_moved = status in (ReportStatus.PAID, ReportStatus.AUTHORIZED)
    assert report.gateway_transaction_id == ("pi_1" if has_moved else "")


@pytest.mark.parametrize(
    ("state", "paid", "inside", "status"),
    [
        ("open", "unpaid", {"status": "requires_payment_method"}, ReportStatus.PENDING),
        ("open", "unpaid", {"status": "requires_action"}, ReportStatus.PENDING),
        ("complete", "unpaid", {"status": "processing"}, ReportStatus.PROCESSING),
        ("complete", "unpaid", {"status": "requires_payment_method"}, ReportStatus.FAILED),
        ("complete", "unpaid", {"status": "requires_capture", "amount_capturable": 1000}, ReportStatus.AUTHORIZED),
        ("complete", "unpaid", {"status": "canceled"}, ReportStatus.CANCELLED),
        ("complete", "paid", {"status": "succeeded"}, ReportStatus.PAID),
        ("expired", "unpaid", {"status": "canceled"}, ReportStatus.EXPIRED),
    ],
)
def test_a_page_and_its_intent_are_read_together(
    state: str, paid: str, inside: dict[str, Any], status: ReportStatus
) -> None:
    whole = session(status=state, payment_status=paid, payment_intent=intent(**inside))

    assert messages.session_report(whole, reference=REFERENCE).status is status


def test_a_failed_try_names_its_decline_and_keeps_the_page_open(stripe: StripeDriver) -> None:
    request = stripe.opened()

    (message,) = stripe.end(request.reference, "insufficient")
    report, queried = stripe.heard(message), stripe.query(request)

    assert {(one.status, one.code, one.message) for one in (report, queried)} == {
        (ReportStatus.PENDING, "insufficient_funds", "Your card has insufficient funds.")
    }
    (message,) = stripe.end(request.reference, "pay")
    assert stripe.heard(message).status is ReportStatus.PAID


def test_nothing_private_of_an_object_is_kept(stripe: StripeDriver) -> None:
    about = intent(client_secret="pi_1_secret_x", receipt_email="buyer@example.com", shipping={"name": "N"})

    (report,) = told(event("payment_intent.succeeded", about))

    assert report.raw == {
        "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 1000, "amount_received": 1000,
        "amount_capturable": 0, "currency": "usd", "attempt_id": REFERENCE,
    }  # fmt: skip


def test_stripe_hears_200_or_why_not() -> None:
    gateway = Stripe(**KEYS)
    heard = {outcome: gateway.acknowledge(outcome).status for outcome in Acknowledgement}

    assert heard == {
        Acknowledgement.ACCEPTED: 200, Acknowledgement.DUPLICATE: 200, Acknowledgement.BAD_SIGNATURE: 400,
        Acknowledgement.UNKNOWN_ORDER: 200, Acknowledgement.WRONG_AMOUNT: 200, Acknowledgement.ERROR: 503,
    }  # fmt: skip


def test_a_live_account_hears_live_events_only() -> None:
    live = {"secret_key": "rk_live_x"}

    assert len(told(event("payment_intent.succeeded", intent(), livemode=True), **live)) == 1
    with pytest.raises(ReportInvalid):
        told(event("payment_intent.succeeded", intent()), **live)


def test_the_page_for_going_live_names_every_event_to_subscribe_to() -> None:
    page = (Path(__file__).parents[2] / "docs" / "gateways" / "stripe.md").read_text(encoding="utf-8")
    listed = page.split("Subscribe to:")[1].split("Others do no harm")[0]
    named = re.findall(r"`([a-z_.]+)`", listed)
    family, whole = "", set()
    for name in named:
        family = family if name.startswith(".") else name.rpartition(".")[0]
        whole.add(f"{family}{name}" if name.startswith(".") else name)

    assert whole == set(READERS) - {"charge.refund.updated"}  # an older name of refund.updated, heard as well
