"""Xendit's two proofs against vectors: the callback token of what it sends, the Basic header of what we send."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from config.core.money import Money
from gateways.errors import ReportInvalid
from gateways.notifications import HttpMessage
from gateways.reports import Report, ReportStatus
from gateways.sandbox.xendit import rules
from gateways.xendit import adapter, calls
from gateways.xendit.adapter import Xendit

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "xendit.json").read_text(encoding="utf-8"))
TOKENS: list[dict[str, Any]] = DATA["callback_token"]
BASIC: list[dict[str, Any]] = DATA["basic_auth"]
SAMPLE = next(one for one in TOKENS if one["id"] == "ok-body")
KEY = "xnd_development_vectors"


def message_of(vector: dict[str, Any]) -> HttpMessage:
    """The vector's message as our doors hand it on: names in lower case."""
    headers = {name.lower(): value for name, value in vector["headers"]}
    body = json.dumps(vector.get("body", SAMPLE["body"])).encode()
    return HttpMessage(method="POST", path="/", headers=headers, body=body)


def test_there_are_8_tokens_and_3_keys() -> None:
    assert (len(TOKENS), len(BASIC)) == (8, 3)


@pytest.mark.parametrize("vector", TOKENS, ids=[one["id"] for one in TOKENS])
def test_a_token_is_accepted_only_if_it_is_the_configured_one(vector: dict[str, Any]) -> None:
    message = message_of(vector)

    assert adapter.proves(vector["configured_token"], message.headers) is vector["accept"]
    if not vector["configured_token"]:
        with pytest.raises(ValueError, match="webhook_token is empty"):
            Xendit(secret_key=KEY, webhook_token="")
        return
    gateway = Xendit(secret_key=KEY, webhook_token=vector["configured_token"])
    if vector["accept"]:
        assert len(gateway.read_notification(message)) == 1
    else:
        with pytest.raises(ReportInvalid):
            gateway.read_notification(message)


def test_the_sample_body_is_read_as_it_was_written() -> None:
    gateway = Xendit(secret_key=KEY, webhook_token=SAMPLE["configured_token"])

    (report,) = gateway.read_notification(message_of(SAMPLE))

    assert isinstance(report, Report)
    assert (report.reference, report.status) == ("ORD-1", ReportStatus.PAID)
    assert report.money == Money(51_000_000, "IDR")
    assert report.gateway_transaction_id == SAMPLE["body"]["id"]
    assert report.occurred_at is not None
    assert report.occurred_at.isoformat() == "2026-11-20T06:40:26.353000+00:00"


@pytest.mark.parametrize("vector", BASIC, ids=[one["api_key"][:24] for one in BASIC])
def test_both_sides_write_and_read_the_key_as_the_document_does(vector: dict[str, Any]) -> None:
    assert calls.basic(vector["api_key"]) == vector["authorization"]
    assert rules.key_of({"authorization": vector["authorization"]}) == vector["api_key"]


@pytest.mark.parametrize("text", ["key:password", "key", ":", ""])
def test_the_sandbox_takes_no_other_way_to_write_a_key(text: str) -> None:
    written = "Basic " + base64.b64encode(text.encode()).decode()

    assert rules.key_of({"authorization": written}) == ""
    assert rules.key_of({"authorization": f"Bearer {text}"}) == ""
    assert rules.key_of({}) == ""
