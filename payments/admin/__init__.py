"""Payments in the back office, a file per noun."""

from payments.admin import (
    attempts,
    captures,
    cases,
    catalogue,
    disputes,
    emails,
    notifications,
    orders,
    payments,
    refunds,
)

__all__ = [
    "attempts",
    "captures",
    "cases",
    "catalogue",
    "disputes",
    "emails",
    "notifications",
    "orders",
    "payments",
    "refunds",
]
