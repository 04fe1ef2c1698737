"""A payment as a customer has it in front of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest
from django.test import Client
from django.utils import timezone

from config.core.money import Money
from payments import links
from payments.models import Attempt, Payment, PaymentMethod
from payments.services import checkout

PRICE: Final = Money(960_000, "VND")


@dataclass(frozen=True, slots=True)
class Page:
    """One payment and the address of its page."""

    payment_id: str
    path: str

    @property
    def payment(self) -> Payment:
        """As it is now."""
        found: Payment = Payment.objects.get(id=self.payment_id)
        return found

    @property
    def attempt(self) -> Attempt:
        """Its last attempt as it is now."""
        found = Attempt.objects.filter(payment_id=self.payment_id).order_by("number").last()
        assert found is not None
        return found

    def get(self, query: str = "", **cookies: str) -> Any:
        """Open the page."""
        client = Client()
        for name, value in cookies.items():
            client.cookies[name] = value
        return client.get(self.path + query)

    def state(self) -> Any:
        """What the page's script hears."""
        return Client().get(f"{self.path}/state").json()

    def post(self, **fields: str) -> Any:
        """Press a button of the page."""
        return Client().post(self.path, fields)


@pytest.fixture
def open_page(order: Callable[..., Any], momo_method: PaymentMethod, cod_method: PaymentMethod) -> Callable[..., Page]:
    """Start a payment: `open_page()`, `open_page(cod_method, locale="en", return_url=...)`."""

    def start(method: PaymentMethod | None = None, *, at: Any = None, money: Money = PRICE, **wish: Any) -> Page:
        made = order(amount_minor=money.minor, currency=money.currency)
        opened = checkout.create_payment(
            wish=checkout.NewPayment(
                order_id=made.order_id, method=method or momo_method, client="shop", actor="customer:1", **wish
            ),
            at=at or timezone.now(),
        )
        return Page(opened.payment.id, f"/pay/{links.client_secret(opened.payment.id)}")

    return start
