"""Any single change of a hash or of a signed value is refused, whatever it is."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.core import ids
from gateways.errors import GatewayUnavailable, ReportInvalid
from gateways.http import Reply
from gateways.notifications import HttpMessage
from gateways.vnpay import answers, messages
from gateways.vnpay.adapter import VNPay

SECRET = "QK7ZL0M5VX1N8RT4WB6YC3HD9FJ2GSPA"
GATEWAY = VNPay(
    tmn_code="SHOPTST2", hash_secret=SECRET, pay_url="https://gateway.example", api_url="https://gateway.example"
)
FIELDS = {
    "vnp_TmnCode": "SHOPTST2", "vnp_Amount": "96000000", "vnp_BankCode": "NCB", "vnp_BankTranNo": "VNP14226112",
    "vnp_CardType": "ATM", "vnp_OrderInfo": "Don hang 2", "vnp_PayDate": "20231207170112", "vnp_ResponseCode": "00",
    "vnp_TransactionNo": "14226112", "vnp_TransactionStatus": "00", "vnp_TxnRef": "01m7z5t73jfbc8aped471eq1vz",
}  # fmt: skip
HASH = messages.sign(SECRET, messages.query_text(FIELDS))
QUERY = f"{messages.query_text(FIELDS)}&vnp_SecureHash={HASH}"
ANSWER: dict[str, Any] = {
    "vnp_ResponseId": "a1", "vnp_Command": "querydr", "vnp_ResponseCode": "00", "vnp_Message": "QueryDR Success",
    "vnp_TmnCode": "SHOPTST2", "vnp_TxnRef": "ref", "vnp_Amount": "96000000", "vnp_BankCode": "NCB",
    "vnp_PayDate": "20231207170112", "vnp_TransactionNo": "14226112", "vnp_TransactionType": "01",
    "vnp_TransactionStatus": "00", "vnp_OrderInfo": "Don hang 2",
}  # fmt: skip
ANSWER["vnp_SecureHash"] = messages.sign(SECRET, messages.pipe_text(messages.QUERY_RESPONSE, ANSWER))


def heard(query: str) -> object:
    return GATEWAY.read_notification(HttpMessage(method="GET", path="/ipn", query=query))


def meant(query: str) -> dict[str, str]:
    """What a query says in `vnp_` parameters; none of it counts where one occurs twice."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        return {}
    ours = [(name, value) for name, value in pairs if name.startswith("vnp_")]
    return {name: value for name, value in ours if value} if len(dict(ours)) == len(ours) else {}


def test_the_messages_that_are_changed_below_are_good() -> None:
    heard(QUERY)
    answers.verified_code(Reply(status=200, data=ANSWER), messages.QUERY_RESPONSE, [SECRET], operation="query")


@given(position=st.integers(0, 127), character=st.characters(codec="utf-8"))
def test_any_other_character_in_the_hash_is_refused(position: int, character: str) -> None:
    assume(character.lower() != HASH[position])

    with pytest.raises(ReportInvalid):
        heard(urlencode({**FIELDS, "vnp_SecureHash": HASH[:position] + character + HASH[position + 1 :]}))


@given(name=st.sampled_from(sorted(FIELDS)), value=st.text(max_size=40))
def test_any_other_value_is_refused(name: str, value: str) -> None:
    assume(value != FIELDS[name])

    with pytest.raises(ReportInvalid):
        heard(urlencode({**FIELDS, name: value.encode(errors="replace").decode(), "vnp_SecureHash": HASH}))


@given(name=st.text(min_size=1, max_size=12), value=st.text(min_size=1, max_size=12))
def test_any_further_signed_parameter_is_refused(name: str, value: str) -> None:
    more = {f"vnp_{name}".encode(errors="replace").decode(): value.encode(errors="replace").decode()}
    assume(not set(more) & {*FIELDS, *messages.UNSIGNED})

    with pytest.raises(ReportInvalid):
        heard(urlencode({**FIELDS, **more, "vnp_SecureHash": HASH}))


