"""What Stripe pays out: each payout with the balance transactions in it.

Source: Stripe's page on payout reconciliation. Only automatic payouts can be itemised, and only once Stripe says that
their reconciliation is complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from config.core.money import CurrencyMismatch, Money
from gateways.errors import GatewayUnavailable
from gateways.settlement.lines import LineKind, SettlementFile, SettlementLine
from gateways.stripe import messages
from gateways.stripe.calls import Calls
from gateways.stripe.currencies import from_wire

KINDS: Final[Mapping[str, LineKind]] = {
    "charge": LineKind.PAYMENT,
    "payment": LineKind.PAYMENT,
    "refund": LineKind.REFUND,
    "payment_refund": LineKind.REFUND,
    "refund_failure": LineKind.REFUND,  # comes back to us: above zero
    "stripe_fee": LineKind.FEE,
    "stripe_fx_fee": LineKind.FEE,
    "tax_fee": LineKind.FEE,
    "reserve_hold": LineKind.RESERVE,
    "reserve_release": LineKind.RESERVE,
    "reserve_transaction": LineKind.RESERVE,
    "reserved_funds": LineKind.RESERVE,
    "payment_network_reserve_hold": LineKind.RESERVE,
    "payment_network_reserve_release": LineKind.RESERVE,
    "payout_minimum_balance_hold": LineKind.RESERVE,
    "payout_minimum_balance_release": LineKind.RESERVE,
    "payout_failure": LineKind.PAYOUT,
    "payout_cancel": LineKind.PAYOUT,
}
"""By a balance transaction's `type`; what is not here is an adjustment. Disputes are told by their source."""
LEFT_OUT: Final = "payout"
"""The payout's own row among its transactions."""
_RAW: Final = ("id", "type", "reporting_category", "description", "exchange_rate", "available_on", "status")


def payouts(calls: Calls, *, since: datetime, until: datetime) -> Iterator[SettlementFile]:
    """Each payout created in the span, oldest first, as far as Stripe has itemised it. Raises GatewayUnavailable."""
    span = [("created[gte]", str(int(since.timestamp()))), ("created[lt]", str(int(until.timestamp())))]
    found = [
        payout
        for payout in calls.each("/v1/payouts", span, operation="payouts")
        if payout.get("reconciliation_status") == "completed"
    ]
    for payout in reversed(found):
        yield _file(calls, payout)


def _file(calls: Calls, payout: Mapping[str, object]) -> SettlementFile:
    number = messages.text_in(payout.get("id"))
    fields = [("payout", number), ("expand[]", "data.source")]
    rows = [
        row
        for row in calls.each("/v1/balance_transactions", fields, operation="balance")
        if row.get("type") != LEFT_OUT
    ]
    arrival = messages.time_of(messages.number_in(payout.get("arrival_date")))
    try:
        total = from_wire(payout.get("amount"), payout.get("currency"))
        lines = tuple(_line(place, row, arrival) for place, row in enumerate(reversed(rows), start=1))
        paid = sum((line.net for line in lines), Money.zero(total.currency))
    except (ValueError, CurrencyMismatch) as error:
        raise GatewayUnavailable(f"stripe payout {number}: {error}", code="unreadable") from error
    if paid != total:
        raise GatewayUnavailable(
            f"stripe payout {number}: {total} {total.currency} are paid out, its lines come to {paid}", code="sum"
        )
    return SettlementFile(number=number, lines=lines, settled_on=arrival.date() if arrival else None, total=total)


def _line(place: int, row: Mapping[str, object], arrival: datetime | None) -> SettlementLine:
    """One balance transaction. Raises ValueError."""
    given = row.get("source")
    source: Mapping[str, object] = given if isinstance(given, Mapping) else {}
    kind = _kind(row, messages.id_in(given))
    reference = messages.reference_of(source, messages.REFUND if kind is LineKind.REFUND else messages.ATTEMPT)
    identifier = messages.id_in(given)
    dispute_id = identifier if kind in (LineKind.DISPUTE, LineKind.DISPUTE_REVERSAL) else ""
    if kind is LineKind.PAYMENT or dispute_id:  # our number of a payment is its PaymentIntent's
        identifier = messages.id_in(source.get("payment_intent")) or identifier
    return SettlementLine(
        row=place,
        kind=kind,
        gross=from_wire(row.get("amount"), row.get("currency")),
        fee=from_wire(row.get("fee"), row.get("currency")),
        net=from_wire(row.get("net"), row.get("currency")),
        reference=reference,
        gateway_transaction_id=identifier,
        dispute_id=dispute_id,
        occurred_at=messages.time_of(messages.number_in(row.get("created"))),
        settled_on=arrival.date() if arrival else None,
        description=messages.text_in(row.get("description"))[: messages.MAX_TEXT],
        raw={name: str(row[name]) for name in _RAW if row.get(name) is not None}
        | {"source": messages.id_in(given), "payment_intent": messages.id_in(source.get("payment_intent"))},
    )


def _kind(row: Mapping[str, object], source: str) -> LineKind:
    kind = KINDS.get(messages.text_in(row.get("type")), LineKind.ADJUSTMENT)
    is_dispute = source.startswith(("du_", "dp_")) or messages.text_in(row.get("reporting_category")).startswith(
        "dispute"
    )
    if kind is not LineKind.ADJUSTMENT or not is_dispute:
        return kind
    amount = row.get("amount")
    return LineKind.DISPUTE_REVERSAL if isinstance(amount, int) and amount > 0 else LineKind.DISPUTE
