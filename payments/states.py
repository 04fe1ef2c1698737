"""The states of a payment's things, and the only ways between them (DESIGN.md 4).

A table, not a library: it fits a screen and a test walks every pair. Money is a fact, so what failed or expired may
still succeed; what succeeded never goes back: refunds and disputes are amounts and rows of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _


class PaymentStatus(models.TextChoices):
    """The life of one order's debt."""

    PENDING = "pending", _("pending")
    AWAITING_PAYMENT = "awaiting_payment", _("awaiting payment")
    PROCESSING = "processing", _("processing")
    AUTHORIZED = "authorized", _("authorized")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    EXPIRED = "expired", _("expired")
    CANCELLED = "cancelled", _("cancelled")


class AttemptStatus(models.TextChoices):
    """The life of one try at a gateway."""

    QUEUED = "queued", _("queued")
    CREATED = "created", _("created")
    SENT = "sent", _("sent")
    REQUIRES_ACTION = "requires_action", _("customer acts")
    PENDING = "pending", _("pending")
    UNKNOWN = "unknown", _("unknown")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    CANCELLED = "cancelled", _("cancelled")
    EXPIRED = "expired", _("expired")


class RefundStatus(models.TextChoices):
    """The life of money on its way back."""

    REQUESTED = "requested", _("requested")
    PENDING_APPROVAL = "pending_approval", _("waits for approval")
    APPROVED = "approved", _("approved")
    SUBMITTED = "submitted", _("submitted")
    PENDING = "pending", _("pending")
    UNKNOWN = "unknown", _("unknown")
    NEEDS_OPERATOR = "needs_operator", _("needs a person")
    SUCCEEDED = "succeeded", _("succeeded")
    FAILED = "failed", _("failed")
    REJECTED = "rejected", _("rejected")
    CANCELLED = "cancelled", _("cancelled")


class DisputeStatus(models.TextChoices):
    """The life of a dispute. Lost, accepted and expired are three ways to lose: contested, given up, not answered."""

    OPENED = "opened", _("opened")
    NEEDS_RESPONSE = "needs_response", _("needs an answer")
    UNDER_REVIEW = "under_review", _("under review")
    WON = "won", _("won")
    LOST = "lost", _("lost")
    ACCEPTED = "accepted", _("accepted")
    EXPIRED = "expired", _("not answered in time")


class NotificationStatus(models.TextChoices):
    """What became of a message that came in."""

    RECEIVED = "received", _("received")
    REJECTED = "rejected", _("rejected")
    VERIFIED = "verified", _("verified")
    PROCESSED = "processed", _("processed")
    IGNORED = "ignored", _("ignored")
    RETRYING = "retrying", _("retrying")
    DEAD = "dead", _("dead")


class CaseStatus(models.TextChoices):
    """The life of money, or of a question, that a person must decide."""

    OPEN = "open", _("open")
    PROPOSED = "proposed", _("proposed")
    APPROVED = "approved", _("approved")
    EXECUTED = "executed", _("executed")
    CLOSED = "closed", _("closed")


Transitions = Mapping[str, frozenset[str]]

_P, _A, _R, _N, _C = PaymentStatus, AttemptStatus, RefundStatus, NotificationStatus, CaseStatus
_D = DisputeStatus

PAYMENT_TRANSITIONS: Final[Transitions] = {
    _P.PENDING: frozenset({_P.AWAITING_PAYMENT, _P.FAILED, _P.EXPIRED, _P.CANCELLED, _P.SUCCEEDED}),
    _P.AWAITING_PAYMENT: frozenset({_P.PROCESSING, _P.AUTHORIZED, _P.SUCCEEDED, _P.FAILED, _P.EXPIRED, _P.CANCELLED}),
    _P.PROCESSING: frozenset({_P.AWAITING_PAYMENT, _P.SUCCEEDED, _P.FAILED, _P.EXPIRED, _P.CANCELLED}),
    _P.AUTHORIZED: frozenset({_P.SUCCEEDED, _P.CANCELLED, _P.EXPIRED}),
    _P.SUCCEEDED: frozenset(),
    _P.FAILED: frozenset({_P.SUCCEEDED}),  # late money is still money
    _P.EXPIRED: frozenset({_P.SUCCEEDED}),
    _P.CANCELLED: frozenset({_P.SUCCEEDED}),  # only by an executed money case
}

_ATTEMPT_ENDS = frozenset({_A.SUCCEEDED, _A.FAILED, _A.CANCELLED, _A.EXPIRED})
ATTEMPT_TRANSITIONS: Final[Transitions] = {
    _A.QUEUED: frozenset({_A.CREATED, _A.SENT, _A.CANCELLED, _A.EXPIRED}),
    _A.CREATED: frozenset({_A.SENT, _A.FAILED, _A.CANCELLED, _A.EXPIRED}),
    # An IPN may outrun the gateway's own answer, so SENT can end at once. Back to QUEUED only what surely never left us.
    _A.SENT: frozenset({_A.QUEUED, _A.REQUIRES_ACTION, _A.PENDING, _A.UNKNOWN}) | _ATTEMPT_ENDS,
    _A.REQUIRES_ACTION: frozenset({_A.PENDING}) | _ATTEMPT_ENDS,
    _A.PENDING: _ATTEMPT_ENDS,
    _A.UNKNOWN: frozenset({_A.REQUIRES_ACTION, _A.PENDING}) | _ATTEMPT_ENDS,
    _A.SUCCEEDED: frozenset(),
    _A.FAILED: frozenset({_A.SUCCEEDED}),  # money is a fact
    _A.CANCELLED: frozenset({_A.SUCCEEDED}),
    _A.EXPIRED: frozenset({_A.SUCCEEDED}),
}

