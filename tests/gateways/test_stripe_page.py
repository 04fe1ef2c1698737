"""The make-believe card page in a real browser, at the width of a phone."""

from __future__ import annotations

import pytest
import requests
from playwright.sync_api import Page, expect

from config.core.money import Money
from gateways.reports import ReportStatus
from gateways.sandbox.server import RunningSandbox
from tests.gateways.driver import Inbox
from tests.gateways.drivers.stripe import StripeDriver


@pytest.fixture
def stripe(sandbox: RunningSandbox, inbox: Inbox) -> StripeDriver:
    return StripeDriver(sandbox, inbox)


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": 390, "height": 844})
    return page


@pytest.mark.browser
def test_a_payer_sees_the_sum_and_pays_without_scrolling(stripe: StripeDriver, phone: Page) -> None:
    request = stripe.request(return_url=f"{stripe.sandbox.url}/health")
    phone.goto(stripe.create(request).pay_url)

    expect(phone.get_by_text("960.000 ₫").first).to_be_in_viewport()
    button = phone.get_by_role("button", name="Thanh toán 960.000 ₫")
    expect(button).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    button.click()

    phone.wait_for_url(f"**/health?attempt={request.reference}&tag=**")
    assert stripe.query(request).status is ReportStatus.PAID


@pytest.mark.browser
def test_a_refused_card_says_why_and_another_one_proves_itself(stripe: StripeDriver, phone: Page) -> None:
    request = stripe.request(return_url=f"{stripe.sandbox.url}/health", locale="en", money=Money(123_456, "USD"))
    phone.goto(stripe.create(request).pay_url)

    phone.get_by_label("Choose a test card").select_option("4000000000009995")
    phone.get_by_role("button", name="Pay 1,234.56 USD").click()
    expect(phone.get_by_role("alert")).to_have_text("Your card has insufficient funds.")
    assert stripe.query(request).status is ReportStatus.PENDING
    phone.get_by_role("link", name="Tiếng Việt").click()
    expect(phone.get_by_role("alert")).to_have_text("Thẻ không đủ tiền.")
    phone.get_by_label("Số thẻ").fill("4000 0000 0000 3220")
    phone.get_by_role("button", name="Thanh toán").click()
    phone.get_by_role("button", name="Xác thực thất bại").click()
    expect(phone.get_by_role("alert")).to_have_text("Không xác thực được chủ thẻ. Vui lòng chọn thẻ khác.")
    phone.get_by_label("Số thẻ").fill("4000 0000 0000 3220")
    phone.get_by_role("button", name="Thanh toán").click()
    phone.get_by_role("button", name="Xác nhận: là tôi").click()

    phone.wait_for_url("**/health?attempt=**")
    assert stripe.query(request).status is ReportStatus.PAID


@pytest.mark.browser
def test_a_page_that_expired_shows_the_way_back(stripe: StripeDriver, phone: Page) -> None:
    request = stripe.request(return_url=f"{stripe.sandbox.url}/health", locale="en")
    phone.goto(stripe.create(request).pay_url)

    phone.get_by_text("Other endings").click()
    phone.get_by_role("button", name="Let the page expire").click()

    expect(phone.get_by_role("heading")).to_have_text("The page has expired")
    phone.get_by_role("link", name="Back to the shop").click()
    phone.wait_for_url("**/health?attempt=**")
    assert stripe.query(request).status is ReportStatus.EXPIRED


@pytest.mark.browser
def test_an_open_page_leaves_when_the_session_ends_elsewhere(stripe: StripeDriver, phone: Page) -> None:
    request = stripe.request(return_url=f"{stripe.sandbox.url}/health")
    phone.goto(stripe.create(request).pay_url)

    stripe.end(request.reference, "pay")

    phone.wait_for_url("**/health?attempt=**", timeout=10_000)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"number": "5555 5555 5555 4444"}, "The sandbox knows Stripe&#x27;s test cards only."),
        ({"expiry": "13 / 40"}, "The expiry must lie ahead"),
        ({"expiry": "01 / 20"}, "The expiry must lie ahead"),
        ({"cvc": "12"}, "A CVC has 3 or 4 digits."),
    ],
)
def test_what_is_mistyped_reaches_no_bank(stripe: StripeDriver, typed: dict[str, str], says: str) -> None:
    request = stripe.request(locale="en")
    page = stripe.create(request).pay_url
    form = {"number": "4242 4242 4242 4242", "expiry": "12 / 40", "cvc": "123", "action": "pay", **typed}

    answer = requests.post(page, data=form, timeout=5)

    assert (answer.status_code, says in answer.text) == (402, True)
    assert stripe.truth(request.reference)["fields"]["charges"] == []
    assert stripe.inbox.messages == []


@pytest.mark.parametrize("path", ["/c/pay/nobody", "/c/pay/nobody/state", "/c/3ds/nobody"])
def test_a_wrong_address_is_nobodys(stripe: StripeDriver, path: str) -> None:
    assert requests.get(stripe.sandbox.url + path, timeout=5).status_code == 404
