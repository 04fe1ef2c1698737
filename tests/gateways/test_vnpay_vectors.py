"""Signatures against vectors that PHP and an independent library agree with. Both sides must agree, each on its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from config.core.money import Money
from gateways.errors import ReportInvalid
from gateways.http import Reply
from gateways.notifications import HttpMessage
from gateways.reports import ReportStatus
from gateways.sandbox.vnpay import rules
from gateways.vnpay import answers, messages
from gateways.vnpay.adapter import VNPay

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "vnpay.json").read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = DATA["vectors"]
OURS = {
    "querydr_request": messages.QUERY_REQUEST, "querydr_response": messages.QUERY_RESPONSE,
    "refund_request": messages.REFUND_REQUEST, "refund_response": messages.REFUND_RESPONSE,
}  # fmt: skip
THEIRS = {
    "querydr_request": "querydr", "querydr_response": "querydr_answer", "refund_request": "refund",
    "refund_response": "refund_answer",
}  # fmt: skip
QUERIES = ("pay_url", "return_or_ipn")


def of_kind(*kinds: str) -> Any:
    found = [vector for vector in VECTORS if vector["kind"] in kinds]
    return pytest.mark.parametrize("vector", found, ids=[vector["id"] for vector in found])


def secret_of(vector: dict[str, Any]) -> str:
    return str(DATA["credentials"][vector["credentials"]]["hash_secret"])


def adapter(vector: dict[str, Any]) -> VNPay:
    keys = DATA["credentials"][vector["credentials"]]
    nowhere = {"pay_url": "https://gateway.example", "api_url": "https://gateway.example"}
    return VNPay(tmn_code=keys["tmn_code"], hash_secret=keys["hash_secret"], **nowhere)


def test_there_are_20_vectors_of_all_6_kinds() -> None:
    assert len(VECTORS) == 20
    assert {vector["kind"] for vector in VECTORS} == {*QUERIES, *OURS} == {*QUERIES, *THEIRS}


def test_the_signed_names_are_the_documents() -> None:
    assert {kind: list(names) for kind, names in OURS.items()} == DATA["rules"]["pipe_order"]


@of_kind(*QUERIES, *OURS)
def test_the_adapter_signs_as_vnpay_does(vector: dict[str, Any]) -> None:
    kind, given = vector["kind"], vector["input"]

    text = messages.query_text(given) if kind in QUERIES else messages.pipe_text(OURS[kind], given)

    assert text == vector["string_to_sign"]
    assert messages.sign(secret_of(vector), text) == vector["signature"]


@of_kind(*QUERIES, *OURS)
def test_the_sandbox_signs_as_vnpay_does(vector: dict[str, Any]) -> None:
    kind, given, secret = vector["kind"], vector["input"], secret_of(vector)
    is_query = kind in QUERIES

    text = rules.query_string(given) if is_query else rules.piped_text(THEIRS[kind], given)

    assert text == vector["string_to_sign"]
    signed = rules.query_hash(secret, given) if is_query else rules.piped_hash(secret, THEIRS[kind], given)
    assert signed == vector["signature"]


@of_kind("pay_url")
def test_a_redirect_is_the_signed_text_and_its_hash(vector: dict[str, Any]) -> None:
    query = urlsplit(vector["url"]).query
    text, _, signature = query.partition("&vnp_SecureHash=")

    assert (text, signature) == (messages.query_text(vector["input"]), vector["signature"])
    assert dict(parse_qsl(text)) == vector["input"]


@of_kind("return_or_ipn")
def test_every_return_is_read_as_it_was_signed(vector: dict[str, Any]) -> None:
    told = vector["input"]
    message = HttpMessage(method="GET", path="/return", query=vector["query_string"])

    report = adapter(vector).read_return(message)

    is_paid = told["vnp_ResponseCode"] == "00"
    assert adapter(vector).read_notification(message) == (report,)
    assert report.status is (ReportStatus.PAID if is_paid else ReportStatus.FAILED)
    assert (report.reference, report.code) == (told["vnp_TxnRef"], told["vnp_ResponseCode"])
    assert report.money == Money(int(told["vnp_Amount"]) // 100, "VND")
    assert report.gateway_transaction_id == (told["vnp_TransactionNo"] if is_paid else "")


@of_kind("return_or_ipn")
def test_a_genuine_return_is_not_good_for_another_account(vector: dict[str, Any]) -> None:
    nowhere = {"pay_url": "https://gateway.example", "api_url": "https://gateway.example"}
    stranger = VNPay(tmn_code="SHOPTST3", hash_secret=secret_of(vector), **nowhere)

    with pytest.raises(ReportInvalid, match="another vnp_TmnCode"):
        stranger.read_return(HttpMessage(method="GET", path="/return", query=vector["query_string"]))


@of_kind("querydr_response", "refund_response")
def test_every_answer_is_believed_under_its_own_secret_only(vector: dict[str, Any]) -> None:
    reply = Reply(status=200, data={**vector["input"], "vnp_SecureHash": vector["signature"]})
    names = OURS[vector["kind"]]

    alone = answers.verified_code(reply, names, [secret_of(vector)], operation="query")
    rotated = answers.verified_code(reply, names, ["the new one", secret_of(vector)], operation="query")

    assert alone == rotated == vector["input"]["vnp_ResponseCode"]
    with pytest.raises(Exception, match="hash of the answer"):
        answers.verified_code(reply, names, ["wrong"], operation="query")
