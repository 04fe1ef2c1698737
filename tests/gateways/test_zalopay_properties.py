"""Any single change of a mac, of signed data or of a return is refused, whatever it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.core import ids, strict_json
from gateways.errors import ReportInvalid
from gateways.notifications import HttpMessage
from gateways.zalopay import messages
from gateways.zalopay.adapter import ZaloPay

GATEWAY = ZaloPay(app_id="2553", key1="PcY4iZIKFCIdgZvA6ueMcMHHUbRLYjPL", key2="kLtgPl8HHhfvMuDHPwKfgfsY4Ydm9eIz")
DATA = json.dumps(
    {
        "app_id": 2553, "app_trans_id": "261121_01m7z5t73jfbc8aped471eq1vz", "app_time": 1735700000000,
        "app_user": "Khách lẻ", "amount": 960000, "embed_data": '{"redirecturl":"https://shop.example.vn/"}', "item": "[]",
        "zp_trans_id": 261121000000389, "server_time": 1735700060456, "channel": 38, "discount_amount": 0,
    },
    ensure_ascii=False, separators=(",", ":"),
)  # fmt: skip
GOOD = {"data": DATA, "mac": messages.sign(GATEWAY.key2, DATA), "type": 1}
BODY = json.dumps(GOOD, ensure_ascii=False).encode()
RETURN = {
    "appid": "2553", "apptransid": "261121_01m7z5t73jfbc8aped471eq1vz", "pmcid": "36", "bankcode": "CC",
    "amount": "960000", "discountamount": "0", "status": "1",
}  # fmt: skip
RETURN["checksum"] = messages.sign(GATEWAY.key2, messages.text_to_sign(messages.REDIRECT, RETURN))


def heard(body: bytes) -> object:
    return GATEWAY.read_notification(HttpMessage(method="POST", path="/ipn", body=body))


def changed(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}, ensure_ascii=False).encode()


def returned(values: dict[str, str]) -> object:
    return GATEWAY.read_return(HttpMessage(method="GET", path="/", query=urlencode(values)))


def test_the_messages_that_are_changed_below_are_good() -> None:
    heard(BODY)
    returned(RETURN)


@given(position=st.integers(0, 63), character=st.characters(codec="utf-8"))
def test_any_other_character_in_the_mac_is_refused(position: int, character: str) -> None:
    mac = str(GOOD["mac"])
    assume(character != mac[position])

    with pytest.raises(ReportInvalid):
        heard(changed(mac=mac[:position] + character + mac[position + 1 :]))


@given(position=st.integers(0, len(DATA) - 1), character=st.characters(codec="utf-8"))
def test_any_other_character_in_the_data_is_refused(position: int, character: str) -> None:
    assume(character != DATA[position])

    with pytest.raises(ReportInvalid):
        heard(changed(data=DATA[:position] + character + DATA[position + 1 :]))


@given(position=st.integers(0, len(DATA)), text=st.sampled_from([" ", "\n", "\\", "0", "\u200b"]))
def test_nothing_can_be_put_into_the_data(position: int, text: str) -> None:
    with pytest.raises(ReportInvalid):
        heard(changed(data=DATA[:position] + text + DATA[position:]))


@given(position=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255))
def test_any_changed_byte_is_refused_or_changes_nothing(position: int, byte: int) -> None:
    damaged = BODY[:position] + bytes([byte]) + BODY[position + 1 :]
    assume(damaged != BODY)
    try:
        read = strict_json.read_object(damaged)
        same = (read.get("data"), read.get("mac")) == (GOOD["data"], GOOD["mac"])  # the unsigned type, white space
    except strict_json.InvalidJson:
        same = False

    if same:
        assert heard(damaged) == heard(BODY)
    else:
        with pytest.raises(ReportInvalid):
            heard(damaged)


@given(name=st.sampled_from(sorted(RETURN)), value=st.text(max_size=20))
def test_any_change_of_the_return_is_refused(name: str, value: str) -> None:
    assume(value != RETURN[name] and "\x00" not in value)

    with pytest.raises(ReportInvalid):
        returned({**RETURN, name: value})


@given(body=st.binary(max_size=200))
def test_no_bytes_make_it_fail_in_another_way(body: bytes) -> None:
    with pytest.raises(ReportInvalid):
        heard(body)


@given(
    number=st.integers(0, 2**128 - 1),
    seconds=st.integers(0, 2_000_000_000),
    app_id=st.integers(1, 99_999_999_999),
    days=st.integers(0, 400),
)
def test_ids_fit_zalopays_rules_and_lead_back_to_their_number(
    number: int, seconds: int, app_id: int, days: int
) -> None:
    at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)

    reference = GATEWAY.reference(number, at)
    sent = messages.refund_id(reference, str(app_id), messages.vietnamese_day(at + timedelta(days=days)))

    assert len(reference) <= 40 and len(sent) <= 45
    assert messages.is_reference(reference)
    assert reference[:6] == (at + timedelta(hours=7)).strftime("%y%m%d")
    assert ids.number_of(f"att_{reference.partition('_')[2]}") == number
    assert (messages.reference_of_refund(sent, str(app_id)) == reference) == (days == 0)


@given(text=st.text(max_size=300))
def test_no_description_can_shift_the_values_that_are_signed(text: str) -> None:
    safe = messages.free_text(text, 100)

    assert "|" not in safe and "\n" not in safe
    assert len(safe) <= 100
