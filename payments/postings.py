"""Debits and credits of each business fact, readable beside the book (LEDGER.md 6). Pure: rows in, lines out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from config.core.money import Money
from ledger import chart
from ledger.chart import AccountRef
from ledger.lines import Line, credit, debit
from payments.models import DisputeLine, OrderPlatformCost, RefundLine, ShopOrder

ReturnedLine = RefundLine | DisputeLine
"""What goes back to a customer of one shop order, by our will or their bank's."""


@dataclass(frozen=True, slots=True)
class Split:
    """How one order's gross divides: what each shop claims, what is shipping, what the platform pays towards it."""

    escrow: tuple[tuple[str, Money], ...]
    shipping: Money
    site: Money

    @property
    def owed(self) -> Money:
        """What is left for the customer to pay."""
        total = self.shipping - self.site
        for _, amount in self.escrow:
            total += amount
        return total


def split_of(shop_orders: Sequence[ShopOrder], costs: OrderPlatformCost | None, currency: str) -> Split:
    """The split of an order. `total_site_funded_product_discount` is a stored sum of the rows' and never added."""
    escrow: dict[str, int] = {}
    for row in shop_orders:
        escrow[row.shop_id] = escrow.get(row.shop_id, 0) + row.goods_minor
    site = sum(row.site_funded_product_discount_minor for row in shop_orders)
    site += costs.order_level_minor if costs else 0
    return Split(
        escrow=tuple((shop, Money(minor, currency)) for shop, minor in sorted(escrow.items())),
        shipping=Money(sum(row.shipping_fee_minor for row in shop_orders), currency),
        site=Money(site, currency),
    )


def captured(source: AccountRef, split: Split) -> list[Line]:
    """A customer paid an order.

    Dr source         paid      gw:clearing, or cod:receivable when a carrier took cash, or suspense:over when applied
    Dr promo:site     site      what the platform pays towards the order
    Cr escrow:shop{}  goods     per shop, until delivery
    Cr shipping:held  shipping  until the carrier's invoice
    """
    return [
        debit(source, split.owed),
        debit(chart.promo_site(), split.site),
        *(credit(chart.escrow(shop), amount) for shop, amount in split.escrow),
        credit(chart.shipping_held(), split.shipping),
    ]


def unexpected(source: AccountRef, money: Money) -> list[Line]:
    """Money came that no payment can take.

    Dr gw:clearing    money
    Cr suspense:over  money  until a person decides
    """
    return [debit(source, money), credit(chart.suspense_over(), money)]


def held_money_refunded(money: Money) -> list[Line]:
    """Unexpected money is promised back to its sender.

    Dr suspense:over   money
    Cr refund:payable  money
    """
    return [debit(chart.suspense_over(), money), credit(chart.refund_payable(), money)]


def refund_booked(lines: Sequence[RefundLine], *, shipping_by_shop: bool, currency: str) -> list[Line]:
    """A refund is promised to a customer.

    Dr clawback:shop{}  goods     list value, and shipping that the shop bears after the carrier's invoice
    Dr shipping:held    shipping  before the carrier's invoice; shipping:loss after it, if the platform bears it
    Cr refund:payable   cash      what the customer gets
    Cr promo:site       site      the platform's share comes back
    """
    return _returned(lines, chart.refund_payable(), shipping_by_shop=shipping_by_shop, currency=currency)


def _returned(
    lines: Sequence[ReturnedLine], source: AccountRef, *, shipping_by_shop: bool, currency: str
) -> list[Line]:
    booked = [
        debit(refund_bearer(line, shipping_by_shop=shipping_by_shop), Money(line.list_minor, currency))
        for line in lines
    ]
    cash = Money(sum(line.cash_minor for line in lines), currency)
    site = Money(sum(line.site_minor for line in lines), currency)
    return [*booked, credit(source, cash), credit(chart.promo_site(), site)]


def refund_bearer(line: ReturnedLine, *, shipping_by_shop: bool) -> AccountRef:
    """The account that bears one line of a refund or a lost dispute."""
    shop_order = line.shop_order
    if line.kind == RefundLine.Kind.GOODS:
        return chart.clawback(shop_order.shop_id)
    if not shop_order.is_shipping_invoiced:
        return chart.shipping_held()
    return chart.clawback(shop_order.shop_id) if shipping_by_shop else chart.shipping_loss()


def refund_executed(source: AccountRef, money: Money) -> list[Line]:
    """A promised refund left us.

    Dr refund:payable  money
    Cr source          money  gw:clearing, or the bank it was sent from
    """
    return [debit(chart.refund_payable(), money), credit(source, money)]


def dispute_opened(source: AccountRef, money: Money, fee: Money | None) -> list[Line]:
    """A gateway takes disputed money, and its fee, from what it owes us.

    Dr chargeback:disputed  money  its outcome is open
    Dr fee:chargeback       fee
    Cr source               both   gw:clearing
    """
    if fee and fee.currency == money.currency:
        return [debit(chart.disputed(), money), debit(chart.fee_chargeback(), fee), credit(source, money + fee)]
    lines = [debit(chart.disputed(), money), credit(source, money)]
    return [*lines, *dispute_fee(source, fee)] if fee else lines


def dispute_fee(source: AccountRef, fee: Money) -> list[Line]:
    """A gateway charges for a dispute or, below zero, gives the fee back.

    Dr fee:chargeback  fee
    Cr source          fee  gw:clearing
    """
    if fee.minor < 0:
        return [debit(source, -fee), credit(chart.fee_chargeback(), -fee)]
    return [debit(chart.fee_chargeback(), fee), credit(source, fee)]


def dispute_won(source: AccountRef, money: Money) -> list[Line]:
    """Disputed money comes back.

    Dr source               money  gw:clearing
    Cr chargeback:disputed  money
    """
    return [debit(source, money), credit(chart.disputed(), money)]


def dispute_lost(lines: Sequence[DisputeLine], *, rest: Money) -> list[Line]:
    """Disputed money stays with the customer, and the shops answer for it.

    Dr clawback:shop{}      goods     list value (refund rule)
    Dr shipping:held        shipping  before the carrier's invoice; shipping:loss after it
    Dr loss:chargeback      rest      what no shop order stands for: refunded before, or more than was paid
    Cr chargeback:disputed  all
    Cr promo:site           site      the platform's share comes back
    """
    booked = _returned(lines, chart.disputed(), shipping_by_shop=False, currency=rest.currency)
    return [*booked, *dispute_borne(chart.loss_chargeback(), rest)]


def dispute_borne(account: AccountRef, money: Money) -> list[Line]:
    """Disputed money is gone and no shop answers for it.

    Dr account              money  loss:chargeback when the platform is liable; suspense:short while unexplained
    Cr chargeback:disputed  money
    """
    return [debit(account, money), credit(chart.disputed(), money)]
