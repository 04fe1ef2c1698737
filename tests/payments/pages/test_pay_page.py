"""The pay page without scripts: what it shows in each state, in which language, and what its buttons do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from config.core import breaker
from config.core.breaker import State
from config.core.money import Money
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from payments import links
from payments.errors import GatewayTimeout, OtpRequired
from payments.models import Attempt, AttemptEvent, OtpChallenge, Payment, PaymentMethod
from payments.services import background, checkout, expiry, otp, transfers
from tests.payments.pages.conftest import Page

pytestmark = pytest.mark.django_db(transaction=True)
OpenPage = Callable[..., Page]


def ask(page: Page) -> None:
    expiry.ask(page.attempt, source=AttemptEvent.Source.POLL, at=timezone.now())


def stage(response: Any) -> str:
    return str(response.content.decode().partition('data-stage="')[2].partition('"')[0])


# --- What it shows ---------------------------------------------------------------------------------------------------
def test_a_payment_that_waits_shows_amount_order_code_and_the_way_to_the_wallet(open_page: OpenPage) -> None:
    page = open_page()

    response = page.get()

    html = response.content.decode()
    assert (response.status_code, stage(response)) == (200, "waiting")
    assert "960.000\u00a0₫" in html
    assert page.payment.order.order_id in html
    assert page.payment.order.shop_orders.get().shop.name in html
    assert html.count("<svg") == 2  # the lock of the header and the QR code
    assert f'href="{page.attempt.pay_url.replace("&", "&amp;")}"' in html
    assert 'class="button only-phone" href="momo://app?' in html
    assert page.state() == {
        "stage": "waiting",
        "version": "waiting.1.requires_action.none",
        "is_final": False,
        "seconds_left": pytest.approx(90 * 60, abs=30),
    }


def test_a_paid_payment_says_so_and_leads_back_to_the_shop(open_page: OpenPage, momo: Any) -> None:
    page = open_page(return_url="http://127.0.0.1:8000/orders?tab=paid")
    momo.settle(page.attempt)
    ask(page)

    html = page.get().content.decode()

    assert stage(page.get()) == "paid"
    order_id = page.payment.order.order_id
    assert (
        f'href="http://127.0.0.1:8000/orders?tab=paid&amp;order_id={order_id}&amp;payment_id={page.payment_id}'
        '&amp;status=succeeded"' in html
    )
    assert "l•••@example.com" in html
    assert "lan@example.com" not in html
    assert page.state()["is_final"] is True
    assert "http-equiv" not in html  # nothing to refresh any more


def test_cash_on_delivery_says_when_to_pay_and_offers_to_pay_now(
    open_page: OpenPage, cod_method: PaymentMethod
) -> None:
    response = open_page(cod_method).get()

    assert stage(response) == "delivery"
    assert b'value="momo"' in response.content
    assert b'value="cod"' not in response.content


def test_a_failed_try_can_be_repeated(open_page: OpenPage, momo: Any) -> None:
    page = open_page()
    momo.settle(page.attempt, Outcome.DECLINE)
    ask(page)
    assert stage(page.get()) == "retry"

    response = page.post(method="momo")

    assert (response.status_code, response["Location"]) == (303, page.path)
    assert (page.attempt.number, page.attempt.status) == (2, "requires_action")
    assert stage(page.get()) == "waiting"


def test_nothing_can_be_chosen_while_an_attempt_is_undecided(open_page: OpenPage, momo: Any) -> None:
    page = open_page()
    Attempt.objects.filter(payment_id=page.payment_id).update(
        status="unknown", created_at=timezone.now() - timedelta(minutes=2)
    )

    shown, response = page.get(), page.post(method="cod")

    assert stage(shown) == "asking"
    assert b"<form" not in shown.content
    assert response["Location"] == f"{page.path}?problem=attempt_undecided"
    assert "Chúng tôi chưa biết" in page.get("?problem=attempt_undecided").content.decode()
    assert Attempt.objects.filter(payment_id=page.payment_id).count() == 1


def test_a_silent_gateway_leaves_a_page_that_says_we_are_asking(
    open_page: OpenPage, momo: Any, momo_account: Any, order: Any, momo_method: PaymentMethod
) -> None:
    momo.fault(Fault.ERROR_500_AFTER_ACCEPT, scope="operation", operation="create", count=9)
    with pytest.raises(GatewayTimeout):
        open_page()
    payment = Payment.objects.get()

    response = Client().get(f"/pay/{links.client_secret(payment.id)}")

    assert stage(response) == "asking"


@pytest.mark.parametrize(
    ("status", "expected"), [("expired", "expired"), ("failed", "failed"), ("cancelled", "cancelled")]
)
def test_an_ended_payment_says_how_and_offers_nothing(open_page: OpenPage, status: str, expected: str) -> None:
    page = open_page()
    Payment.objects.filter(id=page.payment_id).update(status=status)

    response = page.get()

    assert stage(response) == expected
    assert b"<form" not in response.content
    assert page.post(method="momo")["Location"] == page.path
    assert page.payment.status == status


def test_after_the_time_to_pay_the_page_waits_for_a_last_word(open_page: OpenPage) -> None:
    page = open_page(at=timezone.now() - timedelta(hours=2))

    response = page.get()

    assert stage(response) == "checking"
    assert b"<form" not in response.content
    assert page.state()["seconds_left"] == 0


def test_a_part_refunded_payment_says_how_much(open_page: OpenPage, momo: Any) -> None:
    page = open_page()
    momo.settle(page.attempt)
    ask(page)
    Payment.objects.filter(id=page.payment_id).update(refunded_minor=60_000)

    assert "60.000\u00a0₫" in page.get().content.decode()
    assert page.state()["version"] == "paid.1.succeeded.partial"


def test_discounts_of_the_marketplace_are_a_line_of_their_own(order: Any, momo_method: PaymentMethod) -> None:
    made = order({"order_subtotal": 600_000, "shipping_fee": 35_000}, {"order_subtotal": 400_000}, site_voucher=75_000)
    opened = checkout.create_payment(
        wish=checkout.NewPayment(order_id=made.order_id, method=momo_method, client="shop", actor="customer:1"),
        at=timezone.now(),
    )
    html = Client().get(f"/pay/{links.client_secret(opened.payment.id)}").content.decode()

    assert all(text in html for text in ("635.000\u00a0₫", "400.000\u00a0₫", "−75.000\u00a0₫", "960.000\u00a0₫"))


# --- Choosing --------------------------------------------------------------------------------------------------------
def test_another_method_may_be_chosen_while_nothing_is_undecided(open_page: OpenPage) -> None:
    page = open_page()

    response = page.post(method="cod")

    assert (response.status_code, response["Location"]) == (303, page.path)
    assert page.payment.method.code == "cod"
    assert stage(page.get()) == "delivery"


@pytest.mark.parametrize("method", ["paypal", "momo'--", "m" * 5000])
def test_an_unknown_method_changes_nothing(open_page: OpenPage, method: str) -> None:
    page = open_page()

    response = page.post(method=method)

    assert response["Location"] == f"{page.path}?problem=payment_method_unusable"
    assert (page.payment.method.code, page.attempt.number) == ("momo", 1)


def test_a_method_that_does_not_take_the_amount_is_neither_offered_nor_taken(
    open_page: OpenPage, cod_method: PaymentMethod
) -> None:
    cod_method.limits = {"VND": [1_000, 900_000]}
    cod_method.save()
    page = open_page()

    assert b'value="cod"' not in page.get().content
    assert page.post(method="cod")["Location"] == f"{page.path}?problem=payment_method_unusable"
    assert page.payment.method.code == "momo"


def test_a_gateway_that_refuses_is_told_in_our_words(open_page: OpenPage, momo: Any, cod_method: PaymentMethod) -> None:
    page = open_page(cod_method)
    momo.fault(Fault.ANSWER_CODE, scope="operation", operation="create", code=11)

    response = page.post(method="momo")

    assert response["Location"] == f"{page.path}?problem=gateway_refused"
    assert stage(page.get("?problem=gateway_refused")) == "retry"


def test_a_button_needs_its_token(open_page: OpenPage) -> None:
    page = open_page()

    response = Client(enforce_csrf_checks=True).post(page.path, {"method": "cod"})

    assert response.status_code == 403
    assert page.payment.method.code == "momo"


# --- Language --------------------------------------------------------------------------------------------------------
def test_the_payments_own_language_is_the_first_choice(open_page: OpenPage) -> None:
    assert b'<html lang="vi">' in open_page().get().content
    assert b'<html lang="en">' in open_page(locale="en").get().content


def test_a_language_is_chosen_by_address_and_remembered_by_a_cookie(open_page: OpenPage) -> None:
    page = open_page()
    client = Client()

    first, second = client.get(f"{page.path}?lang=en"), client.get(page.path)

    assert "₫960,000" in first.content.decode()
    assert first.cookies["pay_language"]["path"] == "/pay/"
    assert (second["Content-Language"], "₫960,000" in second.content.decode()) == ("en", True)
    assert b'<html lang="vi">' in client.get(f"{page.path}?lang=xx", headers={"cookie": "pay_language=xx"}).content


# --- What it must not do ---------------------------------------------------------------------------------------------
def test_the_page_runs_nothing_of_others_and_is_kept_by_nobody(open_page: OpenPage) -> None:
    response = open_page().get()

    policy = response["Content-Security-Policy"]
    assert "'unsafe-inline'" not in policy and "'unsafe-eval'" not in policy
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    html = response.content.decode()
    assert "style=" not in html and "<style" not in html and html.count("<script") == 1
    assert response["Cache-Control"] == "no-store, private"
    assert response["Referrer-Policy"] == "same-origin"  # the address holds the secret


@pytest.mark.parametrize("token", ["x", "0" * 50, "é" * 50, "return", "..%2f..", "a" * 5000])
def test_a_wrong_token_is_a_page_that_tells_nothing(db: None, token: str) -> None:
    for path in (f"/pay/{token}", f"/pay/{token}/state"):
        response = Client().get(path)

        assert response.status_code == 404


def test_the_secret_of_one_payment_opens_no_other(open_page: OpenPage) -> None:
    mine, other = open_page(), open_page()
    mixed = other.path[: len("/pay/") + 26] + mine.path[len("/pay/") + 26 :]

    assert Client().get(mixed).status_code == 404


def test_text_of_others_is_shown_as_text(order: Any, momo_method: PaymentMethod) -> None:
    made = order(order_id='<script>alert(1)</script>"', description="<b>x</b>")
    opened = checkout.create_payment(
        wish=checkout.NewPayment(order_id=made.order_id, method=momo_method, client="shop", actor="customer:1"),
        at=timezone.now(),
    )
    html = Client().get(f"/pay/{links.client_secret(opened.payment.id)}?problem=<script>").content.decode()

    assert "<script>alert" not in html and "<b>x" not in html and "problem=" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;" in html


def test_a_way_whose_gateway_is_down_is_shown_and_cannot_be_chosen(
    open_page: OpenPage, cod_method: PaymentMethod
) -> None:
    page = open_page(cod_method)
    assert "disabled" not in page.get().content.decode()

    breaker.force("momo", State.OPEN, seconds=60)

    html = page.get("?lang=en").content.decode()
    assert '<button name="method" value="momo" disabled>' in html
    assert "Not available just now" in html


def test_a_payment_that_failed_is_not_asked_to_be_tried_again_while_its_gateway_is_down(
    open_page: OpenPage, momo: Any
) -> None:
    page = open_page()
    momo.settle(page.attempt, Outcome.DECLINE)
    ask(page)
    assert "Try again" in page.get("?lang=en").content.decode()

    breaker.force("momo", State.OPEN, seconds=60)

    html = page.get("?lang=en").content.decode()
    assert "Try again" not in html
    assert '<button name="method" value="cod">' in html
    assert "Please choose another way to pay." in html


# --- Bank transfer ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("vi", ("Số tài khoản", "Nội dung chuyển khoản", "Sao chép")),
        ("en", ("Account number", "Text of the transfer", "Copy")),
    ],
)
def test_a_transfer_shows_its_qr_account_amount_and_text(
    open_page: OpenPage, bank_method: PaymentMethod, locale: str, words: tuple[str, ...]
) -> None:
    page = open_page(bank_method, money=Money(350_000, "VND"), locale=locale)

    response = page.get()

    html = response.content.decode()
    assert (stage(response), html.count("<svg")) == ("waiting", 2)
    assert "0123456789" in html and "CONG TY CHO HOA" in html and "Vietcombank" in html
    for copied in ("0123456789", "350000", page.attempt.gateway_reference):
        assert f'data-copy="{copied}"' in html
    assert all(word in html for word in words)
    assert 'id="clock"' not in html  # three days: a date says more than a countdown
    assert "style=" not in html and "onclick" not in html


def test_a_transfer_that_was_confirmed_is_paid_and_its_account_is_shown_no_more(
    open_page: OpenPage, bank_method: PaymentMethod
) -> None:
    page = open_page(bank_method, money=Money(350_000, "VND"))
    transfer = transfers.Transfer(number="FT1", money=page.payment.amount, occurred_at=timezone.now())
    transfers.confirm(payment_id=page.payment_id, transfer=transfer, actor="user:a@example.com", at=timezone.now())

    response = page.get()

    assert stage(response) == "paid"
    assert b"0123456789" not in response.content


def test_from_a_transfer_the_customer_may_turn_to_another_way_and_back(
    open_page: OpenPage, bank_method: PaymentMethod
) -> None:
    page = open_page(bank_method, money=Money(350_000, "VND"))
    page.post(method="momo")
    page.post(method="bank_transfer")

    assert [attempt.status for attempt in page.payment.attempts.order_by("number")] == ["requires_action"] * 3
    assert page.attempt.gateway_reference.encode() in page.get().content


def test_an_amount_that_needs_a_code_is_told_and_goes_on_after_it(
    order: Callable[..., Any], momo_method: PaymentMethod, settings: Any
) -> None:
    settings.OTP_REQUIRED_ABOVE = {"VND": "1000"}
    made = order(amount_minor=960_000)
    wish = checkout.NewPayment(order_id=made.order_id, method=momo_method, client="shop", actor="customer:1")
    with pytest.raises(OtpRequired):
        checkout.create_payment(wish=wish, at=timezone.now())
    payment = Payment.objects.get()
    page = Page(payment.id, f"/pay/{links.client_secret(payment.id)}")

    assert stage(page.get()) == "confirming"
    assert "Vui lòng xác nhận thanh toán" in page.get().content.decode()
    refused = page.post(method="momo")
    assert refused.headers["Location"].endswith("?problem=otp_required")
    assert "Số tiền này cần mã xác nhận trước." in page.get("?problem=otp_required").content.decode()

    OtpChallenge.objects.create(
        payment=payment, channel="email", amount_minor=960_000, currency="VND", payee=otp.payee_of(payment),
        code_hash="x", status="passed", created_at=timezone.now(), expires_at=timezone.now(), ended_at=timezone.now(),
    )  # fmt: skip
    page.post(method="momo")
    assert stage(page.get()) == "waiting"


# --- Opened in the background ----------------------------------------------------------------------------------------
def test_a_payment_that_is_being_prepared_says_so_offers_other_ways_and_goes_on(
    open_page: OpenPage, settings: Any, cod_method: PaymentMethod
) -> None:
    settings.INVOICE_MODE = "batch"
    page = open_page(locale="en")

    html = page.get().content.decode()

    assert stage(page.get()) == page.state()["stage"] == "preparing"
    assert "Your payment is being prepared" in html and 'http-equiv="refresh"' in html
    assert 'value="cod"' in html and 'name="method" value="momo"' not in html
    Attempt.objects.update(status="sent", sends=1, next_send_at=None)
    assert stage(page.get()) == "preparing"
    assert 'value="cod"' not in page.get().content.decode()  # it would be refused while the call is under way
    Attempt.objects.update(updated_at=timezone.now() - timedelta(seconds=31))
    assert stage(page.get()) == "asking"
    Attempt.objects.update(status="queued", sends=1, next_send_at=timezone.now())
    background.open_due(at=timezone.now())
    assert stage(page.get()) == "waiting"


def test_another_way_chosen_while_it_is_being_prepared_takes_its_place(
    open_page: OpenPage, settings: Any, cod_method: PaymentMethod
) -> None:
    settings.INVOICE_MODE = "batch"
    page = open_page(locale="en")

    answer = page.post(method="cod")

    assert (answer.status_code, answer["Location"]) == (303, page.path)
    assert stage(page.get()) == "delivery"
    assert list(Attempt.objects.order_by("number").values_list("status", flat=True)) == ["cancelled", "pending"]
