"""The gateway's browser return: it makes us ask, and proves nothing (RELIABILITY T11)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client

from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome
from ledger.models import JournalEntry
from payments.models import AttemptEvent, Payment
from tests.payments.pages.conftest import Page

pytestmark = pytest.mark.django_db(transaction=True)
OpenPage = Callable[..., Page]


def way_back(page: Page, momo: Any) -> str:
    """Where MoMo sends the browser of a payment that has ended there."""
    address = urlsplit(momo.provider.return_address(momo.payment(page.attempt)))
    assert address.path == "/pay/return/momo"
    return f"{address.path}?{address.query}"


def test_a_payer_who_comes_back_finds_the_payment_paid_although_no_notification_came(
    open_page: OpenPage, momo: Any
) -> None:
    page = open_page()
    momo.settle(page.attempt)

    response = Client().get(way_back(page, momo))

    assert (response.status_code, response["Location"]) == (302, f"{page.path}?returned=1")
    assert page.payment.status == "succeeded"
    assert page.attempt.history.filter(source=AttemptEvent.Source.RETURN).get().to_status == "succeeded"
    assert b'data-stage="paid"' in page.get("?returned=1").content


def test_coming_back_again_and_again_asks_once(open_page: OpenPage, momo: Any) -> None:
    page = open_page()
    momo.settle(page.attempt)
    path = way_back(page, momo)
    page.attempt.__class__.objects.update(status="pending")  # as if the first answer had told nothing
    momo.fault(Fault.ANSWER_CODE, scope="operation", operation="query", code=7000, count=1)

    for _ in range(3):
        assert Client().get(path).status_code == 302

    # A second question would have been answered truly.
    assert page.payment.status == "awaiting_payment"


def test_a_browser_that_returns_uses_up_no_question_of_the_schedule(open_page: OpenPage, momo: Any) -> None:
    page = open_page()
    momo.settle(page.attempt)
    path = way_back(page, momo)
    momo.fault(Fault.ERROR_500, scope="operation", operation="query", count=9)
    before = page.attempt

    Client().get(path)

    assert (page.attempt.queries, page.attempt.next_query_at) == (before.queries, before.next_query_at)


def test_a_forged_return_changes_nothing_and_shows_nothing(open_page: OpenPage, momo: Any) -> None:
    page = open_page()
    momo.settle(page.attempt, Outcome.DECLINE)
    path, _, query = way_back(page, momo).partition("?")
    fields = dict(parse_qsl(query, keep_blank_values=True))
    before = Payment.objects.values().get()

    for forged in (
        {**fields, "resultCode": "0"},
        {**fields, "signature": "0" * 64},
        {"orderId": fields["orderId"]},
        {},
    ):
        response = Client().get(f"{path}?{urlencode(forged)}")

        assert response.status_code == 404
        assert page.path.encode() not in response.content
    assert Payment.objects.values().get() == before
    assert page.attempt.history.filter(source=AttemptEvent.Source.RETURN).count() == 0
    assert JournalEntry.objects.count() == 0


def test_a_genuine_success_of_another_payment_does_not_pay_this_one(open_page: OpenPage, momo: Any) -> None:
    paid, unpaid = open_page(), open_page()
    momo.settle(paid.attempt)

    Client().get(way_back(paid, momo))

    assert (paid.payment.status, unpaid.payment.status) == ("succeeded", "awaiting_payment")


def test_a_declined_payer_may_try_again(open_page: OpenPage, momo: Any) -> None:
    page = open_page()
    momo.settle(page.attempt, Outcome.DECLINE)

    Client().get(way_back(page, momo))

    assert page.payment.status == "awaiting_payment"
    assert b'data-stage="retry"' in page.get("?returned=1").content


def test_a_return_while_the_gateway_is_down_still_shows_the_page(open_page: OpenPage, momo: Any) -> None:
    page = open_page()
    momo.settle(page.attempt)
    path = way_back(page, momo)
    momo.fault(Fault.ERROR_500, scope="operation", operation="query", count=9)

    response = Client().get(path)

    assert response["Location"] == f"{page.path}?returned=1"
    assert page.payment.status == "awaiting_payment"
    assert "Ví MoMo" in page.get("?returned=1").content.decode()


@pytest.mark.parametrize("path", ["/pay/return/nobody", "/pay/return/cod?resultCode=0", "/pay/return/momo"])
def test_a_return_we_cannot_read_is_not_found(open_page: OpenPage, cod_account: Any, path: str) -> None:
    page = open_page()

    assert Client().get(path).status_code == 404
    assert Client().post(path, {"resultCode": "0"}).status_code == 404
    assert page.payment.status == "awaiting_payment"
