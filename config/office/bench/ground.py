"""Rows to measure on, made as sets by SQL: a marketplace in seconds instead of hours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction
from psycopg import ClientCursor

from ledger import chart
from ledger import services as ledger
from payments.models import Order, PaymentMethod
from payments.services import accounts

SQL: Final = Path(__file__).with_name("sql")
SHOPS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Paid:
    """What a gateway will say about one payment: its reference there, and the amount."""

    reference: str
    amount_minor: int


def method() -> PaymentMethod:
    """MoMo, with the account that this environment names."""
    account = next(one for one in accounts.ensure_first_accounts() if one.code == "momo")
    found: PaymentMethod = PaymentMethod.objects.update_or_create(
        code="momo",
        defaults={
            "account": account,
            "name_vi": "MoMo",
            "name_en": "MoMo",
            "kind": PaymentMethod.Kind.ONLINE,
            "limits": {"VND": [1_000, 50_000_000]},
        },
    )[0]
    return found


def orders(*, word: str, count: int, span_seconds: float = 60.0) -> list[str]:
    """So many orders of one word, made within the last so many seconds; their order ids."""
    run("orders.sql", word=word, count=count, span=span_seconds, shops=SHOPS)
    return [f"{word}-{number}" for number in range(1, count + 1)]


def open_books() -> None:
    """The ledger's accounts of all shops: in a marketplace that is running they are there."""
    refs = [chart.escrow(f"bench-shop-{number}") for number in range(SHOPS)]
    ledger.open_accounts((ref, "VND") for ref in (*refs, chart.gateway_clearing("momo"), chart.shipping_held()))


def waiting_payments(*, word: str, count: int) -> list[Paid]:
    """So many payments that wait for their notification."""
    orders(word=word, count=count)
    chosen = method()
    run("payments.sql", word=word, method=chosen.pk, account=chosen.account_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT gateway_reference, amount_minor FROM payments_attempt WHERE id LIKE %s ORDER BY id",
            [f"att\\_{word}%"],
        )
        return [Paid(*row) for row in cursor.fetchall()]


def run(name: str, **parameters: Any) -> None:
    """Run one of the files beside this module, in one transaction."""
    statements = [part for part in (SQL / name).read_text().split(";\n") if part.strip()]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # loading only: foreign keys are true by making
        with ClientCursor(
            connection.connection
        ) as loading:  # values as literals: their types need no casts in the files
            for statement in statements:
                loading.execute(statement, parameters)


def tidy() -> None:
    """Vacuum and look at the tables now, so that no background process does it while the clock runs."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


def give_to(*, customer: str, orders: list[str]) -> None:
    """Make these orders one customer's."""
    Order.objects.filter(order_id__in=orders).update(customer=customer)
