"""Short stories of the marketplace, told over HTTP. Each one, whoever dies in it, must come to its own good end."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import requests

from gateways.sandbox.faults import Fault
from gateways.sandbox.momo.simulator import PUBLISHED
from gateways.sandbox.state import Payment as AtTheGateway
from gateways.sandbox.state import Stage
from tests.flows.stack import Stack
from tests.receiver import receiving

AMOUNT: Final = 960_000
GOODS: Final = (500_000, 460_000)


class Market:
    """The order service, a customer, a carrier, and two people of finance, in one hand."""

    def __init__(self, stack: Stack, orders: str) -> None:
        self.stack, self.orders = stack, orders
        stack.ahead = timedelta(0)  # every story begins now

    def order(self, name: str = "1") -> dict[str, Any]:
        """An order of two shops, as the order service tells it."""
        order_id = f"{self.orders}{name}"
        parts = [
            {"shop_order_id": f"{order_id}-{number}", "shop_id": f"shop-{number}", "order_subtotal": str(amount)}
            for number, amount in enumerate(GOODS, start=1)
        ]
        return {
            "order_id": order_id, "amount": str(AMOUNT), "currency": "VND", "customer_id": "customer-1",
            "buyer": {"name": "Nguyễn Thị Lan", "email": "lan@example.com"}, "shop_orders": parts,
        }  # fmt: skip

    def open(self, name: str = "1", *, method: str = "momo") -> dict[str, Any]:
        """Start a payment; the same request with the same key shows the same payment again (I11)."""
        wish = {**self.order(name), "payment_method": method}
        key = f"open-{self.orders}{name}"
        opened = self.stack.post("/v1/payment/init", wish, key=key)
        again = self.stack.post("/v1/payment/init", wish, key=key)
        same = ("payment_id", "transaction_id", "transaction_code", "payUrl", "client_secret", "amount_minor")
        assert [opened[part] for part in same] == [again[part] for part in same]
        assert again["_replayed"]
        return opened

    def at_the_gateway(self, opened: dict[str, Any]) -> AtTheGateway:
        """What the gateway knows of a payment."""
        return next(iter(self.stack.sandbox.app.sandbox.world.payments_of_order(opened["transaction_code"])))

    def pays(self, opened: dict[str, Any], *, is_heard: bool = True, again: bool = False) -> None:
        """The customer pays in the wallet; the gateway tells us, until it is heard, or loses its message."""
        if not is_heard:
            self.misbehave(Fault.LOST_IPN)
        path = f"/control/payments/{opened['transaction_code']}/pay" + ("?again=1" if again else "")
        requests.post(self.stack.sandbox.url + path, json={}, timeout=20).raise_for_status()
        self.stack.hear()

    def misbehave(self, fault: Fault, **spec: Any) -> None:
        """The gateway's next call or message goes wrong so."""
        self.stack.sandbox.app.sandbox.faults.add({"fault": fault.value, **spec}, possible=frozenset(Fault))

    def refund(self, opened: dict[str, Any], amount: int | None = None) -> dict[str, Any]:
        """Ask for money back; the same request with the same key shows the same refund again (I11)."""
        body = {"reason": "came broken"} if amount is None else {"reason": "came broken", "amount": str(amount)}
        path, key = f"/api/v1/payments/{opened['payment_id']}/refund", f"refund-{opened['payment_id']}-{amount}"
        refund = self.stack.post(path, body, key=key)
        again = self.stack.post(path, body, key=key)
        assert (refund["refund_id"], again["_replayed"]) == (again["refund_id"], True)
        return refund

    def decide(self, opened: dict[str, Any], decision: str) -> None:
        """Two people settle the open case of a payment."""
        self.stack.ask_worker("propose", payment=opened["payment_id"], decision=decision)
        self.stack.ask_worker("approve", payment=opened["payment_id"])

    def is_disputed(self, opened: dict[str, Any]) -> dict[str, Any]:
        """The cardholder disputes a payment; the gateway tells us, until it is heard."""
        path = f"/control/stripe/payments/{opened['transaction_code']}/dispute"
        requests.post(self.stack.sandbox.url + path, json={}, timeout=20).raise_for_status()
        self.stack.hear()
        (row,) = self.stack.rows("SELECT * FROM payments_dispute WHERE payment_id = %s", opened["payment_id"])
        return row

    def contest(self, dispute: dict[str, Any], text: str) -> None:
        """Answer a dispute; the same text again finds the first answer."""
        for _ in range(2):
            self.stack.post(f"/api/v1/disputes/{dispute['id']}/submit", {"text": text}, key=f"contest-{dispute['id']}")

    def dispute(self, dispute: dict[str, Any]) -> dict[str, Any]:
        """A dispute as it is now."""
        (row,) = self.stack.rows("SELECT * FROM payments_dispute WHERE id = %s", dispute["id"])
        return row

    def status(self, opened: dict[str, Any]) -> str:
        """Where a payment is."""
        (row,) = self.stack.rows("SELECT status FROM payments_payment WHERE id = %s", opened["payment_id"])
        return str(row["status"])

    def refunded(self, opened: dict[str, Any]) -> int:
        """What came back of a payment."""
        (row,) = self.stack.rows("SELECT refunded_minor FROM payments_payment WHERE id = %s", opened["payment_id"])
        return int(row["refunded_minor"])


