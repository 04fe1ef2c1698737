"""Receipts: one per fact, in the customer's language, sent once, tried again, and never a way in for anybody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage
from django.db import connection
from django.utils import timezone

from config.core import deadletters
from config.core.errors import InvalidInput
from config.core.models import AuditEntry, DeadLetter
from config.core.money import Money
from payments import letters
from payments.errors import EmailRefused, PaymentNotFound
from payments.models import AttemptEvent, EmailMessageLog, Payment, PaymentMethod
from payments.services import checkout, emails, expiry, refunds, transfers
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
K = EmailMessageLog.Kind


class Refusing(BaseEmailBackend):
    """A provider that answers nothing but trouble."""

    def send_messages(self, email_messages: list[EmailMessage]) -> int:
        raise ConnectionRefusedError("no route to lan@example.com")


REFUSING = f"{__name__}.Refusing"


@pytest.fixture(autouse=True)
def outbox(settings: Any) -> Iterator[list[Any]]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.DEFAULT_FROM_EMAIL = "Chợ Việt <no-reply@shop.example>"
    mail.outbox = []
    yield mail.outbox


@pytest.fixture
def paid(order: Callable[..., Any], momo_method: PaymentMethod, momo: Any) -> Callable[..., Payment]:
    """A payment that has succeeded, its receipt queued."""

    def make(**fields: Any) -> Payment:
        locale = fields.pop("locale", "vi")
        made = order(amount_minor=960_000, **fields)
        wish = checkout.NewPayment(
            order_id=made.order_id, method=momo_method, client="shop", actor="customer:1", locale=locale
        )
        payment = checkout.create_payment(wish=wish, at=timezone.now()).payment
        attempt = payment.attempts.get()
        momo.settle(attempt)
        expiry.ask(attempt, source=AttemptEvent.Source.POLL, at=timezone.now())
        found: Payment = Payment.objects.select_related("order").get(id=payment.id)
        return found

    return make


def send(after: timedelta = timedelta(seconds=1)) -> int:
    return emails.send_due(at=timezone.now() + after)


def html_of(message: Any) -> str:
    ((body, kind),) = message.alternatives
    assert kind == "text/html"
    return str(body)


# --- What they say ---------------------------------------------------------------------------------------------------
def test_a_receipt_tells_in_vietnamese_what_was_paid(paid: Any, outbox: list[Any]) -> None:
    payment = paid(order_id="ORD-7", description="Gốm Bát Tràng")

    assert send() == 1

    (message,) = outbox
    transaction = payment.attempts.get().gateway_transaction_id
    assert (message.subject, message.to) == ("Đã nhận thanh toán cho đơn hàng ORD-7", ["lan@example.com"])
    assert message.from_email == "Chợ Việt <no-reply@shop.example>"
    for part in (message.body, html_of(message)):
        for text in ("960.000\u00a0₫", "ORD-7", "Gốm Bát Tràng", "Ví MoMo", transaction, "Xin chào Nguyễn Thị Lan,"):
            assert text in part
    assert "{" not in message.body and "%(" not in message.body
    row = EmailMessageLog.objects.get()
    assert (row.status, row.tries, row.subject, row.next_try_at) == ("sent", 1, message.subject, None)
    assert message.extra_headers["Message-ID"] == f"<{row.id}@shop.example>"


def test_a_receipt_is_written_in_the_payments_language(paid: Any, outbox: list[Any]) -> None:
    paid(order_id="ORD-7", locale="en")
    send()

    assert outbox[0].subject == "We have received your payment for order ORD-7"
    assert "₫960,000" in outbox[0].body and 'lang="en"' in html_of(outbox[0])


def test_a_letter_is_plain_tables_with_inline_styles_and_nothing_from_outside(paid: Any, outbox: list[Any]) -> None:
    paid()
    send()

    html = html_of(outbox[0])
    assert "<script" not in html and "<link" not in html and "<img" not in html and "<style" not in html
    assert html.count('href="') == 1 and 'href="http://127.0.0.1:9/pay/' in html
    assert 'name="viewport"' in html and "max-width:560px" in html and html.count('role="presentation"') == 4


def test_cash_on_delivery_is_told_when_the_order_is_placed(
    order: Any, cod_method: PaymentMethod, outbox: list[Any]
) -> None:
    made = order(order_id="ORD-8", amount_minor=50_000)
    wish = checkout.NewPayment(order_id=made.order_id, method=cod_method, client="shop", actor="customer:1")
    checkout.create_payment(wish=wish, at=timezone.now())

    send()

    assert outbox[0].subject == "Đơn hàng ORD-8: thanh toán khi nhận hàng"
    assert "50.000\u00a0₫" in outbox[0].body


@pytest.mark.parametrize(
    ("locale", "subject", "words"),
    [
        (
            "vi",
            "Đơn hàng ORD-8: cách thanh toán bằng chuyển khoản",
            ("Số tài khoản: 0123456789", "Nội dung chuyển khoản: {}", "350.000\u00a0₫"),
        ),
        (
            "en",
            "Your order ORD-8: how to pay by bank transfer",
            ("Account number: 0123456789", "Text of the transfer: {}", "₫350,000"),
        ),
    ],
)
def test_a_bank_transfer_is_told_with_account_amount_and_text(
    order: Any, bank_method: PaymentMethod, outbox: list[Any], locale: str, subject: str, words: tuple[str, ...]
) -> None:
    made = order(order_id="ORD-8", amount_minor=350_000)
    wish = checkout.NewPayment(
        order_id=made.order_id, method=bank_method, client="shop", actor="customer:1", locale=locale
    )
    reference = checkout.create_payment(wish=wish, at=timezone.now()).attempt.gateway_reference

    send()

    assert outbox[0].subject == subject
    assert all(word.format(reference) in outbox[0].body for word in words)
    assert all(
        part in outbox[0].alternatives[0][0] for part in (reference, "0123456789", "CONG TY CHO HOA", "Vietcombank")
    )


def test_a_transfer_that_came_at_once_needs_no_letter_how_to_make_it(
    order: Any, bank_method: PaymentMethod, outbox: list[Any]
) -> None:
    wish = checkout.NewPayment(order_id=order().order_id, method=bank_method, client="shop", actor="customer:1")
    payment = checkout.create_payment(wish=wish, at=timezone.now()).payment
    transfer = transfers.Transfer(number="FT1", money=payment.amount, occurred_at=timezone.now())
    transfers.confirm(payment_id=payment.id, transfer=transfer, actor="user:a@example.com", at=timezone.now())

    send()

    assert [message.subject[:11] for message in outbox] == ["Đã nhận tha"]


@pytest.mark.parametrize("is_wanted", [True, False])
def test_a_failure_is_told_only_where_that_is_wanted(
    order: Any, momo_method: PaymentMethod, settings: Any, outbox: list[Any], is_wanted: bool
) -> None:
    settings.EMAIL_ON_FAILURE = is_wanted
    made = order(order_id="ORD-9")
    wish = checkout.NewPayment(order_id=made.order_id, method=momo_method, client="shop", actor="customer:1")
    payment = checkout.create_payment(wish=wish, at=timezone.now()).payment
    expiry.cancel(payment_id=payment.id, actor="customer:1", reason="x", at=timezone.now())

    assert send() == int(is_wanted)
    assert [message.subject for message in outbox] == ["Thanh toán cho đơn hàng ORD-9 không thành công"] * int(
        is_wanted
    )


def test_a_refund_letter_names_the_amount_of_that_refund(paid: Any, outbox: list[Any]) -> None:
    payment = paid(order_id="ORD-7")
    for minor in (100_000, 50_000):
        refunds.request_refund(
            wish=refunds.NewRefund(
                payment_id=payment.id, amount=Money(minor, "VND"), reason="x", actor="user:a@example.com",
                client="x", idempotency_key=str(minor),
            ),
            at=timezone.now(),
        )  # fmt: skip
    send()

    told = [message for message in outbox if "hoàn tiền" in message.subject]
    assert len(told) == 2
    assert {amount for amount in ("100.000", "50.000") for message in told if f" {amount}\u00a0₫" in message.body} == {
        "100.000",
        "50.000",
    }


def test_a_letter_that_events_have_overtaken_is_not_sent(paid: Any, outbox: list[Any]) -> None:
    payment = paid()
    send()
    EmailMessageLog.objects.create(
        kind=K.PAYMENT_FAILED, payment=payment, fact="x", recipient="lan@example.com", locale="vi",
        next_try_at=timezone.now(), created_at=timezone.now(),
    )  # fmt: skip

    assert send() == 0
    assert len(outbox) == 1
    assert EmailMessageLog.objects.get(fact="x").status == "dead"
    assert DeadLetter.objects.count() == 0


# --- One per fact, sent once -----------------------------------------------------------------------------------------
def test_a_fact_is_told_once_however_often_it_is_heard(paid: Any, outbox: list[Any]) -> None:
    payment = paid()
    for _ in range(3):
        expiry.ask(payment.attempts.get(), source=AttemptEvent.Source.POLL, at=timezone.now())

    assert [send() for _ in range(3)] == [1, 0, 0]
    assert len(outbox) == 1


@pytest.mark.race
def test_two_workers_never_send_one_letter_twice(paid: Any, outbox: list[Any]) -> None:
    for _ in range(6):
        paid()
    start, sent = threading.Barrier(4), []

    def work() -> None:
        start.wait()
        sent.append(send())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(sent) == 6
    assert len({message.extra_headers["Message-ID"] for message in outbox}) == len(outbox) == 6


def test_a_crash_while_sending_sends_again_after_the_lease_under_the_same_message_id(
    paid: Any, outbox: list[Any]
) -> None:
    paid()
    assert emails._claim(timezone.now()) is not None  # and then the worker died

    assert send(timedelta(minutes=9)) == 0
    assert send(timedelta(minutes=11)) == 1
    assert EmailMessageLog.objects.get().tries == 2


# --- Trying again ----------------------------------------------------------------------------------------------------
def test_a_provider_that_is_down_is_tried_five_times_over_six_hours(paid: Any, settings: Any) -> None:
    settings.EMAIL_BACKEND = REFUSING
    paid()
    row = EmailMessageLog.objects.get()
    start = row.next_try_at
    waits = []
    for _ in range(5):
        at = row.next_try_at
        assert emails.send_due(at=at) == 0
        assert emails.send_due(at=at) == 0
        row.refresh_from_db()
        waits.append(row.next_try_at - at if row.next_try_at else None)

    assert waits == [timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=5), None]
    assert (row.status, row.tries) == ("dead", 5)
    assert start is not None
    letter = DeadLetter.objects.get()
    assert (letter.source, letter.reference, letter.attempts) == ("email", row.id, 5)
    assert "lan@example.com" not in f"{row.error} {letter.error} {letter.payload}"


def test_a_requeued_letter_has_its_tries_back(paid: Any, settings: Any, outbox: list[Any]) -> None:
    settings.EMAIL_BACKEND = REFUSING
    paid()
    for after in (0, 2, 15, 100, 500):
        send(timedelta(minutes=after, seconds=1))
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    now = timezone.now()
    deadletters.requeue(dead_letter_id=DeadLetter.objects.get().pk, actor=UserFactory(), reason="it is up", at=now)

    assert emails.send_due(at=now) == 1
    assert EmailMessageLog.objects.get().status == "sent"


def test_an_address_that_nobody_can_have_is_given_up_at_once(paid: Any, outbox: list[Any]) -> None:
    paid(buyer_email="a@x.vn, b@x.vn")

    assert send() == 0
    assert (EmailMessageLog.objects.get().status, len(outbox), DeadLetter.objects.count()) == ("dead", 0, 1)


def test_an_order_without_an_address_gets_no_letter(paid: Any) -> None:
    paid(buyer_email="")

    assert EmailMessageLog.objects.count() == 0


def test_nothing_of_a_customer_gets_into_headers_or_markup(paid: Any, outbox: list[Any]) -> None:
    paid(
        order_id="ORD-1\r\nBcc: thief@example.com",
        buyer_name="<script>alert(1)</script>\r\nX: y",
        description='"><img src=x>',
    )
    send()

    message = outbox[0].message()
    assert message["Subject"] is not None and "\n" not in outbox[0].subject and "\r" not in outbox[0].subject
    assert message["Bcc"] is None
    html = html_of(outbox[0])
    assert "<script" not in html and "<img" not in html
    assert letters.one_line("a\r\nb\u2028c\x00d") == "a b c d"


# --- Sending again ---------------------------------------------------------------------------------------------------
def test_staff_send_a_receipt_again_as_a_fact_of_its_own(paid: Any, outbox: list[Any]) -> None:
    payment = paid()
    send()
    now = timezone.now()

    facts = [
        emails.resend(
            payment_id=payment.id, kind=K.PAYMENT_SUCCEEDED, actor="user:a@example.com", reason="lost", at=now
        ).fact
        for _ in range(2)
    ]

    assert facts == [f"payment_succeeded:{payment.id}:2", f"payment_succeeded:{payment.id}:3"]
    assert send() == 2
    assert [entry.reason for entry in AuditEntry.objects.filter(action="email.resent")] == ["lost", "lost"]


@pytest.mark.parametrize(
    ("kind", "reason", "error"),
    [
        (K.PAYMENT_SUCCEEDED, " ", InvalidInput),
        (K.PAYMENT_FAILED, "lost", EmailRefused),
        (K.REFUND_SUCCEEDED, "lost", EmailRefused),
    ],
)
def test_what_would_not_be_true_is_not_sent_again(
    paid: Any, kind: EmailMessageLog.Kind, reason: str, error: type[Exception]
) -> None:
    payment = paid()

    with pytest.raises(error):
        emails.resend(payment_id=payment.id, kind=kind, actor="user:a@example.com", reason=reason, at=timezone.now())

    assert EmailMessageLog.objects.count() == 1


def test_a_payment_we_do_not_have_has_no_letters() -> None:
    with pytest.raises(PaymentNotFound):
        emails.resend(payment_id="pay_x", kind=K.PAYMENT_SUCCEEDED, actor="user:a", reason="x", at=timezone.now())
