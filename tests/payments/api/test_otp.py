"""One-time codes over HTTP: the same answer for everybody who asks, and no guessing without end."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from django.core import mail

from config.core import clock, ratelimit
from payments.api.otp import ANSWER_SECONDS
from payments.models import Order, OtpChallenge, Payment, PaymentMethod
from payments.services import emails
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)
ASK: Final = "/api/v1/payments/OTP"
TRY: Final = "/api/v1/payments/validate"


@pytest.fixture(autouse=True)
def letters(settings: Any) -> Iterator[list[Any]]:
    """What was sent."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []
    yield mail.outbox


@pytest.fixture
def payment(methods: dict[str, PaymentMethod], order: Callable[..., Order], customer_client: ApiClient) -> Payment:
    """customer-1's open payment."""
    order(order_id="ORD-1")
    customer_client.send("/v1/payment/init", {"order_id": "ORD-1", "payment_method": "momo"})
    return Payment.objects.get()


def code_of(letters: list[Any]) -> str:
    emails.send_due(at=clock.now())
    (found,) = set(re.findall(r"(?<!\d)\d{6}(?!\d)", letters[-1].body))
    return str(found)


def test_a_code_is_asked_for_read_and_confirmed(
    payment: Payment, customer_client: ApiClient, letters: list[Any]
) -> None:
    asked = customer_client.send(ASK, {"payment_id": payment.id, "channel": "email"})
    assert asked.status_code == 202
    assert asked.json() == {
        "challenge_id": OtpChallenge.objects.get().id,
        "expires_at": asked.json()["expires_at"],
    }
    code = code_of(letters)

    wrong = customer_client.send(TRY, {"payment_id": payment.id, "otp": f"{(int(code) + 1) % 10**6:06}"})
    right = customer_client.send(TRY, {"payment_id": payment.id, "otp": code})

    assert (wrong.status_code, wrong.json()["code"], wrong.json()["tries_left"]) == (422, "otp_invalid", 4)
    assert wrong.json()["error"] == "otp_invalid"
    assert (right.status_code, right.json()) == (200, {"valid": True})


def test_somebody_else_s_payment_gets_the_same_answer_and_no_code(
    payment: Payment, other_client: ApiClient, letters: list[Any]
) -> None:
    for identifier in (payment.id, "pay_00000000000000000000000000", "?"):
        asked = other_client.send(ASK, {"payment_id": identifier})
        tried = other_client.send(TRY, {"payment_id": identifier, "otp": "000000"})
        assert (asked.status_code, sorted(asked.json())) == (202, ["challenge_id", "expires_at"])
        assert (tried.status_code, tried.json()["code"], tried.json()["tries_left"]) == (422, "otp_invalid", 0)

    assert not OtpChallenge.objects.exists()
    assert emails.send_due(at=clock.now()) == 0


def test_the_clock_tells_nobody_whether_a_code_was_sent(
    payment: Payment, customer_client: ApiClient, other_client: ApiClient
) -> None:
    for path, more in ((ASK, {}), (TRY, {"otp": "000000"})):
        for client in (customer_client, other_client):
            began = time.monotonic()
            client.send(path, {"payment_id": payment.id, **more})
            assert time.monotonic() - began >= ANSWER_SECONDS


def test_a_stranger_cannot_use_up_the_tries_of_the_owner(
    payment: Payment, customer_client: ApiClient, other_client: ApiClient
) -> None:
    customer_client.send(ASK, {"payment_id": payment.id})
    for _ in range(5):
        other_client.send(TRY, {"payment_id": payment.id, "otp": "000000"})

    assert OtpChallenge.objects.get().tries == 0


def test_text_messages_and_odd_codes_are_refused(payment: Payment, customer_client: ApiClient) -> None:
    sms = customer_client.send(ASK, {"payment_id": payment.id, "channel": "sms"})
    odd = [customer_client.send(TRY, {"payment_id": payment.id, "otp": otp}) for otp in ("12345", "１２３４５６", "")]

    assert (sms.status_code, sms.json()["code"]) == (422, "otp_channel_unavailable")
    assert [answer.status_code for answer in odd] == [400] * 3
    assert not OtpChallenge.objects.exists()


def test_guessing_and_asking_slow_down(payment: Payment, customer_client: ApiClient) -> None:
    asked = [customer_client.send(ASK, {"payment_id": payment.id}) for _ in range(6)]
    tried = [customer_client.send(TRY, {"payment_id": payment.id, "otp": "000000"}) for _ in range(6)]

    assert [answer.status_code for answer in asked] == [202] * 5 + [429]
    assert [answer.status_code for answer in tried][5] == 429
    assert int(tried[5].headers["Retry-After"]) == 5


def test_a_service_is_counted_per_payment(payment: Payment, system_client: ApiClient) -> None:
    answers = [system_client.send(ASK, {"payment_id": f"pay_{number:026}"}) for number in range(8)]

    assert {answer.status_code for answer in answers} == {202}


def test_while_nobody_can_count_codes_are_refused(payment: Payment, customer_client: ApiClient, settings: Any) -> None:
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}}
    ratelimit.forget()
    answers = [
        customer_client.send(ASK, {"payment_id": payment.id}),
        customer_client.send(TRY, {"payment_id": payment.id, "otp": "000000"}),
    ]
    ratelimit.forget()

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(503, "temporarily_unavailable")] * 2
    assert not OtpChallenge.objects.exists()


def test_paying_above_the_limit_asks_for_a_code_first(
    methods: dict[str, PaymentMethod],
    order: Callable[..., Order],
    customer_client: ApiClient,
    letters: list[Any],
    settings: Any,
) -> None:
    settings.OTP_REQUIRED_ABOVE = {"VND": "99999"}
    order(order_id="ORD-1", amount_minor=100_000)
    body = {"order_id": "ORD-1", "payment_method": "momo", "amount": 100000}
    first = customer_client.send("/api/v1/payments", body, key="k1")

    problem = first.json()
    payment = Payment.objects.get()
    assert (first.status_code, problem["code"], problem["retryable"]) == (403, "otp_required", False)
    assert (problem["payment_id"], problem["channels"]) == (payment.id, ["email"])

    customer_client.send(ASK, {"payment_id": payment.id})
    customer_client.send(TRY, {"payment_id": payment.id, "otp": code_of(letters)})
    second = customer_client.send("/api/v1/payments", body, key="k1")

    assert (second.status_code, second.json()["payment_id"]) == (201, payment.id)
    assert second.json()["payment_url"].startswith("http")
