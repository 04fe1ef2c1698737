"""Webhook events of Stripe: which of them concern us, and what each one tells.

Source: Stripe's event types and event object. Events come more than once and in any order, and several describe one
payment: all of them name the PaymentIntent, so that its money is counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from gateways.reports import DisputeReport, Report
from gateways.stripe import disputes, messages
from gateways.stripe.messages import Event, Unreadable

THIN: Final = "v2.core.event"
"""Events without a snapshot, which we do not subscribe to."""


def event_of(data: Mapping[str, object], *, livemode: bool) -> Event | None:
    """The event of a verified body; None for a kind we do not read. Raises Unreadable."""
    if data.get("object") == THIN:
        return None
    inside = data.get("data")
    about = inside.get("object") if isinstance(inside, Mapping) else None
    identifier, kind = messages.text_in(data.get("id")), messages.text_in(data.get("type"))
    if data.get("object") != "event" or not identifier or not kind or not isinstance(about, Mapping):
        raise Unreadable("the body is no event of Stripe's")
    if data.get("livemode") is not livemode:
        raise Unreadable("the event is of the other mode, live or test")
    return Event(id=identifier[:100], type=kind, created=messages.number_in(data.get("created")), about=about)


def read(event: Event) -> tuple[Report | DisputeReport, ...]:
    """What an event tells; nothing where it is not about a payment, refund or dispute of ours. Raises Unreadable."""
    reader = READERS.get(event.type)
    return reader(event) if reader else ()


def _intent(event: Event) -> tuple[Report, ...]:
    reference = messages.reference_of(event.about)
    if not reference:
        return ()
    return (
        messages.intent_report(event.about, reference=reference, happened=event.created or None, event_id=event.id),
    )


def _charge(event: Event) -> tuple[Report, ...]:
    reference = messages.reference_of(event.about)  # a charge has its PaymentIntent's metadata
    if not reference or not messages.id_in(event.about.get("payment_intent")):
        return ()
    return (messages.charge_report(event.about, reference=reference, happened=event.created, event_id=event.id),)


def _session(event: Event) -> tuple[Report, ...]:
    reference = messages.reference_of(event.about)
    if not reference:
        return ()
    if event.type == "checkout.session.async_payment_failed":
        return (
            messages.failed_session_report(event.about, reference=reference, happened=event.created, event_id=event.id),
        )
    return (
        messages.session_report(event.about, reference=reference, happened=event.created or None, event_id=event.id),
    )


def _refund(event: Event) -> tuple[Report, ...]:
    return (messages.refund_report(event.about, happened=event.created, event_id=event.id),)


def _dispute(event: Event) -> tuple[DisputeReport, ...]:
    report = disputes.dispute_report(event.about, kind=event.type, happened=event.created, event_id=event.id)
    return (report,) if report else ()


READERS: Final[Mapping[str, Callable[[Event], tuple[Report | DisputeReport, ...]]]] = {
    "payment_intent.processing": _intent,
    "payment_intent.requires_action": _intent,
    "payment_intent.amount_capturable_updated": _intent,
    "payment_intent.succeeded": _intent,
    "payment_intent.payment_failed": _intent,
    "payment_intent.canceled": _intent,
    "charge.succeeded": _charge,
    "charge.captured": _charge,
    "checkout.session.completed": _session,
    "checkout.session.async_payment_succeeded": _session,
    "checkout.session.async_payment_failed": _session,
    "checkout.session.expired": _session,
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.refund.updated": _refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.closed": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.funds_reinstated": _dispute,
}
"""Every event that we read; these are the ones to subscribe to."""
