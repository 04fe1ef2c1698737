"""A customer's bank takes money back and asks us why it should not: the dispute, its lines, evidence and history."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.fields import EncryptedBytesField, EncryptedTextField
from config.core.money import Money
from payments import states
from payments.errors import IllegalTransition
from payments.models.catalogue import GatewayAccount
from payments.models.order import ShopOrder
from payments.models.payment import AttemptEvent, Capture, Payment
from payments.models.refund import RefundLine
from payments.states import DisputeStatus


class DisputeQuerySet(models.QuerySet["Dispute"]):
    """Questions about disputes that more than one service asks."""

    def open(self) -> Self:
        """Those without an outcome."""
        return self.filter(status__in=states.OPEN_DISPUTES)

    def blocking(self) -> Self:
        """Open ones by which money is taken back: while there is one, nothing of its payment is refunded anew."""
        return self.open().filter(is_inquiry=False)

    def unanswered(self, *, due_before: datetime) -> Self:
        """Those that wait for us, whose last moment comes before."""
        return self.filter(status__in=states.UNANSWERED, respond_by__lte=due_before)

    def due(self, *, at: datetime) -> Self:
        """Those whose gateway should be asked, or told, now."""
        return self.filter(next_step_at__lte=at).order_by("next_step_at")


class Dispute(models.Model):
    """One dispute at one gateway account. `disputed_minor` is what of it counts against its payment."""

    class Reason(models.TextChoices):
        FRAUD = "fraud", _("the cardholder did not pay")
        NOT_RECEIVED = "not_received", _("goods did not arrive")
        NOT_AS_DESCRIBED = "not_as_described", _("goods are not as described")
        DUPLICATE = "duplicate", _("paid twice")
        NOT_REFUNDED = "not_refunded", _("a promised refund did not come")
        CANCELLED = "cancelled", _("was cancelled")
        BANK = "bank", _("the bank could not collect")
        OTHER = "other", _("other")

    class Liability(models.TextChoices):
        SHOP = "shop", _("shops")
        PLATFORM = "platform", _("platform")

    class Answer(models.TextChoices):
        CONTEST = "contest", _("contested")
        ACCEPT = "accept", _("given up")

    class AnswerState(models.TextChoices):
        SENDING = "sending", _("being sent")
        UNKNOWN = "unknown", _("outcome unknown")
        GIVEN = "given", _("given")
        REFUSED = "refused", _("refused by the gateway")

    class Booked(models.TextChoices):
        WON = "won", _("came back")
        CLAWED_BACK = "clawed_back", _("claimed back from shops")
        LOSS = "loss", _("the platform's loss")
        SHORT = "short", _("unexplained")

    id = models.CharField(primary_key=True, max_length=40, default=ids.dispute_id)
    account = models.ForeignKey(GatewayAccount, on_delete=models.PROTECT, db_index=False)
    gateway_dispute_id = models.CharField(max_length=100)
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="disputes")
    capture = models.ForeignKey(Capture, null=True, on_delete=models.PROTECT, related_name="disputes")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    disputed_minor = models.BigIntegerField(default=0)
    withdrawn_minor = models.BigIntegerField(default=0)  # what the gateway took: nothing for an inquiry
    fee_minor = models.BigIntegerField(default=0)  # what of its fee is booked
    fee_currency = models.CharField(max_length=3, blank=True)
    fee_changes = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=100, blank=True)  # the gateway's word
    reason_class = models.CharField(max_length=20, choices=Reason.choices, default=Reason.OTHER)
    status = models.CharField(max_length=20, choices=DisputeStatus.choices, default=DisputeStatus.OPENED)
    is_inquiry = models.BooleanField(default=False)
    liability = models.CharField(max_length=8, choices=Liability.choices, default=Liability.SHOP)
    booked = models.CharField(max_length=12, choices=Booked.choices, blank=True)  # how its end was booked
    respond_by = models.DateTimeField(null=True)
    answer = models.CharField(max_length=8, choices=Answer.choices, blank=True)
    answer_state = models.CharField(max_length=8, choices=AnswerState.choices, blank=True)
    answer_text = EncryptedTextField(blank=True, default="")
    answer_evidence = models.JSONField(default=list)  # ids of the documents that go with it
    answer_failure = models.CharField(max_length=250, blank=True)
    answers = models.PositiveSmallIntegerField(default=0)  # tries: each is a reference of its own at the gateway
    answered_by = models.CharField(max_length=160, blank=True)
    answered_at = models.DateTimeField(null=True)
    raw = models.JSONField(default=dict, encoder=DjangoJSONEncoder)  # masked
    steps = models.PositiveSmallIntegerField(default=0)  # times sent or asked since the answer
    next_step_at = models.DateTimeField(null=True)
    heard_until = models.DateTimeField(null=True)  # how new the newest news is, by the gateway's clock
    opened_at = models.DateTimeField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects: ClassVar = DisputeQuerySet.as_manager()

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        permissions = [("act_on_dispute", "Can open, answer and decide disputes")]
        constraints = [
            models.UniqueConstraint(fields=["account", "gateway_dispute_id"], name="one_dispute_per_gateway_dispute"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="a_dispute_is_of_something"),
            models.CheckConstraint(
                condition=Q(disputed_minor__gte=0, withdrawn_minor__gte=0, fee_minor__gte=0),
                name="dispute_amounts_are_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gte=F("disputed_minor")), name="a_dispute_counts_at_most_its_amount"
            ),
            models.CheckConstraint(
                condition=Q(is_inquiry=False) | Q(disputed_minor=0, withdrawn_minor=0), name="an_inquiry_moves_no_money"
            ),
            models.CheckConstraint(
                condition=~Q(status="won") | Q(disputed_minor=0), name="a_won_dispute_counts_for_nothing"
            ),
            models.CheckConstraint(
                condition=Q(booked="") | Q(status__in=["won", "lost", "accepted", "expired"], withdrawn_minor__gt=0),
                name="only_an_ended_dispute_is_booked_as_ended",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["won", "lost", "accepted", "expired"]) ^ Q(closed_at__isnull=True),
                name="a_dispute_is_closed_when_it_ends",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="dispute_newest"),
            models.Index(fields=["status", "-created_at", "-id"], name="dispute_by_status"),
            models.Index(
                fields=["respond_by"], name="dispute_unanswered", condition=Q(status__in=["opened", "needs_response"])
            ),
            models.Index(fields=["next_step_at"], name="dispute_due", condition=Q(next_step_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.id

    @property
    def amount(self) -> Money:
        """What is disputed."""
        return Money(self.amount_minor, self.currency)

    @property
    def withdrawn(self) -> Money:
        """What the gateway took from us for it."""
        return Money(self.withdrawn_minor, self.currency)

    @property
    def fee(self) -> Money | None:
        """What the gateway charged besides; None where it told of no fee."""
        return Money(self.fee_minor, self.fee_currency) if self.fee_currency else None

    @property
    def is_open(self) -> bool:
        """Whether nobody knows its outcome."""
        return self.status in states.OPEN_DISPUTES

    @property
    def waits_for_us(self) -> bool:
        """Whether it may still be answered."""
        return self.status in states.UNANSWERED

    def move_to(self, status: DisputeStatus, *, at: datetime) -> None:
        """Change the status, in memory; the caller holds the lock and saves. Raises IllegalTransition."""
        if status not in states.DISPUTE_TRANSITIONS[self.status]:
            raise IllegalTransition.between("dispute", self.id, self.status, status)
        self.status = status
        self.updated_at = at
        if status not in states.OPEN_DISPUTES:
            self.closed_at = at
            self.next_step_at = None


class DisputeLine(models.Model):
    """What a lost dispute took of one shop order, in list value (LEDGER.md 6, refund rule); never changed."""

    id = models.BigAutoField(primary_key=True)
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="lines")
    shop_order = models.ForeignKey(ShopOrder, on_delete=models.PROTECT, related_name="dispute_lines")
    kind = models.CharField(max_length=8, choices=RefundLine.Kind.choices)
    list_minor = models.BigIntegerField()
    cash_minor = models.BigIntegerField()
    site_minor = models.BigIntegerField()

    class Meta:
        verbose_name = _("dispute line")
        verbose_name_plural = _("dispute lines")
        constraints = [
            models.CheckConstraint(
                condition=Q(list_minor=F("cash_minor") + F("site_minor")), name="dispute_cash_and_site_make_list_value"
            ),
            models.CheckConstraint(
                condition=Q(list_minor__gte=0, cash_minor__gte=0, site_minor__gte=0),
                name="dispute_lines_are_not_negative",
            ),
        ]


class DisputeEvidence(models.Model):
    """A document for a dispute, encrypted. Its digest stays in the clear: it proves that nothing was exchanged."""

    class Purpose(models.TextChoices):
        RECEIPT = "receipt", _("receipt or invoice")
        SHIPPING = "shipping", _("proof of delivery")
        COMMUNICATION = "communication", _("messages with the customer")
        POLICY = "policy", _("terms the customer agreed to")
        OTHER = "other", _("other")

    id = models.CharField(primary_key=True, max_length=40, default=ids.evidence_id)
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="evidence")
    purpose = models.CharField(max_length=16, choices=Purpose.choices)
    name = models.CharField(max_length=120)
    content_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    content = EncryptedBytesField()
    added_by = models.CharField(max_length=160)
    added_at = models.DateTimeField()

    class Meta:
        verbose_name = _("evidence")
        verbose_name_plural = _("evidence")
        constraints = [
            models.UniqueConstraint(fields=["dispute", "sha256"], name="one_copy_of_each_document"),
            models.CheckConstraint(condition=Q(size__gt=0), name="evidence_is_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name


class DisputeEvent(models.Model):
    """One line of a dispute's history; never changed."""

    id = models.BigAutoField(primary_key=True)
    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="history")
    what = models.CharField(max_length=40)
    from_status = models.CharField(max_length=20, blank=True)
    to_status = models.CharField(max_length=20)
    source = models.CharField(max_length=8, choices=AttemptEvent.Source.choices)
    actor = models.CharField(max_length=160, blank=True)
    reason = models.CharField(max_length=250, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("dispute event")
        verbose_name_plural = _("dispute events")
