"""One-time codes for payments: asked for, sent by e-mail, tried, and what a right one allows.

A code is bound to its payment, the amount, the currency and who gets the money (as PSD2's dynamic linking has it, RTS
2018/389 Article 5): were one of them to change, it would no longer fit. Who asks learns nothing about payments that are
not theirs: the answer is the same whether a code was sent or not.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from config.core import audit, crypto, ids, metrics
from config.core.money import Money
from payments.errors import OtpChannelUnavailable, OtpInvalid, OtpRequired
from payments.models import EmailMessageLog, OtpChallenge, Payment
from payments.models.otp import MAX_TRIES
from payments.services import emails, locks
from payments.states import PAYABLE

DIGITS: Final = 6
LIFETIME: Final = timedelta(minutes=5)
MAX_CODES_PER_PAYMENT: Final = 10
"""With five tries each a stranger's chance to guess one is 1 in 20,000 for the whole life of a payment."""
PURPOSE: Final = "otp"

S, Channel = OtpChallenge.Status, OtpChallenge.Channel
_PAYMENT_ID: Final = re.compile(rf"pay_[{ids.ALPHABET}]{{26}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What whoever asks for a code is told. There may be no such challenge."""

    challenge_id: str
    expires_at: datetime


def ask(*, payment_id: str, payments: QuerySet[Payment], channel: str, actor: str, at: datetime) -> Asked:
    """Send a code for a payment that is among `payments` and can be paid; the one before it ends.

    The answer says nothing about whether that was so. Raises OtpChannelUnavailable.
    """
    if channel != Channel.EMAIL:
        raise OtpChannelUnavailable("One-time codes are sent by e-mail only.", field="channel")
    asked = Asked(challenge_id=ids.otp_id(), expires_at=at + LIFETIME)
    is_theirs = payments.filter(id=payment_id).exists()
    _issue(asked, payment_id=payment_id, is_theirs=is_theirs, channel=Channel.EMAIL, actor=actor, at=at)
    return asked


def check(*, payment_id: str, payments: QuerySet[Payment], code: str, actor: str, at: datetime) -> OtpChallenge:
    """Try a code. Raises OtpInvalid with the tries left: 0 also where there is no code that could be tried."""
    challenge = _try(payment_id, code, actor=actor, at=at) if payments.filter(id=payment_id).exists() else None
    if challenge is not None and challenge.status == S.PASSED:
        return challenge
    left = challenge.tries_left if challenge else 0
    raise OtpInvalid("The code is not right, or can no longer be used.", field="otp", facts={"tries_left": left})


def is_needed(amount: Money) -> bool:
    """Whether paying this much needs a code (OTP_REQUIRED_ABOVE)."""
    limit = settings.OTP_REQUIRED_ABOVE.get(amount.currency)
    return limit is not None and amount > Money.parse(limit, amount.currency)


def is_confirmed(payment: Payment) -> bool:
    """Whether nothing keeps a payment from being tried: it needs no code, or the right one was given for what it is now."""
    if not is_needed(payment.amount):
        return True
    passed = payment.otp_challenges.filter(
        status=S.PASSED, amount_minor=payment.amount_minor, currency=payment.currency, payee=payee_of(payment)
    )
    return bool(passed.exists())


def required(payment: Payment) -> OtpRequired:
    """The refusal to try a payment that waits for its code."""
    channels = [Channel.EMAIL.value] if payment.order.buyer_email else []
    return OtpRequired(
        "Paying this much needs a one-time code. Ask for one, confirm it, and send the same request again.",
        facts={"payment_id": payment.id, "channels": channels},
    )


def payee_of(payment: Payment) -> str:
    """Who gets the money: SHA-256 of the platform and the shops that the order pays."""
    shops = payment.order.shop_orders.filter(is_owed=True).order_by("shop_id").values_list("shop_id", flat=True)
    return hashlib.sha256("\n".join([settings.PLATFORM_ID, *shops.distinct()]).encode()).hexdigest()


@transaction.atomic(durable=True)
def _issue(
    asked: Asked, *, payment_id: str, is_theirs: bool, channel: OtpChallenge.Channel, actor: str, at: datetime
) -> None:
    """Make the challenge and promise its letter, or note that nothing was sent: one commit either way."""
    payment = locks.payment(payment_id) if is_theirs else None
    why_not = _why_not(payment, at=at)
    if payment is None or why_not:
        metrics.otp(channel=channel, outcome="withheld")
        audit.record(
            actor=actor, action="otp.withheld", object_type="payment", reason=why_not,
            object_id=payment_id if _PAYMENT_ID.fullmatch(payment_id) else "",
        )  # fmt: skip
        return
    for old in payment.otp_challenges.filter(channel=channel, status=S.LIVE):
        old.end(S.REPLACED if at < old.expires_at else S.EXPIRED, at=at)
        old.save(update_fields=["status", "ended_at", "sealed_code"])
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    challenge = OtpChallenge(
        id=asked.challenge_id,
        payment=payment,
        channel=channel,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        payee=payee_of(payment),
        sealed_code=code,
        created_at=at,
        expires_at=asked.expires_at,
    )
    challenge.code_hash = crypto.blind_index(_bound(challenge, code), purpose=PURPOSE)
    challenge.save(force_insert=True)
    emails.queue(payment, EmailMessageLog.Kind.OTP, at=at, suffix=f":{challenge.id}")
    metrics.otp(channel=channel, outcome="issued")
    audit.record(
        actor=actor, action="otp.issued", object_type="payment", object_id=payment.id,
        after={"challenge": challenge.id, "channel": channel, "amount_minor": challenge.amount_minor,
               "currency": challenge.currency},
    )  # fmt: skip


def _why_not(payment: Payment | None, *, at: datetime) -> str:
    if payment is None:
        return "no such payment of theirs"
    if payment.status not in PAYABLE or payment.expires_at <= at:
        return "it cannot be paid any more"
    if not payment.order.buyer_email:
        return "the order has no e-mail address"
    if payment.otp_challenges.count() >= MAX_CODES_PER_PAYMENT:
        return "too many codes were asked for"
    return ""


@transaction.atomic(durable=True)
def _try(payment_id: str, code: str, *, actor: str, at: datetime) -> OtpChallenge | None:
    """Spend a try on the live challenge, under the payment's lock; None where there is none that can be used."""
    payment = locks.payment(payment_id)
    challenge: OtpChallenge | None = payment.otp_challenges.filter(status=S.LIVE).order_by("-created_at").first()
    if challenge is None or payment.status not in PAYABLE:
        metrics.otp(channel=Channel.EMAIL, outcome="none")
        return None
    if not challenge.is_usable(at=at):
        challenge.end(S.EXPIRED, at=at)
        challenge.save(update_fields=["status", "ended_at", "sealed_code"])
        metrics.otp(channel=challenge.channel, outcome="none")
        return challenge
    challenge.tries += 1
    if _fits(challenge, payment, code):
        challenge.end(S.PASSED, at=at)
    elif challenge.tries >= MAX_TRIES:
        challenge.end(S.FAILED, at=at)
    challenge.save(update_fields=["tries", "status", "ended_at", "sealed_code"])
    _note_try(challenge, actor=actor)
    return challenge


def _note_try(challenge: OtpChallenge, *, actor: str) -> None:
    has_passed = challenge.status == S.PASSED
    metrics.otp(channel=challenge.channel, outcome="passed" if has_passed else "wrong")
    audit.record(
        actor=actor, action="otp.passed" if has_passed else "otp.wrong", object_type="payment",
        object_id=challenge.payment_id, after={"challenge": challenge.id, "tries": challenge.tries},
    )  # fmt: skip


def _fits(challenge: OtpChallenge, payment: Payment, code: str) -> bool:
    """Whether a code is this challenge's and the payment is still what it was sent for. Compared in constant time."""
    now = OtpChallenge(
        id=challenge.id,
        payment=payment,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        payee=payee_of(payment),
    )
    hashes = crypto.blind_indexes(_bound(now, code), purpose=PURPOSE)
    return any(hmac.compare_digest(one, challenge.code_hash) for one in hashes)


def _bound(challenge: OtpChallenge, code: str) -> str:
    """What is hashed: the code with all that it is good for."""
    return "|".join(
        (challenge.id, challenge.payment_id, str(challenge.amount_minor), challenge.currency, challenge.payee, code)
    )
