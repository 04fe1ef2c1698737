"""Stripe's side itself: keys, idempotency, forms in brackets, refusals, and that it forgets nothing over a restart."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from gateways.reports import ReportStatus
from gateways.sandbox.server import RunningSandbox, start
from gateways.sandbox.state import Merchant, World
from gateways.sandbox.stripe import form
from gateways.sandbox.stripe.gate import Call, Gate
from gateways.sandbox.stripe.simulator import KNOWN
from gateways.sandbox.web import Request, Response, json_response
from tests.gateways.driver import Inbox
from tests.gateways.drivers.stripe import StripeDriver

KEY = "sk_test_sandbox_one"


@pytest.fixture
def stripe(sandbox: RunningSandbox, inbox: Inbox) -> StripeDriver:
    return StripeDriver(sandbox, inbox)


def call(stripe: StripeDriver, method: str, path: str, fields: object = None, **how: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {how.pop('key', KEY)}", **how.pop("headers", {})}
    return requests.request(method, stripe.sandbox.url + path, data=fields, headers=headers, timeout=5, **how)


def code_of(answer: requests.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json()["error"].get("code")


# --- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_opens_its_own_account_and_no_other(stripe: StripeDriver) -> None:
    request = stripe.opened(channel="payment_intent")
    path = f"/v1/payment_intents/{stripe.known_ids[request.reference]}"

    assert call(stripe, "GET", path).status_code == 200
    assert requests.get(stripe.sandbox.url + path, auth=(KEY, ""), timeout=5).status_code == 200
    assert code_of(call(stripe, "GET", path, key="sk_test_sandbox_two")) == (404, "resource_missing")
    for key in ("sk_test_sandbox_none", "", "whsec_sandbox_one"):
        assert code_of(call(stripe, "GET", path, key=key)) == (401, None)


def test_a_browser_sees_and_pays_one_intent_by_its_secret(stripe: StripeDriver) -> None:
    checkout = stripe.create(stripe.request(channel="payment_intent"))
    path, secret = f"/v1/payment_intents/{checkout.gateway_transaction_id}", {"client_secret": checkout.client_secret}
    key = "pk_test_sandbox_one"

    assert code_of(call(stripe, "GET", path, key=key)) == (404, "resource_missing")
    assert call(stripe, "GET", path, key=key, params=secret).json()["status"] == "requires_payment_method"
    assert code_of(call(stripe, "POST", f"{path}/cancel", secret, key=key)) == (401, None)
    paid = call(stripe, "POST", f"{path}/confirm", {**secret, "payment_method": "pm_card_visa"}, key=key)
    assert paid.json()["status"] == "succeeded"


# --- idempotency -----------------------------------------------------------------------------------------------------


def test_a_refused_card_is_refused_again_under_the_same_key_and_not_tried_again(stripe: StripeDriver) -> None:
    request = stripe.opened(channel="payment_intent")
    path = f"/v1/payment_intents/{stripe.known_ids[request.reference]}/confirm"
    fields = {"payment_method": "pm_card_visa_chargeDeclined"}

    answers = [call(stripe, "POST", path, fields, headers={"Idempotency-Key": request.reference}) for _ in range(2)]

    assert [code_of(one) for one in answers] == [(402, "card_declined")] * 2
    assert [one.headers.get("Idempotent-Replayed") for one in answers] == [None, "true"]
    assert len(stripe.truth(request.reference)["fields"]["charges"]) == 1


def test_a_call_that_was_malformed_leaves_its_key_free(stripe: StripeDriver) -> None:
    key = {"Idempotency-Key": "free-" + stripe.request().reference}

    assert code_of(call(stripe, "POST", "/v1/payment_intents", {"amount": 1}, headers=key))[0] == 400
    assert call(stripe, "POST", "/v1/payment_intents", {"amount": 500, "currency": "usd"}, headers=key).ok


def test_two_calls_at_once_with_one_key_are_a_conflict() -> None:
    world = World()
    world.merchants["stripe", "a"] = _merchant()
    gate, begun, go_on = Gate(world), threading.Event(), threading.Event()

    def slow(call: Call) -> Response:
        begun.set()
        assert go_on.wait(5)
        return json_response({"id": "x", "object": "x"})

    handler = gate.post(slow)
    request = Request(method="POST", path="/v1/x", headers={"authorization": f"Bearer {KEY}", "idempotency-key": "k"})
    answers: list[Response] = []
    thread = threading.Thread(target=lambda: answers.append(handler(request)))
    thread.start()
    assert begun.wait(5)

    second = handler(request)
    go_on.set()
    thread.join()

    assert (second.status, b"idempotency_key_in_use" in second.body) == (409, True)
    assert answers[0].status == 200
    assert handler(request).headers["Idempotent-Replayed"] == "true"


def _merchant() -> Merchant:
    code, secret, publishable, webhook, url = KNOWN[0]
    keys = {"secretKey": secret, "publishableKey": publishable, "webhookSecret": webhook, "webhookUrl": url}
    return Merchant(provider="stripe", code=code, keys=keys)


# --- forms and refusals ----------------------------------------------------------------------------------------------


def test_names_in_brackets_nest() -> None:
    body = b"a=1&m[k]=v&m[x][y]=z&l[1][q]=two&l[0][q]=one&e[]=p&e[]=q"

    found = form.of_body(body)

    assert found["a"] == "1"
    assert found["m"] == {"k": "v", "x": {"y": "z"}}
    assert [item["q"] for item in form.items_of(found["l"])] == ["one", "two"]
    assert form.items_of(found["e"]) == ["p", "q"]


@given(st.binary(max_size=60))
def test_no_form_makes_the_parser_fail_in_another_way(body: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(form.of_body(body), dict)


SESSION = {
    "mode": "payment", "success_url": "https://x.example/", "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "usd", "line_items[0][price_data][unit_amount]": "500",
    "line_items[0][price_data][product_data][name]": "Hat",
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("/v1/payment_intents", {"currency": "usd"}, "parameter_missing"),
        ("/v1/payment_intents", {"amount": "5.00", "currency": "usd"}, "parameter_invalid_integer"),
        ("/v1/payment_intents", {"amount": 49, "currency": "usd"}, "amount_too_small"),
        ("/v1/payment_intents", {"amount": 100_000_000, "currency": "usd"}, "amount_too_large"),
        ("/v1/payment_intents", {"amount": 550, "currency": "isk"}, "invalid_charge_amount"),
        ("/v1/payment_intents", {"amount": 1_001, "currency": "kwd"}, "invalid_charge_amount"),
        ("/v1/payment_intents", {"amount": 500, "currency": "USD"}, ""),
        ("/v1/payment_intents", {"amount": 500, "currency": "usd", "colour": "red"}, "parameter_unknown"),
        ("/v1/payment_intents", {"amount": 500, "currency": "usd", "metadata[k]": "v" * 501}, None),
        ("/v1/payment_intents", {"amount": 500, "currency": "usd", "statement_descriptor": "Shop"}, None),
        ("/v1/payment_intents", {"amount": 500, "currency": "usd", "a[": "b"}, "parameter_unknown"),
        ("/v1/checkout/sessions", {**SESSION, "mode": "setup"}, "parameter_invalid_string"),
        ("/v1/checkout/sessions", {**SESSION, "success_url": "x"}, "url_invalid"),
        ("/v1/checkout/sessions", {**SESSION, "expires_at": "1"}, None),
        ("/v1/checkout/sessions", {"mode": "payment", "success_url": "https://x.example/"}, "parameter_missing"),
        ("/v1/refunds", {"payment_intent": "pi_nobodys"}, "resource_missing"),
        ("/v1/files", {"purpose": "dispute_evidence"}, "parameter_missing"),
    ],
)
def test_a_malformed_call_is_told_what_is_wrong(
    stripe: StripeDriver, path: str, fields: dict[str, Any], code: str | None
) -> None:
    before = len(stripe.control("GET", "/payments?limit=2000")["payments"])

    answer = call(stripe, "POST", path, fields)

    assert (answer.status_code in (400, 404), answer.json()["error"].get("code") or None) == (True, code or None)
    assert len(stripe.control("GET", "/payments?limit=2000")["payments"]) == before


@pytest.mark.parametrize(
    ("minutes", "status"), [(29, 400), (31, 200), (23 * 60 + 59, 200), (24 * 60 + 2, 400)]
)  # fmt: skip
def test_a_page_lives_half_an_hour_to_a_day(stripe: StripeDriver, minutes: int, status: int) -> None:
    expires = int((datetime.now(UTC) + timedelta(minutes=minutes)).timestamp())

    assert call(stripe, "POST", "/v1/checkout/sessions", {**SESSION, "expires_at": expires}).status_code == status


def test_the_intent_of_an_open_page_is_left_alone(stripe: StripeDriver) -> None:
    request = stripe.opened()
    stripe.end(request.reference, "decline")
    intent = call(stripe, "GET", f"/v1/checkout/sessions/{stripe.known_ids[request.reference]}").json()[
        "payment_intent"
    ]

    for verb, fields in (("confirm", {"payment_method": "pm_card_visa"}), ("cancel", {})):
        assert code_of(call(stripe, "POST", f"/v1/payment_intents/{intent}/{verb}", fields)) == (400, None)
    assert stripe.query(request).status is ReportStatus.PENDING


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/control/stripe/payments/nobody/dispute", {}, 404),
        ("/control/stripe/disputes/du_nobodys/won", {}, 404),
        ("/control/stripe/payouts", {"merchant": "nobody"}, 404),
        ("/control/stripe/payouts", {"currency": "chf"}, 409),
        ("/control/ipn", {"provider": "stripe", "order": "nobody", "type": "x", "object": {}}, 422),
    ],
)
def test_mistakes_of_the_tester_are_told(stripe: StripeDriver, path: str, body: object, status: int) -> None:
    assert requests.post(stripe.sandbox.url + path, json=body, timeout=5).status_code == status


# --- a restart -------------------------------------------------------------------------------------------------------


def test_a_restart_forgets_no_payment_refund_dispute_or_payout(inbox: Inbox, tmp_path: Path) -> None:
    first = StripeDriver(start(state=tmp_path / "world.jsonl"), inbox)
    request, _, paid = first.paid()
    refund = first.refund_of(request, paid, 60_000)
    first.gateway.refund(refund)
    dispute = first.control("POST", f"/stripe/payments/{first.paid()[0].reference}/dispute", {"reason": "general"})
    payout = first.control("POST", "/stripe/payouts", {"merchant": first.account})
    first.sandbox.stop()

    again = StripeDriver(start(state=tmp_path / "world.jsonl"), inbox)
    again.known_ids = first.known_ids
    try:
        now = datetime.now(UTC)
        gateway: Any = again.gateway
        assert again.query(request).gateway_transaction_id == paid.gateway_transaction_id
        assert gateway.query_refund(refund).status is ReportStatus.PAID
        assert gateway.query_dispute(dispute["id"]).reason == "general"
        (file,) = gateway.settlements(since=now - timedelta(hours=1), until=now + timedelta(hours=1))
        assert (file.number, len(file.lines)) == (payout["id"], 4)
    finally:
        again.sandbox.stop()
