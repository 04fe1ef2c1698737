"""Whatever is changed in a message, the token decides who is heard, and nothing but that is decided by a message."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from config.core import ids
from config.core.money import EXPONENTS, Money
from gateways.errors import GatewayRejected, ReportInvalid
from gateways.notifications import HttpMessage
from gateways.reports import DisputeReport, Report, ReportStatus
from gateways.xendit import messages, values
from gateways.xendit.adapter import Xendit

TOKEN = "Qk3ZrW8mN1tYb6HcV0pLxE5sJdA9uGfT2oIqRn7XhKzMw4Bv"
GATEWAY = Xendit(secret_key="xnd_development_x", webhook_token=TOKEN)
GOOD: dict[str, Any] = {
    "id": "6748105a77f16ebe0cc583a7", "external_id": "06dq0qg5wnvbd9w5t2dvhm71m9", "status": "PAID", "amount": 510000,
    "paid_amount": 510000, "currency": "IDR", "paid_at": "2026-11-20T06:40:26.353Z", "updated": "2026-11-20T06:40:27.000Z",
    "payment_method": "BANK_TRANSFER", "payment_channel": "BCA", "payment_id": "py-1", "fees": [{"type": "X", "value": 1}],
}  # fmt: skip
BODY = json.dumps(GOOD).encode()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def heard(body: bytes, token: str = TOKEN) -> tuple[Report | DisputeReport, ...]:
    return GATEWAY.read_notification(
        HttpMessage(method="POST", path="/", headers={"x-callback-token": token}, body=body)
    )


def test_the_message_that_is_changed_below_is_good() -> None:
    (report,) = heard(BODY)

    assert isinstance(report, Report) and report.status is ReportStatus.PAID


@given(position=st.integers(0, len(TOKEN) - 1), character=st.characters())
def test_any_other_character_in_the_token_is_refused(position: int, character: str) -> None:
    assume(character != TOKEN[position])

    with pytest.raises(ReportInvalid):
        heard(BODY, TOKEN[:position] + character + TOKEN[position + 1 :])


@given(token=st.text(max_size=60))
def test_any_other_token_is_refused(token: str) -> None:
    assume(token != TOKEN)

    with pytest.raises(ReportInvalid):
        heard(BODY, token)


@given(position=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255))
def test_any_changed_byte_of_the_body_is_read_or_refused_and_never_fails_in_another_way(
    position: int, byte: int
) -> None:
    try:
        reports = heard(BODY[:position] + bytes([byte]) + BODY[position + 1 :])
    except ReportInvalid:
        return
    for report in reports:
        json.dumps(report.raw)
        if isinstance(report, Report) and report.status is ReportStatus.PAID:
            assert report.money is not None and report.gateway_transaction_id


@example(name="fees", value=True, event="")
@given(name=st.sampled_from(sorted(GOOD)), value=JSON, event=st.sampled_from(["", "payment.capture", "refund.succeeded", "dispute.won", "payment_session.completed"]))  # fmt: skip
def test_any_value_in_any_field_is_read_or_refused(name: str, value: object, event: str) -> None:
    fields = {**GOOD, name: value}
    body = {"event": event, "data": fields, **fields} if event else fields
    try:
        reports = heard(json.dumps(body).encode())
    except ReportInvalid:
        return
    for report in reports:
        json.dumps(report.raw)
        if isinstance(report, Report) and report.status is ReportStatus.PAID and report.about.value == "payment":
            assert report.money is not None and report.gateway_transaction_id


@given(body=st.binary(max_size=200))
def test_no_bytes_make_it_fail_in_another_way(body: bytes) -> None:
    try:
        heard(body)
    except ReportInvalid:
        return


@given(minor=st.integers(0, 10**15 - 1), currency=st.sampled_from(messages.INVOICE_CURRENCIES))
def test_every_amount_is_written_exactly_and_read_back(minor: int, currency: str) -> None:
    money = Money(minor, currency)
    try:
        written = values.to_json(values.major_units(money))
    except GatewayRejected:
        assert currency == "IDR" and minor % 100 != 0
        return

    assert "e" not in written.lower()
    assert Decimal(written).scaleb(EXPONENTS[currency]) == minor
    assert values.amount_in(json.loads(written, parse_float=Decimal), currency) == money
    assert values.amount_in(written, currency) == money


@given(number=st.integers(0, 2**128 - 1))
def test_a_reference_leads_back_to_its_number(number: int) -> None:
    reference = GATEWAY.reference(number, at=None)

    assert len(reference) == 26
    assert ids.number_of(f"att_{reference}") == number


@given(value=JSON)
def test_what_is_written_as_json_is_json(value: object) -> None:
    assert json.loads(values.to_json(value)) == value
