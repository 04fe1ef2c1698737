"""VNPay's fake pay page in a real browser, at the width of a phone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from gateways.reports import ReportStatus
from tests.gateways.drivers.vnpay import VNPayDriver

pytestmark = pytest.mark.browser


@pytest.fixture
def vnpay(sandbox: Any, inbox: Any) -> VNPayDriver:
    return VNPayDriver(sandbox, inbox)


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": 390, "height": 844})
    return page


def test_a_payer_sees_the_sum_and_pays_by_card_without_scrolling(vnpay: VNPayDriver, phone: Page) -> None:
    request = vnpay.request(return_url=f"{vnpay.sandbox.url}/health")
    phone.goto(vnpay.gateway.create_checkout(request).pay_url)

    expect(phone.get_by_text("960.000 VND").first).to_be_in_viewport()
    button = phone.get_by_role("button", name="Thanh toán 960.000 VND")
    expect(button).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    button.click()

    phone.wait_for_url("**/health?**vnp_ResponseCode=00**")
    assert vnpay.query(request).status is ReportStatus.PAID


def test_a_wrong_code_is_told_and_another_test_card_ends_otherwise(vnpay: VNPayDriver, phone: Page) -> None:
    request = vnpay.request(return_url=f"{vnpay.sandbox.url}/health")
    phone.goto(vnpay.gateway.create_checkout(request).pay_url)
    phone.get_by_role("link", name="English").click()

    phone.get_by_label("One-time code").fill("000000")
    phone.get_by_role("button", name="Pay 960.000 VND").click()
    expect(phone.get_by_role("alert")).to_have_text("The one-time code is wrong.")
    phone.get_by_label("Card number").fill("9704195798459170488")
    phone.get_by_role("button", name="Pay 960.000 VND").click()

    phone.wait_for_url("**/health?**vnp_ResponseCode=51**")
    assert vnpay.query(request).status is ReportStatus.FAILED


def test_an_open_page_leaves_when_the_order_is_paid_elsewhere(vnpay: VNPayDriver, phone: Page) -> None:
    request = vnpay.request(return_url=f"{vnpay.sandbox.url}/health")
    phone.goto(vnpay.gateway.create_checkout(request).pay_url)

    vnpay.end(request.reference, "pay")

    phone.wait_for_url("**/health?**vnp_ResponseCode=00**", timeout=10_000)
