"""The fake providers themselves: control, persistence, pages, and that they run on their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from config.core.money import Money
from gateways.reports import ReportStatus
from gateways.sandbox.server import start
from gateways.sandbox.state import Merchant
from tests.gateways.driver import Inbox
from tests.gateways.drivers.momo import MoMoDriver


def call(momo: MoMoDriver, method: str, path: str, body: object = None) -> requests.Response:
    return requests.request(method, f"{momo.sandbox.url}{path}", json=body, timeout=5)


def test_a_wrong_signature_is_answered_as_momo_answers(momo: MoMoDriver) -> None:
    body = {"partnerCode": "MOMO", "requestId": "r", "orderId": "o", "lang": "en", "signature": "0" * 64}

    answer = call(momo, "POST", "/v2/gateway/api/query", body)

    assert answer.status_code == 400
    assert (answer.json()["resultCode"], answer.json()["requestId"]) == (20, None)
    assert answer.json()["subErrors"][0]["field"] == "signature"
    assert "accessKey=********&orderId=o&partnerCode=MOMO&requestId=r" in answer.json()["subErrors"][0]["message"]


@pytest.mark.parametrize("body", [[], "text", {}, {"partnerCode": 5}])
def test_a_malformed_call_lists_what_is_wrong(momo: MoMoDriver, body: object) -> None:
    answer = call(momo, "POST", "/v2/gateway/api/create", body)

    assert (answer.status_code, answer.json()["resultCode"]) == (400, 20)
    assert len(answer.json()["subErrors"]) >= 1


def test_a_payment_that_has_ended_cannot_end_again_by_mistake(momo: MoMoDriver) -> None:
    request, _, _ = momo.paid()

    for outcome in ("pay", "decline", "expire"):
        assert call(momo, "POST", f"/control/payments/{request.reference}/{outcome}").status_code == 409
    assert call(momo, "POST", f"/control/payments/{request.reference}/decline?again=1").status_code == 409
    assert len(momo.truth(request.reference)["transactions"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/control/payments/nobody", None, 404),
        ("POST", "/control/payments/nobody/pay", {}, 404),
        ("POST", "/control/payments/nobody/explode", {}, 404),
        ("POST", "/control/faults", {"fault": "earthquake"}, 422),
        ("POST", "/control/faults", {"fault": "late", "scope": "sometimes"}, 422),
        ("POST", "/control/faults", {"fault": "late", "scope": "order"}, 422),
        ("POST", "/control/faults", {"fault": "late", "scope": "operation"}, 422),
        ("POST", "/control/faults", {"fault": "late", "seconds": "soon"}, 422),
        ("DELETE", "/control/faults/x", None, 404),
        ("POST", "/control/ipn", {"orderId": "nobody"}, 422),
        ("POST", "/control/ipn", {"provider": "nobody"}, 404),
        ("POST", "/control/merchants", {"provider": "momo"}, 422),
        ("GET", "/nowhere", None, 404),
        ("GET", "/v2/gateway/pay?t=wrong", None, 404),
        ("GET", "/v2/gateway/pay/state?t=wrong", None, 404),
    ],
)  # fmt: skip
def test_mistakes_of_the_tester_are_told(momo: MoMoDriver, method: str, path: str, body: object, status: int) -> None:
    assert call(momo, method, path, body).status_code == status


def test_a_fault_strikes_as_often_as_it_was_asked_to(momo: MoMoDriver) -> None:
    momo.fault("lost_ipn", scope="always", count=2)

    heard = [len(momo.end(momo.opened().reference, "pay")) for _ in range(3)]

    assert heard == [0, 0, 1]
    assert momo.control("GET", "/faults")["faults"] == []


def test_a_fault_of_one_order_leaves_others_alone(momo: MoMoDriver) -> None:
    ill, well = momo.opened(), momo.opened()
    momo.fault("lost_ipn", scope="order", order=ill.reference)

    assert (len(momo.end(well.reference, "pay")), len(momo.end(ill.reference, "pay"))) == (1, 0)
    (rule,) = momo.control("GET", "/faults")["faults"]
    momo.control("DELETE", f"/faults/{rule['number']}")
    assert momo.control("GET", "/faults")["faults"] == []


def test_a_late_notification_comes_late(momo: MoMoDriver) -> None:
    momo.fault("late", seconds=0.3)
    request = momo.opened()

    momo.control("POST", f"/payments/{request.reference}/pay")
    momo.sandbox.app.stopping.wait(0.1)
    early = len(momo.inbox.messages)
    assert momo.sandbox.drain()

    assert (early, len(momo.inbox.messages)) == (0, 1)


def test_a_notification_is_given_up_after_the_last_try(momo: MoMoDriver) -> None:
    request = momo.opened(notify_url="http://127.0.0.1:1/ipn")

    momo.end(request.reference, "pay")

    tries = momo.control("GET", f"/log?event=ipn&order={request.reference}")["log"]
    assert [(one["tried"], one["status"]) for one in tries] == [(1, 0), (2, 0), (3, 0)]


def test_any_notification_can_be_sent_truly_signed(momo: MoMoDriver) -> None:
    request = momo.opened()
    spec = {"orderId": request.reference, "amount": 123_000, "transId": 77, "resultCode": 0}

    answer = momo.control("POST", "/ipn", spec)
    (report,) = momo.gateway.read_notification(momo.inbox.messages[0])

    assert answer["status"] == 204
    assert (report.status, report.money, report.gateway_transaction_id) == (
        ReportStatus.PAID,
        Money(123_000, "VND"),
        "77",
    )
    assert momo.truth(request.reference)["transactions"] == []


def test_a_notification_for_an_order_nobody_made_can_be_sent_too(momo: MoMoDriver) -> None:
    spec = {"orderId": "unheard-of", "amount": 5000, "ipnUrl": momo.inbox.url}

    assert momo.control("POST", "/ipn", spec)["status"] == 204
    assert momo.gateway.read_notification(momo.inbox.messages[0])[0].reference == "unheard-of"


def test_with_autopay_every_payment_succeeds_at_once(momo: MoMoDriver) -> None:
    momo.control("POST", "/settings", {"autopay": True})

    request = momo.opened()
    assert momo.sandbox.drain()

    assert momo.gateway.read_notification(momo.inbox.messages[0])[0].reference == request.reference


def test_a_payer_must_give_six_digits(momo: MoMoDriver) -> None:
    checkout = momo.gateway.create_checkout(momo.request())
    token = checkout.pay_url.rpartition("=")[2]

    for code in ("", "12345", "1234567", "12345a", "１２３４５６"):
        answer = requests.post(checkout.pay_url, data={"t": token, "action": "pay", "otp": code}, timeout=5)
        assert (answer.status_code, "Mã OTP gồm đúng 6 chữ số." in answer.text) == (400, True)
    assert requests.get(f"{momo.sandbox.url}/v2/gateway/pay/state?t={token}", timeout=5).json() == {
        "stage": "waiting",
        "leave": "",
    }


def test_a_page_whose_payment_ended_leads_back_to_the_shop(momo: MoMoDriver) -> None:
    request = momo.request(description='<script>alert("x")</script>')
    checkout = momo.gateway.create_checkout(request)
    before = requests.get(f"{checkout.pay_url}&lang=en", timeout=5).text
    momo.end(request.reference, "pay")

    after = requests.get(f"{checkout.pay_url}&lang=en", timeout=5).text
    state = requests.get(checkout.pay_url.replace("/pay?", "/pay/state?"), timeout=5).json()

    assert "<script>alert" not in before and "&lt;script&gt;" in before
    assert "Back to the shop" in after and "<form" not in after
    assert (state["stage"], state["leave"].startswith("https://shop.example.vn/return?lang=vi&partnerCode=MOMO")) == (
        "paid",
        True,
    )


def test_what_happened_is_kept_over_a_restart(tmp_path: Path, inbox: Inbox) -> None:
    file = tmp_path / "state.jsonl"
    first = start(state=file)
    before = MoMoDriver(first, inbox)
    request, _, paid = before.paid()
    open_one = before.opened()
    first.stop()
    with file.open("a") as torn:
        torn.write('{"kind": "pay')

    second = start(state=file)
    try:
        after = MoMoDriver(second, inbox)
        queried = after.query(request)
        (message,) = after.end(open_one.reference, "pay")
        newer = after.gateway.read_notification(message)[0]
        assert (queried.status, queried.gateway_transaction_id) == (ReportStatus.PAID, paid.gateway_transaction_id)
        assert int(newer.gateway_transaction_id) > int(paid.gateway_transaction_id)
        assert [one["event"] for one in after.control("GET", f"/log?order={request.reference}")["log"]] == [
            "created",
            "paid",
            "ipn",
        ]
    finally:
        second.stop()


def test_the_providers_can_be_told_another_moment(momo: MoMoDriver) -> None:
    momo.control("POST", "/settings", {"at_ms": 1_735_700_060_456})
    try:
        request, _, paid = momo.paid()
    finally:
        momo.control("POST", "/settings", {"at_ms": None})

    assert paid.occurred_at is not None
    assert paid.occurred_at.strftime("%Y-%m-%d %H:%M") == "2025-01-01 02:54"
    assert momo.query(request).occurred_at == paid.occurred_at


def test_merchants_can_be_added(momo: MoMoDriver) -> None:
    keys = {"accessKey": "mine", "secretKey": "my-secret"}
    momo.control("POST", "/merchants", {"provider": "momo", "code": "SHOP1", "keys": keys})

    gateway = momo.build(partner_code="SHOP1", access_key="mine", secret_key="my-secret")

    assert gateway.create_checkout(momo.request()).pay_url != ""
    assert "my-secret" not in json.dumps(momo.control("GET", "/merchants"))


def test_a_sandbox_can_start_with_a_merchant_of_ones_own(inbox: Inbox) -> None:
    running = start(merchants=[Merchant(provider="momo", code="SHOP2", keys={"accessKey": "a", "secretKey": "b"})])
    try:
        momo = MoMoDriver(running, inbox)
        assert (
            momo.build(partner_code="SHOP2", access_key="a", secret_key="b").create_checkout(momo.request()).pay_url
            != ""
        )
    finally:
        running.stop()


def test_a_held_answer_does_not_hold_up_the_end(inbox: Inbox) -> None:
    running = start()
    momo = MoMoDriver(running, inbox)
    momo.fault("accept_then_timeout", seconds=600)
    hasty = momo.build(timeout_seconds=0.1)
    with pytest.raises(Exception, match="create"):
        hasty.create_checkout(momo.request())

    running.stop()  # would hang without an end to the held answer


def test_it_runs_as_a_program_until_told_to_stop() -> None:
    command = [sys.executable, "-m", "gateways.sandbox", "--port", "0", "--autopay", "--merchant", "momo:M:A:S"]
    environment = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        health = requests.get(f"{found.group()}/health", timeout=5)
        merchants = requests.get(f"{found.group()}/control/merchants", timeout=5).json()["merchants"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0

    assert health.json() == {"status": "ok"}
    assert {"provider": "momo", "code": "M"} in merchants


def test_it_stands_without_django_and_without_the_adapters() -> None:
    program = "import sys, gateways.sandbox.server; print([m for m in sys.modules if m.split('.')[0] in ('django', 'payments', 'config') or m in ('gateways.momo.adapter', 'gateways.registry')])"

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_adapters_stand_without_django() -> None:
    program = "import sys, gateways.registry; print([m for m in sys.modules if m.split('.')[0] == 'django'])"

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"
