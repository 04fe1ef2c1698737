"""The nouns of payments, a file each."""

from payments.models.breaker import BreakerOverride
from payments.models.case import MoneyCase
from payments.models.catalogue import GatewayAccount, PaymentMethod
from payments.models.dispute import Dispute, DisputeEvent, DisputeEvidence, DisputeLine
from payments.models.email import EmailMessageLog
from payments.models.notification import Notification
from payments.models.order import Order, OrderPlatformCost, Shop, ShopOrder
from payments.models.otp import OtpChallenge
from payments.models.payment import Attempt, AttemptEvent, Capture, Payment
from payments.models.refund import ClawBack, Refund, RefundLine
from payments.models.routing import RoutingRule
from payments.models.webhook import WebhookDelivery, WebhookEndpoint

__all__ = [
    "Attempt",
    "AttemptEvent",
    "BreakerOverride",
    "Capture",
    "ClawBack",
    "Dispute",
    "DisputeEvent",
    "DisputeEvidence",
    "DisputeLine",
    "EmailMessageLog",
    "GatewayAccount",
    "MoneyCase",
    "Notification",
    "Order",
    "OrderPlatformCost",
    "OtpChallenge",
    "Payment",
    "PaymentMethod",
    "Refund",
    "RefundLine",
    "RoutingRule",
    "Shop",
    "ShopOrder",
    "WebhookDelivery",
    "WebhookEndpoint",
]
