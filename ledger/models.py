"""The ledger's rows, for reading. They are written by `ledger.services` alone; tables and rules are in `ledger/sql`."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import ClassVar, Final, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from config.core.money import Money
from ledger.fields import TransactionIdField


class Account(models.Model):
    """One account in one currency. `code` and currency name it; it is made on first use."""

    class Kind(models.TextChoices):
        ASSET = "A", _("asset")
        LIABILITY = "L", _("liability")
        REVENUE = "R", _("revenue")
        EXPENSE = "E", _("expense")
        POSITION = "Q", _("position")

    class Mode(models.TextChoices):
        INSERT_ONLY = "H", _("insert-only")
        STRICT = "S", _("strict")

    code = models.TextField(_("code"))
    kind = models.CharField(_("kind"), max_length=1, choices=Kind)
    currency = models.CharField(_("currency"), max_length=3)
    mode = models.CharField(_("mode"), max_length=1, choices=Mode)
    owner_type = models.TextField(_("owner type"), default="", blank=True)
    owner_id = models.TextField(_("owner"), default="", blank=True)
    opened_at = models.DateTimeField(_("opened at"))
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True)

    class Meta:
        db_table = "ledger_account"
        verbose_name, verbose_name_plural = _("account"), _("accounts")

    @property
    def is_debit_normal(self) -> bool:
        """Whether the balance of this kind of account is normally a debit: what we own and what we spend."""
        return self.kind in (Account.Kind.ASSET, Account.Kind.EXPENSE)


class JournalEntry(models.Model):
    """One posted business fact. Its lines sum to zero in every currency; it never changes."""

    reference = models.TextField(_("reference"), unique=True)
    request_hash = models.BinaryField()
    event = models.TextField(_("event"))
    subject = models.TextField(_("subject"), default="")
    order_ref = models.TextField(_("order"), default="")
    line_count = models.SmallIntegerField(_("lines"), db_column="lines")
    effective_on = models.DateField(_("effective on"))
    booked_at = models.DateTimeField(_("booked at"))
    xid = TransactionIdField(editable=False)
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, related_name="reversed_by", verbose_name=_("reverses"), db_constraint=False
    )
    actor = models.TextField(_("actor"))
    reason = models.TextField(_("reason"), default="")
    meta = models.JSONField(_("details"), null=True)

    class Meta:
        db_table = "ledger_journal"
        verbose_name, verbose_name_plural = _("journal"), _("journals")

    @property
    def lines(self) -> PostingQuerySet:
        """Its lines with their accounts, in order."""
        return Posting.objects.of(self.pk)


LINES_PER_JOURNAL: Final = 32768
"""A line's key is its journal's times this, plus its number: so lines need no index by journal."""


class PostingQuerySet(models.QuerySet["Posting"]):
    """Lines, found by what their key begins with."""

    def of(self, *journal_ids: int) -> Self:
        """The lines of some journals with their accounts, in order, by ranges of the primary key."""
        if not journal_ids:
            return self.none()
        spans = [Q(pk__gt=pk * LINES_PER_JOURNAL, pk__lt=(pk + 1) * LINES_PER_JOURNAL) for pk in journal_ids]
        return self.filter(reduce(or_, spans)).select_related("account").order_by("pk")


class Posting(models.Model):
    """One line of a journal: a signed amount on an account, debit above zero. Strict accounts carry a running balance."""

    id = models.BigIntegerField(primary_key=True, editable=False)
    journal = models.ForeignKey(JournalEntry, models.PROTECT, related_name="+", db_constraint=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="lines", db_constraint=False)
    line = models.SmallIntegerField(_("line"))
    amount_minor = models.BigIntegerField(_("amount"), db_column="amount")
    currency = models.CharField(_("currency"), max_length=3)
    mode = models.CharField(_("mode"), max_length=1, choices=Account.Mode)
    seq = models.BigIntegerField(null=True)
    prev_seq = models.BigIntegerField(null=True)
    prev_bal = models.BigIntegerField(null=True)
    bal_after = models.BigIntegerField(null=True)
    effective_on = models.DateField(_("effective on"))
    booked_at = models.DateTimeField(_("booked at"))
    xid = TransactionIdField(editable=False)

    objects: ClassVar = PostingQuerySet.as_manager()

    class Meta:
        db_table = "ledger_line"
        verbose_name, verbose_name_plural = _("line"), _("lines")

    @property
    def debit(self) -> Money:
        """The amount when it is a debit, else nothing."""
        return Money(max(self.amount_minor, 0), self.currency)

    @property
    def credit(self) -> Money:
        """The amount when it is a credit, else nothing."""
        return Money(max(-self.amount_minor, 0), self.currency)


class Balance(models.Model):
    """Where a strict account stands: its last line, its reservations and the limits the database enforces."""

    account = models.OneToOneField(Account, models.PROTECT, primary_key=True, related_name="balance")
    bal = models.BigIntegerField()
    seq = models.BigIntegerField()
    last_at = models.DateTimeField()
    hold_debit = models.BigIntegerField()
    hold_credit = models.BigIntegerField()
    min_bal = models.BigIntegerField()
    max_bal = models.BigIntegerField()

    class Meta:
        db_table = "ledger_balance"
        verbose_name, verbose_name_plural = _("balance"), _("balances")


class Rollup(models.Model):
    """Folded sums of an insert-only account: every line of a transaction below `upto`."""

    account = models.OneToOneField(Account, models.PROTECT, primary_key=True, related_name="rollup")
    debit = models.DecimalField(max_digits=30, decimal_places=0)
    credit = models.DecimalField(max_digits=30, decimal_places=0)
    upto = TransactionIdField()

    class Meta:
        db_table = "ledger_rollup"


class PeriodBalance(models.Model):
    """Folded sums of an account over a year, month, day or hour, by effective date (E) or booking time in UTC (B)."""

    BASES: ClassVar = (("E", _("effective date")), ("B", _("booking time")))

    account = models.ForeignKey(Account, models.PROTECT, related_name="period_balances")
    basis = models.CharField(max_length=1, choices=BASES)
    grain = models.CharField(max_length=1)
    start = models.DateTimeField()
    debit = models.DecimalField(max_digits=30, decimal_places=0)
    credit = models.DecimalField(max_digits=30, decimal_places=0)

    class Meta:
        db_table = "ledger_period_balance"


class Horizon(models.Model):
    """How far the fold has come, and in which database cluster. One row."""

    id = models.SmallIntegerField(primary_key=True)
    upto = TransactionIdField()
    system_identifier = models.BigIntegerField()
    folded_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_horizon"


class Hold(models.Model):
    """A reservation on a strict account; `remaining` is what it still reserves."""

    class Side(models.TextChoices):
        DEBIT = "D", _("debit")
        CREDIT = "C", _("credit")

    reference = models.TextField(_("reference"), unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="holds")
    side = models.CharField(max_length=1, choices=Side)
    amount_minor = models.BigIntegerField(_("amount"), db_column="amount")
    remaining_minor = models.BigIntegerField(_("remaining"), db_column="remaining")
    placed_at = models.DateTimeField(_("placed at"))

    class Meta:
        db_table = "ledger_hold"
        verbose_name, verbose_name_plural = _("hold"), _("holds")


class HoldEvent(models.Model):
    """What happened to a hold; never changes."""

    class Kind(models.TextChoices):
        PLACED = "placed", _("placed")
        RELEASED = "released", _("released")
        CONSUMED = "consumed", _("consumed")

    hold = models.ForeignKey(Hold, models.PROTECT, related_name="events")
    kind = models.CharField(max_length=8, choices=Kind)
    amount_minor = models.BigIntegerField(_("amount"), db_column="amount")
    journal_reference = models.TextField(default="")
    actor = models.TextField()
    reason = models.TextField(default="")
    at = models.DateTimeField()

    class Meta:
        db_table = "ledger_hold_event"


class Period(models.Model):
    """A span of effective days that is open, closing or closed. Days without a period are open."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CLOSING = "closing", _("closing")
        CLOSED = "closed", _("closed")

    starts_on = models.DateField(_("starts on"))
    ends_on = models.DateField(_("ends on"))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.OPEN)
    closing_by = models.TextField(_("closed by"), default="")
    closed_at = models.DateTimeField(_("closed at"), null=True)
    horizon = TransactionIdField(null=True)
    totals = models.JSONField(_("trial balance"), null=True)

    class Meta:
        db_table = "ledger_period"
        verbose_name, verbose_name_plural = _("period"), _("periods")


class Seal(models.Model):
    """The Merkle root of one day's journals and audit rows, chained to the day before."""

    day = models.DateField(unique=True)
    upto = TransactionIdField()
    leaves = models.BigIntegerField()
    root = models.BinaryField()
    previous_head = models.BinaryField()
    head = models.BinaryField()
    signature = models.BinaryField(null=True)
    sealed_at = models.DateTimeField()

    class Meta:
        db_table = "ledger_seal"


class SealLeaf(models.Model):
    """Which object is which leaf of a day's tree, so that one line can be proved alone."""

    seal = models.ForeignKey(Seal, models.PROTECT, related_name="entries")
    position = models.BigIntegerField()
    kind = models.CharField(max_length=8)
    object_id = models.TextField()
    hash = models.BinaryField()

    class Meta:
        db_table = "ledger_seal_leaf"
