"""Any single change of a signed webhook is refused, whatever it is; amounts go there and back exactly."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from config.core.money import EXPONENTS, Money
from gateways.errors import ReportInvalid
from gateways.notifications import HttpMessage
from gateways.reports import Report, ReportStatus
from gateways.sandbox.stripe import rules
from gateways.stripe import currencies, messages
from gateways.stripe.adapter import Stripe
from gateways.stripe.events import READERS

GATEWAY = Stripe(secret_key="sk_test_x", webhook_secret="whsec_properties", previous_webhook_secret="whsec_before")
AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
REFERENCE = "01m7z5t73jfbc8aped471eq1vz"
GOOD: dict[str, Any] = {
    "id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "created": int(AT.timestamp()), "livemode": False,
    "api_version": "2026-10-28.endive",
    "data": {"object": {
        "id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 1099, "amount_received": 1099,
        "currency": "usd", "metadata": {"attempt_id": REFERENCE}, "description": "Đơn hàng #2", "latest_charge": "ch_1",
    }},
}  # fmt: skip
BODY = json.dumps(GOOD, ensure_ascii=False).encode()
STAMP = int(AT.timestamp())
HEADER = f"t={STAMP},v1={messages.signature('whsec_properties', STAMP, BODY)}"


def heard(body: bytes = BODY, header: str = HEADER, at: datetime = AT) -> tuple[Report, ...]:
    message = HttpMessage(method="POST", path="/", headers={"stripe-signature": header}, body=body, received_at=at)
    return tuple(one for one in GATEWAY.read_notification(message) if isinstance(one, Report))


def test_the_message_that_is_changed_below_is_good() -> None:
    (report,) = heard()

    assert (report.status, report.money, report.reference) == (ReportStatus.PAID, Money(1099, "USD"), REFERENCE)


@given(position=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255))
def test_any_changed_byte_is_refused(position: int, byte: int) -> None:
    damaged = BODY[:position] + bytes([byte]) + BODY[position + 1 :]
    assume(damaged != BODY)

    with pytest.raises(ReportInvalid):
        heard(damaged)


@given(position=st.integers(0, len(HEADER) - 1), character=st.characters(codec="utf-8"))
def test_any_changed_character_of_the_header_is_refused(position: int, character: str) -> None:
    damaged = HEADER[:position] + character + HEADER[position + 1 :]
    assume(damaged != HEADER and character != " ")

    with pytest.raises(ReportInvalid):
        heard(header=damaged)


@given(header=st.text(max_size=120))
@example(f"t={STAMP},t={STAMP},v1={'0' * 64}")
@example(f"t=,v1={'0' * 64}")
@example(f"t=-1,v1={'0' * 64}")
@example(f"t={'9' * 40},v1={'0' * 64}")
def test_no_header_makes_it_fail_in_another_way(header: str) -> None:
    with pytest.raises(ReportInvalid):
        heard(header=header)


@given(body=st.binary(max_size=200))
def test_nothing_that_is_truly_signed_makes_it_fail_in_another_way(body: bytes) -> None:
    header = f"t={STAMP},v1={messages.signature('whsec_properties', STAMP, body)}"

    with pytest.raises(ReportInvalid):
        heard(body, header)


texts = st.sampled_from(["pi_1", "succeeded", "usd", "paid", "complete", "won", REFERENCE]) | st.text(max_size=5)
leaves = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | texts
names = st.sampled_from(
    [
        "id",
        "status",
        "amount",
        "amount_received",
        "amount_total",
        "currency",
        "metadata",
        "attempt_id",
        "payment_intent",
        "payment_status",
        "captured",
        "balance_transactions",
        "fee",
        "evidence_details",
        "due_by",
        "created",
        "last_payment_error",
        "latest_charge",
    ]
)
things = st.dictionaries(names, st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3), max_leaves=6), max_size=9)  # fmt: skip


@given(kind=st.sampled_from(sorted(READERS)), about=things, is_ours=st.booleans())
@example(
    kind="charge.dispute.created",
    about={
        "id": "du_1", "status": "lost", "amount": 5, "currency": "usd",
        "balance_transactions": [{"fee": 1, "currency": "usd"}, {"fee": 1, "currency": "vnd"}],
    },
    is_ours=True,
)  # fmt: skip
def test_no_object_that_is_truly_signed_makes_it_fail_in_another_way(
    kind: str, about: dict[str, Any], is_ours: bool
) -> None:
    about = {**about, "metadata": {"attempt_id": REFERENCE}} if is_ours else about
    body = json.dumps({**GOOD, "type": kind, "data": {"object": about}}).encode()
    header = f"t={STAMP},v1={messages.signature('whsec_properties', STAMP, body)}"
    try:
        told = heard(body, header)
    except ReportInvalid:
        return

    for report in told:
        assert report.status is not ReportStatus.PAID or (report.money and report.gateway_transaction_id)
        json.dumps(report.raw)


@given(seconds=st.integers(-100_000, 100_000))
@example(300)
@example(301)
@example(-300)
@example(-301)
def test_a_signature_is_good_for_five_minutes_each_way(seconds: int) -> None:
    at = AT + timedelta(seconds=seconds)

    if abs(seconds) <= 300:
        assert len(heard(at=at)) == 1
    else:
        with pytest.raises(ReportInvalid):
            heard(at=at)


@given(reference=st.text(max_size=30), tag=st.text(max_size=40))
def test_only_a_return_of_ours_is_understood(reference: str, tag: str) -> None:
    assume(tag != messages.return_tag("whsec_properties", reference))

    with pytest.raises(ReportInvalid):
        GATEWAY.read_return(
            HttpMessage(
                method="GET",
                path="/",
                query=urlencode({"attempt": reference, "tag": tag}, errors="replace"),
            )
        )


@given(currency=st.sampled_from(sorted(EXPONENTS)), minor=st.integers(-(10**12), 10**12))
def test_an_amount_comes_back_as_it_went_or_is_not_sent(currency: str, minor: int) -> None:
    money = Money(minor, currency)
    try:
        amount = currencies.to_wire(money)
    except ValueError:
        assert currency in {*currencies.THREE_DECIMAL, "MGA"}
        return

    assert currencies.from_wire(amount, currency.lower()) == money


@given(currency=st.sampled_from(sorted(EXPONENTS)), minor=st.integers(10**5, 10**7))
def test_both_sides_count_alike(currency: str, minor: int) -> None:
    whole = Money(minor // 1000 * 1000, currency)
    problem = rules.wrong_amount(str(currencies.to_wire(whole)), currency.lower())

    assert problem is None or problem[0] == "amount_too_large"
