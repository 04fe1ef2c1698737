"""A payment (one order's debt), its attempts at gateways, and the money that came.

Foreign keys have no index of their own where a constraint or an index of the table begins with them.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.money import Money
from payments import states
from payments.errors import IllegalTransition
from payments.models.catalogue import GatewayAccount, PaymentMethod
from payments.models.order import Order
from payments.states import AttemptStatus, PaymentStatus


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Questions about payments that more than one service asks."""

    def payable(self) -> Self:
        """Those a customer can still pay."""
        return self.filter(status__in=states.PAYABLE)

    def overdue(self, *, at: datetime) -> Self:
        """Those whose time to pay is over."""
        return self.filter(status__in=states.PAYABLE, expires_at__lte=at)

    def uncaptured(self, *, at: datetime) -> Self:
        """Those whose money was reserved and not taken in time."""
        return self.filter(status=PaymentStatus.AUTHORIZED, expires_at__lte=at)


class Payment(models.Model):
    """One order's debt. Status is its life; captured, refunding, refunded and disputed are amounts beside it."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.payment_id)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, db_index=False)
    customer = models.CharField(max_length=120)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    captured_minor = models.BigIntegerField(default=0)
    refunding_minor = models.BigIntegerField(default=0)
    refunded_minor = models.BigIntegerField(default=0)
    disputed_minor = models.BigIntegerField(default=0)
    status = models.CharField(max_length=20, choices=PaymentStatus.choices, default=PaymentStatus.PENDING)
    failure_code = models.CharField(max_length=60, blank=True)
    is_late = models.BooleanField(default=False)  # succeeded after its end had been announced
    events_count = models.PositiveIntegerField(default=0)  # sequence of its last event
    client = models.CharField(max_length=120)
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - unique where given
    fingerprint = models.CharField(max_length=64, blank=True)
    return_url = models.CharField(max_length=1000, blank=True)
    notify_url = models.CharField(max_length=1000, blank=True)
    locale = models.CharField(max_length=2, default="vi")
    traceparent = models.CharField(max_length=55, blank=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    succeeded_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar = PaymentQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        permissions = [("act_on_payment", "Can refresh, cancel and re-send"), ("export_payment", "Can export payments")]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_payment_is_for_something"),
            models.CheckConstraint(
                condition=Q(
                    captured_minor__gte=0, refunding_minor__gte=0, refunded_minor__gte=0, disputed_minor__gte=0
                ),
                name="payment_amounts_are_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(captured_minor__gte=F("refunded_minor") + F("refunding_minor")),
                name="never_refund_more_than_captured",
            ),
            models.CheckConstraint(
                condition=Q(captured_minor__gte=F("disputed_minor")), name="never_dispute_more_than_captured"
            ),
            models.CheckConstraint(
                condition=~Q(status="succeeded") | Q(captured_minor=F("amount_minor")), name="succeeded_means_captured"
            ),
            models.UniqueConstraint(fields=["client", "idempotency_key"], name="one_payment_per_idempotency_key"),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(status__in=[str(s) for s in states.LIVE]),
                name="one_live_payment_per_order",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="payment_newest"),
            models.Index(fields=["customer", "-created_at"], name="payment_of_customer"),
            models.Index(fields=["status", "-created_at", "-id"], name="payment_by_status"),
            models.Index(fields=["method", "-created_at", "-id"], name="payment_by_method"),
            models.Index(fields=["amount_minor"], name="payment_by_amount"),
            models.Index(fields=["-created_at", "-id"], name="payment_late", condition=Q(is_late=True)),
            models.Index(fields=["created_at"], name="payment_with_key", condition=Q(idempotency_key__isnull=False)),
            models.Index(fields=["-created_at", "-id"], name="payment_refunded", condition=Q(refunded_minor__gt=0)),
            models.Index(fields=["-created_at", "-id"], name="payment_disputed", condition=Q(disputed_minor__gt=0)),
            models.Index(
                fields=["expires_at"],
                name="payment_overdue",
                condition=Q(status__in=["pending", "awaiting_payment", "processing", "authorized"]),
            ),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        """What is owed."""
        return Money(self.amount_minor, self.currency)

    @property
    def refundable(self) -> Money:
        """What may still be sent back. A refund and a dispute may both have taken the same money: never below zero."""
        gone = self.refunded_minor + self.refunding_minor + self.disputed_minor
        return Money(max(self.captured_minor - gone, 0), self.currency)

    @property
    def refund_state(self) -> str:
        """none, partial or full: derived, never stored."""
        if not self.refunded_minor:
            return "none"
        return "full" if self.refunded_minor >= self.captured_minor else "partial"

    def move_to(self, status: PaymentStatus, *, at: datetime) -> None:
        """Change the status, in memory; the caller holds the row's lock and saves. Raises IllegalTransition."""
        if status not in states.PAYMENT_TRANSITIONS[self.status]:
            raise IllegalTransition.between("payment", self.id, self.status, status)
        self.status = status
        self.updated_at = at
        if status == PaymentStatus.SUCCEEDED:
            self.succeeded_at = at
        if status in (PaymentStatus.SUCCEEDED, PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.CANCELLED):
            self.ended_at = at

    def next_sequence(self) -> int:
        """The number of this payment's next event; the caller holds the lock and saves."""
        self.events_count += 1
        return self.events_count


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Questions about attempts that more than one service asks."""

    def open(self) -> Self:
        """Those that may still bring money."""
        return self.filter(status__in=states.OPEN_ATTEMPTS)

    def due_for_query(self, *, at: datetime) -> Self:
        """Those we should ask their gateway about now."""
        return self.filter(next_query_at__lte=at).order_by("next_query_at")

    def due_to_close(self, *, at: datetime) -> Self:
        """Those whose gateway should close them now. One that nobody knows about is asked about first."""
        return self.filter(close_at__lte=at).exclude(status__in=states.UNDECIDED).order_by("close_at")

    def due_for_sending(self, *, at: datetime) -> Self:
        """Those that wait in the background to be opened now, oldest first."""
        queued = self.filter(status=AttemptStatus.QUEUED, next_send_at__lte=at, expires_at__gt=at)
        return queued.order_by("next_send_at", "id")


class Attempt(models.Model):
    """One try at a gateway; "transaction" in every outward name. `gateway_reference` is what the gateway calls it."""

    has_open_others: bool = False  # no column: whoever read all of a payment's attempts may say so

    id = models.CharField(primary_key=True, max_length=40, default=ids.attempt_id)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts", db_index=False)
    account = models.ForeignKey(GatewayAccount, on_delete=models.PROTECT, db_index=False)
    method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, db_index=False)
    channel = models.CharField(max_length=60, blank=True, default="", db_default="")  # of its account; "": the method's
    number = models.PositiveSmallIntegerField()
    gateway_reference = models.CharField(_("transaction code"), max_length=100)
    gateway_transaction_id = models.CharField(max_length=100, blank=True)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=20, choices=AttemptStatus.choices, default=AttemptStatus.CREATED)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_message = models.CharField(max_length=250, blank=True)
    request = models.JSONField(default=dict, encoder=DjangoJSONEncoder)  # masked
    response = models.JSONField(default=dict, encoder=DjangoJSONEncoder)  # masked
    pay_url = models.CharField(max_length=2000, blank=True)
    qr_text = models.CharField(max_length=2000, blank=True)
    deeplink = models.CharField(max_length=2000, blank=True)
    expires_at = models.DateTimeField()
    next_query_at = models.DateTimeField(null=True)
    queries = models.PositiveSmallIntegerField(default=0)
    close_at = models.DateTimeField(null=True)  # from then on its gateway should close it: nobody shall pay it any more
    close_tries = models.SmallIntegerField(default=0, db_default=0)
    next_send_at = models.DateTimeField(null=True)  # only while it is queued to be opened in the background
    sends = models.PositiveSmallIntegerField(default=0, db_default=0)  # tries of the background to open it
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    purged_at = models.DateTimeField(null=True)  # when what we sent and what came back went

    objects: ClassVar = AttemptQuerySet.as_manager()

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints = [
            models.UniqueConstraint(fields=["account", "gateway_reference"], name="one_attempt_per_gateway_reference"),
            models.UniqueConstraint(fields=["payment", "number"], name="attempts_are_numbered"),
        ]
        indexes = [
            models.Index(fields=["gateway_reference"], name="attempt_reference"),
            models.Index(fields=["next_query_at"], name="attempt_to_ask", condition=Q(next_query_at__isnull=False)),
            models.Index(fields=["close_at"], name="attempt_to_close", condition=Q(close_at__isnull=False)),
            models.Index(fields=["next_send_at"], name="attempt_to_send", condition=Q(next_send_at__isnull=False)),
            models.Index(fields=["-created_at", "-id"], name="attempt_newest"),
            models.Index(fields=["account", "gateway_transaction_id"], name="attempt_gateway_transaction"),
            models.Index(
                fields=["ended_at"],
                name="attempt_not_emptied",
                condition=Q(purged_at__isnull=True, ended_at__isnull=False),
            ),
            models.Index(  # the few that are not over, or ended rarely: the back office's queues
                fields=["status", "-created_at", "-id"],
                name="attempt_by_rare_status",
                condition=Q(status__in=[*(str(status) for status in states.OPEN_ATTEMPTS), "cancelled"]),
            ),
        ]

    def __str__(self) -> str:
        return self.gateway_reference

    @property
    def amount(self) -> Money:
        """What this try asks for."""
        return Money(self.amount_minor, self.currency)

    @property
    def used_channel(self) -> str:
        """By which of its account's channels it goes."""
        return self.channel or self.method.channel

    @property
    def is_to_be_sent(self) -> bool:
        """Whether the background opens it. A queued attempt without a moment waits for a one-time code instead."""
        return self.status == AttemptStatus.QUEUED and self.next_send_at is not None

    @property
    def sent_at(self) -> datetime:
        """About when its gateway was called, which the background may do long after the attempt was made."""
        return self.updated_at if self.sends and self.status in states.UNDECIDED else self.created_at

    def move_to(self, status: AttemptStatus, *, at: datetime) -> None:
        """Change the status, in memory; the caller holds the payment's lock and saves. Raises IllegalTransition."""
        if status not in states.ATTEMPT_TRANSITIONS[self.status]:
            raise IllegalTransition.between("attempt", self.id, self.status, status)
        self.status = status
        self.updated_at = at
        self.next_send_at = None
        if status not in states.OPEN_ATTEMPTS:
            self.ended_at = at
            self.next_query_at = None


