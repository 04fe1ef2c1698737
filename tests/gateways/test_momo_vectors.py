"""Signatures against vectors, four of them made by MoMo's own sandbox. Both sides must agree, each on its own."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from config.core.money import Money
from gateways.momo import messages
from gateways.momo.adapter import MoMo
from gateways.notifications import HttpMessage
from gateways.reports import Report, ReportStatus
from gateways.sandbox.momo import rules

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "momo.json").read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = DATA["vectors"]
OURS = {
    "create_request": messages.CREATE_REQUEST, "create_response": messages.CREATE_RESPONSE,
    "create_response_without_message": messages.CREATE_RESPONSE_WITHOUT_MESSAGE, "notification": messages.NOTIFICATION,
    "query_request": messages.QUERY_REQUEST, "refund_request": messages.REFUND_REQUEST,
    "refund_query_request": messages.QUERY_REQUEST, "confirm_request": messages.CONFIRM_REQUEST,
}  # fmt: skip
THEIRS = {
    "create_request": "create", "create_response": "created", "create_response_without_message": "created_short",
    "notification": "notify", "query_request": "query", "refund_request": "refund",
    "refund_query_request": "refund_query", "confirm_request": "confirm",
}  # fmt: skip
ids = [vector["id"] for vector in VECTORS]


def adapter(credentials: str) -> MoMo:
    keys = DATA["credentials"][credentials]
    return MoMo(partner_code=keys["partner_code"], access_key=keys["access_key"], secret_key=keys["secret_key"])


def test_there_are_28_vectors_of_all_8_kinds() -> None:
    assert len(VECTORS) == 28
    assert {vector["kind"] for vector in VECTORS} == set(OURS) == set(THEIRS)


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_the_adapter_signs_as_momo_does(vector: dict[str, Any]) -> None:
    keys = DATA["credentials"][vector["credentials"]]

    text = messages.text_to_sign(keys["access_key"], OURS[vector["kind"]], vector["input"])

    assert text == vector["string_to_sign"]
    assert messages.sign(keys["secret_key"], text) == vector["signature"]


@pytest.mark.parametrize("vector", VECTORS, ids=ids)
def test_the_sandbox_signs_as_momo_does(vector: dict[str, Any]) -> None:
    keys = DATA["credentials"][vector["credentials"]]
    theirs = {"accessKey": keys["access_key"], "secretKey": keys["secret_key"]}

    assert rules.signed_text(THEIRS[vector["kind"]], keys["access_key"], vector["input"]) == vector["string_to_sign"]
    assert rules.signature(THEIRS[vector["kind"]], theirs, vector["input"]) == vector["signature"]


def read(vector: dict[str, Any]) -> Report:
    gateway = adapter(vector["credentials"])
    if "body" in vector:
        body = json.dumps(vector["body"], ensure_ascii=False).encode()
        return gateway.read_notification(HttpMessage(method="POST", path="/ipn", body=body))[0]
    return gateway.read_return(HttpMessage(method="GET", path="/return", query=vector["query_string"]))


HEARD = [vector for vector in VECTORS if vector["kind"] == "notification"]


@pytest.mark.parametrize("vector", HEARD, ids=[vector["id"] for vector in HEARD])
def test_every_notification_is_read_as_it_was_signed(vector: dict[str, Any]) -> None:
    report, told = read(vector), vector["input"]
    expected = {"0": ReportStatus.PAID, "9000": ReportStatus.AUTHORIZED}.get(
        str(told["resultCode"]), ReportStatus.FAILED
    )

    assert (report.reference, report.status, report.code) == (told["orderId"], expected, str(told["resultCode"]))
    assert report.money == Money(int(told["amount"]), "VND")
    assert report.gateway_transaction_id == (str(told["transId"]) if expected is not ReportStatus.FAILED else "")


def test_a_genuine_redirect_is_not_good_for_another_account() -> None:
    vector = next(one for one in HEARD if one["id"] == "momo-redirect-gateway-signed-4")
    stranger = dataclasses.replace(adapter(vector["credentials"]), partner_code="SOMEBODYELSE")

    with pytest.raises(Exception, match="another partnerCode"):
        stranger.read_return(HttpMessage(method="GET", path="/return", query=vector["query_string"]))
