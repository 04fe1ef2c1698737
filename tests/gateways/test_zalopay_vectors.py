"""Signatures against vectors, four of them made by ZaloPay itself. Both sides must agree, each on its own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from config.core.money import Money
from gateways.errors import ReportInvalid
from gateways.notifications import HttpMessage
from gateways.reports import ReportStatus
from gateways.sandbox.zalopay import rules
from gateways.zalopay import messages
from gateways.zalopay.adapter import ZaloPay

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "zalopay.json").read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = DATA["vectors"]
OURS = {
    "create_order": messages.CREATE, "refund": messages.REFUND, "refund_with_fee": messages.REFUND_WITH_FEE,
    "query_refund": messages.REFUND_QUERY, "redirect": messages.REDIRECT, "callback": ("data",),
}  # fmt: skip
THEIRS = {
    "create_order": "create", "query_order": "query", "refund": "refund", "refund_with_fee": "refund",
    "query_refund": "query_refund",
}  # fmt: skip
ids = [vector["id"] for vector in VECTORS]


def keys(vector: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = DATA["credentials"][vector["credentials"]]
    return found


def adapter(vector: dict[str, Any]) -> ZaloPay:
    known = keys(vector)
    return ZaloPay(app_id=known["app_id"], key1=known["key1"], key2=known["key2"])


def test_there_are_21_vectors_of_all_7_kinds() -> None:
    assert len(VECTORS) == 21
    assert {vector["kind"] for vector in VECTORS} == {*OURS, "query_order"} == {*THEIRS, "redirect", "callback"}


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_the_adapter_signs_as_zalopay_does(vector: dict[str, Any]) -> None:
    key = keys(vector)[vector["key"]]

    text = (
        messages.query_text(vector["input"], key)
        if vector["kind"] == "query_order"
        else messages.text_to_sign(OURS[vector["kind"]], vector["input"])
    )

    assert text == vector["string_to_sign"]
    assert messages.sign(key, text) == vector["mac"]


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_the_sandbox_signs_as_zalopay_does(vector: dict[str, Any]) -> None:
    key, given = keys(vector)[vector["key"]], vector["input"]

    if vector["kind"] in THEIRS:
        text = rules.signed_text(THEIRS[vector["kind"]], given, key)
    else:
        text = given["data"] if vector["kind"] == "callback" else rules.checksum_text(given)

    assert text == vector["string_to_sign"]
    assert rules.mac(key, text) == vector["mac"]


CALLBACKS = [vector for vector in VECTORS if vector["kind"] == "callback"]
REDIRECTS = [vector for vector in VECTORS if vector["kind"] == "redirect"]


@pytest.mark.parametrize("vector", CALLBACKS, ids=[vector["id"] for vector in CALLBACKS])
def test_every_callback_is_read_as_it_was_signed(vector: dict[str, Any]) -> None:
    told = json.loads(vector["input"]["data"])

    (report,) = adapter(vector).read_notification(HttpMessage(method="POST", path="/ipn", body=vector["body"].encode()))

    assert (report.reference, report.status, report.code) == (told["app_trans_id"], ReportStatus.PAID, "1")
    assert report.money == Money(told["amount"], "VND")
    assert report.gateway_transaction_id == str(told["zp_trans_id"])
    assert report.occurred_at == messages.time_of(told["server_time"])


@pytest.mark.parametrize("vector", REDIRECTS, ids=[vector["id"] for vector in REDIRECTS])
def test_every_redirect_is_read_as_it_was_signed(vector: dict[str, Any]) -> None:
    told = vector["input"]

    report = adapter(vector).read_return(HttpMessage(method="GET", path="/r", query=vector["query_string"]))

    assert (report.reference, report.status, report.code) == (told["apptransid"], ReportStatus.PENDING, told["status"])
    assert (report.money, report.gateway_transaction_id) == (Money(int(told["amount"]), "VND"), "")


@pytest.mark.parametrize("vector", REDIRECTS, ids=[vector["id"] for vector in REDIRECTS])
def test_a_genuine_redirect_is_not_good_for_another_app_or_key(vector: dict[str, Any]) -> None:
    message = HttpMessage(method="GET", path="/r", query=vector["query_string"])
    own = adapter(vector)

    for stranger in (dataclasses.replace(own, app_id="2999"), dataclasses.replace(own, key2=own.key1)):
        with pytest.raises(ReportInvalid):
            stranger.read_return(message)
