"""Fiuu's settlement report, version 5.0: what it truly moved on one Malaysian day. Amounts are minor units as digits."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, Final

from gateways.sandbox.fiuu import rules
from gateways.sandbox.fiuu.rules import NAME
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, World, now_ms
from gateways.sandbox.web import BadRequest, Response, json_response

HEADER: Final = [
    "RecordIdentifier",
    "SettlementCurrency",
    "SettlementNetAmount",
    "SettlementCommissionAmount",
    "NumberOfTransactions",
    "BatchReferenceNumber",
    "SettlementDate",
    "SettlementGSTAmount",
    "BankAccount",
    "RefundNetAmount",
    "RefundGSTAmount",
]
DETAIL: Final = [
    "RecordIdentifier",
    "MerchantId",
    "OrderId",
    "Channel",
    "AcquirerReference",
    "RefundID",
    "MerchantRefID",
    "RefundFees",
    "TransactionNetAmount",
    "TransactionCommissionAmount",
    "TransactionDate",
    "TransactionTime",
    "TransactionGrossAmount",
    "TransactionCurrency",
    "TransactionGST",
    "SettlementNetAmountInProcessingCurrency",
    "SettlementNetAmount",
    "SettlementCurrency",
    "Forex",
    "Status",
]
FOOTER: Final = [
    "RecordIdentifier",
    "NumberOfTransactionsTotal",
    "NumberOfTransactionsShown",
    "FilterTransactionsTotalPages",
    "FilterTransactionsLimitPerPage",
]
Row = dict[str, Any]


def answer(world: World, fields: Mapping[str, str]) -> Response:
    """The report for a merchant with a good token; what is wrong is always told in JSON."""
    merchant = world.merchants.get((NAME, fields.get("merchant_id", "")))
    day = fields.get("date", "")
    if merchant is None or fields.get("token") != rules.md5(merchant.code + merchant.keys["secret_key"] + day):
        return json_response({"success": False, "token": "invalid token"})
    return _written(world, merchant, day, fields)


def download(world: World, fields: Mapping[str, str]) -> Response:
    """The report without a token, for testers. Raises BadRequest."""
    merchant = world.merchants.get((NAME, fields.get("merchant", "")))
    if merchant is None:
        raise BadRequest("needs merchant, and date as YYYY-MM-DD (today)", status=422)
    return _written(world, merchant, fields.get("date") or f"{rules.local(now_ms()):%Y-%m-%d}", fields)


def _written(world: World, merchant: Merchant, day: str, fields: Mapping[str, str]) -> Response:
    rows = report(world, merchant.code, day)
    if fields.get("format", "json") == "json":
        return json_response(rows)
    if fields["format"] != "csv":
        return json_response({"success": False, "format": "invalid format"})
    out = io.StringIO()
    for names, kinds in ((HEADER, "H"), (DETAIL, "DGR"), (FOOTER, "F")):
        writer = csv.DictWriter(out, names)
        writer.writeheader()
        writer.writerows(row for row in rows if row["RecordIdentifier"] in kinds)
    return Response(body=out.getvalue().encode(), content_type="text/csv")


def report(world: World, merchant: str, day: str) -> list[Row]:
    """Header, payments of that day, refunds of that day, footer."""
    with world.lock:
        payments = [one for one in world.payments.values() if (one.provider, one.merchant) == (NAME, merchant)]
        refunds = [one for one in world.refunds.values() if (one.provider, one.merchant) == (NAME, merchant)]
    orders = {one.order: one for one in payments}
    details = [
        _paid(payment, one)
        for payment in payments
        for one in payment.fields["tries"]
        if one["stat"] == "00" and one["name"] in ("captured", "settled") and _day(one["at_ms"]) == day
    ]
    details += [
        _charged_back(payment, one)
        for payment in payments
        for one in payment.fields["tries"]
        if one["name"] == "chargeback" and _day(one["at_ms"]) == day
    ]
    details += [
        _refunded(orders[one.payment], one)
        for one in refunds
        if one.stage is Stage.PAID and _day(one.created_ms) == day
    ]
    paid = [row for row in details if row["RecordIdentifier"] == "D"]
    returned = [row for row in details if row["RecordIdentifier"] == "R"]
    net = "SettlementNetAmountInProcessingCurrency"
    header = dict.fromkeys(HEADER, "") | {
        "RecordIdentifier": "H", "SettlementCurrency": details[0]["TransactionCurrency"] if details else "MYR",
        "SettlementNetAmount": str(sum(int(row[net]) for row in details)), "NumberOfTransactions": str(len(paid)),
        "SettlementCommissionAmount": str(sum(int(row["TransactionCommissionAmount"]) for row in paid)),
        "BatchReferenceNumber": f"{day.replace('-', '')}-613", "SettlementDate": day.replace("-", ""),
        "SettlementGSTAmount": str(sum(int(row["TransactionGST"]) for row in paid)),
        "RefundNetAmount": str(sum(int(row[net]) for row in returned)), "RefundGSTAmount": "0",
    }  # fmt: skip
    footer = {"RecordIdentifier": "F", "NumberOfTransactionsTotal": len(details), "NumberOfTransactionsShown": len(details),
              "FilterTransactionsTotalPages": 1, "FilterTransactionsLimitPerPage": 5000}  # fmt: skip
    return [header, *details, footer]


def _paid(payment: Payment, one: Mapping[str, Any]) -> Row:
    """The commission holds its tax already, as in the document's own sample."""
    gross = one["amount"]
    tax = (gross * 18 // 1000) * 6 // 106
    commission = gross * 18 // 1000
    return _detail("D", payment, one, gross=gross, commission=commission, tax=tax, net=gross - commission) | {
        "TransactionNetAmount": str(gross - commission + tax), "Status": "SETTLED",
    }  # fmt: skip


def _charged_back(payment: Payment, one: Mapping[str, Any]) -> Row:
    return _detail("R", payment, one, gross=-one["amount"], commission=0, tax=0, net=-one["amount"]) | {
        "TransactionNetAmount": str(-one["amount"]), "Status": "CANCELLED",
    }  # fmt: skip


def _refunded(payment: Payment, refund: Refund) -> Row:
    one = next(one for one in payment.fields["tries"] if one["tran"] == refund.transaction)
    then = {**one, "at_ms": refund.created_ms}
    return _detail("R", payment, then, gross=-refund.amount, commission=0, tax=0, net=-refund.amount) | {
        "RefundID": str(refund.number), "MerchantRefID": refund.order, "TransactionNetAmount": str(-refund.amount),
        "Status": "REFUND",
    }  # fmt: skip


def _detail(
    kind: str, payment: Payment, one: Mapping[str, Any], *, gross: int, commission: int, tax: int, net: int
) -> Row:
    at, currency = rules.local(one["at_ms"]), one["currency"]
    digits = {"gross": gross, "commission": commission, "tax": tax, "net": net}
    scale = 100 if currency in rules.NO_DECIMALS else 1  # two places for every currency, as on the rest of the wire
    text = {name: str(value * scale) for name, value in digits.items()}
    return dict.fromkeys(DETAIL, "") | {
        "RecordIdentifier": kind, "MerchantId": payment.merchant, "OrderId": payment.order,
        "Channel": rules.channel(one["channel"]).notified, "AcquirerReference": str(one["tran"]), "RefundFees": "0",
        "TransactionCommissionAmount": text["commission"], "TransactionDate": f"{at:%Y%m%d}",
        "TransactionTime": f"{at:%H%M%S}", "TransactionGrossAmount": text["gross"], "TransactionCurrency": currency,
        "TransactionGST": text["tax"], "SettlementNetAmountInProcessingCurrency": text["net"],
        "SettlementNetAmount": "000", "SettlementCurrency": currency, "Forex": "",
    }  # fmt: skip


def _day(at_ms: int) -> str:
    return f"{rules.local(at_ms):%Y-%m-%d}"
