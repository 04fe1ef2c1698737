"""Thirty days of a marketplace: about two hundred orders, each told by one small function."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings

from config.core import clock
from config.office.demo.doors import Doors
from config.office.demo.market import BUYERS, CARRIER, SHOPS
from payments.models import GatewayAccount, Order, Payment
from payments.services import expiry, refund_steps, statements

DAYS: Final = 30
LIKED: Final = (("momo", 50), ("vnpay", 18), ("zalopay", 12), ("stripe", 8), ("xendit", 6), ("fiuu", 6))
"""How customers pay online, in percent."""
PRICES: Final = (45_000, 89_000, 120_000, 185_000, 260_000, 349_000, 520_000, 760_000, 1_150_000)


@dataclass(frozen=True, slots=True)
class Scene:
    """One order: when it was placed, what it is, and the doors to act through."""

    doors: Doors
    at: datetime
    order_id: str
    body: dict[str, Any]
    until: datetime
    method: str = "momo"

    def later(self, **span: float) -> datetime:
        """A moment after the order, never in the future."""
        return min(self.at + timedelta(**span), self.until)

    def start(self, method: str = "momo") -> dict[str, Any]:
        """The order is placed and its payment opened; some gateways learn of it only when a browser comes."""
        with self.doors.moment(self.at):
            opened = self.doors.call("/v1/payment/init", {**self.body, "payment_method": method}, key=self.order_id)
            self.doors.visit(opened.get("payUrl") or "")
        Order.objects.filter(order_id=self.order_id).update(created_at=self.at)
        return opened

    def act(self, opened: dict[str, Any], outcome: str, *, again: bool = False, **span: float) -> None:
        """The customer acts at the gateway some time later."""
        with self.doors.moment(self.later(**span)):
            self.doors.customer_does(opened["transaction_code"], outcome, again=again)

    def sweep(self, opened: dict[str, Any], **span: float) -> None:
        """The expiry sweep comes by."""
        at = self.later(**span)
        with self.doors.moment(at):
            expiry.expire_overdue(at=at)


def paid(scene: Scene) -> None:
    """Paid within minutes, by whatever the customer likes best."""
    scene.act(scene.start(scene.method), "pay", minutes=3)


def disputed(scene: Scene) -> None:
    """Paid by card; days later the cardholder's bank wants the money back, and we have a few days to answer."""
    opened = scene.start("stripe")
    scene.act(opened, "pay", minutes=3)
    with scene.doors.moment(max(scene.later(minutes=30), scene.until - timedelta(days=int(scene.order_id[-1]) % 6))):
        scene.doors.control(f"/control/stripe/payments/{opened['transaction_code']}/dispute", {})
        scene.doors.control("/control/drain", {})


def paid_at_the_second_try(scene: Scene) -> None:
    """Declined once, then paid."""
    scene.act(scene.start(), "insufficient", minutes=2)
    with scene.doors.moment(scene.later(minutes=5)):
        again = scene.doors.call("/v1/payment/init", {**scene.body, "payment_method": "momo"})
    scene.act(again, "pay", minutes=8)


def declined(scene: Scene) -> None:
    """Declined, and the customer left."""
    opened = scene.start()
    scene.act(opened, "decline", minutes=4)
    scene.sweep(opened, minutes=110)


def out_of_tries(scene: Scene) -> None:
    """Declined until no attempt was left: the payment failed."""
    for number in range(settings.MAX_ATTEMPTS_PER_PAYMENT):
        with scene.doors.moment(scene.later(minutes=number)):
            opened = scene.doors.call("/v1/payment/init", {**scene.body, "payment_method": "momo"})
        scene.act(opened, "decline" if number else "insufficient", minutes=number + 0.5)


def expired(scene: Scene) -> None:
    """Nobody paid."""
    scene.sweep(scene.start(), minutes=110)


def late(scene: Scene) -> None:
    """Paid at the gateway's till after we had announced the end."""
    opened = scene.start()
    scene.sweep(opened, minutes=110)
    scene.act(opened, "pay", again=True, minutes=130)


