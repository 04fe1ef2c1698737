"""The fake wallet's pay page in a real browser, at the width of a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from gateways.reports import ReportStatus
from tests.gateways.drivers.momo import MoMoDriver

pytestmark = pytest.mark.browser


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": 390, "height": 844})
    return page


def test_a_payer_sees_the_sum_and_pays_without_scrolling(momo: MoMoDriver, phone: Page) -> None:
    request = momo.request(return_url=f"{momo.sandbox.url}/health")
    phone.goto(momo.gateway.create_checkout(request).pay_url)

    expect(phone.get_by_text("960.000 ₫").first).to_be_in_viewport()
    button = phone.get_by_role("button", name="Thanh toán 960.000 ₫")
    expect(button).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    button.click()

    phone.wait_for_url("**/health?partnerCode=MOMO&**resultCode=0**")
    assert momo.query(request).status is ReportStatus.PAID


def test_a_payer_may_read_english_and_run_out_of_money(momo: MoMoDriver, phone: Page) -> None:
    request = momo.request(return_url=f"{momo.sandbox.url}/health")
    phone.goto(momo.gateway.create_checkout(request).pay_url)

    phone.get_by_role("link", name="English").click()
    expect(phone.get_by_text("Test environment, no real money")).to_be_visible()
    phone.get_by_text("Try another ending").click()
    phone.get_by_role("button", name="Not enough money").click()

    phone.wait_for_url("**/health?**resultCode=1001**")


def test_an_open_page_leaves_when_the_order_is_paid_elsewhere(momo: MoMoDriver, phone: Page) -> None:
    request = momo.request(return_url=f"{momo.sandbox.url}/health")
    phone.goto(momo.gateway.create_checkout(request).pay_url)

    momo.end(request.reference, "pay")

    phone.wait_for_url("**/health?**resultCode=0**", timeout=10_000)


def test_the_control_page_pays_and_switches_faults(momo: MoMoDriver, phone: Page) -> None:
    request = momo.opened()
    errors: list[str] = []
    phone.on("pageerror", lambda error: errors.append(str(error)))
    phone.goto(f"{momo.sandbox.url}/control")

    row = phone.locator("#payments").get_by_role("row", name=request.reference)
    row.get_by_role("button", name="pay", exact=True).click()
    expect(row.get_by_text("paid")).to_be_visible()
    message = phone.locator("#messages").get_by_role("row", name=request.reference)
    expect(message).to_contain_text("momo2041 of 3taken")
    phone.get_by_label("fault").select_option("lost_ipn")
    phone.get_by_role("button", name="Switch on").click()
    expect(phone.get_by_text("lost_ipn · next · ipn · 1 left")).to_be_visible()
    phone.get_by_role("button", name="Switch all off").click()
    expect(phone.get_by_text("Everything works as it should.")).to_be_visible()

    assert errors == []
