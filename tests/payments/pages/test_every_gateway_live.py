"""Every gateway in a real browser: our page, the gateway's page, and back, to each end a payer can bring about."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from config.core.money import Money
from gateways import registry
from gateways.sandbox.server import RunningSandbox, start
from payments.models import Attempt, Capture, PaymentMethod
from payments.services import accounts
from tests import factories
from tests.gateways.driver import Driver, Inbox
from tests.payments.pages.conftest import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OpenPage = Callable[..., Page]
CODES = sorted(code for code, adapter in registry.GATEWAYS.items() if adapter.notifies)
LINK = "Continue to"
DECLINED_CARD = "4000000000000002"


@pytest.fixture(scope="module")
def providers() -> Iterator[RunningSandbox]:
    """The gateways' side, which repeats a notification that we did not take."""
    running = start(retry_delays=(0.2, 0.5, 1.0))
    yield running
    running.stop()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Where a driver's own notifications would go; ours go to the real view."""
    one = Inbox()
    yield one
    one.close()


@pytest.fixture(params=CODES)
def driver(request: pytest.FixtureRequest, providers: RunningSandbox, inbox: Inbox, live_server: Any) -> Driver:
    """A gateway whose notifications reach the running application."""
    code = request.param
    module = importlib.import_module(f"tests.gateways.drivers.{code}")
    made = next(one for one in vars(module).values() if isinstance(one, type) and getattr(one, "code", "") == code)
    inbox.url = f"{live_server.url}/api/v1/webhooks/{code}/{code}"
    found: Driver = made(providers, inbox)
    return found


@pytest.fixture
def payment(driver: Driver, order: Callable[..., Any], open_page: OpenPage, live_server: Any, settings: Any) -> Page:
    """960,000 ₫, or as much as this gateway's tests pay, to be paid by it."""
    settings.PUBLIC_URL = live_server.url
    settings.GATEWAY_HOSTS = ["127.0.0.1"]
    (account,) = accounts.ensure_first_accounts({driver.code: driver.settings()})
    money: Money = driver.money
    method: PaymentMethod = factories.PaymentMethodFactory(
        code=f"by-{driver.code}", name_vi=driver.code, name_en=driver.code, account=account,
        limits={money.currency: [1, 10 * money.minor]},
    )  # fmt: skip
    return open_page(method, money=money, locale="en")


def at_the_gateway(page: Tab, payment: Page, live_server: Any, action: str) -> None:
    """Go on to the gateway's page and press its button."""
    page.goto(live_server.url + payment.path)
    page.get_by_role("link", name=LINK).click()
    page.locator("button[name=action]").first.wait_for()
    button = page.locator(f"button[name=action][value={action}]")
    if action == "decline" and not button.count():  # a card form: the card decides
        page.locator("input[name=number]").fill(DECLINED_CARD)
        button = page.locator("button[name=action][value=pay]")
    if not button.is_visible():
        page.locator("summary").first.click()
    button.click()


def test_paid_at_the_gateways_page_is_paid_on_ours(driver: Driver, payment: Page, page: Tab, live_server: Any) -> None:
    at_the_gateway(page, payment, live_server, "pay")

    expect(page.locator("h1")).to_have_text("Paid. Thank you!", timeout=15_000)
    assert page.url.startswith(live_server.url + payment.path)
    assert payment.payment.status == "succeeded"
    assert Capture.objects.get().money == driver.money


def test_declined_at_the_gateways_page_can_be_tried_again(
    driver: Driver, payment: Page, page: Tab, live_server: Any
) -> None:
    at_the_gateway(page, payment, live_server, "decline")
    page.goto(live_server.url + payment.path)  # some gateways keep the payer on their page to try again there

    expect(page.locator("h1")).not_to_have_text("Paid. Thank you!")
    expect(page.get_by_text(LINK).or_(page.get_by_text("Try again")).first).to_be_visible()
    assert payment.payment.status in ("awaiting_payment", "processing")
    assert Capture.objects.count() == 0


def test_expired_at_the_gateways_page_is_not_paid(driver: Driver, payment: Page, page: Tab, live_server: Any) -> None:
    at_the_gateway(page, payment, live_server, "expire")
    page.wait_for_load_state()
    page.goto(live_server.url + payment.path)

    expect(page.locator("h1")).not_to_have_text("Paid. Thank you!")
    assert Attempt.objects.get().status in ("expired", "failed", "cancelled", "requires_action", "pending")
    assert Capture.objects.count() == 0