def paid(market: Market) -> None:
    """Opened, paid, told."""
    opened = market.open()
    market.pays(opened)
    market.stack.settle()
    assert market.status(opened) == "succeeded"


def told_over_http(market: Market) -> None:
    """Paid, and its notify_url hears of it: at least once, always the same, under one id."""
    with receiving() as receiver:
        wish = {**market.order(), "payment_method": "momo", "notify_url": f"{receiver.url}/merchant"}
        opened = market.stack.post("/api/v1/payments", wish, key=f"open-{market.orders}told")
        market.pays(opened)
        market.stack.settle()
    heard = {(one.headers["webhook-id"], one.body) for one in receiver.heard}
    assert len(heard) == 1
    assert [json.loads(body)["data"]["payment_id"] for _id, body in heard] == [opened["payment_id"]]
    assert market.status(opened) == "succeeded"


def paid_unheard(market: Market) -> None:
    """The gateway's message is lost: we ask."""
    opened = market.open()
    market.pays(opened, is_heard=False)
    market.stack.sweep(minutes=2)
    market.stack.settle()
    assert market.status(opened) == "succeeded"


def rerouted(market: Market) -> None:
    """The first account says no for good, and the second is paid."""
    partner, access_key, secret_key = PUBLISHED[1]
    market.stack.ask_worker("second_account", partner=partner, access_key=access_key, secret_key=secret_key)
    time.sleep(5.5)  # processes remember for five seconds that there are no rules
    market.misbehave(Fault.ANSWER_CODE, operation="create", scope="operation", count=1, code=11)
    opened = market.open(method="routed")
    market.pays(opened)
    market.stack.settle()
    assert market.status(opened) == "succeeded"


def prepared(market: Market) -> None:
    """The request calls nobody; the background opens the payment, or the customer tries again, and it is paid."""
    opened = _prepared(market)
    market.pays(opened)
    market.stack.settle()
    assert market.status(opened) == "succeeded"


def prepared_late(market: Market) -> None:
    """The gateway is out of reach three times; ops opens the payment again once it is back, and it is paid."""
    _background(market, is_away=True)
    opened = market.open(method="later")
    for _ in range(3):
        market.stack.sweep(minutes=2)
    _background(market, is_away=False)
    time.sleep(5.5)  # processes remember for five seconds where it was
    market.stack.ask_worker("requeue_payment", payment=opened["payment_id"])
    market.pays(_prepared(market))
    market.stack.settle()
    assert market.status(opened) == "succeeded"


def _background(market: Market, *, is_away: bool) -> None:
    partner, access_key, secret_key = PUBLISHED[1]
    keys = {"partner": partner, "access_key": access_key, "secret_key": secret_key}
    market.stack.ask_worker("background_account", **keys, is_away=is_away)


def _prepared(market: Market) -> dict[str, Any]:
    """A payment opened in the background, as its client learns of it: by asking again until there is a URL of the gateway."""
    _background(market, is_away=False)
    for _ in range(10):
        opened = market.open(method="later")
        if market.stack.sandbox.url in opened["payUrl"]:
            return opened
        market.stack.sweep(minutes=1)
    raise AssertionError(f"{opened['payment_id']} was never opened")


