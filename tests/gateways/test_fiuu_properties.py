"""Any single change of a hash or of a hashed value is refused, and no value may be cut in another place."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.core import ids
from config.core.money import Money
from gateways.errors import GatewayRejected, ReportInvalid
from gateways.fiuu import messages, signing
from gateways.fiuu.adapter import Fiuu
from gateways.notifications import HttpMessage

GATEWAY = Fiuu(merchant_id="SB_reckoner", verify_key="v" * 32, secret_key="s" * 32)
GOOD = {
    "nbcb": "2", "amount": "1234.50", "orderid": "01m7z5t73jfbc8aped471eq1vz", "tranID": "30365812",
    "domain": "SB_reckoner", "status": "00", "appcode": "A1B2C3", "currency": "MYR",
    "paydate": "2026-11-20 14:05:09", "channel": "credit", "error_code": "", "error_desc": "", "extraP": "",
}  # fmt: skip
GOOD["skey"] = signing.notification(GOOD, GATEWAY.secret_key)
BODY = urlencode(GOOD).encode()


def heard(body: bytes) -> object:
    return GATEWAY.read_notification(HttpMessage(method="POST", path="/", body=body))


def changed(**fields: str) -> bytes:
    return urlencode({**GOOD, **fields}).encode()


def test_the_message_that_is_changed_below_is_good() -> None:
    heard(BODY)


@given(position=st.integers(0, 31), character=st.characters(codec="utf-8"))
def test_any_other_character_in_the_hash_is_refused(position: int, character: str) -> None:
    skey = GOOD["skey"]
    assume(character.lower() != skey[position])

    with pytest.raises(ReportInvalid):
        heard(changed(skey=skey[:position] + character + skey[position + 1 :]))


@given(name=st.sampled_from(messages.SIGNED), value=st.text(max_size=40))
def test_any_other_text_is_refused(name: str, value: str) -> None:
    assume(value != GOOD[name])

    with pytest.raises(ReportInvalid):
        heard(changed(**{name: value}))
    with pytest.raises(ReportInvalid):
        GATEWAY.read_return(HttpMessage(method="POST", path="/", body=changed(**{name: value})))


@given(position=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255))
def test_any_changed_byte_is_refused_or_changes_nothing(position: int, byte: int) -> None:
    damaged = BODY[:position] + bytes([byte]) + BODY[position + 1 :]
    try:
        told = dict(parse_qsl(damaged.decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        told = {}
    same = all(told.get(name, "") == GOOD[name] for name in messages.SIGNED)
    same = same and told.get("skey", "").lower() == GOOD["skey"]

    if same and len(told) == len(GOOD):
        assert heard(damaged) == heard(BODY)
    elif not same:
        with pytest.raises(ReportInvalid):
            heard(damaged)


@given(body=st.binary(max_size=200))
def test_no_bytes_make_it_fail_in_another_way(body: bytes) -> None:
    with pytest.raises(ReportInvalid):
        heard(body)


FIRST = ("tranID", "orderid", "status", "domain", "amount", "currency")


@given(cuts=st.lists(st.integers(0, 60), min_size=5, max_size=5).map(sorted))
def test_the_hashed_text_of_our_orders_can_be_cut_in_one_way_only(cuts: list[int]) -> None:
    """Nothing separates the fields: a message whose text is cut elsewhere keeps its hash, and must not be heard."""
    text = "".join(GOOD[name] for name in FIRST)
    bounds = [0, *(min(cut, len(text)) for cut in cuts), len(text)]
    parts = {name: text[bounds[at] : bounds[at + 1]] for at, name in enumerate(FIRST)}
    assume(any(parts[name] != GOOD[name] for name in FIRST))
    moved = changed(**parts)

    try:
        (report,) = GATEWAY.read_notification(HttpMessage(method="POST", path="/", body=moved))
    except ReportInvalid:
        return
    # What is still well-formed is about an order that is none of ours, and is asked about before it is believed.
    assert not messages.OUR_REFERENCE.fullmatch(report.reference)


def test_a_text_cut_between_transaction_and_order_is_not_about_our_order() -> None:
    moved = changed(tranID=GOOD["tranID"][:-1], orderid=GOOD["tranID"][-1] + GOOD["orderid"])

    (report,) = GATEWAY.read_notification(HttpMessage(method="POST", path="/", body=moved))

    assert report.reference == f"2{GOOD['orderid']}"
    assert not messages.OUR_REFERENCE.fullmatch(report.reference)


@given(number=st.integers(0, 2**128 - 1))
def test_a_reference_fits_fiuus_rules_and_leads_back_to_its_number(number: int) -> None:
    reference = GATEWAY.reference(number, at=None)

    assert messages.OUR_REFERENCE.fullmatch(reference)
    assert len(reference) <= 32
    assert ids.number_of(f"att_{reference}") == number


@given(minor=st.integers(1, 10**14), currency=st.sampled_from(["VND", "JPY", "MYR", "IDR", "USD"]))
def test_an_amount_has_two_decimals_and_reads_back_the_same(minor: int, currency: str) -> None:
    text = messages.amount_text(Money(minor, currency))

    assert text.partition(".")[2].isdigit() and len(text.partition(".")[2]) == 2
    assert "," not in text
    if len(text) <= 16:
        assert messages.money_of(text, currency) == Money(minor, currency)


@pytest.mark.parametrize("currency", ["KWD", "BHD", "JOD", "OMR", "TND"])
def test_a_currency_with_three_decimals_is_refused(currency: str) -> None:
    with pytest.raises(GatewayRejected):
        messages.amount_text(Money(1000, currency))


@given(content=st.binary(max_size=300))
def test_no_answer_makes_the_reader_fail_in_another_way(content: bytes) -> None:
    try:
        data = messages.read_answer(content)
    except ValueError:
        return
    assert isinstance(messages.rows_of(data), list)
