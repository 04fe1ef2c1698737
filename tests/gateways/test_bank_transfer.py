"""Bank transfer by VietQR: the QR that banking apps read, and a reference that survives people and banks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core.money import Money
from gateways import registry
from gateways.abilities import Refunds
from gateways.bank_transfer import vietqr
from gateways.bank_transfer.adapter import BankTransfer
from gateways.bank_transfer.formats import FORMATS
from gateways.bank_transfer.reference import ALPHABET, BODY, LENGTH, find_reference, find_references, is_valid, make
from gateways.errors import GatewayRejected, ReportInvalid
from gateways.notifications import Acknowledgement, HttpMessage
from gateways.registry import GatewaySettingsError
from gateways.reports import ReportStatus
from gateways.requests import CheckoutRequest, QueryRequest
from gateways.settlement.columns import ColumnMap

AT = datetime(2026, 11, 21, tzinfo=UTC)
SETTINGS = {
    "bank": "vcb", "bank_bin": "970436", "account_number": "0123456789", "account_name": "CONG TY CHO HOA",
    "bank_name": "Vietcombank",
}  # fmt: skip
numbers = st.integers(min_value=0, max_value=2**128 - 1)
references = numbers.map(make)


def bank(**changes: object) -> BankTransfer:
    built = registry.build("bank_transfer", {**SETTINGS, **changes})
    assert isinstance(built, BankTransfer)
    return built


def request(minor: int = 350_000, currency: str = "VND", reference: str = "") -> CheckoutRequest:
    return CheckoutRequest(
        reference=reference or make(7), money=Money(minor, currency), description="", return_url="", notify_url="",
        locale="vi", created_at=AT, expires_at=AT,
    )  # fmt: skip


# --- The QR ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "published",
    [
        # NAPAS, QR code format 1.5.2: a transfer to a card.
        "00020101021238600010A00000072701300006970403011697040311012345670208QRIBFTTC530370454061800005802VN"
        "62340107NPS68690819thanh toan don hang6304A203",
        # A widely used generator's example.
        "00020101021238570010A0000007270127000697041501130011001932418"
        "0208QRIBFTTA530370454061200005802VN62170813ung ho lu lut6304C15C",
        "00020101021238540010A00000072701240006970436011010234567890208QRIBFTTA5303704540719430005802VN"
        "62120808TT0000696304A8E5",
    ],
)
def test_the_checksum_is_that_of_published_codes(published: str) -> None:
    assert f"{vietqr.crc16(published[:-4].encode()):04X}" == published[-4:]


def test_a_published_code_comes_out_letter_by_letter() -> None:
    assert vietqr.payload(
        bank_bin="970415", account_number="0011001932418", amount_minor=120_000, text="ung ho lu lut"
    ) == (
        "00020101021238570010A0000007270127000697041501130011001932418"
        "0208QRIBFTTA530370454061200005802VN62170813ung ho lu lut6304C15C"
    )


def fields(text: str) -> dict[str, str]:
    found = {}
    while text:
        size = int(text[2:4])
        found[text[:2]], text = text[4 : 4 + size], text[4 + size :]
    return found


@given(st.integers(min_value=1, max_value=10**13 - 1), references, st.text("0123456789ABC", min_size=1, max_size=19))
def test_a_code_says_account_amount_and_reference(minor: int, reference: str, account: str) -> None:
    code = bank(account_number=account, template="TT {reference}").create_checkout(request(minor, reference=reference))

    top = fields(code.qr_text)
    beneficiary = fields(fields(top["38"])["01"])
    assert list(top) == ["00", "01", "38", "53", "54", "58", "62", "63"]
    assert (beneficiary["00"], beneficiary["01"]) == ("970436", account)
    assert (top["53"], top["54"], top["58"], fields(top["62"])["08"]) == ("704", str(minor), "VN", f"TT {reference}")
    assert top["63"] == f"{vietqr.crc16(code.qr_text[:-4].encode()):04X}"


def test_what_the_qr_says_is_told_in_words_too() -> None:
    told = bank().create_checkout(request()).response["transfer"]

    assert told == {
        "bank_name": "Vietcombank", "account_number": "0123456789", "account_name": "CONG TY CHO HOA",
        "amount": "350000", "text": make(7),
    }  # fmt: skip


@pytest.mark.parametrize("money", [(100, "USD"), (0, "VND"), (10**13, "VND")])
def test_only_whole_dong_can_be_transferred(money: tuple[int, str]) -> None:
    with pytest.raises(GatewayRejected):
        bank().create_checkout(request(*money))


# --- The reference ---------------------------------------------------------------------------------------------------
@given(numbers)
def test_a_reference_is_ten_unmistakable_characters_and_a_check(number: int) -> None:
    reference = bank().reference(number, AT)

    assert len(reference) == LENGTH == BODY + 1 == 11
    assert not set(reference) & set("0O1IL")
    assert is_valid(reference)
    assert reference == make(number)


@given(references)
def test_every_single_wrong_character_is_caught(reference: str) -> None:
    wrong = [
        reference[:place] + other + reference[place + 1 :]
        for place in range(LENGTH)
        for other in ALPHABET
        if other != reference[place]
    ]

    assert len(wrong) == LENGTH * 30
    assert not any(map(is_valid, wrong))


@given(references)
def test_every_two_characters_that_changed_places_are_caught(reference: str) -> None:
    for first in range(LENGTH):
        for second in range(first + 1, LENGTH):
            letters = list(reference)
            letters[first], letters[second] = letters[second], letters[first]
            swapped = "".join(letters)
            assert swapped == reference or not is_valid(swapped)


def test_many_numbers_have_as_many_references() -> None:
    assert len({make(number) for number in range(20_000)}) == 20_000


@pytest.mark.parametrize(
    "pattern",
    [
        "{}",
        "MBVCB.3278907687.{}.CT tu 0071001012345 NGUYEN VAN A toi 0123456789",
        "chuyen tien {} cam on",
        "CHUYENTIEN{}CAMON",
        "Nguyễn Văn Đạt thanh toán {}; cảm ơn",
        "FT26325-{}-VND",
    ],
)
@pytest.mark.parametrize(
    "mangle", [str, str.lower, str.title, lambda one: f"{one[:4]} {one[4:]}", lambda one: "-".join(one)]
)
@given(reference=references)
def test_a_reference_is_found_in_what_banks_make_of_it(pattern: str, mangle: object, reference: str) -> None:
    text = pattern.format(mangle(reference))

    assert reference in find_references(text)


@given(st.text(max_size=200))
def test_any_text_can_be_looked_into(text: str) -> None:
    assert all(map(is_valid, find_references(text)))


@given(references, references)
def test_only_one_whole_word_is_a_reference_by_itself(one: str, other: str) -> None:
    assert find_reference(f"tt {one.lower()} x") == one
    assert find_reference(f"AB{one}") == "" or find_reference(f"AB{one}") != one
    assert one == other or find_reference(f"{one} {other}") == ""


# --- The adapter -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bank": "VCB!"}, "bank"),
        ({"bank_bin": "97043"}, "bank_bin"),
        ({"account_number": "01 23"}, "account_number"),
        ({"template": "pay"}, "template"),
        ({"template": "PAY{reference}"}, "template"),
        ({"template": "thanh toan don {reference}"}, "template"),
        ({"template": "{reference} {reference}"}, "template"),
        ({"statement_columns": {"tip": "x"}}, "statement_columns"),
    ],
)
def test_settings_that_no_transfer_can_reach_us_by_are_refused(changes: dict[str, object], field: str) -> None:
    with pytest.raises(GatewaySettingsError, match=f"bank_transfer settings: {field}"):
        bank(**changes)


def test_it_opens_hears_and_refunds_nothing_and_waits() -> None:
    adapter = bank()

    assert (adapter.notifies, adapter.asks_payer, isinstance(adapter, Refunds)) == (False, True, False)
    assert (
        adapter.query(QueryRequest(reference="r", money=Money(1, "VND"), created_at=AT)).status is ReportStatus.PENDING
    )
    assert adapter.acknowledge(Acknowledgement.ACCEPTED).status == 404
    for read in (adapter.read_notification, adapter.read_return):
        with pytest.raises(ReportInvalid):
            read(HttpMessage(method="POST", path="/", body=b"{}"))


def test_the_columns_of_a_statement_are_the_accounts_own_its_banks_or_the_generic_ones() -> None:
    own = {"gross": "Amount", "description": "Text"}

    assert bank(statement_columns=own).columns("") == ColumnMap.from_settings(own)
    assert bank().columns("") is FORMATS["vcb"]
    assert bank(bank="scb").columns("") is FORMATS["generic"]
    assert bank(statement_columns=own).columns("MB") is FORMATS["mb"]
    with pytest.raises(ValueError, match="there are generic, mb, tcb, vcb"):
        bank().columns("hsbc")
