"""Idempotency keys and fingerprints."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from config.core import idempotency
from config.core.strict_json import loads

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def post(client: Client, headers: dict[str, str], query: str = "") -> Any:
    return client.post(f"/api/v1/keyed{query}", {}, content_type="application/json", headers=headers)


def test_a_key_is_read_from_its_header(edge: Client) -> None:
    assert post(edge, {"idempotency-key": "order 7/try-1"}).json() == {"key": "order 7/try-1"}


def test_a_key_that_is_not_needed_may_be_missing(edge: Client) -> None:
    assert post(edge, {}).json() == {"key": ""}


def test_a_needed_key_is_asked_for(edge: Client) -> None:
    answer = post(edge, {}, "?needed=1")

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required")


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é", "a\x7f"], ids=repr)
def test_an_odd_key_is_refused(edge: Client, key: str) -> None:
    answer = post(edge, {"idempotency-key": key})

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert post(edge, {"idempotency-key": "x" * 255}).status_code == 200


def test_the_two_refusals_say_what_to_do() -> None:
    assert (idempotency.mismatch().status, idempotency.mismatch().code) == (422, "idempotency_mismatch")
    assert (idempotency.in_flight().status, idempotency.in_flight().code) == (409, "idempotency_in_flight")
    assert (idempotency.mismatch().retryable, idempotency.in_flight().retryable) == (False, True)


def test_notation_and_order_do_not_change_a_fingerprint() -> None:
    one = loads('{"amount": 10.50, "order": {"a": 1, "b": [1, 2]}}')
    same = loads('{"order": {"b": [1, 2], "a": 1}, "amount": 10.5}')

    assert idempotency.fingerprint(one) == idempotency.fingerprint(same)
    assert idempotency.fingerprint({"amount": Decimal("100")}) == idempotency.fingerprint({"amount": Decimal("1E+2")})
    assert len(idempotency.fingerprint({})) == 64


def test_meaning_changes_a_fingerprint() -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"a": None},
        {"a": ""},
        {"a": True},
        {"a": False},
        {"a": []},
        {"a": {}},
        {"a": [1, 2]},
        {"a": [2, 1]},
        {"b": 1},
        {"a": {"b": 1}},
        {"a": Decimal("1.01")},
        {"a": 11},
    ]

    assert len({idempotency.fingerprint(body) for body in bodies}) == len(bodies)


@given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=5))
def test_any_request_has_one_fingerprint(body: dict[str, Any]) -> None:
    backwards = dict(reversed(body.items()))

    assert idempotency.fingerprint(body) == idempotency.fingerprint(backwards)


@given(PLAIN, PLAIN)
def test_different_values_have_different_fingerprints(one: Any, other: Any) -> None:
    equal = one == other and type(one) is type(other)
    if idempotency.fingerprint({"v": one}) == idempotency.fingerprint({"v": other}):
        assert equal or repr(one) == repr(other) or str(one) == str(other)
