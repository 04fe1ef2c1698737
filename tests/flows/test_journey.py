"""Journeys through the whole product as it runs: real processes, real HTTP, a real browser, events from the brokers.

The customer pays at the gateway's own page, the gateway tells the web server, the relay tells Kafka, the worker writes
the receipt, and finance sees it in the back office.
"""

from __future__ import annotations

import email
import email.policy
import itertools
import json
import re
import shutil
import subprocess
from email.message import EmailMessage
from typing import Any, Final

import pytest
import requests
from django.urls import reverse
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from gateways.sandbox.momo.simulator import PUBLISHED
from tests.flows.scenes import AMOUNT, GOODS, Market
from tests.flows.stack import STAFF_PASSWORD, Stack
from tests.flows.truth import Listener, Truth

pytestmark = pytest.mark.kafka
_numbers = itertools.count(1)
PAID_BOOK: Final = {"gw:momo:clearing": AMOUNT, "escrow:shop-1": -GOODS[0], "escrow:shop-2": -GOODS[1]}


@pytest.fixture
def market(stack: Stack) -> Market:
    """A marketplace with orders of its own."""
    return Market(stack, f"JO-{stack.run}-{next(_numbers)}-")


def book(stack: Stack, opened: dict[str, Any]) -> dict[str, int]:
    """What all journals about a payment and its refunds did to each account."""
    rows = stack.rows(
        "SELECT account, sum(amount_minor)::bigint AS amount FROM audit_v1.ledger_entry WHERE ref_id = %s OR ref_id IN"
        " (SELECT id FROM payments_refund WHERE payment_id = %s) GROUP BY 1 HAVING sum(amount_minor) <> 0",
        opened["payment_id"],
        opened["payment_id"],
    )
    return {row["account"]: row["amount"] for row in rows}


