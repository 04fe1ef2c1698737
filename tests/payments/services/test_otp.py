"""One-time codes: sent once, tried five times, bound to what they pay for, and kept nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction

from config.core.models import AuditEntry, DeadLetter, OutboxEvent
from payments.errors import EmailRefused, OtpChannelUnavailable, OtpInvalid, OtpRequired
from payments.models import Attempt, EmailMessageLog, Order, OtpChallenge, Payment, PaymentMethod, ShopOrder
from payments.services import checkout, emails, expiry, otp
from payments.states import AttemptStatus, PaymentStatus
from tests.factories import ShopFactory
from tests.payments.leaks import everything_stored
from tests.payments.services.test_races import together

pytestmark = pytest.mark.django_db(transaction=True)
S = OtpChallenge.Status
NOW_AND_THEN = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def letters(settings: Any) -> Iterator[list[Any]]:
    """What was sent."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []
    yield mail.outbox


@pytest.fixture
def payment(pay: Callable[..., Any], order: Callable[..., Order], at: datetime) -> Payment:
    """An open payment of 960,000 VND by MoMo."""
    found: Payment = pay(order(order_id="ORD-7", amount_minor=960_000), at=at).payment
    return found


def ask(payment: Payment, at: datetime) -> OtpChallenge:
    """A code, whose letter was sent."""
    asked = otp.ask(payment_id=payment.id, payments=Payment.objects.all(), channel="email", actor="customer:1", at=at)
    return OtpChallenge.objects.get(id=asked.challenge_id)


def code_of(letters: list[Any], at: datetime) -> str:
    """The code of the newest letter."""
    emails.send_due(at=at)
    (found,) = set(re.findall(r"(?<!\d)\d{6}(?!\d)", letters[-1].body))
    return str(found)


def check(payment: Payment, code: str, at: datetime) -> OtpChallenge:
    return otp.check(payment_id=payment.id, payments=Payment.objects.all(), code=code, actor="customer:1", at=at)


def tries_left(payment: Payment, code: str, at: datetime) -> object:
    """What a refused try tells."""
    with pytest.raises(OtpInvalid) as refused:
        check(payment, code, at)
    return refused.value.facts["tries_left"]


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 10**6:06}"


# --- The code and its letter -----------------------------------------------------------------------------------------
def test_the_buyer_reads_the_code_in_vietnamese_with_what_it_pays_for(
    payment: Payment, letters: list[Any], at: datetime
) -> None:
    challenge = ask(payment, at)
    code = code_of(letters, at)

    (message,) = letters
    assert (message.subject, message.to) == ("Mã xác nhận thanh toán đơn hàng ORD-7", ["lan@example.com"])
    ((html, kind),) = message.alternatives
    for part in (message.body, html):
        assert code in part and "960.000\u00a0₫" in part and "ORD-7" in part and "/pay/" not in part
    assert kind == "text/html" and code not in message.subject
    assert check(payment, code, at).id == challenge.id


