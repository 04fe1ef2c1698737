"""The chart of accounts is what docs/accounts.md tells finance."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from ledger import chart
from ledger.chart import AccountRef

DOCUMENT: Final = (Path(__file__).parents[2] / "docs" / "accounts.md").read_text(encoding="utf-8")
OWNERS: Final = {"account_code": "account", "name": "bank", "carrier": "carrier", "shop_id": "shop"}


def documented() -> dict[str, tuple[str, str]]:
    """Code -> kind and mode, as the table says."""
    return {
        code: (kind, mode)
        for code, kind, mode in re.findall(r"^\| `([^`]+)` \| ([ALREQ]) \| ([HS]) \|", DOCUMENT, re.MULTILINE)
    }


def charted() -> Iterator[tuple[str, AccountRef]]:
    """Every function of the chart with its owner left open: `escrow:{shop}`."""
    for name, function in vars(chart).items():
        if inspect.isfunction(function) and function.__module__ == "ledger.chart" and not name.startswith("_"):
            parameters = list(inspect.signature(function).parameters)
            ref = function(*["OWNER"] * len(parameters))
            yield ref.code.replace("OWNER", f"{{{OWNERS[parameters[0]]}}}" if parameters else ""), ref


def test_every_account_is_documented_with_its_kind_and_mode() -> None:
    assert documented() == {code: (ref.kind, ref.mode) for code, ref in charted()}


def test_every_account_has_an_example_or_a_rule() -> None:
    below = DOCUMENT.split("## What a shop sees")[1]
    for code, _ in charted():
        pattern = re.escape(code).replace(r"\{", "{").replace(r"\}", "}")
        pattern = re.sub(r"{\w+}", r"[\\w{}]+", pattern)
        assert re.search(f"`{pattern}`", below), code


def test_codes_are_one_per_account() -> None:
    codes = [code for code, _ in charted()]
    assert len(codes) == len(set(codes)) == 37


@pytest.mark.parametrize(
    ("ref", "code"),
    [
        (chart.gateway_clearing("momo"), "gw:momo:clearing"),
        (chart.bank("vcb"), "bank:vcb"),
        (chart.cod_receivable("ghn"), "cod:ghn:receivable"),
        (chart.escrow("shop42"), "escrow:shop42"),
        (chart.shop_available("shop42"), "shop42:available"),
        (chart.clawback("0198f1c0-7d2e"), "clawback:0198f1c0-7d2e"),
        (chart.shop_pending("a b/c"), "a%20b%2Fc:pending"),
        (chart.shop_available("bank"), "%62ank:available"),
    ],
)
def test_codes_are_readable_and_never_collide(ref: AccountRef, code: str) -> None:
    assert ref.code == code


def test_every_shops_account_starts_with_a_word_that_no_shop_can_take() -> None:
    for code, _ in charted():
        if not code.startswith("{"):
            assert code.split(":")[0] in chart.FIRST_WORDS


def test_only_what_can_be_overspent_is_strict() -> None:
    strict = {code for code, ref in charted() if ref.mode == "S"}
    assert strict == {
        "{shop}:available",
        "{shop}:in_payout",
        "{shop}:dispute_hold",
        "{shop}:reserve",
        "{shop}:receivable",
    }


def test_an_owner_without_an_id_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        chart.escrow("")
