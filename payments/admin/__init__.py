"""Payments in the back office, a file per noun."""

from payments.admin import (
    attempts,
    captures,
    cases,
    catalogue,
    disputes,
    emails,
    gateways,
    notifications,
    orders,
    payments,
    refunds,
    routing,
    webhook_deliveries,
    webhook_endpoints,
)

__all__ = [
    "attempts",
    "captures",
    "cases",
    "catalogue",
    "disputes",
    "emails",
    "gateways",
    "notifications",
    "orders",
    "payments",
    "refunds",
    "routing",
    "webhook_deliveries",
    "webhook_endpoints",
]