def test_no_code_is_kept_in_the_clear_and_after_its_letter_not_at_all(
    payment: Payment, letters: list[Any], at: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    challenge = ask(payment, at)
    assert len(challenge.sealed_code) == 6
    before = everything_stored()
    code = code_of(letters, at)

    pattern = re.compile(rf"(?<![0-9a-f]){code}(?![0-9a-f])")
    assert not pattern.search(before) and not pattern.search(everything_stored())
    assert not pattern.search(caplog.text)
    challenge.refresh_from_db()
    assert (challenge.sealed_code, len(challenge.code_hash)) == ("", 64)
    row = EmailMessageLog.objects.get(kind="otp")
    assert (row.status, row.subject) == ("sent", "Mã xác nhận thanh toán đơn hàng ORD-7")


def test_two_codes_that_are_the_same_have_different_hashes(
    payment: Payment, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda limit: 42)

    assert ask(payment, at).code_hash != ask(payment, at).code_hash
    assert check(payment, "000042", at).status == S.PASSED


def test_a_letter_that_comes_too_late_is_not_sent_and_its_code_is_gone(
    payment: Payment, letters: list[Any], at: datetime
) -> None:
    challenge = ask(payment, at)

    assert emails.send_due(at=at + otp.LIFETIME) == 0

    challenge.refresh_from_db()
    assert (letters, challenge.sealed_code, DeadLetter.objects.count()) == ([], "", 0)
    assert EmailMessageLog.objects.get(kind="otp").status == "dead"


def test_staff_cannot_send_a_code_again(payment: Payment, at: datetime) -> None:
    ask(payment, at)
    with pytest.raises(EmailRefused):
        emails.resend(
            payment_id=payment.id, kind=EmailMessageLog.Kind.OTP, actor="user:a@x", reason="asked by phone", at=at
        )
    assert EmailMessageLog.objects.filter(kind="otp").count() == 1


# --- Tries -----------------------------------------------------------------------------------------------------------
def test_a_right_code_passes_once_and_is_audited(payment: Payment, letters: list[Any], at: datetime) -> None:
    ask(payment, at)
    code = code_of(letters, at)

    assert tries_left(payment, wrong(code), at) == 4
    challenge = check(payment, code, at + NOW_AND_THEN)

    assert (challenge.status, challenge.tries, challenge.ended_at) == (S.PASSED, 2, at + NOW_AND_THEN)
    assert tries_left(payment, code, at) == 0
    deeds = AuditEntry.objects.filter(action__startswith="otp.").order_by("id").values_list("action", "object_id")
    assert list(deeds) == [("otp.issued", payment.id), ("otp.wrong", payment.id), ("otp.passed", payment.id)]
    assert code not in str(list(AuditEntry.objects.values_list("after", "reason")))


def test_after_five_wrong_tries_the_right_code_is_wrong_too(payment: Payment, letters: list[Any], at: datetime) -> None:
    ask(payment, at)
    code = code_of(letters, at)

    assert [tries_left(payment, wrong(code), at) for _ in range(5)] == [4, 3, 2, 1, 0]
    assert tries_left(payment, code, at) == 0
    challenge = OtpChallenge.objects.get()
    assert (challenge.status, challenge.tries) == (S.FAILED, 5)


@pytest.mark.parametrize(("age", "is_good"), [(timedelta(seconds=299), True), (timedelta(minutes=5), False)])
def test_a_code_is_good_for_five_minutes(
    payment: Payment, letters: list[Any], at: datetime, age: timedelta, is_good: bool
) -> None:
    ask(payment, at)
    code = code_of(letters, at)

    if is_good:
        assert check(payment, code, at + age).status == S.PASSED
    else:
        assert tries_left(payment, code, at + age) == 0
        assert OtpChallenge.objects.get().status == S.EXPIRED


def test_a_new_code_ends_the_one_before_it(payment: Payment, letters: list[Any], at: datetime) -> None:
    first = ask(payment, at)
    old = code_of(letters, at)
    ask(payment, at + NOW_AND_THEN)
    new = code_of(letters, at + NOW_AND_THEN)

    first.refresh_from_db()
    assert (first.status, first.sealed_code) == (S.REPLACED, "")
    if old != new:
        assert tries_left(payment, old, at + NOW_AND_THEN) == 4
    assert check(payment, new, at + NOW_AND_THEN).status == S.PASSED


def test_the_database_has_one_live_code_per_payment_and_channel(payment: Payment, at: datetime) -> None:
    challenge = ask(payment, at)
    with pytest.raises(IntegrityError, match="one_live_code_per_payment_and_channel"), transaction.atomic():
        OtpChallenge.objects.create(
            payment=payment, channel="email", amount_minor=1, currency="VND", payee="", code_hash="",
            created_at=at, expires_at=challenge.expires_at,
        )  # fmt: skip


def test_a_code_does_not_fit_when_the_shops_that_get_the_money_have_changed(
    payment: Payment, letters: list[Any], at: datetime
) -> None:
    ask(payment, at)
    code = code_of(letters, at)
    ShopOrder.objects.filter(order=payment.order).update(shop=ShopFactory())

    assert tries_left(payment, code, at) == 4


def test_a_code_does_not_fit_another_amount(payment: Payment, letters: list[Any], at: datetime) -> None:
    ask(payment, at)
    code = code_of(letters, at)
    Payment.objects.update(amount_minor=960_001)

    assert tries_left(payment, code, at) == 4


# --- Who learns what -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", ["nobodys", "somebody_elses", "cancelled", "without_address", "too_many"])
def test_whoever_asks_cannot_tell_whether_a_code_was_sent(payment: Payment, at: datetime, case: str) -> None:
    theirs, identifier = Payment.objects.all(), payment.id
    if case == "nobodys":
        identifier = "pay_00000000000000000000000000"
    elif case == "somebody_elses":
        theirs = Payment.objects.filter(customer="customer-2")
    elif case == "cancelled":
        expiry.cancel(payment_id=payment.id, actor="customer:1", reason="x", at=at)
    elif case == "without_address":
        payment.order.buyer_email = ""
        payment.order.save()
    else:
        for _ in range(otp.MAX_CODES_PER_PAYMENT):
            ask(payment, at)
    known = OtpChallenge.objects.count()

    asked = otp.ask(payment_id=identifier, payments=theirs, channel="email", actor="customer:2", at=at)

    assert re.fullmatch(r"otp_[0-9a-hjkmnp-tv-z]{26}", asked.challenge_id)
    assert asked.expires_at == at + timedelta(minutes=5)
    assert OtpChallenge.objects.count() == known
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.object_id) == ("otp.withheld", identifier)
    with pytest.raises(OtpInvalid) as refused:
        otp.check(payment_id=identifier, payments=theirs.none(), code="000000", actor="customer:2", at=at)
    assert refused.value.facts == {"tries_left": 0}


def test_there_are_no_text_messages(payment: Payment, at: datetime) -> None:
    with pytest.raises(OtpChannelUnavailable):
        otp.ask(payment_id=payment.id, payments=Payment.objects.all(), channel="sms", actor="customer:1", at=at)
    assert not OtpChallenge.objects.exists()


