"""What each state of payments means, in plain words, and how it feels. A test holds this against the states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from config.core.admin.cells import Text, Tone, chip
from payments.models import Capture, EmailMessageLog, MoneyCase, WebhookDelivery
from payments.states import AttemptStatus, CaseStatus, DisputeStatus, NotificationStatus, PaymentStatus, RefundStatus

Words = Mapping[str, tuple[Tone, Text]]
P, A, R, N, C = PaymentStatus, AttemptStatus, RefundStatus, NotificationStatus, CaseStatus
E, D, W = EmailMessageLog.Status, DisputeStatus, WebhookDelivery.Status

PAYMENT: Final[Words] = {
    P.PENDING: (Tone.CALM, _("Made, and not yet with a gateway.")),
    P.AWAITING_PAYMENT: (Tone.BUSY, _("The customer can pay now.")),
    P.PROCESSING: (Tone.BUSY, _("The gateway is working on it.")),
    P.AUTHORIZED: (Tone.BUSY, _("The money is reserved, not taken.")),
    P.SUCCEEDED: (Tone.GOOD, _("The money is here and booked.")),
    P.FAILED: (Tone.BAD, _("Ended unpaid; late money would still be taken.")),
    P.EXPIRED: (Tone.CALM, _("The time to pay ran out; the gateway was asked first.")),
    P.CANCELLED: (Tone.CALM, _("Cancelled before it was paid; money that comes now opens a case.")),
}
ATTEMPT: Final[Words] = {
    A.QUEUED: (Tone.CALM, _("Waits to be sent to the gateway.")),
    A.CREATED: (Tone.CALM, _("Made, not sent.")),
    A.SENT: (Tone.BUSY, _("Sent; the gateway has not answered yet.")),
    A.REQUIRES_ACTION: (Tone.BUSY, _("The customer has to act at the gateway.")),
    A.PENDING: (Tone.BUSY, _("The gateway has it and has not decided.")),
    A.UNKNOWN: (Tone.WARN, _("No answer came. It blocks another try and is asked about until it speaks.")),
    A.SUCCEEDED: (Tone.GOOD, _("The gateway took the money.")),
    A.FAILED: (Tone.BAD, _("The gateway refused, or the customer did.")),
    A.CANCELLED: (Tone.CALM, _("Ended by us or by the customer.")),
    A.EXPIRED: (Tone.CALM, _("The time to pay ran out.")),
}
REFUND: Final[Words] = {
    R.REQUESTED: (Tone.CALM, _("Asked for.")),
    R.PENDING_APPROVAL: (Tone.WARN, _("Waits for a second person.")),
    R.APPROVED: (Tone.BUSY, _("Agreed and booked; to be sent.")),
    R.SUBMITTED: (Tone.BUSY, _("On its way to the gateway.")),
    R.PENDING: (Tone.BUSY, _("The gateway has it and has not finished.")),
    R.UNKNOWN: (Tone.WARN, _("No answer came; the gateway is asked until it speaks.")),
    R.NEEDS_OPERATOR: (Tone.BAD, _("The gateway never answered; a person must look.")),
    R.SUCCEEDED: (Tone.GOOD, _("The customer's money has left us.")),
    R.FAILED: (Tone.BAD, _("The gateway refused; the money stays with us and a case is open.")),
    R.REJECTED: (Tone.CALM, _("The second person refused.")),
    R.CANCELLED: (Tone.CALM, _("Taken back before it was sent.")),
}
DISPUTE: Final[Words] = {
    D.OPENED: (Tone.WARN, _("Heard of; the gateway has not said what it wants.")),
    D.NEEDS_RESPONSE: (Tone.BAD, _("Waits for our evidence, until its deadline.")),
    D.UNDER_REVIEW: (Tone.BUSY, _("Answered; the customer's bank decides.")),
    D.WON: (Tone.GOOD, _("The money came back, or was never taken.")),
    D.LOST: (Tone.BAD, _("Contested and lost; the money stays with the customer.")),
    D.ACCEPTED: (Tone.CALM, _("Given up by us; the money stays with the customer.")),
    D.EXPIRED: (Tone.BAD, _("Lost because nobody answered in time.")),
}
NOTIFICATION: Final[Words] = {
    N.RECEIVED: (Tone.BUSY, _("Kept, not yet checked.")),
    N.REJECTED: (Tone.BAD, _("Its signature does not hold. Nothing was believed.")),
    N.VERIFIED: (Tone.BUSY, _("Genuine; being applied.")),
    N.PROCESSED: (Tone.GOOD, _("Genuine, and what it says is applied.")),
    N.IGNORED: (Tone.CALM, _("Genuine, and told us nothing new.")),
    N.RETRYING: (Tone.WARN, _("Something failed on our side; it is tried again.")),
    N.DEAD: (Tone.BAD, _("Given up; a dead letter holds it.")),
}
DISPUTE_EVENTS: Final[Mapping[str, Text]] = {
    "opened": _("heard of"),
    "money_withdrawn": _("money taken by the gateway"),
    "attached": _("payment named"),
    "number_told": _("the gateway's number told"),
    "evidence_added": _("document added"),
    "contested": _("contested"),
    "given_up": _("given up"),
    "answer_confirmed": _("answer arrived"),
    "answer_unknown": _("no word whether the answer arrived"),
    "answer_refused": _("answer refused by the gateway"),
    "accept_proposed": _("giving up proposed"),
    "won_proposed": _("proposed as won"),
    "lost_proposed": _("proposed as lost"),
    "platform_proposed": _("the platform's liability proposed"),
    "platform_liable": _("the platform is liable"),
}
"""What a dispute's history says besides its states."""
CASE: Final[Words] = {
    C.OPEN: (Tone.WARN, _("Nobody has proposed what to do.")),
    C.PROPOSED: (Tone.BUSY, _("Waits for a second person.")),
    C.APPROVED: (Tone.BUSY, _("Agreed, being carried out.")),
    C.EXECUTED: (Tone.WARN, _("Decided: the money is kept in suspense for now.")),
    C.CLOSED: (Tone.GOOD, _("Done.")),
}
EMAIL: Final[Words] = {
    E.QUEUED: (Tone.BUSY, _("Will be sent soon.")),
    E.SENT: (Tone.GOOD, _("The mail server took it.")),
    E.FAILED: (Tone.WARN, _("Will be tried again.")),
    E.DEAD: (Tone.BAD, _("Given up; a dead letter holds it.")),
}
WEBHOOK: Final[Words] = {
    W.QUEUED: (Tone.BUSY, _("Will be sent soon.")),
    W.SENT: (Tone.GOOD, _("The receiver said that it has it.")),
    W.FAILED: (Tone.WARN, _("Will be tried again.")),
    W.GIVEN_UP: (Tone.BAD, _("Given up; it can be sent again by hand.")),
}
CAPTURE: Final[Words] = {
    Capture.Disposition.APPLIED: (Tone.GOOD, _("Pays its payment.")),
    Capture.Disposition.HELD: (Tone.WARN, _("In suspense until its case is decided.")),
}
K = MoneyCase.Kind
KINDS: Final[Mapping[str, Text]] = {
    K.LATE_PAYMENT: _("Money came after the payment had ended."),
    K.DOUBLE_PAYMENT: _("The customer paid twice."),
    K.AMOUNT_MISMATCH: _("Another amount came than was owed."),
    K.CURRENCY_MISMATCH: _("Another currency came than was owed."),
    K.UNKNOWN_ORDER: _("Money came that belongs to no order of ours."),
    K.PAID_CANCELLED: _("Money came for something cancelled."),
    K.CANCELLED_PAID: _("A paid order was cancelled; its money may have to go back."),
    K.UNKNOWN_OUTCOME: _("The gateway never told what became of an attempt."),
    K.REFUND_UNKNOWN: _("The gateway never told what became of a refund."),
    K.REFUND_FAILED: _("A refund was refused; the customer's money is still with us."),
    K.DISPUTE_UNKNOWN: _("A gateway disputes money that no paid order of ours took."),
    K.DISPUTE_REFUNDED: _("The same money was refunded and is disputed: the customer may get it twice."),
    K.DISPUTE_CHANGED: _("A dispute that had ended now ends otherwise."),
    K.DISPUTE_SILENT: _("The gateway never told how a dispute ended."),
}


def state(obj: Any, words: Words, *, field: str = "status") -> SafeString:
    """The chip of a row's state."""
    tone, meaning = words[getattr(obj, field)]
    return chip(getattr(obj, f"get_{field}_display")(), tone, meaning)


def word(value: str, words: Words, labels: type[Any]) -> SafeString:
    """The chip of a bare state, such as one in a history."""
    if value not in words:
        return chip(value)
    tone, meaning = words[value]
    return chip(labels(value).label, tone, meaning)
