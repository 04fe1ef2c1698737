"""The tables of the floor: users, keys, and the rows that make promises last."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from config.core import ids
from config.core.retention.models import RetentionPolicy, RetentionRun

__all__ = [
    "ApiKey",
    "Approval",
    "AuditEntry",
    "DeadLetter",
    "InboxClaim",
    "JobRun",
    "OutboxEvent",
    "RetentionPolicy",
    "RetentionRun",
    "User",
    "UserManager",
]


class UserManager(BaseUserManager["User"]):
    """Makes staff users; customers are not users here."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user by e-mail, the only name they have."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user who may administer everything, and still cannot approve their own work."""
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})


class User(AbstractBaseUser, PermissionsMixin):
    """A member of staff. Unique by e-mail whatever its case, so that one person is one account."""

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    language = models.CharField(_("language"), max_length=5, default="vi")
    is_staff = models.BooleanField(_("staff"), default=True)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [models.UniqueConstraint(Lower("email"), name="one_account_per_email")]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email


class ApiKey(models.Model):
    """A key of a service or a BI tool; we keep its hash only."""

    id = models.CharField(primary_key=True, max_length=40, default=ids.api_key_id)
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=20)
    hash = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=40), default=list)
    allowed_ips = ArrayField(models.GenericIPAddressField(), default=list, blank=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_on = models.DateField(null=True, blank=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")


class OutboxEvent(models.Model):
    """A fact we promised to tell, written in the commit that made it true. `position` orders the rows of one key."""

    position = models.BigAutoField(primary_key=True)
    event_id = models.CharField(max_length=40, default=ids.event_id)
    type = models.CharField(max_length=80)
    version = models.PositiveSmallIntegerField(default=1)
    key = models.CharField(max_length=120)
    aggregate_type = models.CharField(max_length=40)
    aggregate_id = models.CharField(max_length=120)
    sequence = models.BigIntegerField()
    data = models.JSONField()
    occurred_at = models.DateTimeField()
    trace_id = models.CharField(max_length=64, blank=True)
    traceparent = models.CharField(max_length=64, blank=True)  # so that the consumer's trace goes on from the cause
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    fanned_out_at = models.DateTimeField(null=True)  # the second reader's own mark: webhooks of subscribers
    published_at = models.DateTimeField(null=True)
    partition = models.IntegerField(null=True)
    offset = models.BigIntegerField(null=True)
    attempts = models.PositiveIntegerField(default=0)  # answers about this event; an outage is none
    next_attempt_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    parked_at = models.DateTimeField(null=True)  # given up: a DeadLetter holds it

    class Meta:
        verbose_name = _("outbox event")
        verbose_name_plural = _("outbox events")
        constraints = [
            # Constraints rather than unique=True, which would add a second index for LIKE to a hot table.
            models.UniqueConstraint(fields=["event_id"], name="one_event_per_event_id"),
            models.UniqueConstraint(
                fields=["aggregate_type", "aggregate_id", "sequence"], name="one_event_per_sequence"
            ),
        ]
        indexes = [
            models.Index(
                fields=["position"],
                name="outbox_unpublished",
                condition=Q(published_at__isnull=True, parked_at__isnull=True),
            ),
            models.Index(
                fields=["key", "position"],
                name="outbox_waiting",
                condition=Q(published_at__isnull=True, parked_at__isnull=True, next_attempt_at__isnull=False),
            ),
            models.Index(fields=["position"], name="outbox_not_fanned_out", condition=Q(fanned_out_at__isnull=True)),
            models.Index(fields=["key", "position"], name="outbox_key"),
            models.Index(fields=["type", "-position"], name="outbox_type"),
            models.Index(  # what retention may take away
                fields=["published_at"],
                name="outbox_told",
                condition=Q(published_at__isnull=False, fanned_out_at__isnull=False),
            ),
        ]


class DeadLetter(models.Model):
    """Something that could not be handled after its tries, kept for a person: requeue or discard, with a reason."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        REQUEUED = "requeued", _("requeued")
        DISCARDED = "discarded", _("discarded")

    id = models.CharField(primary_key=True, max_length=40, default=ids.dead_letter_id)
    source = models.CharField(max_length=40)  # outbox, consumer, notification, email, task
    topic = models.CharField(max_length=120)
    key = models.CharField(max_length=200, blank=True)
    reference = models.CharField(max_length=120, blank=True)  # the row it came from
    payload = models.JSONField()
    headers = models.JSONField(default=dict)
    error = models.TextField()
    attempts = models.PositiveIntegerField()
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.OPEN)
    reason = models.TextField(blank=True)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    mirrored_at = models.DateTimeField(null=True)  # when dlq.<topic> got its copy
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="dead_letter_newest"),
            models.Index(fields=["source", "reference"], name="dead_letter_reference"),
            models.Index(fields=["created_at"], name="dead_letter_not_mirrored", condition=Q(mirrored_at__isnull=True)),
            models.Index(fields=["decided_at"], name="dead_letter_decided", condition=Q(decided_at__isnull=False)),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "reference"], condition=Q(status="open"), name="one_open_dead_letter_per_source_row"
            )
        ]