# --- What a code is good for -----------------------------------------------------------------------------------------
def test_above_the_limit_nothing_goes_to_the_gateway_before_the_code(
    pay: Any, order: Any, momo: Any, settings: Any, letters: list[Any], at: datetime
) -> None:
    settings.OTP_REQUIRED_ABOVE = {"VND": "500000"}
    made = order(order_id="ORD-8", amount_minor=500_001)
    with pytest.raises(OtpRequired) as refused:
        pay(made, at=at, idempotency_key="k1", fingerprint="f")

    payment = Payment.objects.get()
    assert refused.value.facts == {"payment_id": payment.id, "channels": ["email"]}
    (attempt,) = payment.attempts.all()
    assert (payment.status, attempt.status, attempt.next_query_at) == ("pending", AttemptStatus.QUEUED, None)
    assert ("momo", attempt.gateway_reference) not in {key[::2] for key in momo.running.app.sandbox.world.payments}
    assert not OutboxEvent.objects.exists()

    ask(payment, at)
    with pytest.raises(OtpRequired):
        pay(made, at=at, idempotency_key="k1", fingerprint="f")
    check(payment, code_of(letters, at), at)
    opened = pay(made, at=at, idempotency_key="k1", fingerprint="f")

    assert (opened.payment.id, opened.attempt.number, opened.is_replay) == (payment.id, 2, False)
    assert opened.attempt.pay_url and opened.payment.status == PaymentStatus.AWAITING_PAYMENT
    assert Attempt.objects.get(number=1).status == AttemptStatus.CANCELLED
    assert list(OutboxEvent.objects.values_list("type", flat=True)) == ["transaction.created"]
    momo.settle(opened.attempt)
    expiry.refresh(payment_id=payment.id, actor="user:a@x", at=at)
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_up_to_the_limit_and_in_other_currencies_no_code_is_needed(
    pay: Any, order: Any, settings: Any, at: datetime
) -> None:
    settings.OTP_REQUIRED_ABOVE = {"VND": "500000", "USD": "0"}

    assert pay(order(amount_minor=500_000), at=at).attempt.pay_url
    assert not OtpChallenge.objects.exists()


def test_cash_on_delivery_needs_the_code_too(
    pay: Any, order: Any, cod_method: PaymentMethod, settings: Any, letters: list[Any], at: datetime
) -> None:
    settings.OTP_REQUIRED_ABOVE = {"VND": "1000"}
    made = order(amount_minor=50_000)
    with pytest.raises(OtpRequired):
        pay(made, at=at, method=cod_method)
    payment = Payment.objects.get()
    ask(payment, at)
    check(payment, code_of(letters, at), at)

    opened = checkout.pay_again(payment_id=payment.id, method=None, actor="customer:1", at=at)

    assert (opened.attempt.status, opened.payment.status) == ("pending", "awaiting_payment")


def test_a_payment_that_waits_for_its_code_expires_without_asking_anybody(
    pay: Any, order: Any, momo: Any, settings: Any, at: datetime
) -> None:
    settings.OTP_REQUIRED_ABOVE = {"VND": "1000"}
    with pytest.raises(OtpRequired):
        pay(order(), at=at)

    assert expiry.expire_overdue(at=at + timedelta(minutes=91)) == 1

    attempt = Attempt.objects.get()
    assert (Payment.objects.get().status, attempt.status, attempt.next_query_at) == ("expired", "expired", None)


# --- Races -----------------------------------------------------------------------------------------------------------
@pytest.mark.race
def test_of_two_who_try_at_once_with_one_try_left_only_one_has_it(
    payment: Payment, letters: list[Any], at: datetime
) -> None:
    ask(payment, at)
    code = code_of(letters, at)
    for _ in range(4):
        tries_left(payment, wrong(code), at)

    answers = together([lambda: check(payment, wrong(code), at)] * 4)

    assert [answer.facts["tries_left"] for answer in answers if isinstance(answer, OtpInvalid)] == [0] * 4
    challenge = OtpChallenge.objects.get()
    assert (challenge.status, challenge.tries) == (S.FAILED, 5)
    assert AuditEntry.objects.filter(action="otp.wrong").count() == 5


@pytest.mark.race
def test_a_right_code_given_four_times_at_once_passes_once(payment: Payment, letters: list[Any], at: datetime) -> None:
    ask(payment, at)
    code = code_of(letters, at)

    answers = together([lambda: check(payment, code, at)] * 4)

    assert sum(isinstance(answer, OtpChallenge) for answer in answers) == 1
    assert OtpChallenge.objects.get().tries == 1


@pytest.mark.race
def test_of_codes_asked_for_at_once_one_lives(payment: Payment, at: datetime) -> None:
    together([lambda: ask(payment, at)] * 4)

    states = sorted(OtpChallenge.objects.values_list("status", flat=True))
    assert states == ["live", "replaced", "replaced", "replaced"]
