"""Fiuu's hashes against vectors, one of them printed in its documentation. Both sides must agree, each on its own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from gateways.errors import ReportInvalid
from gateways.fiuu import codes as fiuu_codes
from gateways.fiuu import signing
from gateways.fiuu.adapter import Fiuu
from gateways.notifications import HttpMessage
from gateways.reports import Report, ReportStatus
from gateways.sandbox.fiuu import channels, rules

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "fiuu.json").read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = DATA["vectors"]
NOT_BUILT = {  # card data and bulk reports
    "direct_signature", "daily_report_skey", "requery_skey_tids", "requery_skey_oids",
}  # fmt: skip
BUILT = [one for one in VECTORS if one["kind"] not in NOT_BUILT]


def ours(kind: str, keys: dict[str, str], told: dict[str, str]) -> str:
    """What our adapter computes."""
    merchant, verify, secret = keys["merchant_id"], keys["verify_key"], keys["secret_key"]
    match kind:
        case "vcode":
            return signing.vcode(told["amount"], merchant, told["orderid"], verify)
        case "vcode_extended":
            return signing.vcode(told["amount"], merchant, told["orderid"], verify, told["currency"])
        case "notification_skey":
            return signing.notification(told, secret)
        case "requery_skey_tid":
            return signing.question(told["txID"], merchant, verify, told["amount"])
        case "requery_skey_oid":
            return signing.question(told["oID"], merchant, verify, told["amount"])
        case "requery_skey_oid_batch":
            return signing.question(told["oID"], merchant, verify)
        case "requery_vrfkey_tid":
            return signing.answer(told["Amount"], secret, told["Domain"], told["TranID"], told["StatCode"])
        case "requery_vrfkey_oid":
            return signing.answer(told["Amount"], secret, told["Domain"], told["OrderID"], told["StatCode"])
        case "refund_request_signature":
            return signing.refund(merchant, told["RefID"], told["TxnID"], told["Amount"], secret)
        case "refund_response_signature":
            return signing.refund_answer(told, secret)
        case "refund_query_signature_txn":
            return signing.question(told["TxnID"], merchant, verify)
        case "refund_query_signature_ref":
            return signing.question(told["RefID"], merchant, verify)
        case "reversal_skey":
            return signing.reversal(told["txnID"], merchant, secret)
        case "reversal_vrfkey":
            return signing.command_answer(secret, told["Domain"], told["TranID"], told["StatCode"])
        case "capture_skey":
            return signing.capture(told["tranID"], told["amount"], merchant, verify)
        case "settlement_token_secret_key":
            return signing.settlement_token(merchant, secret, told["date"])
        case "settlement_token_verify_key":
            return signing.settlement_token(merchant, verify, told["date"])
        case "channel_status_skey":
            return signing.channel_status(told["datetime"], merchant, verify)
    raise AssertionError(kind)


THEIRS = {
    "requery_skey_tid": "q_by_tid", "requery_skey_oid": "q_by_oid", "requery_skey_oid_batch": "q_oid_batch",
    "requery_vrfkey_tid": "answer_tid", "requery_vrfkey_oid": "answer_oid", "refund_request_signature": "refund",
    "refund_response_signature": "refund_answer", "refund_query_signature_txn": "refund_by_transaction",
    "refund_query_signature_ref": "refund_by_reference", "reversal_skey": "reversal",
    "reversal_vrfkey": "command_answer", "capture_skey": "capture",
}  # fmt: skip


def theirs(kind: str, keys: dict[str, str], told: dict[str, str]) -> str | None:
    """What the sandbox computes; None for what it does not compute by itself."""
    merchant = keys["merchant_id"]
    if kind == "notification_skey":
        return rules.skey(keys["secret_key"], told)
    if kind == "vcode":
        return rules.vcode({**keys, "vcode": "basic"}, merchant, told)
    if kind == "vcode_extended":
        return rules.vcode(keys, merchant, told)
    if kind == "channel_status_skey":
        return channels.skey(keys, {**told, "merchantID": merchant})
    known = {"domain": merchant, "MerchantID": merchant, "Domain": merchant, **told}
    return rules.hash_of(THEIRS[kind], keys, known) if kind in THEIRS else None


def test_there_are_42_vectors_and_all_but_four_kinds_are_built() -> None:
    counted = Counter(one["kind"] for one in VECTORS)

    assert counted.total() == 42
    assert len(counted) == 22
    assert set(counted) >= NOT_BUILT


@pytest.mark.parametrize("vector", BUILT, ids=[one["id"] for one in BUILT])
def test_both_sides_hash_as_fiuu_does(vector: dict[str, Any]) -> None:
    keys, told = DATA["keys"][vector["keys"]], vector["inputs"]
    hashes = [ours(vector["kind"], keys, told), theirs(vector["kind"], keys, told)]
    expected = vector.get("expected", "")

    if vector["accept"]:
        assert hashes[0] == expected
        assert hashes[1] in (expected, None)
    else:
        assert vector["presented"] not in hashes


def heard(vector: dict[str, Any], **changes: str) -> Report:
    keys = DATA["keys"][vector["keys"]]
    skey = vector.get("presented") or vector["expected"]
    body = urlencode({**vector["inputs"], "skey": skey, **changes}).encode()
    (report,) = Fiuu(**keys, **LOOPBACK).read_notification(HttpMessage(method="POST", path="/", body=body))
    return report


LOOPBACK = {"pay_endpoint": "http://127.0.0.1:9", "api_endpoint": "http://127.0.0.1:9"}
HEARD = [one for one in VECTORS if one["kind"] == "notification_skey"]


@pytest.mark.parametrize("vector", HEARD, ids=[one["id"] for one in HEARD])
def test_every_notification_is_read_as_it_was_signed(vector: dict[str, Any]) -> None:
    told = vector["inputs"]
    if not vector["accept"]:
        with pytest.raises(ReportInvalid, match="skey"):
            heard(vector)
        return
    expected = {"00": ReportStatus.PAID, "11": ReportStatus.FAILED, "22": ReportStatus.PENDING}[told["status"]]

    report = heard(vector)

    assert (report.reference, report.status) == (told["orderid"], expected)
    assert report.money is not None
    assert f"{report.money.minor / 100:.2f} {report.money.currency}" == f"{told['amount']} {told['currency']}"
    assert report.gateway_transaction_id == (told["tranID"] if told["status"] == "00" else "")


def test_the_code_table_is_the_documents() -> None:
    rows = json.loads(fiuu_codes.FILE.read_text(encoding="utf-8"))["codes"]
    table = fiuu_codes.table()

    assert len(rows) == len(table) == 619
    assert {(row["namespace"], row["code"]): row["class"] for row in rows} == {
        key: one.meaning.value for key, one in table.items()
    }


@pytest.mark.parametrize(
    ("code", "channel", "meaning"),
    [
        ("P01", "", "expired"), ("CC_51", "", "insufficient_funds"), ("CC_000", "", "succeeded"),
        ("FPX_1C", "FPX_MB2U", "failed_by_customer"), ("FPX_09", "", "pending"), ("E0027", "BOOST", "insufficient_funds"),
        ("CANCELLED", "TNG-EWALLET", "canceled"), ("insufficient_balance", "GrabPay", "insufficient_funds"),
        ("0", "", "unlisted"), ("CC_brand-new", "", "unlisted"), ("42", "ShopeePay", "insufficient_funds"),
        ("Q99", "", "rate_limited"), ("", "", "unlisted"),
    ],
)  # fmt: skip
def test_a_code_is_found_first_among_those_of_its_channel(code: str, channel: str, meaning: str) -> None:
    assert fiuu_codes.look_up(code, channel).meaning.value == meaning


@pytest.mark.parametrize(
    ("stat", "name", "error", "status"),
    [
        ("00", "captured", "", "paid"), ("00", "settled", "", "paid"), ("00", "authorized", "", "authorized"),
        ("00", "brand-new", "", "unknown"), ("22", "Pending", "", "pending"), ("22", "Unknown", "", "pending"), ("22", "Pending", "FPX_99", "processing"), ("22", "Pending", "FPX_09", "pending"),
        ("11", "failed", "CC_05", "failed"), ("11", "blocked", "", "failed"), ("11", "reject", "", "failed"),
        ("11", "hold", "", "failed"), ("11", "failed", "P01", "expired"), ("11", "failed", "FPX_09", "unknown"),
        ("11", "failed", "brand-new", "failed"), ("11", "cancelled", "", "cancelled"), ("11", "ReqCancel", "", "cancelled"),
        ("11", "release", "", "cancelled"), ("11", "chargeback", "", "unknown"), ("11", "ReqChargeback", "", "unknown"),
        ("11", "captured", "", "unknown"), ("33", "captured", "", "unknown"), ("11", "", "", "unknown"),
    ],
)  # fmt: skip
def test_a_status_is_read_with_its_name(stat: str, name: str, error: str, status: str) -> None:
    assert fiuu_codes.queried_status(stat, name, error, "") == ReportStatus(status)
