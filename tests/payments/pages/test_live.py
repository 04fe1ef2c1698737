"""The pay page in a real browser: paid without a reload, under its own strict policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, expect
from playwright.sync_api import Page as Tab

from config.core.money import Money
from payments.models import AttemptEvent, PaymentMethod
from payments.services import background, expiry
from tests.payments.pages.conftest import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenPage = Callable[..., Page]


@pytest.fixture
def complaints(context: BrowserContext) -> Iterator[list[str]]:
    """What the browser had to say: a policy that was broken, a script that failed, a foreign address that was called."""
    said: list[str] = []
    context.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    context.on("weberror", lambda error: said.append(str(error.error)))
    context.on(
        "request",
        lambda request: (
            said.append(request.url) if "127.0.0.1" not in request.url and "localhost" not in request.url else None
        ),
    )
    yield said
    assert said == []


def test_a_payment_made_elsewhere_shows_as_paid_without_a_reload(
    open_page: OpenPage, momo: Any, live_server: Any, page: Tab, complaints: list[str]
) -> None:
    payment = open_page()
    page.goto(live_server.url + payment.path)
    expect(page.locator("h1")).to_have_text("Thanh toán bằng Ví MoMo")
    page.evaluate("window.stays = true")

    momo.settle(payment.attempt)
    expiry.ask(payment.attempt, source=AttemptEvent.Source.POLL, at=timezone.now())

    expect(page.locator("h1")).to_have_text("Đã thanh toán. Cảm ơn bạn!", timeout=10_000)
    expect(page.locator("#live")).to_have_text("Đã thanh toán. Cảm ơn bạn!")
    assert page.title().startswith("Đã thanh toán 960.000")
    assert page.evaluate("window.stays") is True
    assert page.evaluate("document.body.dataset.final") == "1"


def test_a_payment_that_is_being_prepared_goes_on_by_itself(
    open_page: OpenPage, live_server: Any, page: Tab, settings: Any, complaints: list[str]
) -> None:
    settings.INVOICE_MODE = "batch"
    payment = open_page(locale="en")
    page.goto(live_server.url + payment.path)
    expect(page.locator("h1")).to_have_text("Your payment is being prepared")
    page.evaluate("window.stays = true")

    background.open_due(at=timezone.now())

    expect(page.get_by_role("link", name="Continue to MoMo wallet")).to_be_visible(timeout=10_000)
    assert page.evaluate("window.stays") is True


def test_the_whole_way_from_the_page_to_the_wallet_and_back(
    open_page: OpenPage, momo: Any, live_server: Any, page: Tab, settings: Any
) -> None:
    settings.PUBLIC_URL = live_server.url
    payment = open_page(locale="en")
    page.goto(live_server.url + payment.path)

    page.get_by_role("link", name="Continue to MoMo wallet").click()
    page.get_by_role("button", name="Pay 960.000").or_(page.locator("button[value=pay]")).first.click()

    expect(page.locator("h1")).to_have_text("Paid. Thank you!", timeout=15_000)
    assert page.url.startswith(live_server.url + payment.path)
    assert payment.payment.status == "succeeded"


def test_a_phone_shows_everything_without_scrolling_sideways(
    open_page: OpenPage, live_server: Any, browser: Any, cod_method: PaymentMethod
) -> None:
    for width in (360, 1280):
        context = browser.new_context(viewport={"width": width, "height": 740})
        tab = context.new_page()
        for method in (None, cod_method):
            tab.goto(live_server.url + open_page(method).path)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
        context.close()


def test_another_method_is_chosen_by_keyboard_alone(
    open_page: OpenPage, live_server: Any, page: Tab, complaints: list[str]
) -> None:
    payment = open_page()
    page.goto(live_server.url + payment.path)

    page.locator("button[value=cod]").focus()
    page.keyboard.press("Enter")

    expect(page.locator("h1")).to_have_text("Thanh toán khi nhận hàng")
    assert payment.payment.method.code == "cod"


def test_the_page_works_without_scripts(open_page: OpenPage, live_server: Any, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    payment = open_page()
    tab.goto(live_server.url + payment.path)
    assert tab.locator("noscript").count() == 1

    tab.locator("button[value=cod]").click()

    expect(tab.locator("h1")).to_have_text("Thanh toán khi nhận hàng")
    context.close()


def test_a_transfers_details_can_be_copied(
    open_page: OpenPage,
    bank_method: PaymentMethod,
    live_server: Any,
    page: Tab,
    complaints: list[str],
    context: BrowserContext,
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    payment = open_page(bank_method, money=Money(350_000, "VND"), locale="en")
    page.goto(live_server.url + payment.path)
    copied = []
    buttons = page.locator("button.copy")
    expect(buttons).to_have_count(3)
    for button in buttons.all():
        button.click()
        expect(button).to_have_text("Copied")
        copied.append(page.evaluate("navigator.clipboard.readText()"))

    assert copied == ["0123456789", "350000", payment.attempt.gateway_reference]
    expect(page.locator("#live")).to_have_text("Copied")
    expect(buttons.first).to_have_text("Copy", timeout=5_000)