def charged(market: Market) -> None:
    """A card's token pays in one call; the same request with the same key finds what it paid."""
    body = {**market.order(), "card_token": "pm_card_visa"}
    found = [market.stack.post("/api/v1/stripe/payment", body, key=f"card-{market.orders}") for _ in range(2)]
    market.stack.hear()
    market.stack.settle()
    assert [one["status"] for one in found] == ["succeeded"] * 2
    assert (found[0]["payment_id"], market.status(found[0])) == (found[1]["payment_id"], "succeeded")


def refunded(market: Market) -> None:
    """Paid, and all of it sent back."""
    opened = market.open()
    market.pays(opened)
    market.refund(opened)
    market.stack.settle()
    assert (market.status(opened), market.refunded(opened)) == ("succeeded", AMOUNT)


def refunded_unclear(market: Market) -> None:
    """The gateway refunds and answers nonsense: we ask, and never send it twice."""
    opened = market.open()
    market.pays(opened)
    market.misbehave(Fault.ERROR_500_AFTER_ACCEPT, operation="refund", scope="operation", count=1)
    market.refund(opened, 300_000)
    market.stack.settle()
    assert market.refunded(opened) == 300_000


def expired(market: Market) -> None:
    """Nobody pays."""
    opened = market.open()
    market.stack.sweep(minutes=95)
    market.stack.settle()
    assert market.status(opened) == "expired"


def closed(market: Market) -> None:
    """Cancelled while its page is open: the page takes no money any more."""
    opened = market.open(method="stripe")
    path = f"/api/v1/payments/{opened['payment_id']}/cancel"
    market.stack.post(path, {"reason": "changed my mind"}, key=f"cancel-{market.orders}")
    market.stack.settle()
    assert market.status(opened) == "cancelled"
    assert market.at_the_gateway(opened).stage is Stage.EXPIRED


def cash(market: Market) -> None:
    """The carrier collects the cash, and says so twice."""
    opened = market.open(method="cod")
    told = {"result": "collected", "carrier": "ghn", "reference": f"GHN-{market.orders}", "amount": str(AMOUNT)}
    path = f"/api/v1/payments/{opened['payment_id']}/cod"
    for _ in range(2):
        market.stack.post(path, told, key=f"cod-{opened['payment_id']}")
    market.stack.settle()
    assert market.status(opened) == "succeeded"


def transferred(market: Market) -> None:
    """The customer's transfer is on our account, and finance's system says so twice."""
    opened = market.open(method="bank_transfer")
    told = {
        "bank_reference": f"FT-{market.orders}",
        "amount": str(AMOUNT),
        "value_date": datetime.now(UTC).date().isoformat(),
    }
    path = f"/api/v1/payments/{opened['payment_id']}/transfer"
    for _ in range(2):
        market.stack.post(path, told, key=f"transfer-{opened['payment_id']}")
    market.stack.settle()
    assert market.status(opened) == "succeeded"


def cancelled_after_payment(market: Market) -> None:
    """The order service cancels a paid order; two people send the money back."""
    opened = market.open()
    market.pays(opened)
    for _ in range(2):
        path = f"/api/v1/orders/{market.orders}1/cancel"
        market.stack.post(path, {"reason": "out of stock"}, key=f"cancel-{market.orders}")
    market.decide(opened, "refund")
    market.stack.settle()
    assert market.refunded(opened) == AMOUNT


def part_cancelled(market: Market) -> None:
    """One of two shops cancels its part of a paid order: exactly that part comes back."""
    opened = market.open()
    market.pays(opened)
    for _ in range(2):
        path = f"/api/v1/shop-orders/{market.orders}1-2/cancel"
        market.stack.post(path, {"reason": "out of stock"}, key=f"cancel-{market.orders}-2")
    market.stack.settle()
    assert market.refunded(opened) == GOODS[1]