class AttemptEvent(models.Model):
    """One line of an attempt's history; never changed."""

    class Source(models.TextChoices):
        API = "api", _("API")
        WEBHOOK = "webhook", _("webhook")
        RETURN = "return", _("return page")
        POLL = "poll", _("poll")
        FILE = "file", _("file")
        STAFF = "staff", _("staff")
        BEAT = "beat", _("schedule")

    id = models.BigAutoField(primary_key=True)
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="history")
    from_status = models.CharField(max_length=20, blank=True)
    to_status = models.CharField(max_length=20)
    source = models.CharField(max_length=8, choices=Source.choices)
    actor = models.CharField(max_length=160, blank=True)
    reason = models.CharField(max_length=250, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("attempt event")
        verbose_name_plural = _("attempt events")


class Capture(models.Model):
    """Money a gateway says it took. Unique per account and gateway transaction, so a second real payment is seen."""

    class Disposition(models.TextChoices):
        APPLIED = "applied", _("applied to its payment")
        HELD = "held", _("held in suspense")

    id = models.CharField(primary_key=True, max_length=40, default=ids.capture_id)
    account = models.ForeignKey(GatewayAccount, on_delete=models.PROTECT, db_index=False)
    gateway_transaction_id = models.CharField(max_length=100)
    attempt = models.ForeignKey(Attempt, null=True, on_delete=models.PROTECT, related_name="captures")
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="captures")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    disposition = models.CharField(max_length=8, choices=Disposition.choices)
    channel = models.CharField(
        max_length=60, blank=True, default="", db_default=""
    )  # paid by this, as its gateway told
    journal_reference = models.CharField(max_length=200)
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("capture")
        verbose_name_plural = _("captures")
        constraints = [
            models.UniqueConstraint(fields=["account", "gateway_transaction_id"], name="money_is_captured_once"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_capture_is_of_something"),
            models.UniqueConstraint(
                fields=["payment"], condition=Q(disposition="applied"), name="one_applied_capture_per_payment"
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="capture_newest"),
            models.Index(fields=["-created_at", "-id"], name="capture_held", condition=Q(disposition="held")),
        ]

    @property
    def money(self) -> Money:
        """What came."""
        return Money(self.amount_minor, self.currency)
