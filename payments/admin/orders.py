"""Orders and shops as the order service told them. All that is done here is to ask that a customer is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import masking
from config.core.admin import approvals as approvals_page
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, Tone, chip, identifier, link, listing, money, short, to, when
from config.core.admin.deeds import Deed, Doing, Done
from config.core.admin.panels import Facts, Figure, Panel, Table, columns, num
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.money import Money
from ledger import selectors
from payments.admin import words
from payments.models import ClawBack, Order, OrderPlatformCost, Payment, Shop, ShopOrder
from payments.services import forgetting

ORDER: Final[words.Words] = {
    Order.Status.OPEN: (Tone.GOOD, _("Can be paid, or is paid.")),
    Order.Status.CANCELLED: (Tone.BAD, _("Cancelled by the order service.")),
}
SHOP_ORDER: Final[words.Words] = {
    ShopOrder.Status.OPEN: (Tone.BUSY, _("Not delivered yet.")),
    ShopOrder.Status.CANCELLED: (Tone.BAD, _("Cancelled.")),
    ShopOrder.Status.DELIVERED: (Tone.GOOD, _("Delivered.")),
    ShopOrder.Status.RETURNED: (Tone.WARN, _("Returned.")),
}


approvals_page.name_deed(forgetting.ACTION, _("Forget a customer"))


def _forget(doing: Doing) -> Done:
    approval = forgetting.ask(customer=doing.obj.customer, actor=doing.user, reason=doing.reason, at=doing.at)
    return _t("Asked: %(approval)s waits for another person.") % {"approval": approval.pk}


def _is_told(order: Order) -> bool:
    """Whether we know who the buyer is."""
    return bool(order.buyer_name or order.buyer_email or order.buyer_phone)


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """The order list and one order."""

    list_display = ("order_id", "customer_masked", "amount_money", "state", "source", "made")
    list_filter = (filters.days(_("learnt"), "created_at"),)
    search_fields = ("order_id",)
    search_help_text = _("order or shop order")
    empty_list = _("The order service has told us of no order yet.")
    deeds = (
        Deed(name="forget", label=_("Forget this customer"), permission="payments.forget_customer", run=_forget, icon="person_remove", is_grave=True, is_offered=_is_told, explain=_("Asks that name, e-mail, phone, receipts' addresses and the gateways' raw messages of all orders of this customer are emptied. Another person has to agree. Money facts stay; receipts can no longer be sent again.")),
    )  # fmt: skip

    def found(self, term: str) -> Sequence[Any]:
        """By the order service's ids."""
        keys = {term} | set(Order.objects.filter(order_id=term).values_list("pk", flat=True))
        return list(keys | set(ShopOrder.objects.filter(shop_order_id=term).values_list("order_id", flat=True)))

    @admin.display(description=_("customer"))
    def customer_masked(self, obj: Order) -> Cell:
        return obj.customer if len(obj.customer) <= 8 else f"{obj.customer[:4]}…{obj.customer[-3:]}"

    @admin.display(description=_("amount"))
    def amount_money(self, obj: Order) -> Cell:
        return money(obj.amount)

    @admin.display(description=_("status"))
    def state(self, obj: Order) -> Cell:
        return words.state(obj, ORDER)

    @admin.display(description=_("learnt"))
    def made(self, obj: Order) -> Cell:
        return when(obj.created_at)

    def name_of(self, obj: Order) -> Cell:
        """The order service's id."""
        return identifier(obj.order_id)

    def status_of(self, obj: Order) -> Cell:
        """Its state in words."""
        return words.state(obj, ORDER)

    def headline(self, request: HttpRequest, obj: Order) -> Sequence[Figure]:
        """What the customer owes, and how it adds up."""
        parts = list(obj.shop_orders.all())
        gross = sum(part.list_minor for part in parts)
        costs = OrderPlatformCost.objects.filter(order=obj).first()
        site = sum(p.site_funded_product_discount_minor for p in parts) + (costs.order_level_minor if costs else 0)
        return (
            Figure(_("Goods and shipping"), money(Money(gross, obj.currency))),
            Figure(_("Paid by the platform"), money(Money(-site, obj.currency), dash_zero=True)),
            Figure(_("The customer owes"), money(obj.amount)),
        )

    def panels(self, request: HttpRequest, obj: Order) -> Sequence[Panel]:
        """Facts, parts, payments."""
        return (
            Facts(
                _("Order"),
                (
                    (_("Customer"), self.customer_masked(obj)),
                    (_("Buyer"), masking.text(obj.buyer_email) or NOTHING),
                    (_("Description"), obj.description or NOTHING),
                    (_("Learnt by"), obj.get_source_display()),
                ),
            ),
            Facts(
                _("Times"),
                (
                    (_("Learnt"), when(obj.created_at, seconds=True)),
                    (_("Cancelled"), when(obj.cancelled_at, seconds=True)),
                    (_("Journals"), link(listing("ledger_journalentry", q=obj.order_id), _("journals of this order"))),
                ),
            ),
            _parts(obj),
            _payments(obj),
        )


