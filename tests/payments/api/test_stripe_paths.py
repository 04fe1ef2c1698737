"""The card system's paths: cards are judged, paid with, refunded; numbers are kept nowhere."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.factories import ApiClient
from tests.payments.leaks import everything_stored

pytestmark = pytest.mark.django_db(transaction=True)
CHECK: Final = "/api/v1/stripe/validate-card"
CARD: Final = {"number": "4242 4242 4242 4242", "exp_month": "12", "exp_year": "2030", "cvc": "123"}


def assert_kept_nowhere(number: str, log: str) -> None:
    """No row of any table, and no line that was logged, has these digits in any notation."""
    for text in (everything_stored(), log):
        assert number not in text.replace(" ", "").replace("-", "")


# --- Judging ---------------------------------------------------------------------------------------------------------
def test_a_card_is_judged_and_kept_nowhere(
    customer_client: ApiClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    answer = customer_client.send(CHECK, {"card": CARD}, key="k")

    assert (answer.status_code, answer.json()) == (
        200,
        {"valid": True, "brand": "visa", "last4": "4242", "reasons": []},
    )
    out, err = capfd.readouterr()
    assert_kept_nowhere("4242424242424242", caplog.text + out + err)


def test_the_body_of_the_card_system_is_taken_with_numbers_or_texts(system_client: ApiClient) -> None:
    body = {"number": "378282246310005", "exp_month": 1, "exp_year": 25, "cvc": 123, "name": "John Doe"}
    answer = system_client.send(CHECK, {"card": body})

    assert (answer.status_code, answer.json()) == (
        200,
        {"valid": False, "brand": "amex", "last4": "0005", "reasons": ["expired", "cvc_format"]},
    )


@pytest.mark.parametrize(
    "body",
    [{}, {"card": "4242424242424242"}, {"card": {**CARD, "number": {"a": 1}}}, {"card": CARD, "4000000000000002": 1}],
)
def test_a_body_that_is_none_is_refused_without_its_number(
    customer_client: ApiClient, body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answer = customer_client.send(CHECK, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert_kept_nowhere("4242424242424242", caplog.text)
    assert_kept_nowhere("4000000000000002", caplog.text)


def test_judging_has_a_rate_of_its_own(customer_client: ApiClient, settings: Any) -> None:
    settings.RATE_LIMITS = {"cards": (1.0, 2)}

    assert [customer_client.send(CHECK, {"card": CARD}).status_code for _ in range(3)] == [200, 200, 429]
