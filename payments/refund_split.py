"""How a refund divides (LEDGER.md 6, "Refund rule"): arithmetic only, no rows are written here.

Cash X of an order paid P with site-funded S stands for list value X * (P + S) / P. Each (shop order, kind) of an order
is a unit with a list value; P and S are allotted to the units once, by largest remainder, so that the last refund of a
unit takes exactly what is left of it, and the sums can never exceed P and S.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.core.money import Money
from payments.errors import RefundTooMuch
from payments.models import RefundLine, ShopOrder

GOODS, SHIPPING = RefundLine.Kind.GOODS, RefundLine.Kind.SHIPPING
Key = tuple[int, RefundLine.Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What may be refunded of one shop order's goods or shipping: in all, and what is left."""

    shop_order: ShopOrder
    kind: RefundLine.Kind
    cash: int
    site: int
    cash_left: int
    site_left: int

    @property
    def list_left(self) -> int:
        """Left in list value."""
        return self.cash_left + self.site_left


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One line of a refund to be."""

    unit: Unit
    cash: int
    site: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A line that a caller asks for, in list value (what stood on the shop order)."""

    shop_order_id: str
    kind: RefundLine.Kind
    list_minor: int


def units(*, shop_orders: Sequence[ShopOrder], paid: Money, refunded: Mapping[Key, tuple[int, int]]) -> list[Unit]:
    """The units of a paid order; `refunded` is (cash, site) per unit of the refunds that hold or took money."""
    keys: list[tuple[ShopOrder, RefundLine.Kind, int]] = []
    for row in shop_orders:
        keys.append((row, GOODS, row.goods_minor))
        keys.append((row, SHIPPING, row.shipping_fee_minor))
    weights = [list_minor for _, _, list_minor in keys]
    cash_parts = paid.split(weights)
    found = []
    for (row, kind, list_minor), cash in zip(keys, cash_parts, strict=True):
        gone_cash, gone_site = refunded.get((row.pk, kind), (0, 0))
        site = list_minor - cash.minor
        found.append(
            Unit(
                shop_order=row,
                kind=kind,
                cash=cash.minor,
                site=site,
                cash_left=cash.minor - gone_cash,
                site_left=site - gone_site,
            )
        )
    return found


def by_amount(amount: Money, available: Sequence[Unit]) -> list[Part]:
    """Split cash over the shop orders' goods by what is left of them, and only then over shipping."""
    goods = [unit for unit in available if unit.kind == GOODS]
    shipping = [unit for unit in available if unit.kind == SHIPPING]
    left_in_goods = sum(unit.cash_left for unit in goods)
    for_goods = min(amount.minor, left_in_goods)
    parts = _spread(Money(for_goods, amount.currency), goods)
    parts += _spread(Money(amount.minor - for_goods, amount.currency), shipping)
    return parts


def by_lines(lines: Sequence[Wanted], available: Sequence[Unit]) -> list[Part]:
    """The parts of named lines. Raises RefundTooMuch for an unknown line or more than is left of it."""
    by_name = {(unit.shop_order.shop_order_id, unit.kind): unit for unit in available}
    parts = []
    for line in lines:
        unit = by_name.pop((line.shop_order_id, line.kind), None)
        if unit is None or not 0 < line.list_minor <= unit.list_left:
            raise RefundTooMuch(f"There is not so much left of {line.shop_order_id} ({line.kind}).", field="lines")
        parts.append(_part_of_list(unit, line.list_minor))
    return parts


def everything(available: Sequence[Unit]) -> list[Part]:
    """All that is left."""
    return [Part(unit=unit, cash=unit.cash_left, site=unit.site_left) for unit in available if unit.list_left]


def _spread(amount: Money, candidates: Sequence[Unit]) -> list[Part]:
    if not amount:
        return []
    left = [unit.cash_left for unit in candidates]
    if amount.minor > sum(left):
        raise RefundTooMuch("More than is left to refund.", field="amount")
    shares = amount.split(left)
    return [_part_of_cash(unit, share.minor) for unit, share in zip(candidates, shares, strict=True) if share]


def _part_of_cash(unit: Unit, cash: int) -> Part:
    if cash == unit.cash_left:
        return Part(unit=unit, cash=cash, site=unit.site_left)
    return Part(unit=unit, cash=cash, site=min(_ratio(cash, unit.site, unit.cash), unit.site_left))


def _part_of_list(unit: Unit, list_minor: int) -> Part:
    if list_minor == unit.list_left:
        return Part(unit=unit, cash=unit.cash_left, site=unit.site_left)
    cash = min(_ratio(list_minor, unit.cash, unit.cash + unit.site), unit.cash_left)
    cash = max(cash, list_minor - unit.site_left)
    return Part(unit=unit, cash=cash, site=list_minor - cash)


def _ratio(amount: int, part: int, whole: int) -> int:
    """amount * part / whole, half up; nothing is negative here."""
    return (2 * amount * part + whole) // (2 * whole)
