"""Stripe's own library speaks to the sandbox: what it understands there is what it would understand at Stripe."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
import stripe as sdk

from config.core import ids
from gateways.reports import ReportStatus
from gateways.sandbox.server import RunningSandbox
from gateways.stripe.adapter import Stripe
from gateways.stripe.codes import INTENT_STATUS
from gateways.stripe.events import READERS
from tests.gateways.driver import Inbox
from tests.gateways.drivers.stripe import StripeDriver


@pytest.fixture
def ours(sandbox: RunningSandbox, inbox: Inbox) -> StripeDriver:
    return StripeDriver(sandbox, inbox)


@pytest.fixture
def theirs(ours: StripeDriver) -> sdk.StripeClient:
    """The library, pointed at the sandbox."""
    addresses: Any = {"api": ours.sandbox.url, "files": ours.sandbox.url}
    return sdk.StripeClient("sk_test_sandbox_one", base_addresses=addresses, max_network_retries=0)


def test_the_version_we_pin_is_the_librarys() -> None:
    assert Stripe(secret_key="sk_test_x", webhook_secret="whsec_x").api_version == sdk.api_version


def test_it_makes_confirms_and_refunds_an_intent(theirs: sdk.StripeClient) -> None:
    made = theirs.v1.payment_intents.create(
        params={
            "amount": 1099,
            "currency": "usd",
            "automatic_payment_methods": {"enabled": True},
            "metadata": {"a": "b"},
        },
        options={"idempotency_key": f"sdk-{ids.uuid7_int()}"},
    )
    confirmed = theirs.v1.payment_intents.confirm(
        made.id, params={"payment_method": "pm_card_visa", "return_url": "https://shop.example.vn/r"}
    )
    refund = theirs.v1.refunds.create(params={"payment_intent": made.id, "amount": 99})
    charge = theirs.v1.payment_intents.retrieve(made.id, params={"expand": ["latest_charge"]}).latest_charge

    assert (made.status, confirmed.status, confirmed.amount_received) == ("requires_payment_method", "succeeded", 1099)
    assert made.metadata is not None and made.metadata["a"] == "b"
    assert made.last_response.headers["request-id"].startswith("req_")
    assert (refund.object, refund.status, refund.amount) == ("refund", "succeeded", 99)
    assert isinstance(charge, sdk.Charge) and charge.amount_captured == 1099
    assert [one.id for one in theirs.v1.refunds.list(params={"payment_intent": made.id})] == [refund.id]


def test_it_pages_through_a_list_by_itself(theirs: sdk.StripeClient) -> None:
    made = [theirs.v1.payment_intents.create(params={"amount": 500 + n, "currency": "usd"}).id for n in range(5)]

    found = theirs.v1.payment_intents.list(params={"limit": 2}).auto_paging_iter()

    assert [next(found).id for _ in range(5)] == made[::-1]


def test_it_raises_its_own_errors(theirs: sdk.StripeClient) -> None:
    made = theirs.v1.payment_intents.create(params={"amount": 1099, "currency": "usd"})

    with pytest.raises(sdk.CardError) as declined:
        theirs.v1.payment_intents.confirm(made.id, params={"payment_method": "pm_card_visa_chargeDeclinedLostCard"})
    with pytest.raises(sdk.InvalidRequestError) as small:
        theirs.v1.payment_intents.create(params={"amount": 1, "currency": "usd"})
    with pytest.raises(sdk.AuthenticationError):
        theirs.v1.payment_intents.retrieve(made.id, options={"api_key": "sk_test_wrong"})
    theirs.v1.payment_intents.create(params={"amount": 600, "currency": "usd"}, options={"idempotency_key": made.id})
    with pytest.raises(sdk.IdempotencyError):
        theirs.v1.payment_intents.create(
            params={"amount": 700, "currency": "usd"}, options={"idempotency_key": made.id}
        )

    assert declined.value.code == "card_declined"
    assert declined.value.error is not None and declined.value.error.decline_code == "lost_card"
    assert (small.value.code, small.value.param) == ("amount_too_small", "amount")


def test_it_opens_and_closes_a_page(theirs: sdk.StripeClient) -> None:
    item: Any = {"price_data": {"currency": "usd", "unit_amount": 700, "product_data": {"name": "Hat"}}, "quantity": 2}
    expires = int((datetime.now(UTC) + timedelta(minutes=45)).timestamp())

    page = theirs.v1.checkout.sessions.create(
        params={
            "mode": "payment", "line_items": [item], "success_url": "https://x.example/?s={CHECKOUT_SESSION_ID}",
            "expires_at": expires,
        }
    )  # fmt: skip
    closed = theirs.v1.checkout.sessions.expire(page.id)

    assert (page.status, page.payment_status, page.amount_total, page.expires_at) == ("open", "unpaid", 1400, expires)
    assert page.payment_intent is None
    assert (closed.status, closed.url) == ("expired", None)


def test_it_answers_a_dispute_with_a_file(theirs: sdk.StripeClient) -> None:
    made = theirs.v1.payment_intents.create(
        params={"amount": 1099, "currency": "usd", "confirm": True, "payment_method": "pm_card_createDispute",
                "return_url": "https://shop.example.vn/r"}
    )  # fmt: skip
    (move,) = [
        one for one in theirs.v1.balance_transactions.list(params={"limit": 100, "currency": "usd"}).auto_paging_iter()
        if one.type == "adjustment" and one.amount == -1099 and str(made.latest_charge) in str(one.description)
    ]  # fmt: skip
    file = theirs.v1.files.create(params={"purpose": "dispute_evidence", "file": io.BytesIO(b"%PDF")})

    ended = theirs.v1.disputes.update(
        str(move.source),
        params={"evidence": {"receipt": file.id, "uncategorized_text": "winning_evidence"}, "submit": True},
    )

    assert (ended.status, len(ended.balance_transactions)) == ("won", 2)
    assert move.fee == 1500


def test_it_verifies_the_webhooks_that_our_adapter_believes(ours: StripeDriver) -> None:
    request = ours.opened()
    ours.end(request.reference, "pay")

    for message in ours.inbox.messages:
        header = message.headers["stripe-signature"]
        event = sdk.Webhook.construct_event(message.body, header, "whsec_sandbox_one")
        assert event.type == json.loads(message.body)["type"]
        assert ours.heard(message).status is ReportStatus.PAID
    with pytest.raises(sdk.SignatureVerificationError):
        sdk.Webhook.construct_event(ours.inbox.messages[0].body, header, "whsec_sandbox_two")
    assert len(ours.inbox.messages) == 3


def test_the_library_knows_every_event_and_status_that_we_read() -> None:
    (events,) = get_args(sdk.params.WebhookEndpointCreateParams.__annotations__["enabled_events"])
    statuses, _ = get_args(sdk.PaymentIntent.__annotations__["status"])

    assert set(READERS) - set(get_args(events)) == set()
    assert set(INTENT_STATUS) == set(get_args(statuses))