def told(listener: Listener, opened: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What was heard of a payment on its canonical topics, by type."""
    found: dict[str, list[dict[str, Any]]] = {}
    for topic, _, _, body in listener.heard:
        if body.get("type") == topic and body["data"].get("payment_id") == opened["payment_id"]:
            found.setdefault(topic, []).append(body)
    return found


def letters(stack: Stack, opened: dict[str, Any]) -> list[EmailMessage]:
    """The e-mails that name a payment's order."""
    found = []
    for raw in stack.letters:
        for part in re.split(rb"^-{79}\r?\n", raw, flags=re.MULTILINE):
            letter = email.message_from_bytes(part.lstrip(), policy=email.policy.default)
            body = letter.get_body(("plain",)) if letter["To"] else None
            if body and opened["order_id"] in body.get_content():
                found.append(letter)
    return found


def nothing_wrong(market: Market, listener: Listener) -> list[str]:
    """All invariants, over this journey's orders."""
    return Truth(market.stack, listener, market.orders).problems()


class Office:
    """Somebody of finance, by HTTP."""

    def __init__(self, stack: Stack, who: str) -> None:
        self.url, self.session = stack.url, requests.Session()
        self.session.trust_env = False
        login = self.url + reverse("admin:login")
        self.session.get(login, timeout=20)
        form = {"username": f"{who}@reckoner.example", "password": STAFF_PASSWORD}
        form["csrfmiddlewaretoken"] = self.session.cookies["csrftoken"]
        answer = self.session.post(login, data=form, headers={"Referer": login}, allow_redirects=False, timeout=20)
        assert answer.status_code == 302, answer.text

    def payment(self, opened: dict[str, Any]) -> str:
        """The page of a payment, as text."""
        path = reverse("admin:payments_payment_change", args=[opened["payment_id"]])
        answer = self.session.get(self.url + path, allow_redirects=False, timeout=20)
        assert answer.status_code == 200, (answer.status_code, answer.headers)
        return answer.text


# --- Paying ----------------------------------------------------------------------------------------------------------
def pay_by_http(market: Market, opened: dict[str, Any]) -> requests.Response:
    """Our page, the wallet's page, its form, and back: what the customer's browser would request."""
    browser = requests.Session()
    browser.trust_env = False
    page = browser.get(f"{market.stack.url}/pay/{opened['client_secret']}", timeout=20)
    assert page.status_code == 200
    assert opened["payUrl"].replace("&", "&amp;") in page.text
    wallet = browser.get(opened["payUrl"], timeout=20)
    (token,) = re.findall(r'name="t" value="([^"]+)"', wallet.text)
    address = opened["payUrl"].partition("?")[0]
    return browser.post(address, data={"t": token, "otp": "000000", "action": "pay"}, timeout=20)


def test_a_payment_goes_all_the_way_over_http(market: Market, listener: Listener) -> None:
    stack = market.stack
    opened = market.open()

    back = pay_by_http(market, opened)
    stack.hear()
    assert back.url.startswith(f"{stack.url}/pay/{opened['client_secret']}")
    assert market.status(opened) == "succeeded"
    assert stack.get(f"/api/v1/payments/{opened['payment_id']}")["captured"] == str(AMOUNT)
    assert book(stack, opened) == PAID_BOOK

    stack.settle()
    assert nothing_wrong(market, listener) == []
    heard = told(listener, opened)
    assert {kind: len(bodies) for kind, bodies in heard.items()} == {
        "transaction.created": 1,
        "payment.completed": 1,
        "order.payment.received": 1,
    }
    (completed,) = heard["payment.completed"]
    facts = ("transaction_id", "order_id", "amount", "status")
    assert [completed["data"][fact] for fact in facts] == [
        opened["transaction_id"], opened["order_id"], str(AMOUNT), "SUCCESS",
    ]  # fmt: skip
    (kept,) = stack.rows('SELECT partition, "offset" FROM core_outboxevent WHERE event_id = %s', completed["event_id"])
    place = next((p, o) for t, p, o, b in listener.heard if t == "payment.completed" and b == completed)
    assert (kept["partition"], kept["offset"]) == place
    (receipt,) = letters(stack, opened)
    assert receipt["To"] == "lan@example.com"
    page = Office(stack, "accountant").payment(opened)
    assert all(word in page for word in (opened["order_id"], "gw:momo:clearing", "escrow:shop-2", "960.000"))


@pytest.mark.browser
def test_a_payment_goes_all_the_way_in_a_browser(market: Market, listener: Listener, page: Tab) -> None:
    stack = market.stack
    opened = market.open()
    page.goto(f"{stack.url}/pay/{opened['client_secret']}?lang=en")

    page.get_by_role("link", name="Continue to MoMo wallet").click()
    page.locator("button[value=pay]").click()
    expect(page.locator("h1")).to_have_text("Paid. Thank you!", timeout=20_000)
    stack.settle()

    log_in(page, stack, "accountant")
    page.goto(stack.url + reverse("admin:payments_payment_changelist"))
    expect(page.get_by_text(opened["order_id"]).first).to_be_visible()
    page.goto(stack.url + reverse("admin:payments_payment_change", args=[opened["payment_id"]]))
    clearing = page.locator("table", has=page.locator("caption", has_text="gw:momo:clearing"))
    expect(clearing).to_be_visible()
    expect(clearing.locator("tbody td").first).to_contain_text("960.000")
    assert nothing_wrong(market, listener) == []


def log_in(page: Tab, stack: Stack, who: str) -> None:
    page.goto(stack.url + reverse("admin:login"))
    page.locator("input[name=username]").fill(f"{who}@reckoner.example")
    page.locator("input[name=password]").fill(STAFF_PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(stack.url + reverse("admin:index"))


# --- Cash on delivery ------------------------------------------------------------------------------------------------
def collect(market: Market, opened: dict[str, Any]) -> dict[str, Any]:
    body = {"result": "collected", "carrier": "ghn", "reference": f"GHN-{market.orders}", "amount": str(AMOUNT)}
    return market.stack.post(f"/api/v1/payments/{opened['payment_id']}/cod", body, key=f"cod-{market.orders}")


def test_cash_on_delivery_ends_in_a_receipt_and_a_claim_on_the_carrier(market: Market, listener: Listener) -> None:
    stack = market.stack
    opened = market.open(method="cod")
    assert (opened["status"], opened["payUrl"]) == ("AWAITING_PAYMENT", None)
    stack.sweep()
    (placed,) = letters(stack, opened)

    assert collect(market, opened)["outcome"] == "applied"
    assert collect(market, opened)["outcome"] == "already_applied"
    stack.settle()

    assert book(stack, opened) == {"cod:ghn:receivable": AMOUNT, **{k: v for k, v in PAID_BOOK.items() if v < 0}}
    assert [letter["To"] for letter in letters(stack, opened)] == ["lan@example.com"] * 2
    (receipt,) = {letter["Subject"] for letter in letters(stack, opened)} - {placed["Subject"]}
    assert opened["order_id"] in receipt
    assert nothing_wrong(market, listener) == []
    assert "cod:ghn:receivable" in Office(stack, "accountant").payment(opened)


@pytest.mark.browser
def test_the_page_of_cash_on_delivery_turns_to_paid_when_the_carrier_has_it(market: Market, page: Tab) -> None:
    opened = market.open(method="cod")
    page.goto(f"{market.stack.url}/pay/{opened['client_secret']}?lang=en")
    expect(page.locator("h1")).to_have_text("Pay when your order arrives")

    collect(market, opened)

    expect(page.locator("h1")).to_have_text("Paid. Thank you!", timeout=20_000)
    market.stack.settle()


# --- Refunds ---------------------------------------------------------------------------------------------------------
def test_a_refund_goes_all_the_way_over_http(market: Market, listener: Listener) -> None:
    stack = market.stack
    opened = market.open()
    market.pays(opened)

    refund = market.refund(opened, 300_000)
    stack.settle()

    assert stack.get(f"/api/v1/refunds/{refund['refund_id']}")["status"] == "succeeded"
    assert book(stack, opened)["gw:momo:clearing"] == AMOUNT - 300_000
    assert nothing_wrong(market, listener) == []
    (event,) = told(listener, opened)["payment.refunded"]
    assert (event["data"]["refund_id"], event["data"]["amount"], event["data"]["refund_state"]) == (
        refund["refund_id"], "300000", "partial",
    )  # fmt: skip
    page = Office(stack, "accountant").payment(opened)
    assert refund["refund_id"] in page


@pytest.mark.browser
def test_the_back_office_shows_what_came_back(market: Market, page: Tab) -> None:
    opened = market.open()
    market.pays(opened)
    refund = market.refund(opened)
    market.stack.settle()
    log_in(page, market.stack, "operator")

    page.goto(market.stack.url + reverse("admin:payments_payment_change", args=[opened["payment_id"]]))

    expect(page.locator(f"a[href*='{refund['refund_id']}']").first).to_be_visible()
    clearing = page.locator("table", has=page.locator("caption", has_text="gw:momo:clearing"))
    expect(clearing.locator("tfoot")).to_contain_text("0")


# --- Nobody pays -----------------------------------------------------------------------------------------------------
def test_a_payment_that_nobody_makes_expires_and_says_so_once(market: Market, listener: Listener) -> None:
    stack = market.stack
    opened = market.open()

    stack.sweep(minutes=95)
    stack.settle()

    assert market.status(opened) == "expired"
    assert book(stack, opened) == {}
    assert nothing_wrong(market, listener) == []
    heard = told(listener, opened)
    assert sorted(heard) == ["payment.failed", "transaction.created", "transaction.timeout"]
    (failed,) = heard["payment.failed"]
    assert failed["data"]["reason"] == "expired"


@pytest.mark.browser
def test_an_open_page_says_by_itself_that_the_time_is_over(market: Market, page: Tab) -> None:
    opened = market.open()
    page.goto(f"{market.stack.url}/pay/{opened['client_secret']}?lang=en")
    expect(page.get_by_role("link", name="Continue to MoMo wallet")).to_be_visible()

    market.stack.sweep(minutes=95)

    expect(page.locator("[data-stage=expired]")).to_be_visible(timeout=20_000)
    market.stack.settle()


# --- The reference system's own example (ACCEPTANCE A44) -------------------------------------------------------------
def example(market: Market, opened: dict[str, Any]) -> bytes:
    """The callback of the reference system's guide, field by field, about an order of ours, signed by the gateway."""
    momo = market.stack.sandbox.app.providers["momo"]
    fields = {
        "partnerCode": PUBLISHED[0][0], "orderId": opened["transaction_code"], "requestId": "transaction-456",
        "amount": AMOUNT, "orderInfo": "Test payment", "orderType": "momo_wallet", "transId": 123456789 + next(_numbers),
        "resultCode": 0, "message": "Success", "payType": "qr", "responseTime": 1234567890, "extraData": "",
    }  # fmt: skip
    body = momo.custom_notification({**fields, "ipnUrl": market.stack.env["IPNURL"]}).body
    assert set(json.loads(body)) == {*fields, "signature"}
    return body


def curl(url: str, body: bytes) -> int:
    """POST it as the guide does; without curl on the machine, in the same words."""
    kind = "application/json"
    if not shutil.which("curl"):
        return requests.post(url, data=body, headers={"Content-Type": kind}, timeout=20).status_code
    command = ["curl", "-s", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", url]
    done = subprocess.run(
        [*command, "-H", f"Content-Type: {kind}", "--data-binary", "@-"], input=body, capture_output=True, check=True
    )
    return int(done.stdout)


def test_the_callback_of_the_guide_is_taken_by_curl(market: Market) -> None:
    opened = market.open()

    statuses = [curl(market.stack.env["IPNURL"], example(market, opened))]

    assert statuses == [204]
    assert market.status(opened) == "succeeded"
    assert book(market.stack, opened) == PAID_BOOK
    market.stack.settle()


def test_the_callback_of_the_guide_with_one_character_changed_is_refused_and_kept(market: Market) -> None:
    stack = market.stack
    opened = market.open()
    body = example(market, opened).replace(b'"amount": 960000', b'"amount": 960001')

    assert curl(stack.env["IPNURL"], body) == 400

    assert market.status(opened) == "awaiting_payment"
    assert book(stack, opened) == {}
    (kept,) = stack.rows("SELECT status, outcome FROM payments_notification ORDER BY received_at DESC LIMIT 1")
    assert (kept["status"], kept["outcome"]) == ("rejected", "bad_signature")
    stack.sweep(minutes=95)
    stack.settle()
