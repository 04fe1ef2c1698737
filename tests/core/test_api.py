"""Problem documents, strict bodies and money at the edge."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from config.core import ids
from config.core.strict_json import MAX_DEPTH, InvalidJson, loads

pytestmark = pytest.mark.django_db

ECHO = "/api/v1/echo"
PROBLEM_FIELDS = {"type", "title", "status", "code", "detail", "request_id", "errors", "retryable"}


def post(client: Client, body: Any, *, path: str = ECHO, content_type: str = "application/json") -> Any:
    raw = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return client.generic("POST", path, raw, content_type=content_type)


# --- Problem documents -------------------------------------------------------------------------------------------------


def test_an_error_of_the_domain_is_a_problem_document(edge: Client) -> None:
    answer = edge.get("/api/v1/raises/conflict", headers={"x-request-id": "r-1"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (409, "application/problem+json")
    assert answer.json() == {
        "type": "urn:reckoner:problem:conflict",
        "title": "Conflict",
        "status": 409,
        "code": "conflict",
        "detail": "It is paid already.",
        "request_id": "r-1",
        "errors": [{"pointer": "/status", "code": "conflict", "detail": "It is paid already."}],
        "retryable": False,
        "payment_id": "pay_1",
    }


def test_paths_of_the_reference_systems_also_get_error_and_message(edge: Client) -> None:
    answer = edge.get("/v1/raises/conflict").json()

    assert (answer["error"], answer["message"]) == ("conflict", "It is paid already.")
    assert answer.keys() == PROBLEM_FIELDS | {"error", "message", "payment_id"}


@pytest.mark.parametrize("what", ["unavailable", "lock"])
def test_what_does_not_answer_is_503_with_a_time_to_wait(edge: Client, what: str) -> None:
    answer = edge.get(f"/api/v1/raises/{what}")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert (answer.json()["code"], answer.json()["retryable"]) == ("temporarily_unavailable", True)
    assert "secret detail" not in answer.content.decode()


def test_a_value_the_database_cannot_hold_is_the_callers(edge: Client) -> None:
    answer = edge.get("/api/v1/raises/data")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert "secret detail" not in answer.content.decode()


def test_what_nobody_expected_is_a_500_that_tells_nothing(edge: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, logger="django.request"):
        answer = edge.get("/api/v1/raises/bug", headers={"x-request-id": "r-2"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert answer.json().keys() == PROBLEM_FIELDS
    assert (answer.json()["code"], answer.json()["request_id"]) == ("internal_error", "r-2")
    assert "secret detail" not in answer.content.decode()


def test_unknown_paths_are_problems_under_the_api_and_pages_elsewhere(edge: Client) -> None:
    for path in ("/api/v1/nothing", "/v1/nothing", "/health/nothing"):
        answer = edge.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert edge.get("/nothing").headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "headers", "status", "code"),
    [
        ("PUT", {}, 405, "method_not_allowed"),
        ("POST", {"accept": "text/csv"}, 406, "not_acceptable"),
    ],
)
def test_wrong_methods_and_formats_are_problems(
    edge: Client, method: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = edge.generic(method, ECHO, '{"amount": 1}', content_type="application/json", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_other_content_types_are_refused(edge: Client) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = post(edge, "amount=1", content_type=content_type)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


# --- Bodies ------------------------------------------------------------------------------------------------------------


def test_a_good_body_comes_back_with_its_money(edge: Client) -> None:
    answer = post(edge, '{"amount": 12.50, "currency": "usd", "note": "Cảm ơn", "buyer": {"name": "An"}}')

    assert (answer.status_code, answer.json()) == (
        200,
        {"note": "Cảm ơn", "buyer": {"name": "An"}, "amount": "12.50", "amount_minor": 1250, "currency": "USD"},
    )


def test_every_wrong_field_is_named_by_its_pointer(edge: Client) -> None:
    answer = post(edge, {"amount": "x", "count": "many", "buyer": {"name": ""}})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [
        ("/amount", "amount_invalid"),
        ("/count", "invalid"),
        ("/buyer/name", "blank"),
    ]


def test_unknown_fields_are_refused_by_name_at_every_level(edge: Client) -> None:
    for body, pointer in (
        ({"amount": 1, "status": "succeeded"}, "/status"),
        ({"amount": 1, "a/b~c": 1}, "/a~1b~0c"),
        ({"amount": 1, "buyer": {"name": "An", "vip": True}}, "/buyer/vip"),
    ):
        answer = post(edge, body)
        assert answer.status_code == 400
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, "unknown_field")]


@pytest.mark.parametrize(
    ("amount", "currency", "status", "code"),
    [
        ("0", "VND", 400, "amount_not_positive"),
        ("-5", "VND", 400, "amount_not_positive"),
        ("1.5", "VND", 422, "amount_precision"),
        ("1.005", "USD", 422, "amount_precision"),
        ("1", "XXX", 422, "currency_unknown"),
        ("1000000000000000", "VND", 422, "amount_invalid"),
        ("1e3", "VND", 400, "amount_invalid"),
        ("1,000", "VND", 400, "amount_invalid"),
        (" 1", "VND", 400, "amount_invalid"),
        ("١", "VND", 400, "amount_invalid"),
        ("", "VND", 400, "amount_invalid"),
        ("Infinity", "VND", 400, "amount_invalid"),
        (True, "VND", 400, "amount_invalid"),
        (None, "VND", 400, "null"),
        ([], "VND", 400, "amount_invalid"),
        ({}, "VND", 400, "amount_invalid"),
        (10**30, "VND", 400, "amount_invalid"),
    ],
    ids=repr,
)
def test_an_amount_that_is_none_is_refused_with_its_reason(
    edge: Client, amount: Any, currency: str, status: int, code: str
) -> None:
    answer = post(edge, {"amount": amount, "currency": currency})

    assert answer.status_code == status
    assert answer.json()["errors"][0]["code"] == code


@pytest.mark.parametrize(("raw", "minor"), [("10", 10), ("10.0", 10), ('"10"', 10), ('"10.00"', 10), ("1e1", 10)])
def test_an_amount_may_be_a_number_or_a_text(edge: Client, raw: str, minor: int) -> None:
    assert post(edge, f'{{"amount": {raw}}}').json()["amount_minor"] == minor


HOSTILE = {
    "nothing": b"",
    "a word": b"hello",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "a text": b'"x"',
    "half": b'{"amount": 1',
    "two": b'{"amount": 1}{"amount": 2}',
    "duplicate": b'{"amount": 1, "amount": 2}',
    "duplicate by escape": b'{"amount": 1, "\\u0061mount": 2}',
    "duplicate inside": b'{"amount": 1, "buyer": {"name": "a", "name": "b"}}',
    "NaN": b'{"amount": NaN}',
    "Infinity": b'{"amount": Infinity}',
    "minus Infinity": b'{"amount": -Infinity}',
    "10^400": b'{"amount": 1e400}',
    "10^-400": b'{"amount": 1e-400}',
    "10^999999999": b'{"amount": 1e999999999}',
    "10^-999999999": b'{"count": 1e-999999999, "amount": 1}',
    "5000 digits": b'{"amount": ' + b"9" * 5000 + b"}",
    "5000 decimals": b'{"amount": 0.' + b"1" * 5000 + b"}",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 50_000,
    "deep and closed": b'{"amount": 1, "note": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "NUL": b'{"amount": 1, "note": "a\\u0000b"}',
    "raw NUL": b'{"amount": 1, "note": "a\x00b"}',
    "NUL in a name": b'{"amount": 1, "a\\u0000": 1}',
    "half a surrogate": b'{"amount": 1, "note": "\\ud800"}',
    "the other half": b'{"amount": 1, "note": "\\udfff x"}',
    "surrogate name": b'{"amount": 1, "\\ud800": 1}',
    "no UTF-8": b'{"amount": 1, "note": "\xff\xfe"}',
    "UTF-16": '{"amount": 1}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"amount": 1}',
    "a count beyond bigint": b'{"amount": 1, "count": 99999999999999999999999999999, "x": 1}',
    "comment": b'{"amount": 1 /* one */}',
    "trailing comma": b'{"amount": 1,}',
    "single quotes": b"{'amount': 1}",
    "many fields": json.dumps({f"f{number}": 1 for number in range(5000)}).encode(),
    "long name": b'{"' + b"x" * 100_000 + b'": 1}',
    "prototype": b'{"__proto__": {"amount": 1}, "amount": 1}',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_json_is_refused_with_a_problem_and_never_breaks_us(edge: Client, body: bytes) -> None:
    answer = post(edge, body)

    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json().keys() == PROBLEM_FIELDS


def test_a_body_above_the_limit_is_413(edge: Client, settings: Any) -> None:
    padded = b'{"amount": 1' + b" " * settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    assert post(edge, padded[:-1] + b"}").status_code == 413
    assert post(edge, padded[: settings.DATA_UPLOAD_MAX_MEMORY_SIZE - 1] + b"}").status_code == 200
    assert post(edge, padded + b"}").json()["code"] == "request_too_large"


def test_numbers_stay_exact() -> None:
    value = loads(b'{"a": 0.1, "b": 100000000000000000.01, "c": 7}')

    assert value == {"a": Decimal("0.1"), "b": Decimal("100000000000000000.01"), "c": 7}
    assert [type(item) for item in value.values()] == [Decimal, Decimal, int]


def test_depth_ends_exactly_at_the_limit() -> None:
    assert loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(InvalidJson):
        loads("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


# --- Addresses ---------------------------------------------------------------------------------------------------------


def test_a_malformed_id_in_the_path_is_not_found(edge: Client) -> None:
    good = ids.payment_id()

    assert edge.get(f"/api/v1/things/{good}").json()["id"] == good
    for bad in ("1", "pay_", good.upper(), good + "0", good[:-1] + "u", "pay_%00", "..%2fetc", "x" * 5000, "pay_é"):
        assert edge.get(f"/api/v1/things/{bad}").status_code == 404 or "%00" in bad


def test_a_nul_in_the_address_is_refused_everywhere(edge: Client) -> None:
    for path in ("/api/v1/things/x%00y", "/api/v1/me?a=%00", "/nothing?x=%00", "/api/v1/letters?cursor=%00"):
        answer = edge.get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_query_parameter_that_is_too_long_is_named(edge: Client) -> None:
    answer = edge.get(f"/api/v1/things/{ids.payment_id()}?q={'x' * 11}")

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/q")


def test_answers_of_the_api_are_never_cached(edge: Client) -> None:
    for path in ("/api/v1/me", "/v1/nothing", "/api/v1/nothing"):
        answer = edge.get(path)
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Permissions-Policy"] == "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
