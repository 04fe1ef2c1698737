"""The catalogues of channels: what the files hold is what is shown."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pytest

from gateways import channels
from gateways.channels import ChannelKind

FIUU = channels.of("fiuu")


def _names(country: str) -> str:
    return " | ".join(one.name for one in FIUU if one.country in (country, ""))


def test_every_row_of_the_file_is_a_channel() -> None:
    rows = json.loads((channels.DATA / "fiuu_channels.json").read_text(encoding="utf-8"))["channels"]

    assert len(FIUU) == len(rows) == 186
    assert [one.code for one in FIUU] == [row["request_code"] for row in rows]
    assert len({one.code for one in FIUU}) == 186


def test_more_than_110_channels_are_in_six_countries_of_south_east_asia() -> None:
    counted = Counter(one.country for one in FIUU if one.country in channels.SOUTH_EAST_ASIA)

    assert counted == {"MY": 102, "ID": 47, "TH": 8, "SG": 7, "VN": 5, "PH": 5}
    assert counted.total() >= 110


@pytest.mark.parametrize(
    ("country", "name"),
    [
        ("MY", "FPX B2C Maybank2u"), ("MY", "FPX B2B CIMB"), ("MY", "GrabPay"), ("MY", "Touch 'n Go eWallet"),
        ("MY", "ShopeePay"), ("MY", "Boost"), ("MY", "Maybank QRPay / MAE"), ("MY", "DuitNow QR"),
        ("MY", "Visa/MasterCard"), ("SG", "PayNow"), ("SG", "eNETS Debit"), ("SG", "Visa/MasterCard"), ("SG", "Atome"),
        ("PH", "GCash"), ("PH", "Maya e-wallet"), ("PH", "Dragonpay"),
    ],
)  # fmt: skip
def test_the_methods_that_the_reference_names_are_listed(country: str, name: str) -> None:
    assert name in _names(country)


def test_the_five_kinds_of_the_reference_all_occur() -> None:
    kinds = {one.kind for one in FIUU}

    assert {ChannelKind.BANK, ChannelKind.WALLET, ChannelKind.QR, ChannelKind.PAY_LATER, ChannelKind.CARD} <= kinds


def test_limits_are_read_exactly() -> None:
    business, wallet, waiting = (channels.find("fiuu", code) for code in ("FPX_B2B_HLB", "9PAY_EWALLET", "fpx_hlb"))

    assert business and (business.minimum, business.maximum, business.is_above_minimum) == (
        Decimal("2.00"),
        Decimal("1000000.00"),
        False,
    )
    assert wallet and (wallet.minimum, wallet.maximum, wallet.is_above_minimum) == (Decimal("4000.00"), None, True)
    assert waiting and (waiting.minimum, waiting.maximum) == (None, None)


@pytest.mark.parametrize("spelling", ["MB2U", "FPX_MB2U", "maybank2u"])
def test_a_channel_is_found_by_every_spelling_of_it(spelling: str) -> None:
    found = channels.find("fiuu", spelling)

    assert found is not None
    assert found.code == "MB2U"


def test_an_unknown_code_is_nothing_and_no_error() -> None:
    assert channels.find("fiuu", "brand-new") is None
    assert channels.find("momo", "captureWallet") is None
    assert channels.of("momo") == ()


def test_money_of_bank_and_cash_channels_does_not_go_back_by_the_gateway() -> None:
    told = {one.kind: one.refundable for one in FIUU}

    assert {kind for kind, refundable in told.items() if refundable is False} == {
        ChannelKind.BANK,
        ChannelKind.VIRTUAL_ACCOUNT,
        ChannelKind.CASH,
        ChannelKind.DIRECT_DEBIT,
    }
    assert told[ChannelKind.CARD] is told[ChannelKind.WALLET] is True


def test_xendits_147_channels_are_those_of_its_list() -> None:
    rows = json.loads((channels.DATA / "xendit_channels.json").read_text(encoding="utf-8"))["channels"]
    listed = channels.of("xendit")

    assert len(listed) == len(rows) == 147
    assert Counter(one.country for one in listed) == {"ID": 30, "MY": 46, "PH": 43, "TH": 16, "VN": 12}
    assert len({(one.country, one.code) for one in listed}) == 147
    assert {one.kind for one in listed if one.refundable} <= {
        ChannelKind.CARD, ChannelKind.WALLET, ChannelKind.QR, ChannelKind.PAY_LATER, ChannelKind.DIRECT_DEBIT, ChannelKind.OTHER,
    }  # fmt: skip
    assert not any(one.refundable for one in listed if one.kind is ChannelKind.VIRTUAL_ACCOUNT)
    assert [one.code for one in listed if one.kind is ChannelKind.OTHER] == []


def test_xendits_limits_and_spellings_are_read_exactly() -> None:
    bank, cards = channels.find("xendit", "BCA"), channels.find("xendit", "CREDIT_CARD")

    assert bank and (bank.code, bank.minimum, bank.maximum, bank.refundable) == (
        "BCA_VIRTUAL_ACCOUNT", Decimal("10000.00"), Decimal("50000000.00"), False,
    )  # fmt: skip
    assert cards and (cards.code, cards.kind, cards.refundable) == ("CARDS", ChannelKind.CARD, True)
