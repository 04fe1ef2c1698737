"""Any single change of a signature or of a signed value is refused, whatever it is."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.core import ids, strict_json
from gateways.errors import ReportInvalid
from gateways.momo import messages
from gateways.momo.adapter import MoMo
from gateways.notifications import HttpMessage

GATEWAY = MoMo(partner_code="MOMO", access_key="F8BBA842ECF85", secret_key="K951B6PE1waDMi640xX08PD3vg6EkVlz")
GOOD: dict[str, Any] = {
    "partnerCode": "MOMO", "orderId": "01m7z5t73jfbc8aped471eq1vz", "requestId": "01m7z5t73jfbc8aped471eq1vz-c",
    "amount": 960000, "orderInfo": "Đơn hàng #2 & quà tặng", "orderType": "momo_wallet", "transId": 4088878653,
    "resultCode": 0, "message": "Thành công.", "payType": "qr", "responseTime": 1735700060456, "extraData": "",
}  # fmt: skip
GOOD["signature"] = messages.sign(
    GATEWAY.secret_key, messages.text_to_sign(GATEWAY.access_key, messages.NOTIFICATION, GOOD)
)
BODY = json.dumps(GOOD, ensure_ascii=False).encode()
TEXT_FIELDS = sorted(name for name in messages.NOTIFICATION if isinstance(GOOD[name], str))
NUMBER_FIELDS = sorted(name for name in messages.NOTIFICATION if isinstance(GOOD[name], int))


def heard(body: bytes) -> object:
    return GATEWAY.read_notification(HttpMessage(method="POST", path="/ipn", body=body))


def changed(**fields: object) -> bytes:
    return json.dumps({**GOOD, **fields}, ensure_ascii=False).encode()


def test_the_message_that_is_changed_below_is_good() -> None:
    heard(BODY)


@given(position=st.integers(0, 63), character=st.characters(codec="utf-8"))
def test_any_other_character_in_the_signature_is_refused(position: int, character: str) -> None:
    signature = GOOD["signature"]
    assume(character != signature[position] and character != "\x00")

    with pytest.raises(ReportInvalid):
        heard(changed(signature=signature[:position] + character + signature[position + 1 :]))


@given(name=st.sampled_from(TEXT_FIELDS), value=st.text(max_size=40))
def test_any_other_text_is_refused(name: str, value: str) -> None:
    assume(value != GOOD[name])

    with pytest.raises(ReportInvalid):
        heard(changed(**{name: value}))


@given(name=st.sampled_from(NUMBER_FIELDS), value=st.integers(-(10**20), 10**20))
def test_any_other_number_is_refused(name: str, value: int) -> None:
    assume(value != GOOD[name])

    with pytest.raises(ReportInvalid):
        heard(changed(**{name: value}))


@given(
    name=st.sampled_from(NUMBER_FIELDS),
    value=st.one_of(st.text(), st.floats(), st.booleans(), st.none(), st.lists(st.integers()), st.just("960000")),
)
def test_a_number_of_another_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(ReportInvalid):
        heard(changed(**{name: value}))


@given(position=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255))
def test_any_changed_byte_is_refused_or_changes_nothing(position: int, byte: int) -> None:
    damaged = BODY[:position] + bytes([byte]) + BODY[position + 1 :]
    assume(damaged != BODY)
    try:
        read = strict_json.read_object(damaged)  # white space, or the name of the one value that is empty: no more
        same = {**{name: read.get(name) for name in GOOD}, "extraData": read.get("extraData") or ""} == GOOD
    except strict_json.InvalidJson:
        same = False

    if same:
        assert heard(damaged) == heard(BODY)
    else:
        with pytest.raises(ReportInvalid):
            heard(damaged)


@given(name=st.sampled_from([*TEXT_FIELDS, *NUMBER_FIELDS, "signature"]), value=st.text(max_size=20))
def test_any_change_of_the_return_is_refused(name: str, value: str) -> None:
    assume(value != str(GOOD[name]) and "\x00" not in value)

    with pytest.raises(ReportInvalid):
        GATEWAY.read_return(HttpMessage(method="GET", path="/", query=urlencode({**GOOD, name: value})))


@given(body=st.binary(max_size=200))
def test_no_bytes_make_it_fail_in_another_way(body: bytes) -> None:
    with pytest.raises(ReportInvalid):
        heard(body)


@given(number=st.integers(0, 2**128 - 1))
def test_a_reference_fits_momos_rules_and_leads_back_to_its_number(number: int) -> None:
    reference = GATEWAY.reference(number, at=None)

    assert len(reference) == 26
    assert reference.isascii() and reference.isalnum()
    assert ids.number_of(f"att_{reference}") == number


@given(
    text=st.text(alphabet="&=abcimount orderIdtransId", max_size=60),
    order=st.sampled_from(["&orderId=x", "&amount=1", ""]),
)
def test_no_description_can_be_read_as_further_signed_fields(text: str, order: str) -> None:
    safe = messages.free_text(text + order + text)

    assert all(f"&{name}=" not in safe for name in messages.NOTIFICATION)
