"""Who may see and do what with payments: customers their own, services by scope, a browser one payment by its secret.

Every view reads through the functions here, so that a thing of somebody else is not found rather than forbidden.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from config.core.auth import Caller, refused
from payments import links
from payments.errors import PaymentNotFound, RefundNotFound
from payments.models import Attempt, AttemptEvent, Payment, Refund


def own_or(scope: str) -> type[BasePermission]:
    """A permission class for customers, about their own things, and for services that were given this scope."""

    class OwnOr(BasePermission):
        def has_permission(self, request: Request, view: APIView) -> bool:
            caller = request.user
            return isinstance(caller, Caller) and (caller.kind in ("customer", "payment") or caller.has(scope))

    OwnOr.__doc__ = f"A customer, or a caller with {scope}."
    return OwnOr


class ClientSecret(BaseAuthentication):
    """`?client_secret=`: what a browser was given to follow one payment. Reads that payment and nothing else."""

    def authenticate(self, request: Request) -> tuple[Caller, str] | None:
        """The holder of one payment's secret; None without the parameter. Raises AuthenticationFailed."""
        secret = request.GET.get("client_secret", "")
        if not secret:
            return None
        payment_id = links.payment_of_secret(secret)
        if payment_id is None:
            raise refused("client_secret", "The client secret is not valid.")
        return Caller(kind="payment", client=f"payment:{payment_id}", subject=payment_id), secret


class ClientSecretScheme(OpenApiAuthenticationExtension):  # type: ignore[misc]  # the library has no types
    """The secret of one payment, in the address."""

    target_class = "payments.api.access.ClientSecret"
    name = "clientSecret"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """For `components.securitySchemes`."""
        return {
            "type": "apiKey",
            "in": "query",
            "name": "client_secret",
            "description": "`client_secret` of the answer that opened the payment; good for reading that payment.",
        }


def payments_of(caller: Caller) -> QuerySet[Payment]:
    """The payments a caller may see."""
    rows: QuerySet[Payment] = Payment.objects.all()
    if caller.kind == "customer":
        return rows.filter(customer=caller.customer)
    if caller.kind == "payment":
        return rows.filter(id=caller.subject)
    return rows


def refunds_of(caller: Caller) -> QuerySet[Refund]:
    """The refunds a caller may see: customers those of their payments."""
    rows: QuerySet[Refund] = Refund.objects.all()
    return rows.filter(payment__customer=caller.customer) if caller.kind == "customer" else rows


def with_tries(rows: QuerySet[Payment]) -> QuerySet[Payment]:
    """Payments with what PaymentOut shows of them, in two queries."""
    tries = Attempt.objects.select_related("method").defer("request", "response").order_by("number")
    return rows.select_related("order", "method").prefetch_related(Prefetch("attempts", tries, to_attr="tries"))


def payment_of(caller: Caller, payment_id: str) -> Payment:
    """One payment as PaymentOut shows it. Raises PaymentNotFound, also for somebody else's."""
    return found(with_tries(payments_of(caller)).filter(id=payment_id).first())


def check_payment(caller: Caller, payment_id: str) -> None:
    """Raises PaymentNotFound unless the caller may see this payment."""
    if not payments_of(caller).filter(id=payment_id).exists():
        raise PaymentNotFound("There is no such payment.")


def refund_of(caller: Caller, refund_id: str) -> Refund:
    """One refund. Raises RefundNotFound, also for somebody else's."""
    refund = refunds_of(caller).select_related("payment__order").filter(id=refund_id).first()
    if refund is None:
        raise RefundNotFound("There is no such refund.")
    return refund


def found(payment: Payment | None) -> Payment:
    """The payment. Raises PaymentNotFound where there is none."""
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    return payment


def tries_of(payment_id: str) -> QuerySet[Attempt]:
    """A payment's tries with their history, in two queries."""
    rows: QuerySet[Attempt] = Attempt.objects.filter(payment_id=payment_id)
    steps = Prefetch("history", AttemptEvent.objects.order_by("id"), to_attr="steps")
    return rows.select_related("method").defer("request", "response").order_by("number").prefetch_related(steps)