REFUND_TRANSITIONS: Final[Transitions] = {
    _R.REQUESTED: frozenset({_R.PENDING_APPROVAL, _R.APPROVED, _R.CANCELLED}),
    _R.PENDING_APPROVAL: frozenset({_R.APPROVED, _R.REJECTED, _R.CANCELLED}),
    _R.APPROVED: frozenset({_R.SUBMITTED, _R.CANCELLED, _R.NEEDS_OPERATOR}),
    # Back to APPROVED only where the gateway surely has nothing: the same reference is sent again.
    _R.SUBMITTED: frozenset({_R.PENDING, _R.UNKNOWN, _R.SUCCEEDED, _R.FAILED, _R.APPROVED, _R.NEEDS_OPERATOR}),
    _R.PENDING: frozenset({_R.SUCCEEDED, _R.FAILED, _R.UNKNOWN, _R.NEEDS_OPERATOR}),
    _R.UNKNOWN: frozenset({_R.PENDING, _R.SUCCEEDED, _R.FAILED, _R.APPROVED, _R.NEEDS_OPERATOR}),
    _R.NEEDS_OPERATOR: frozenset({_R.SUCCEEDED, _R.FAILED, _R.APPROVED}),
    _R.SUCCEEDED: frozenset({_R.FAILED}),  # returned by the gateway or the bank days later
    _R.FAILED: frozenset(),
    _R.REJECTED: frozenset(),
    _R.CANCELLED: frozenset(),
}

_DISPUTE_ENDS = frozenset({_D.WON, _D.LOST, _D.ACCEPTED, _D.EXPIRED})
DISPUTE_TRANSITIONS: Final[Transitions] = {
    _D.OPENED: frozenset({_D.NEEDS_RESPONSE, _D.UNDER_REVIEW}) | _DISPUTE_ENDS,
    _D.NEEDS_RESPONSE: frozenset({_D.UNDER_REVIEW}) | _DISPUTE_ENDS,
    _D.UNDER_REVIEW: frozenset({_D.NEEDS_RESPONSE}) | _DISPUTE_ENDS,  # back when the bank wants to know more
    # An end that turns (an appeal) is money that moves once more: a person decides, by a money case.
    _D.WON: frozenset(),
    _D.LOST: frozenset(),
    _D.ACCEPTED: frozenset(),
    _D.EXPIRED: frozenset(),
}

NOTIFICATION_TRANSITIONS: Final[Transitions] = {
    _N.RECEIVED: frozenset({_N.REJECTED, _N.VERIFIED}),
    _N.REJECTED: frozenset({_N.VERIFIED}),  # replayed by staff after a key was mended
    _N.VERIFIED: frozenset({_N.PROCESSED, _N.IGNORED, _N.RETRYING}),
    _N.RETRYING: frozenset({_N.PROCESSED, _N.IGNORED, _N.DEAD, _N.RETRYING}),
    _N.PROCESSED: frozenset(),
    _N.IGNORED: frozenset({_N.PROCESSED}),
    _N.DEAD: frozenset({_N.RETRYING, _N.PROCESSED, _N.IGNORED}),
}

CASE_TRANSITIONS: Final[Transitions] = {
    _C.OPEN: frozenset({_C.PROPOSED, _C.CLOSED}),  # closed by itself when the question answers itself
    _C.PROPOSED: frozenset({_C.APPROVED, _C.OPEN}),
    _C.APPROVED: frozenset({_C.EXECUTED}),
    _C.EXECUTED: frozenset({_C.CLOSED}),
    _C.CLOSED: frozenset(),
}

PAYABLE: Final = (_P.PENDING, _P.AWAITING_PAYMENT, _P.PROCESSING)
"""A customer may still start or finish an attempt."""
LIVE: Final = (*PAYABLE, _P.AUTHORIZED, _P.SUCCEEDED)
"""One order has at most one payment in these: the database says so."""
OPEN_ATTEMPTS: Final = (_A.QUEUED, _A.CREATED, _A.SENT, _A.REQUIRES_ACTION, _A.PENDING, _A.UNKNOWN)
"""Attempts that may still bring money by themselves."""
UNDECIDED: Final = (_A.SENT, _A.UNKNOWN)
"""Attempts whose outcome nobody has told us: no other may begin beside them."""
OPEN_DISPUTES: Final = (_D.OPENED, _D.NEEDS_RESPONSE, _D.UNDER_REVIEW)
"""Disputes whose outcome nobody knows yet."""
UNANSWERED: Final = (_D.OPENED, _D.NEEDS_RESPONSE)
"""Disputes that wait for what we have to say."""
LOST_DISPUTES: Final = (_D.LOST, _D.ACCEPTED, _D.EXPIRED)
"""Disputes whose money stays with the customer."""