@admin.register(Shop)
class ShopAdmin(ReadOnlyAdmin):
    """The shop list and one shop with its balances."""

    keyset = ("id",)
    list_display = ("id", "name", "state", "made")
    search_fields = ("id",)
    search_help_text = _("shop id or exact name")
    empty_list = _("No shop is known yet.")

    def found(self, term: str) -> Sequence[Any]:
        """By id; names only in full."""
        return [term, *Shop.objects.filter(name=term).values_list("pk", flat=True)[:50]]

    @admin.display(description=_("state"))
    def state(self, obj: Shop) -> Cell:
        return chip(_("active"), Tone.GOOD) if obj.is_active else chip(_("stopped"), Tone.BAD)

    @admin.display(description=_("known since"))
    def made(self, obj: Shop) -> Cell:
        return when(obj.created_at)

    def name_of(self, obj: Shop) -> Cell:
        """Its name."""
        return obj.name

    def status_of(self, obj: Shop) -> Cell:
        """Whether it sells."""
        return self.state(obj)

    def headline(self, request: HttpRequest, obj: Shop) -> Sequence[Figure]:
        """What it has and what it owes."""
        found = selectors.shop_balances(obj.pk, "VND")
        return (
            Figure(_("Pending"), money(found.pending), _("with customers' money not delivered yet")),
            Figure(_("Available"), money(found.available)),
            Figure(_("In payout"), money(found.in_payout)),
            Figure(_("Reserved"), money(found.reserved)),
            Figure(_("Owes us"), money(-found.debt, dash_zero=True)),
        )

    def panels(self, request: HttpRequest, obj: Shop) -> Sequence[Panel]:
        """Facts, newest parts of orders, open claims."""
        return (
            Facts(
                _("Shop"),
                (
                    (_("Id"), identifier(obj.pk)),
                    (_("E-mail"), masking.text(obj.email) or NOTHING),
                    (_("Accounts"), link(listing("ledger_account", q=obj.pk), _("ledger accounts"))),
                ),
                is_wide=True,
            ),
            _claims(obj),
            _shop_orders(obj),
        )


def _parts(obj: Order) -> Table:
    def amount(minor: int) -> Cell:
        return money(Money(minor, obj.currency), dash_zero=True)

    rows = [
        (
            p.shop_order_id,
            to("payments_shop", p.shop_id, p.shop.name),
            amount(p.order_subtotal_minor),
            amount(-p.shop_funded_product_discount_minor - p.shop_voucher_discount_minor),
            amount(-p.site_funded_product_discount_minor),
            amount(p.shipping_fee_minor),
            words.state(p, SHOP_ORDER),
        )
        for p in obj.shop_orders.select_related("shop").order_by("id")
    ]
    heads = columns(
        _("Shop order"),
        _("Shop"),
        num(_("Subtotal")),
        num(_("Discounts by the shop")),
        num(_("Discounts by the platform")),
        num(_("Shipping")),
        _("State"),
    )
    return Table(_("Parts by shop"), heads, rows, _("This order has no parts."))


def _payments(obj: Order) -> Table:
    rows = [
        (
            to("payments_payment", p.pk),
            p.method.name,
            money(p.amount),
            words.state(p, words.PAYMENT),
            when(p.created_at),
        )
        for p in Payment.objects.filter(order=obj).select_related("method").order_by("-created_at")[:50]
    ]
    heads = columns(_("Payment"), _("Method"), num(_("Amount")), _("State"), _("Made"))
    return Table(_("Payments"), heads, rows, _("Nobody has tried to pay this order."))


def _claims(obj: Shop) -> Table:
    found = ClawBack.objects.filter(shop=obj, status=ClawBack.Status.OPEN).select_related("shop_order")[:50]
    rows = [
        (
            to("payments_refund", c.refund_id),
            c.shop_order.shop_order_id,
            money(Money(c.amount_minor, c.currency)),
            when(c.created_at),
        )
        for c in found
    ]
    heads = columns(_("Refund"), _("Shop order"), num(_("Amount")), _("Made"))
    return Table(_("Open claims"), heads, rows, _("No refund waits to be taken from this shop."))


def _shop_orders(obj: Shop) -> Table:
    rows = [
        (
            to("payments_order", p.order_id, short(p.order.order_id)),
            p.shop_order_id,
            money(Money(p.goods_minor, p.order.currency)),
            words.state(p, SHOP_ORDER),
        )
        for p in ShopOrder.objects.filter(shop=obj).select_related("order").order_by("-id")[:20]
    ]
    heads = columns(_("Order"), _("Shop order"), num(_("Goods")), _("State"))
    return Table(_("Newest parts of orders"), heads, rows, _("This shop has sold nothing yet."))


links.register("order", "payments_order")
links.register("shop", "payments_shop")