def cancelled(scene: Scene) -> None:
    """The customer changed their mind."""
    opened = scene.start()
    with scene.doors.moment(scene.later(minutes=6)):
        scene.doors.call(f"/api/v1/payments/{opened['payment_id']}/cancel", {"reason": "customer changed their mind"})


def paid_after_cancellation(scene: Scene) -> None:
    """Cancelled here, paid there: money in suspense, a case."""
    opened = scene.start()
    with scene.doors.moment(scene.later(minutes=6)):
        scene.doors.call(f"/api/v1/payments/{opened['payment_id']}/cancel", {"reason": "order merged with another"})
    scene.act(opened, "pay", minutes=7)


def paid_twice(scene: Scene) -> None:
    """Two real payments on one attempt."""
    opened = scene.start()
    scene.act(opened, "pay", minutes=2)
    scene.act(opened, "pay", again=True, minutes=3)


def wrong_amount(scene: Scene) -> None:
    """The gateway took another sum than the order's."""
    opened = scene.start()
    with scene.doors.moment(scene.later(minutes=3)):
        scene.doors.control(
            "/control/ipn", {"orderId": opened["transaction_code"], "amount": int(opened["amount_minor"]) - 1_000}
        )


def partly_refunded(scene: Scene) -> None:
    """One item came back."""
    opened = scene.start()
    scene.act(opened, "pay", minutes=3)
    _refund(
        scene, opened, {"amount": str(max(1_000, int(opened["amount_minor"]) // 4)), "reason": "item damaged"}, hours=40
    )


def fully_refunded(scene: Scene) -> None:
    """All of it came back."""
    opened = scene.start()
    scene.act(opened, "pay", minutes=3)
    _refund(scene, opened, {"reason": "shop out of stock"}, hours=20)


def refund_awaits_approval(scene: Scene) -> None:
    """A large sum goes back only when a second person agrees."""
    large = replace(scene, body=_large(scene.body))
    opened = large.start()
    large.act(opened, "pay", minutes=3)
    _refund(large, opened, {"reason": "whole order returned"}, hours=30)


def transferred(scene: Scene) -> None:
    """Paid by bank transfer; the next morning finance imports the bank's statement."""
    opened = scene.start("bank_transfer")
    at = scene.later(hours=14)
    row = (
        f"{at:%d/%m/%Y},FT{scene.order_id[-4:]},{opened['amount']},IBFT {opened['transaction_code'].lower()} thanh toan"
    )
    with scene.doors.moment(at):
        statement = statements.read(
            content=f"Date,Bank reference,Credit,Description\n{row}".encode(),
            name=f"statement-{at:%Y%m%d}.csv",
            account=GatewayAccount.objects.get(code="bank_transfer"),
        )
        statements.book(statement=statement, actor="system:demo", at=at)


def transfer_awaited(scene: Scene) -> None:
    """The customer has the QR code and has not sent the money yet."""
    scene.start("bank_transfer")


def cash_collected(scene: Scene) -> None:
    """Cash on delivery, taken by the carrier."""
    opened = scene.start("cod")
    with scene.doors.moment(scene.later(hours=50)):
        body = {
            "result": "collected",
            "carrier": CARRIER,
            "reference": f"GHN{scene.order_id[-4:]}",
            "amount": opened["amount"],
        }
        scene.doors.call(f"/api/v1/payments/{opened['payment_id']}/cod", body)


def cash_refused(scene: Scene) -> None:
    """Nobody was at home."""
    opened = scene.start("cod")
    with scene.doors.moment(scene.later(hours=60)):
        body = {"result": "failed", "carrier": CARRIER, "reason": "customer not at home"}
        scene.doors.call(f"/api/v1/payments/{opened['payment_id']}/cod", body)


def cash_awaited(scene: Scene) -> None:
    """On its way."""
    scene.start("cod")


def _refund(scene: Scene, opened: dict[str, Any], body: dict[str, object], **span: float) -> None:
    at = scene.later(**span)
    with scene.doors.moment(at):
        scene.doors.call(f"/api/v1/payments/{opened['payment_id']}/refund", body)
        refund_steps.advance_due(at=at)


def _large(body: dict[str, Any]) -> dict[str, Any]:
    """The same order with a piece of furniture on top."""
    first, *others = body["shop_orders"]
    first = {**first, "order_subtotal": str(int(first["order_subtotal"]) + 4_500_000)}
    return {**body, "amount": str(int(body["amount"]) + 4_500_000), "shop_orders": [first, *others]}


Plot = Callable[[Scene], None]
PLOTS: Final[tuple[tuple[Plot, int], ...]] = (
    (paid, 93),
    (paid_at_the_second_try, 12),
    (declined, 9),
    (out_of_tries, 2),
    (expired, 14),
    (late, 3),
    (cancelled, 6),
    (paid_after_cancellation, 2),
    (paid_twice, 2),
    (wrong_amount, 2),
    (partly_refunded, 12),
    (fully_refunded, 7),
    (refund_awaits_approval, 3),
    (disputed, 3),
    (cash_collected, 18),
    (cash_refused, 4),
    (cash_awaited, 9),
    (transferred, 8),
    (transfer_awaited, 5),
)


def tell(doors: Doors, *, on_scene: Callable[[int, int], None]) -> int:
    """Play every plot, oldest first; the same story each time. Calls `on_scene(done, total)`; returns the payments."""
    until = clock.now() - timedelta(minutes=10)
    scenes = sorted(_cast(until), key=lambda pair: pair[1])
    for number, (plot, at, dice) in enumerate(scenes, start=1):
        plot(_scene(doors, number, at=at, until=until, dice=dice))
        on_scene(number, len(scenes))
    return int(Payment.objects.count())


def _cast(until: datetime) -> Iterator[tuple[Plot, datetime, random.Random]]:
    """Each plot as often as it is to happen, at some waking hour of the last thirty days."""
    dice = random.Random(1001)  # noqa: S311 - a story, not a secret
    for plot, times in PLOTS:
        for _ in range(times):
            day = until - timedelta(days=dice.randrange(DAYS), hours=3)
            yield plot, day - timedelta(minutes=dice.randrange(900)), random.Random(dice.random())  # noqa: S311 - a story


def _scene(doors: Doors, number: int, *, at: datetime, until: datetime, dice: random.Random) -> Scene:
    order_id = f"DH-{at:%y%m%d}-{number:04}"
    body = order_body(order_id, dice)
    (method,) = dice.choices([name for name, _ in LIKED], [share for _, share in LIKED])
    return Scene(doors=doors, at=at, order_id=order_id, body=body, until=until, method=method)


def order_body(order_id: str, dice: random.Random) -> dict[str, Any]:
    """A plausible order: one to three shops, sometimes with vouchers, as the order service would send it."""
    name, email, phone = dice.choice(BUYERS)
    parts = [
        {
            "shop_order_id": f"{order_id}-{position}",
            "shop_id": shop_id,
            "shop_name": shop_name,
            "order_subtotal": str(dice.choice(PRICES)),
            "shop_voucher_discount": str(dice.choice((0, 0, 0, 10_000))),
            "shipping_fee": str(dice.choice((15_000, 22_000, 30_000))),
        }
        for position, (shop_id, shop_name) in enumerate(dice.sample(SHOPS, dice.choice((1, 1, 1, 2, 3))), start=1)
    ]
    voucher = dice.choice((0, 0, 0, 20_000))
    owed = sum(int(p["order_subtotal"]) - int(p["shop_voucher_discount"]) + int(p["shipping_fee"]) for p in parts)
    return {
        "order_id": order_id,
        "customer_id": f"customer-{1 + BUYERS.index((name, email, phone))}",
        "amount": str(owed - voucher),
        "currency": "VND",
        "buyer": {"name": name, "email": email, "phone": phone},
        "shop_orders": parts,
        "platform_costs": {"site_order_voucher_discount": str(voucher)},
    }
