"""The fake ZaloPay's pay page in a real browser, at the width of a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from gateways.reports import ReportStatus
from gateways.sandbox.server import RunningSandbox
from tests.gateways.driver import Inbox
from tests.gateways.drivers.zalopay import ZaloPayDriver

pytestmark = pytest.mark.browser


@pytest.fixture
def zalopay(sandbox: RunningSandbox, inbox: Inbox) -> ZaloPayDriver:
    return ZaloPayDriver(sandbox, inbox)


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": 390, "height": 844})
    return page


def test_a_payer_picks_a_means_and_pays_without_scrolling(zalopay: ZaloPayDriver, phone: Page) -> None:
    request = zalopay.request(return_url=f"{zalopay.sandbox.url}/health")
    phone.goto(zalopay.create(request).pay_url)

    expect(phone.get_by_text("960.000 ₫").first).to_be_in_viewport()
    button = phone.get_by_role("button", name="Thanh toán 960.000 ₫")
    expect(button).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.get_by_label("Thẻ quốc tế").check()
    button.click()

    phone.wait_for_url("**/health?appid=2553&**pmcid=36&bankcode=CC&**status=1&**")
    assert zalopay.query(request).status is ReportStatus.PAID


def test_a_payer_may_read_english_and_run_out_of_money(zalopay: ZaloPayDriver, phone: Page) -> None:
    request = zalopay.request(return_url=f"{zalopay.sandbox.url}/health")
    phone.goto(zalopay.create(request).pay_url)

    phone.get_by_role("link", name="English").click()
    expect(phone.get_by_text("Test environment, no real money")).to_be_visible()
    phone.get_by_text("Try another ending").click()
    phone.get_by_role("button", name="Not enough money").click()

    phone.wait_for_url("**/health?**status=-49**")
    assert (zalopay.query(request).status, zalopay.query(request).code) == (ReportStatus.FAILED, "-63")


def test_a_wrong_code_is_said_and_an_open_page_leaves_when_paid_elsewhere(zalopay: ZaloPayDriver, phone: Page) -> None:
    request = zalopay.request(return_url=f"{zalopay.sandbox.url}/health")
    phone.goto(zalopay.create(request).pay_url)

    phone.get_by_label("Mã xác thực").fill("12")
    phone.get_by_role("button", name="Thanh toán 960.000 ₫").click()
    expect(phone.get_by_role("alert")).to_have_text("Mã xác thực gồm đúng 6 chữ số.")
    assert zalopay.query(request).status is ReportStatus.PENDING
    zalopay.end(request.reference, "pay")

    phone.wait_for_url("**/health?**status=1&**", timeout=10_000)
