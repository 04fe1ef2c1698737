"""Payments opened in the background: the request calls nobody, a worker calls once, and what waits can still be ended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from config.core import breaker, deadletters
from config.core.breaker import State
from config.core.errors import Conflict
from config.core.models import DeadLetter, OutboxEvent
from gateways.sandbox.faults import Fault
from gateways.sandbox.momo.simulator import PUBLISHED
from payments import kick, links, tasks
from payments.errors import GatewayTrouble, OtpRequired
from payments.models import (
    Attempt,
    AttemptEvent,
    Capture,
    GatewayAccount,
    OtpChallenge,
    Payment,
    PaymentMethod,
    RoutingRule,
)
from payments.services import accounts, background, breakers, checkout, expiry, gateway_watch, otp, routes
from payments.states import AttemptStatus, PaymentStatus
from tests.factories import PaymentMethodFactory, UserFactory
from tests.payments.services.test_races import together

pytestmark = pytest.mark.django_db(transaction=True)
SECOND, SECOND_ACCESS, SECOND_SECRET = PUBLISHED[1]
SOON = timedelta(seconds=1)
S = AttemptStatus


@pytest.fixture(autouse=True)
def _in_the_background(settings: Any) -> None:
    settings.INVOICE_MODE = "batch"
    kick._sender.cache_clear()
    routes.forget()


@pytest.fixture
def second(momo_account: GatewayAccount) -> GatewayAccount:
    """Our other merchant account at MoMo."""
    account = GatewayAccount(code="momo-2", gateway="momo")
    account.settings = {**momo_account.settings, "partner_code": SECOND}
    account.secrets = {"access_key": SECOND_ACCESS, "secret_key": SECOND_SECRET}
    account.save()
    return account


@pytest.fixture
def unreachable(momo_account: GatewayAccount) -> Callable[[bool], None]:
    """Send the account to a port where nobody listens, and back."""
    endpoint = momo_account.settings["endpoint"]

    def point(away: bool) -> None:
        momo_account.settings = {**momo_account.settings, "endpoint": "http://127.0.0.1:9" if away else endpoint}
        momo_account.save()
        accounts.forget()

    point(True)
    return point


def opened_at_momo(momo: Any) -> list[str]:
    """The references of ours that the gateway has heard of, in its order."""
    ours = set(Attempt.objects.values_list("gateway_reference", flat=True))
    return [payment.order for payment in momo.running.app.sandbox.world.payments.values() if payment.order in ours]


def history(attempt: Attempt) -> list[tuple[str, str]]:
    return list(AttemptEvent.objects.filter(attempt=attempt).order_by("id").values_list("from_status", "to_status"))


def given_up(at: datetime) -> datetime:
    """Three tries of the background; the moment of the last."""
    for _ in range(3):
        at += timedelta(minutes=2)
        background.open_due(at=at)
    return at


# --- The request -----------------------------------------------------------------------------------------------------
def test_the_request_commits_a_queued_attempt_and_calls_nobody(pay: Any, order: Any, momo: Any, at: datetime) -> None:
    opened = pay(order(), at=at)

    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.next_send_at, attempt.next_query_at, attempt.sends) == (S.QUEUED, at, None, 0)
    assert opened_at_momo(momo) == []
    assert (opened.is_replay, opened.attempt.pay_url) == (False, "")
    assert opened.pay_url == links.pay_page(opened.payment)
    assert opened.payment.status == PaymentStatus.PENDING
    assert [event.type for event in OutboxEvent.objects.order_by("position")] == ["transaction.created"]


def test_a_worker_is_told_which_attempt_at_once(pay: Any, order: Any, redis_client: Any) -> None:
    opened = pay(order())

    (message,) = redis_client.lrange("celery", 0, -1)
    assert json.loads(message)["headers"]["task"] == "payments.open_queued_payment"
    assert opened.attempt.id in json.loads(message)["headers"]["argsrepr"]
    assert tasks.open_queued_payment(opened.attempt.id) is True
    assert Attempt.objects.get().status == S.REQUIRES_ACTION
    assert tasks.open_queued_payment(opened.attempt.id) is False


def test_a_broker_that_is_away_delays_the_request_by_little_and_beat_does_the_work(
    pay: Any, order: Any, settings: Any, at: datetime
) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    kick._sender.cache_clear()
    began = time.monotonic()

    pay(order(), at=at)

    assert time.monotonic() - began < 3
    assert Attempt.objects.get().status == S.QUEUED
    assert tasks.open_queued() == 1
    assert Attempt.objects.get().status == S.REQUIRES_ACTION
    kick._sender.cache_clear()


def test_the_same_wish_again_shows_the_same_attempt_also_while_it_is_being_sent(
    pay: Any, order: Any, at: datetime
) -> None:
    bought = order()
    first = pay(bought, at=at, idempotency_key="k", fingerprint="f")
    again = pay(bought, at=at + SOON, idempotency_key="k", fingerprint="f")
    Attempt.objects.update(status=S.SENT, sends=1, next_send_at=None, updated_at=at + SOON)
    while_sent = pay(bought, at=at + 2 * SOON, idempotency_key="k", fingerprint="f")

    for opened in (again, while_sent):
        assert (opened.is_replay, opened.attempt.id) == (True, first.attempt.id)
        assert opened.pay_url == links.pay_page(opened.payment)
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize(("setting", "of_the_account", "status"), [
    ("batch", "realtime", S.REQUIRES_ACTION), ("realtime", "batch", S.QUEUED), ("realtime", "", S.REQUIRES_ACTION),
])  # fmt: skip
def test_an_account_says_it_otherwise_than_the_setting(
    setting: str, of_the_account: str, status: str, pay: Any, order: Any, momo_method: PaymentMethod, settings: Any
) -> None:
    settings.INVOICE_MODE = setting
    momo_method.account.invoice_mode = of_the_account
    momo_method.account.save()

    opened = pay(order())

    assert opened.attempt.status == status
    assert (opened.pay_url == opened.attempt.pay_url) == (status == S.REQUIRES_ACTION)


def test_where_nobody_is_called_nothing_waits(pay: Any, order: Any, cod_method: Any, bank_method: Any) -> None:
    cash, transfer = pay(order(), method=cod_method), pay(order(), method=bank_method)

    assert (cash.attempt.status, cash.pay_url) == (S.PENDING, "")
    assert transfer.attempt.status == S.REQUIRES_ACTION and transfer.attempt.qr_text


def test_a_payment_that_needs_a_code_waits_for_it_first(pay: Any, order: Any, settings: Any, at: datetime) -> None:
    settings.OTP_REQUIRED_ABOVE = {"VND": "50000"}
    bought = order(amount_minor=960_000)
    with pytest.raises(OtpRequired):
        pay(bought, at=at)
    assert background.open_due(at=at + SOON) == 0
    payment = Payment.objects.get()
    OtpChallenge.objects.create(
        payment=payment, channel="email", status="passed", amount_minor=960_000, currency="VND",
        payee=otp.payee_of(payment), code_hash="x", created_at=at, expires_at=at + SOON, ended_at=at,
    )  # fmt: skip

    opened = pay(bought, at=at + SOON)

    assert (opened.attempt.number, opened.attempt.is_to_be_sent) == (2, True)
    assert background.open_due(at=at + 2 * SOON) == 1
    assert list(Attempt.objects.order_by("number").values_list("status", flat=True)) == [S.CANCELLED, S.REQUIRES_ACTION]


# --- The worker ------------------------------------------------------------------------------------------------------
def test_beat_sends_it_once_and_its_pay_url_is_there(pay: Any, order: Any, momo: Any, at: datetime) -> None:
    bought = order()
    opened = pay(bought, at=at)

    assert (background.open_due(at=at + SOON), background.open_due(at=at + 2 * SOON)) == (1, 0)

    attempt = Attempt.objects.select_related("payment").get()
    assert (attempt.status, attempt.sends, attempt.next_send_at) == (S.REQUIRES_ACTION, 1, None)
    assert attempt.payment.status == PaymentStatus.AWAITING_PAYMENT
    assert attempt.pay_url.startswith("http")
    assert opened_at_momo(momo) == [attempt.gateway_reference]
    assert history(attempt) == [("", "queued"), ("queued", "sent"), ("sent", "requires_action")]
    again = pay(bought, at=at + 3 * SOON)
    assert (again.is_replay, again.attempt.id, again.pay_url) == (True, opened.attempt.id, attempt.pay_url)


def test_eight_workers_at_once_send_it_once(pay: Any, order: Any, momo: Any, at: datetime) -> None:
    for _ in range(5):
        pay(order(), at=at)

    sent = together([lambda: background.open_due(at=at + SOON) for _ in range(8)])

    assert sum(int(str(count)) for count in sent) == 5
    assert len(opened_at_momo(momo)) == len(set(opened_at_momo(momo))) == 5
    assert set(Attempt.objects.values_list("status", "sends")) == {(S.REQUIRES_ACTION, 1)}


def test_a_definite_no_goes_along_the_route(
    pay: Any, order: Any, momo: Any, second: GatewayAccount, momo_method: PaymentMethod, at: datetime
) -> None:
    for position, account in enumerate((momo_method.account, second), start=1):
        RoutingRule.objects.create(position=position, method=momo_method, account=account)
    accounts.forget()
    momo.fault(Fault.ANSWER_CODE, operation="create", scope="operation", count=1, code=11)
    pay(order(), at=at)

    background.open_due(at=at + SOON)

    rows = Attempt.objects.order_by("number").values_list("account__code", "status", "sends")
    assert list(rows) == [("momo", S.FAILED, 1), ("momo-2", S.REQUIRES_ACTION, 1)]
    assert DeadLetter.objects.count() == 0


def test_a_definite_no_without_another_way_ends_the_attempt_and_not_the_payment(
    pay: Any, order: Any, momo: Any, at: datetime
) -> None:
    momo.fault(Fault.ANSWER_CODE, operation="create", scope="operation", count=1, code=11)
    bought = order()
    pay(bought, at=at)

    assert [background.open_due(at=at + n * SOON) for n in (1, 2)] == [1, 0]

    attempt = Attempt.objects.select_related("payment").get()
    assert (attempt.status, attempt.payment.status) == (S.FAILED, PaymentStatus.AWAITING_PAYMENT)
    assert DeadLetter.objects.count() == 0
    assert pay(bought, at=at + 3 * SOON).attempt.number == 2


def test_an_unknown_outcome_is_asked_about_and_never_sent_again(pay: Any, order: Any, momo: Any, at: datetime) -> None:
    momo.fault(Fault.ERROR_500_AFTER_ACCEPT, operation="create", scope="operation", count=1)
    pay(order(), at=at)

    background.open_due(at=at + SOON)
    assert Attempt.objects.get().status == S.UNKNOWN
    assert background.open_due(at=at + timedelta(minutes=5)) == 0
    expiry.ask_due(at=at + timedelta(minutes=5))

    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.sends) == (S.PENDING, 1)
    assert opened_at_momo(momo) == [attempt.gateway_reference]


def test_a_gateway_is_asked_from_when_it_was_called_and_not_from_when_the_attempt_was_made(
    pay: Any, order: Any, momo: Any, at: datetime
) -> None:
    momo.fault(Fault.ERROR_500_AFTER_ACCEPT, operation="create", scope="operation", count=1)
    pay(order(), at=at)
    late = at + timedelta(minutes=70)
    assert Attempt.objects.get().sent_at == at

    background.open_due(at=late)

    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.created_at, attempt.sent_at) == (S.UNKNOWN, at, late)


# --- What never left us ----------------------------------------------------------------------------------------------
def test_what_never_left_us_is_sent_again_later_and_later(pay: Any, order: Any, unreachable: Any, at: datetime) -> None:
    pay(order(), at=at)
    waits = []
    for ceiling in (30, 60):
        moment = at = at + timedelta(minutes=2)
        assert background.open_due(at=moment) == 1
        attempt = Attempt.objects.get()
        assert attempt.status == S.QUEUED and attempt.next_query_at is None and attempt.next_send_at is not None
        waits.append(0 <= (attempt.next_send_at - moment).total_seconds() <= ceiling)

    assert waits == [True, True]
    unreachable(False)
    background.open_due(at=at + timedelta(minutes=2))
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.sends) == (S.REQUIRES_ACTION, 3)
    assert OutboxEvent.objects.filter(type="transaction.failed").count() == 0


def test_after_three_tries_the_attempt_fails_the_payment_stays_payable_and_a_dead_letter_opens(
    pay: Any, order: Any, momo: Any, unreachable: Any, at: datetime
) -> None:
    bought = order()
    pay(bought, at=at)

    at = given_up(at)

    attempt = Attempt.objects.select_related("payment").get()
    assert (attempt.status, attempt.failure_code, attempt.sends) == (S.FAILED, "gateway_unreachable", 3)
    assert attempt.payment.status == PaymentStatus.AWAITING_PAYMENT
    letter = DeadLetter.objects.get()
    assert (letter.source, letter.reference, letter.attempts, letter.key) == (
        "queued_payment", attempt.id, 3, attempt.payment_id,
    )  # fmt: skip
    assert background.open_due(at=at + timedelta(minutes=5)) == 0
    assert OutboxEvent.objects.filter(type="transaction.failed").count() == 1
    unreachable(False)
    assert pay(bought, at=at + SOON).attempt.number == 2


def test_a_requeued_dead_letter_opens_the_payment_by_a_new_attempt(
    pay: Any, order: Any, momo: Any, unreachable: Any, at: datetime
) -> None:
    pay(order(), at=at)
    at = given_up(at)
    unreachable(False)

    deadletters.requeue(dead_letter_id=DeadLetter.objects.get().pk, actor=UserFactory(), reason="it is back", at=at)
    background.open_due(at=at + SOON)

    rows = Attempt.objects.order_by("number").values_list("status", "sends")
    assert list(rows) == [(S.FAILED, 3), (S.REQUIRES_ACTION, 1)]
    assert len(opened_at_momo(momo)) == 1
    assert OutboxEvent.objects.filter(type="transaction.created").count() == 2


@pytest.mark.parametrize(
    ("what", "why"), [("cancelled", "no longer be paid"), ("late", "no longer be paid"), ("again", "since")]
)
def test_a_dead_letter_is_not_requeued_for_a_payment_that_has_gone_on(
    what: str, why: str, pay: Any, order: Any, unreachable: Any, at: datetime
) -> None:
    bought = order()
    payment = pay(bought, at=at).payment
    at = given_up(at)
    if what == "cancelled":
        expiry.cancel(payment_id=payment.id, actor="user:a", reason="x", at=at)
    elif what == "again":
        pay(bought, at=at)
    moment = payment.expires_at if what == "late" else at
    before = Attempt.objects.count()

    with pytest.raises(Conflict, match=why):
        deadletters.requeue(dead_letter_id=DeadLetter.objects.get().pk, actor=UserFactory(), reason="x", at=moment)

    assert (Attempt.objects.count(), DeadLetter.objects.get().status) == (before, "open")


def test_an_open_breaker_counts_as_never_sent_and_a_gateway_that_is_back_is_used_at_once(
    pay: Any, order: Any, momo: Any, at: datetime
) -> None:
    pay(order(), at=at)
    breaker.force("momo", State.OPEN, seconds=60)
    breakers.forget()
    background.open_due(at=at + SOON)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.sends) == (S.QUEUED, 1)
    Attempt.objects.update(next_send_at=at + timedelta(minutes=1))
    breaker.force("momo", None, seconds=0)

    gateway_watch.take_up("momo", at=at + 2 * SOON)

    assert background.open_due(at=at + 2 * SOON) == 1
    assert Attempt.objects.get().status == S.REQUIRES_ACTION


def test_an_account_that_is_away_hands_over_to_the_next_of_the_route_at_once(
    pay: Any, order: Any, second: GatewayAccount, momo_method: PaymentMethod, unreachable: Any, at: datetime
) -> None:
    for position, account in enumerate((momo_method.account, second), start=1):
        RoutingRule.objects.create(position=position, method=momo_method, account=account)
    accounts.forget()
    pay(order(), at=at)

    background.open_due(at=at + SOON)

    rows = Attempt.objects.order_by("number").values_list("account__code", "status")
    assert list(rows) == [("momo", S.FAILED), ("momo-2", S.REQUIRES_ACTION)]
    assert DeadLetter.objects.count() == 0


# --- Ends while it waits ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_a_queued_payment_ends_at_once_and_no_gateway_is_asked(
    end: str, pay: Any, order: Any, momo: Any, unreachable: Any, at: datetime
) -> None:
    payment = pay(order(), at=at).payment

    if end == "expired":
        expiry.expire_overdue(at=payment.expires_at)
    else:
        expiry.cancel(payment_id=payment.id, actor="user:a", reason="changed my mind", at=at + SOON)

    attempt = Attempt.objects.select_related("payment").get()
    assert (attempt.status, attempt.payment.status) == (end, end)
    assert (attempt.next_send_at, attempt.next_query_at) == (None, None)
    unreachable(False)
    assert background.open_due(at=at + 2 * SOON) == 0
    assert background.open_one(attempt_id=attempt.id, at=at + 2 * SOON) is False
    assert opened_at_momo(momo) == []


def test_another_method_takes_the_place_of_a_queued_attempt(
    pay: Any, order: Any, momo: Any, cod_method: Any, at: datetime
) -> None:
    bought = order()
    pay(bought, at=at)

    pay(bought, method=cod_method, at=at + SOON)

    rows = Attempt.objects.order_by("number").values_list("status", "next_send_at")
    assert list(rows) == [(S.CANCELLED, None), (S.PENDING, None)]
    assert AttemptEvent.objects.get(to_status="cancelled").reason == "another method chosen"
    assert background.open_due(at=at + 2 * SOON) == 0
    assert opened_at_momo(momo) == []


def test_a_queued_attempt_gives_way_when_an_older_one_was_paid(
    pay: Any, order: Any, momo: Any, hear: Any, second: GatewayAccount, settings: Any, at: datetime
) -> None:
    other = PaymentMethodFactory(code="momo-2", name_vi="Ví 2", name_en="Wallet 2", account=second)
    bought, settings.INVOICE_MODE = order(), "realtime"
    first = pay(bought, at=at)
    settings.INVOICE_MODE = "batch"
    pay(bought, method=other, at=at + SOON)
    hear(momo.paid_ipn(first.attempt), at=at + SOON)

    assert background.open_due(at=at + 2 * SOON) == 0

    rows = Attempt.objects.order_by("number").values_list("account__code", "status")
    assert list(rows) == [("momo", S.SUCCEEDED), ("momo-2", S.CANCELLED)]
    assert Capture.objects.count() == 1
    assert opened_at_momo(momo) == [first.attempt.gateway_reference]


def test_a_further_attempt_at_a_gateway_that_is_down_is_refused_as_ever(
    pay: Any, order: Any, momo: Any, unreachable: Any, at: datetime
) -> None:
    payment = pay(order(), at=at).payment
    at = given_up(at)
    breaker.force("momo", State.OPEN, seconds=60)
    breakers.forget()

    with pytest.raises(GatewayTrouble):
        checkout.pay_again(payment_id=payment.id, method=None, actor="customer:1", at=at)

    assert Attempt.objects.count() == 1
