"""Nothing personal and nothing secret reaches a log."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core import masking

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbiJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("mail to nguyen.van-an+shop@mail.example.vn failed", "mail to [e-mail] failed"),
        ("call 0912345678 or +84 912 345 678", "call [phone] or [phone]"),
        ("call 091.234.5678 now", "call [phone] now"),
        (f"token {JWT} was sent", "token [masked] was sent"),
        ("Authorization: Bearer abc.def", "Authorization: [masked]"),
        ("key sk_live_abcdefghijklmnop", "key [masked]"),
        ("card 4242 4242 4242 4242 declined", "card [card] declined"),
        ("card 4242-4242-4242-4242", "card [card]"),
        ("card 5555555555554444", "card [card]"),
        ("card 378282246310005", "card [card]"),
        ("card 9704198526191432198", "card [card]"),
        ("postgres://reckoner:hunter2@db:5432/x", "postgres://[masked]@db:5432/x"),
        ("password=hunter2&next=/", "password=[masked]&next=/"),
        ('{"secretKey": "hunter2", "a": 1}', '{"secretKey": "[masked]", "a": 1}'),
        ("signature=" + "ab" * 32, "signature=[masked]"),
        ("mac " + "0123456789abcdef" * 4, "mac [masked]"),
    ],
)
def test_what_looks_personal_or_secret_is_taken_out_of_a_text(written: str, seen: str) -> None:
    assert masking.text(written) == seen


@pytest.mark.parametrize(
    "harmless",
    [
        "payment pay_01k8abcdefghjkmnpqrstvwxyz moved to succeeded",
        "amount 960000 VND in 1763692800123 ms",
        "order 1234567890123456",  # the check digit is wrong
        "took 12.5 ms, 3 tries, 2026-11-21T10:00:00+07:00",
        "10.0.0.1 refused the connection",
        "gateway transaction 4088878653",
    ],
)
def test_ids_amounts_and_times_stay_readable(harmless: str) -> None:
    assert masking.text(harmless) == harmless


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "secretKey",
        "SECRET_KEY",
        "access_token",
        "token",
        "signature",
        "Authorization",
        "api_key",
        "apiKey",
        "cookie",
        "cvc",
        "cvv",
        "otp",
        "card_number",
        "number",
        "exp_month",
        "skey",
        "vrfkey",
        "client_secret",
        "email",
        "bill_email",
        "buyer_name",
        "phone",
        "bill_mobile",
        "address",
        "name",
        "customer_id",
        "full_name",
        "user_agent",
        "ip",
        "account_number",
        "iban",
        "holder",
        "partnerAccessKey",
    ],
)
def test_fields_that_hold_people_or_secrets_are_masked_whatever_they_hold(name: str) -> None:
    for held in ("Nguyễn Văn An", 1234, ["a"], {"a": "b"}):
        assert masking.value(name, held) == "[masked]"


@pytest.mark.parametrize(
    "name",
    [
        "payment_id",
        "order_id",
        "ipn_outcome",
        "telemetry",
        "attempts",
        "outcome",
        "gateway",
        "currency",
        "amount_minor",
    ],
)
def test_fields_that_hold_ids_and_words_pass(name: str) -> None:
    assert masking.value(name, "momo") == "momo"


def test_what_is_kept_of_a_request_is_masked_at_every_level() -> None:
    kept = masking.mapping(
        {
            "orderId": "pay-7",
            "amount": 960000,
            "userInfo": {"name": "An", "phoneNumber": "0912345678"},
            "items": [{"note": "mail an@example.com", "card": {"number": "4242424242424242", "brand": "visa"}}],
            "signature": "ab" * 32,
            "card_as_number": 4242424242424242,
            "nothing": None,
            "yes": True,
        }
    )

    assert kept == {
        "orderId": "pay-7",
        "amount": 960000,
        "userInfo": "[masked]",
        "items": [{"note": "mail [e-mail]", "card": {"number": "[masked]", "brand": "visa"}}],
        "signature": "[masked]",
        "card_as_number": "[card]",
        "nothing": None,
        "yes": True,
    }


def test_a_structure_without_end_is_cut() -> None:
    deep: dict[str, object] = {}
    deep["more"] = deep

    assert "[masked]" in str(masking.mapping(deep))


def test_a_long_text_is_cut() -> None:
    assert len(masking.text("x" * 100_000)) == masking.MAX_TEXT + 1


@given(st.integers(10**14, 10**15 - 1), st.sampled_from(["4", "5", "2", "6"]), st.sampled_from(["", " ", "-"]))
def test_no_card_number_survives(body: int, first: str, separator: str) -> None:
    digits = first + str(body)[1:]
    card = next(digits + str(check) for check in range(10) if masking.is_card(digits + str(check)))
    grouped = separator.join(card[i : i + 4] for i in range(0, len(card), 4))

    assert masking.text(f"paid with {grouped}, thanks") == "paid with [card], thanks"


@given(st.text(max_size=200))
def test_any_text_can_be_masked(anything: str) -> None:
    assert isinstance(masking.text(anything), str)


def test_masking_a_hostile_text_takes_no_time() -> None:
    for hostile in (
        "a@" * 20_000,
        "0 " * 20_000,
        "4" * 40_000,
        "password" * 5_000,
        "://" * 10_000,
        "eyJ" + "a." * 9_000,
    ):
        began = time.perf_counter()
        masking.text(hostile, limit=40_000)
        assert time.perf_counter() - began < 1.0


def test_pseudonyms_join_and_do_not_tell() -> None:
    assert masking.pseudonym("an@example.com") == masking.pseudonym("an@example.com")
    assert masking.pseudonym("an@example.com") != masking.pseudonym("binh@example.com")
    assert len(masking.pseudonym("x")) == 16
