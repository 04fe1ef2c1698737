"""Signatures against vectors that Stripe's own Python and Node libraries agree with. Each side on its own."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateways.errors import ReportInvalid
from gateways.notifications import HttpMessage
from gateways.sandbox.stripe import rules
from gateways.stripe import messages
from gateways.stripe.adapter import Stripe

DATA: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "stripe.json").read_text(encoding="utf-8"))
VECTORS: list[dict[str, Any]] = DATA["vectors"]
GOOD = [vector for vector in VECTORS if vector["accept"]]
BAD = [vector for vector in VECTORS if not vector["accept"]]
SIGNED = [vector for vector in VECTORS if "expected_v1" in vector]


def names(vectors: list[dict[str, Any]]) -> list[str]:
    return [vector["id"] for vector in vectors]


def believed(vector: dict[str, Any], *secrets: str) -> bool:
    at = datetime.fromtimestamp(vector["now"], tz=UTC)
    return messages.is_signed(vector["header"], vector["payload"].encode(), secrets or [vector["secret"]], at=at)


def heard(vector: dict[str, Any]) -> object:
    gateway = Stripe(secret_key="sk_test_x", webhook_secret=vector["secret"])
    at = datetime.fromtimestamp(vector["now"], tz=UTC)
    headers = {"stripe-signature": vector["header"]}
    return gateway.read_notification(
        HttpMessage(method="POST", path="/", headers=headers, body=vector["payload"].encode(), received_at=at)
    )


def test_there_are_eleven_vectors_and_their_payloads_are_whole() -> None:
    assert (len(GOOD), len(BAD), len(SIGNED)) == (6, 5, 3)
    for vector in VECTORS:
        assert hashlib.sha256(vector["payload"].encode()).hexdigest() == vector["payload_sha256"]


@pytest.mark.parametrize("vector", SIGNED, ids=names(SIGNED))
def test_both_sides_sign_as_stripe_does(vector: dict[str, Any]) -> None:
    stamp, body = int(vector["signed_payload_prefix"].rstrip(".")), vector["payload"].encode()

    assert messages.signature(vector["secret"], stamp, body) == vector["expected_v1"]
    assert rules.signed_header(vector["secret"], stamp, body) == f"t={stamp},v1={vector['expected_v1']}"


@pytest.mark.parametrize("vector", GOOD, ids=names(GOOD))
def test_what_stripe_signed_is_believed_under_the_present_or_the_previous_secret(vector: dict[str, Any]) -> None:
    assert believed(vector)
    assert believed(vector, "whsec_new", vector["secret"])
    assert not believed(vector, "whsec_new")


@pytest.mark.parametrize("vector", BAD, ids=names(BAD))
def test_what_stripe_did_not_sign_so_is_refused(vector: dict[str, Any]) -> None:
    assert not believed(vector)
    with pytest.raises(ReportInvalid):
        heard(vector)


def test_what_is_believed_and_names_no_attempt_of_ours_tells_nothing() -> None:
    told = {vector["id"]: heard(vector) for vector in GOOD if '"livemode":false' in vector["payload"]}

    assert set(told.values()) == {()}
    assert len(told) == 4