class InboxClaim(models.Model):
    """An outside cause that has counted. Its primary key is what makes it count once, for as long as it is kept."""

    cause = models.CharField(primary_key=True, max_length=200)
    claimed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("claimed cause")
        verbose_name_plural = _("claimed causes")
        indexes = [models.Index(fields=["claimed_at"], name="claim_by_age")]


class AuditEntry(models.Model):
    """Who did what to which thing, and why: written in the commit of the deed, never changed."""

    id = models.BigAutoField(primary_key=True)
    actor = models.CharField(max_length=160)  # user:email, key:name, customer:hash, gateway:code, system
    action = models.CharField(max_length=80)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=120)
    reason = models.TextField(blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    trace_id = models.CharField(max_length=64, blank=True)
    ip = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="audit_object"),
            models.Index(fields=["-created_at", "-id"], name="audit_newest"),
        ]


class Approval(models.Model):
    """A deed that needs two people: who asks, who decides, and the exact payload both of them saw."""

    class Status(models.TextChoices):
        PENDING = "pending", _("waiting")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")
        EXPIRED = "expired", _("expired")
        VOID = "void", _("void")  # the thing changed after it was asked for

    id = models.CharField(primary_key=True, max_length=40, default=ids.approval_id)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=120)
    payload = models.JSONField()
    payload_hash = models.CharField(max_length=64)
    amount_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    maker = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    maker_name = models.CharField(max_length=160)  # also where a service asked
    checker = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    reason = models.TextField(blank=True)
    decision_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    executed_at = models.DateTimeField(null=True)  # when the owner of the deed had done it
    execution_attempts = models.PositiveSmallIntegerField(default=0)
    execution_error = models.TextField(blank=True)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        permissions = [("decide_approval", "Can decide approvals of others")]
        constraints = [
            models.CheckConstraint(
                condition=Q(maker__isnull=True) | Q(checker__isnull=True) | ~Q(maker=F("checker")),
                name="maker_and_checker_are_two_people",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "rejected"]) | Q(checker__isnull=False, decided_at__isnull=False),
                name="a_decision_has_a_person_and_a_time",
            ),
            models.UniqueConstraint(
                fields=["action", "object_type", "object_id"],
                condition=Q(status="pending"),
                name="one_open_approval_per_deed",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-created_at"], name="approval_queue"),
            models.Index(
                fields=["decided_at"],
                name="approval_not_executed",
                condition=Q(status="approved", executed_at__isnull=True),
            ),
        ]


class JobRun(models.Model):
    """The last run of each scheduled job: what health, metrics and the admin read."""

    name = models.CharField(primary_key=True, max_length=80)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    last_success_at = models.DateTimeField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    outcome = models.CharField(max_length=20, blank=True)
    handled = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
