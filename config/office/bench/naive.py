"""The version to be compared with: the same capture as a Django tutorial would write it, with the ORM and DRF.

It writes the same facts to the same tables; its ledger is three plain tables of its own, with a balance that is locked.
Nothing in the product imports it.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.db import connection, models, transaction
from django.urls import path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core.models import AuditEntry, OutboxEvent
from config.office.bench import server
from config.office.bench.result import Check
from gateways.notifications import HttpMessage
from payments.models import Attempt, AttemptEvent, Capture, GatewayAccount, Notification, Payment, ShopOrder
from payments.services import accounts

PATH: Final = "/naive/momo"
TABLES: Final = """
    CREATE TABLE bench_account (id bigserial PRIMARY KEY, code text UNIQUE NOT NULL, balance bigint NOT NULL);
    CREATE TABLE bench_journal (id bigserial PRIMARY KEY, reference text UNIQUE NOT NULL, created_at timestamptz NOT NULL);
    CREATE TABLE bench_line (id bigserial PRIMARY KEY, amount bigint NOT NULL,
        journal_id bigint NOT NULL REFERENCES bench_journal DEFERRABLE INITIALLY DEFERRED,
        account_id bigint NOT NULL REFERENCES bench_account DEFERRABLE INITIALLY DEFERRED);
    CREATE INDEX ON bench_line (journal_id);
    CREATE INDEX ON bench_line (account_id);
"""


class Account(models.Model):
    """An account with a balance that every posting changes."""

    objects: ClassVar = models.Manager()

    code = models.TextField(unique=True)
    balance = models.BigIntegerField(default=0)

    class Meta:
        app_label, managed, db_table = "bench", False, "bench_account"


class Journal(models.Model):
    """A journal."""

    objects: ClassVar = models.Manager()

    reference = models.TextField(unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label, managed, db_table = "bench", False, "bench_journal"


class Line(models.Model):
    """A line of a journal."""

    objects: ClassVar = models.Manager()

    journal = models.ForeignKey(Journal, on_delete=models.PROTECT)
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    amount = models.BigIntegerField()

    class Meta:
        app_label, managed, db_table = "bench", False, "bench_line"


class NotificationIn(serializers.Serializer[Any]):
    """MoMo's fields."""

    partnerCode = serializers.CharField()  # noqa: N815 - MoMo's name
    orderId = serializers.CharField()  # noqa: N815 - MoMo's name
    requestId = serializers.CharField()  # noqa: N815 - MoMo's name
    amount = serializers.IntegerField()
    orderInfo = serializers.CharField(allow_blank=True)  # noqa: N815 - MoMo's name
    transId = serializers.IntegerField()  # noqa: N815 - MoMo's name
    resultCode = serializers.IntegerField()  # noqa: N815 - MoMo's name
    message = serializers.CharField(allow_blank=True)
    signature = serializers.CharField()


class NaiveCallback(APIView):
    """Keep, verify, apply: object by object."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def post(self, request: Request) -> Response:
        """204 when the money is booked."""
        raw = request._request.body
        body = NotificationIn(data=request.data)
        body.is_valid(raise_exception=True)
        connected = accounts.by_code("momo")
        note = Notification.objects.create(
            gateway="momo",
            account=connected.account,
            dedupe_key=f"{body.validated_data['transId']}",
            method="POST",
            path=request.path,
            headers={"content-type": request.content_type},
            body=raw.decode("latin-1"),
            remote_ip=request.META["REMOTE_ADDR"],
            received_at=timezone.now(),
        )
        message = HttpMessage(method="POST", path=request.path, query="", headers={}, body=raw)
        connected.gateway.read_notification(message)
        with transaction.atomic():
            _apply(note, connected.account, body.validated_data)
        return Response(status=204)


def _apply(note: Notification, account: GatewayAccount, told: dict[str, Any]) -> None:
    now = timezone.now()
    attempt = Attempt.objects.get(account=account, gateway_reference=told["orderId"])
    payment = Payment.objects.select_for_update().get(id=attempt.payment_id)
    if Capture.objects.filter(account=account, gateway_transaction_id=str(told["transId"])).exists():
        return
    was, attempt.status, attempt.ended_at, attempt.next_query_at = attempt.status, "succeeded", now, None
    attempt.gateway_transaction_id = str(told["transId"])
    attempt.save()
    AttemptEvent.objects.create(attempt=attempt, from_status=was, to_status="succeeded", source="webhook", at=now)
    payment.status, payment.captured_minor, payment.succeeded_at = "succeeded", told["amount"], now
    payment.ended_at, payment.updated_at, payment.events_count = now, now, payment.events_count + 2
    payment.save()
    capture = Capture.objects.create(
        account=account,
        gateway_transaction_id=str(told["transId"]),
        attempt=attempt,
        payment=payment,
        amount_minor=told["amount"],
        currency="VND",
        disposition="applied",
        journal_reference=f"naive:{told['transId']}",
        occurred_at=now,
        created_at=now,
    )
    _book(capture, list(ShopOrder.objects.filter(order=payment.order)))
    for number, kind in enumerate(("payment.completed", "order.payment.received")):
        OutboxEvent.objects.create(
            type=kind,
            key=payment.order.order_id,
            aggregate_type="payment",
            aggregate_id=payment.id,
            sequence=payment.events_count - 1 + number,
            data={"payment_id": payment.id, "order_id": payment.order.order_id, "amount_minor": payment.amount_minor},
            occurred_at=now,
        )
    AuditEntry.objects.create(
        actor="gateway:momo", action="payment.succeeded", object_type="payment", object_id=payment.id
    )
    note.status, note.outcome, note.processed_at = "processed", "applied", now
    note.attempt, note.payment = attempt, payment
    note.save()


def _book(capture: Capture, shop_orders: list[ShopOrder]) -> None:
    amounts = {"gw:momo:clearing": capture.amount_minor, "shipping:held": 0}
    for part in shop_orders:
        amounts[f"escrow:{part.shop_id}"] = -part.goods_minor
        amounts["shipping:held"] -= part.shipping_fee_minor
    journal = Journal.objects.create(reference=capture.journal_reference)
    for code in amounts:
        Account.objects.get_or_create(code=code)
    for account in Account.objects.select_for_update().filter(code__in=amounts).order_by("id"):
        account.balance += amounts[account.code]
        account.save()
        Line.objects.create(journal=journal, account=account, amount=amounts[account.code])


urlpatterns = [path(PATH.removeprefix("/"), NaiveCallback.as_view())]


def make_tables() -> None:
    """Its own ledger."""
    with connection.cursor() as cursor:
        cursor.execute(TABLES)


def checks(answered: int) -> list[Check]:
    """What its own ledger must hold."""
    unbalanced = "(SELECT journal_id FROM bench_line GROUP BY journal_id HAVING sum(amount) <> 0) AS unbalanced"
    return [
        Check(f"{answered} journals of the naive version", server.count("bench_journal") == answered),
        Check("they balance, too", server.count(unbalanced) == 0),
    ]