@given(position=st.integers(0, len(QUERY) - 1), byte=st.integers(0, 255))
def test_any_changed_byte_is_refused_or_changes_nothing(position: int, byte: int) -> None:
    damaged = QUERY[:position] + chr(byte) + QUERY[position + 1 :]
    assume(damaged != QUERY)

    if {**meant(damaged), "vnp_SecureHash": ""} == {**FIELDS, "vnp_SecureHash": ""} and (
        meant(damaged).get("vnp_SecureHash", "").lower() == HASH
    ):
        assert heard(damaged) == heard(QUERY)
    else:
        with pytest.raises(ReportInvalid):
            heard(damaged)


@given(
    name=st.sampled_from([one for one in messages.QUERY_RESPONSE if one != "vnp_ResponseCode"]),
    value=st.text(max_size=30),
)
def test_any_change_of_an_answer_is_refused(name: str, value: str) -> None:
    assume(value != ANSWER.get(name, ""))
    reply = Reply(status=200, data={**ANSWER, name: value})

    with pytest.raises(GatewayUnavailable):
        answers.verified_code(reply, messages.QUERY_RESPONSE, [SECRET], operation="query")


@pytest.mark.parametrize("signature", [None, "", "0" * 128, HASH])
def test_a_success_without_its_own_hash_is_not_believed(signature: object) -> None:
    reply = Reply(status=200, data={**ANSWER, "vnp_SecureHash": signature})

    with pytest.raises(GatewayUnavailable, match="hash of the answer"):
        answers.verified_code(reply, messages.QUERY_RESPONSE, [SECRET], operation="query")


@pytest.mark.parametrize(("signature", "is_believed"), [(None, True), ("", True), ("0" * 128, False)])
def test_a_refusal_may_come_without_a_hash_but_not_with_a_wrong_one(signature: object, is_believed: bool) -> None:
    reply = Reply(status=200, data={"vnp_ResponseCode": "91", "vnp_SecureHash": signature})

    if is_believed:
        assert answers.verified_code(reply, messages.QUERY_RESPONSE, [SECRET], operation="query") == "91"
    else:
        with pytest.raises(GatewayUnavailable):
            answers.verified_code(reply, messages.QUERY_RESPONSE, [SECRET], operation="query")


def test_an_answer_that_could_be_read_in_two_ways_is_not_believed_though_truly_signed() -> None:
    honest = {**ANSWER, "vnp_Message": "a|SHOPTST2", "vnp_TmnCode": "ref", "vnp_TxnRef": "x"}
    shifted = {**ANSWER, "vnp_Message": "a", "vnp_TmnCode": "SHOPTST2", "vnp_TxnRef": "ref|x"}
    texts = [messages.pipe_text(messages.QUERY_RESPONSE, one) for one in (honest, shifted)]
    assert texts[0] == texts[1]

    for answer in (honest, shifted):
        reply = Reply(status=200, data={**answer, "vnp_SecureHash": messages.sign(SECRET, texts[0])})
        with pytest.raises(GatewayUnavailable, match="separator"):
            answers.verified_code(reply, messages.QUERY_RESPONSE, [SECRET], operation="query")


@given(query=st.text(max_size=200))
def test_no_query_makes_it_fail_in_another_way(query: str) -> None:
    with pytest.raises(ReportInvalid):
        heard(query)


@given(number=st.integers(0, 2**128 - 1))
def test_a_reference_fits_vnpays_rules_and_leads_back_to_its_number(number: int) -> None:
    reference = GATEWAY.reference(number, at=None)

    assert len(reference) == 26
    assert reference.isascii() and reference.isalnum()
    assert ids.number_of(f"att_{reference}") == number


@given(text=st.text(max_size=400))
def test_any_description_becomes_what_vnpay_allows(text: str) -> None:
    plain = messages.plain_text(text, otherwise="reference")

    assert 1 <= len(plain) <= 255
    assert plain.isascii() and plain == plain.strip()
    assert all(one.isalnum() or one in " .,:-" for one in plain)