def paid_twice(market: Market) -> None:
    """The customer pays twice; the second money is held, and two people send it back."""
    opened = market.open()
    market.pays(opened)
    market.pays(opened, again=True)
    market.decide(opened, "refund")
    market.stack.settle()
    assert (market.status(opened), market.refunded(opened)) == ("succeeded", 0)


def told_by_events(market: Market) -> None:
    """The order and its cash become known by events, each of which comes twice."""
    order = {**market.order(), "customer_id": "customer-1"}
    event = {"event_id": f"evt-{market.orders}-1", "type": "order.created", "data": order}
    for _ in range(2):
        market.stack.ask_worker("consume", topic="order.created", offset=1, value=event)
    wish = {"order_id": order["order_id"], "payment_method": "cod"}
    opened = market.stack.post("/v1/payment/init", wish, key=f"open-{market.orders}")
    data = {
        "order_id": order["order_id"],
        "carrier": "ghn",
        "carrier_reference": f"G-{market.orders}",
        "amount": str(AMOUNT),
    }
    event = {"event_id": f"evt-{market.orders}-2", "type": "cod.collected", "data": data}
    for _ in range(2):
        market.stack.ask_worker("consume", topic="cod.collected", offset=1, value=event)
    market.stack.settle()
    assert market.status(opened) == "succeeded"


def told_too_early(market: Market) -> None:
    """An order is cancelled before we know it: buried, requeued once the order is there, done."""
    order, offset = market.order(), zlib.crc32(market.orders.encode())
    event = {"event_id": f"evt-{market.orders}-3", "type": "order.cancelled", "data": {"order_id": order["order_id"]}}
    market.stack.ask_worker("consume", topic="order.cancelled", offset=offset, value=event)
    opened = market.open()
    market.stack.wait(
        lambda: not market.stack.rows("SELECT 1 FROM core_deadletter WHERE mirrored_at IS NULL"), "mirrored"
    )
    market.stack.ask_worker("requeue", topic="order.cancelled", offset=offset)
    market.stack.settle()
    assert market.status(opened) == "cancelled"


def authorized(market: Market) -> None:
    """Money is reserved first and taken later."""
    opened = _authorize(market)
    market.stack.post(f"/api/v1/payments/{opened['payment_id']}/capture", {}, key=f"capture-{market.orders}")
    market.stack.settle()
    assert market.status(opened) == "succeeded"


def authorized_then_cancelled(market: Market) -> None:
    """Money is reserved and given free again."""
    opened = _authorize(market)
    path = f"/api/v1/payments/{opened['payment_id']}/cancel"
    market.stack.post(path, {"reason": "changed my mind"}, key=f"cancel-{market.orders}")
    market.stack.settle()
    assert market.status(opened) == "cancelled"


def _authorize(market: Market) -> dict[str, Any]:
    opened = market.open()
    market.at_the_gateway(opened).fields["autoCapture"] = False
    market.pays(opened)
    assert market.status(opened) == "authorized"
    return opened


def disputed(market: Market) -> None:
    """The cardholder's bank takes the money back; we contest it, and it comes home."""
    opened = market.open(method="stripe")
    market.pays(opened)
    dispute = market.is_disputed(opened)
    market.contest(dispute, "winning_evidence: it was signed for.")
    market.stack.settle()
    assert market.dispute(dispute)["status"] == "won"


def disputed_unclear(market: Market) -> None:
    """The gateway takes our answer and says nonsense: it is not given twice. A day later we ask, and then it is lost."""
    opened = market.open(method="stripe")
    market.pays(opened)
    dispute = market.is_disputed(opened)
    market.misbehave(Fault.ERROR_500_AFTER_ACCEPT, operation="evidence", scope="operation", count=1)
    market.contest(dispute, "It was signed for.")
    market.stack.hear()
    market.stack.sweep(minutes=25 * 60)
    requests.post(
        f"{market.stack.sandbox.url}/control/stripe/disputes/{dispute['gateway_dispute_id']}/lost", json={}, timeout=20
    ).raise_for_status()
    market.stack.settle()
    assert market.dispute(dispute)["status"] == "lost"
    assert len(market.stack.rows("SELECT 1 FROM payments_clawback WHERE dispute_id = %s", dispute["id"])) == len(GOODS)


Scene = Callable[[Market], None]
