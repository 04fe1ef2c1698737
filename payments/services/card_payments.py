"""Payments by a card's token: opened like any other, then charged in the same call.

The token was made of the number by the gateway's own form in the customer's browser. A number itself is looked at only
against a sandbox, where it becomes a published test token before anything is written (DESIGN.md 2, decision 11).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction

from config.core import faultpoints, ids, ratelimit
from config.core.ratelimit import Rate
from gateways.abilities import Cards
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import CardAnswer
from gateways.requests import CardRequest
from payments import cards, links
from payments.cards import Card
from payments.errors import (
    CardDeclined,
    CardInvalid,
    CardTokenInvalid,
    GatewayRefused,
    GatewayTimeout,
    GatewayTrouble,
    MethodUnusable,
    RawCardRefused,
    TooManyAttempts,
)
from payments.models import Attempt, AttemptEvent, GatewayAccount, Payment, PaymentMethod
from payments.services import accounts, attempts, checkout, expiry, locks, reports
from payments.services.checkout import NewPayment
from payments.services.hearing import Heard
from payments.states import OPEN_ATTEMPTS, PAYABLE

MAX_CARDS: Final = 10
"""So many refused cards one attempt takes: more are somebody trying out numbers."""
REFUSED: Final = "card refused: "
PLAIN: Final = "generic_decline"
LOOK_RATE: Final = Rate(per_second=0.5, burst=2)
"""How often a gateway is asked about one attempt, however often somebody looks."""
NOT_A_TEST_CARD: Final[Mapping[str, object]] = {
    "code": "card_declined",
    "decline_code": "test_mode_live_card",
    "message": "Your card was declined: this sandbox takes test cards only.",
    "retryable": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPayment:
    """A payment by card as it is now. `gateway_status` is the gateway's own word where it was asked.

    `next_action` and `client_secret` are for the payer's browser: handed on, never stored.
    """

    payment: Payment
    attempt: Attempt
    gateway_status: str = ""
    next_action: Mapping[str, object] | None = None
    client_secret: str = field(default="", repr=False)
    is_replay: bool = False

    @property
    def redirect_url(self) -> str:
        """Where the cardholder proves who they are; empty where nobody asks for it."""
        target = (self.next_action or {}).get("redirect_to_url")
        url = target.get("url") if isinstance(target, Mapping) else ""
        return url if isinstance(url, str) else ""


def gateway_of(method: PaymentMethod) -> Cards:
    """The adapter that charges cards for a method. Raises MethodUnusable for one that does not."""
    gateway = accounts.of(method.account)
    if not isinstance(gateway, Cards):
        raise MethodUnusable("This payment method does not charge cards.", field="card_token")
    return gateway


def token_of(card: Card, method: PaymentMethod, *, at: datetime) -> str:
    """The test token that stands for a card's number, in memory.

    Raises RawCardRefused unless ALLOW_RAW_CARD_DATA is on and the account is a test one at a sandbox; CardInvalid for
    what cannot be a card, CardDeclined for a number that is no test card's.
    """
    digits = cards.digits_of(card.number) or ""
    is_allowed = settings.ALLOW_RAW_CARD_DATA and method.account.mode == GatewayAccount.Mode.TEST
    token = gateway_of(method).test_token(digits) if is_allowed else None
    if token is None:
        raise RawCardRefused(
            "Card numbers are not taken here. Let the provider's form make a token of it, and send card_token.",
            field="card",
        )
    verdict = cards.validate(card, at=at)
    if not verdict.is_valid:
        raise CardInvalid(
            "This card cannot be charged.", field="card", facts={"reasons": [str(one) for one in verdict.reasons]}
        )
    if not token:
        raise CardDeclined("The card was refused.", facts={"decline": dict(NOT_A_TEST_CARD)})
    return token


def pay(*, wish: NewPayment, token: str, at: datetime) -> CardPayment:
    """Open a payment of an order, or go on with the open one, and charge a card by its token.

    Raises what create_payment raises; CardDeclined and CardTokenInvalid, after which another card may be tried;
    TooManyAttempts, GatewayTimeout: unknown, and asked about.
    """
    gateway = gateway_of(wish.method)
    opened = checkout.create_payment(wish=dataclasses.replace(wish, channel=gateway.card_channel), at=at)
    payment, attempt = opened.payment, opened.attempt
    if payment.status not in PAYABLE or attempt.status not in OPEN_ATTEMPTS:
        return CardPayment(payment=payment, attempt=attempt, is_replay=True)
    if attempt.history.filter(reason__startswith=REFUSED).count() >= MAX_CARDS:
        raise TooManyAttempts("Too many cards were refused for this payment.", facts={"payment_id": payment.id})
    request = _request(attempt, token=token, operation=_operation(wish, token))
    faultpoints.reach("card.asked")
    answer = _charge(gateway, request, payment, attempt, at=at)
    faultpoints.reach("card.charged")
    return _believe(answer, attempt, at=at, is_replay=opened.is_replay)


def look(*, payment: Payment, actor: str, at: datetime) -> CardPayment:
    """A payment as it is now, after asking the gateway if it is still open. Raises MethodUnusable without an attempt
    at a gateway that charges cards."""
    attempt = _card_attempt(payment)
    if payment.status not in PAYABLE or attempt.status not in OPEN_ATTEMPTS or not attempt.gateway_transaction_id:
        return CardPayment(payment=payment, attempt=attempt)
    if ratelimit.wait_seconds(scope="card-look", client=attempt.id, rate=LOOK_RATE):
        return CardPayment(payment=payment, attempt=attempt)
    gateway = accounts.of(attempt.account)
    assert isinstance(gateway, Cards), "_card_attempt found one that is"
    if attempt.used_channel != gateway.card_channel:
        return CardPayment(payment=expiry.refresh(payment_id=payment.id, actor=actor, at=at), attempt=_fresh(attempt))
    try:
        answer = gateway.look_at_card(_request(attempt))
    except GatewayUnavailable:
        return CardPayment(payment=payment, attempt=attempt)  # as we know it; the poll goes on
    return _believe(answer, attempt, at=at)


def _card_attempt(payment: Payment) -> Attempt:
    rows = payment.attempts.select_related("account", "method").order_by("-number")
    for attempt in rows:
        if isinstance(accounts.of(attempt.account), Cards):
            return attempt
    raise MethodUnusable("This payment is not by card.", facts={"payment_id": payment.id})


def _request(attempt: Attempt, *, token: str = "", operation: str = "") -> CardRequest:
    return CardRequest(
        reference=attempt.gateway_reference,
        gateway_transaction_id=attempt.gateway_transaction_id,
        payment_method=token,
        operation_id=f"{attempt.gateway_reference}-{operation}",
        return_url=links.gateway_return(attempt.account),
    )


def _operation(wish: NewPayment, token: str) -> str:
    """What makes a repeated request the same try: the caller's key. Without one each request is a try of its own, and
    the gateway still takes the money of one payment once."""
    if not wish.idempotency_key:
        return ids.crockford(ids.uuid7_int())
    return hashlib.sha256("\n".join((wish.client, wish.idempotency_key, token)).encode()).hexdigest()[:26]


def _charge(gateway: Cards, request: CardRequest, payment: Payment, attempt: Attempt, *, at: datetime) -> CardAnswer:
    facts = {"payment_id": payment.id, "transaction_id": attempt.id}
    try:
        return gateway.confirm_card(request)
    except GatewayRejected as error:
        if error.by_payer:
            _note_refusal(attempt, error.code, at=at)
            raise CardDeclined(
                "The card was refused; another one may work.", facts={**facts, "decline": decline_of(error)}
            ) from error
        told = error.raw.get("error")
        if isinstance(told, Mapping) and told.get("param") == "payment_method":
            raise CardTokenInvalid("There is no such card token.", field="card_token", facts=facts) from error
        raise GatewayRefused("The payment provider refused this payment.", facts=facts) from error
    except GatewayUnavailable as error:
        if error.never_sent:
            raise GatewayTrouble("The payment provider cannot be reached; try again.", facts=facts) from error
        raise GatewayTimeout("The payment provider did not answer in time; we are asking it.", facts=facts) from error


def decline_of(error: GatewayRejected) -> dict[str, object]:
    """What a cardholder may know of a refusal: a bank's suspicion of fraud is a plain decline."""
    shown, told = error.raw.get("decline"), error.raw.get("error")
    decline: Mapping[str, object] = shown if isinstance(shown, Mapping) else {}
    raw: Mapping[str, object] = told if isinstance(told, Mapping) else {}
    reason = str(decline.get("code") or PLAIN)
    is_told = reason in (raw.get("decline_code"), raw.get("code"))  # else it is in other words than the bank's
    return {
        "code": str(raw.get("code") or "card_declined") if is_told else "card_declined",
        "decline_code": reason,
        "message": str(decline.get("message") or "Your card was declined."),
        "retryable": bool(decline.get("retryable")),
    }


@transaction.atomic(durable=True)
def _note_refusal(attempt: Attempt, code: str, *, at: datetime) -> None:
    """A line in the attempt's history, with the bank's own word for staff; the attempt stays open for another card."""
    locks.payment(attempt.payment_id)
    fresh = _fresh(attempt)
    attempts.note(fresh, fresh.status, source=AttemptEvent.Source.API, at=at, reason=f"{REFUSED}{code}"[:250])


def _believe(answer: CardAnswer, attempt: Attempt, *, at: datetime, is_replay: bool = False) -> CardPayment:
    reports.apply_report(
        report=answer.report, heard=Heard(account=attempt.account, source=AttemptEvent.Source.API, at=at)
    )
    payment = Payment.objects.select_related("order", "method").get(id=attempt.payment_id)
    is_open = payment.status in PAYABLE
    return CardPayment(
        payment=payment,
        attempt=_fresh(attempt),
        gateway_status=answer.status,
        next_action=answer.next_action if is_open else None,
        client_secret=answer.client_secret if is_open else "",
        is_replay=is_replay,
    )


def _fresh(attempt: Attempt) -> Attempt:
    row: Attempt = Attempt.objects.select_related("account", "method").get(id=attempt.id)
    return row
