"""One-time codes: asked for and confirmed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.core import auth, clock, metrics, ratelimit
from config.core.api import StrictSerializer
from config.core.idempotency import read_key
from payments.api import access, docs
from payments.models import OtpChallenge
from payments.services import otp

TAG: Final = "One-time codes"
SCOPE: Final = "otp"
ANSWER_SECONDS: Final = 0.1
"""No answer comes sooner: sending a code takes longer than finding that there is nothing to send."""


class NewOtpIn(StrictSerializer):
    """For which payment, and how it is sent."""

    payment_id = serializers.CharField(max_length=40)
    channel = serializers.ChoiceField(
        choices=OtpChallenge.Channel.choices, default=OtpChallenge.Channel.EMAIL, help_text="SMS is not available yet."
    )


class OtpAskedOut(serializers.Serializer[Any]):
    """The same whether a code was sent or not."""

    challenge_id = serializers.CharField()
    expires_at = serializers.DateTimeField()


class OtpTryIn(StrictSerializer):
    """The code that the customer read."""

    payment_id = serializers.CharField(max_length=40)
    otp = serializers.RegexField(r"^[0-9]{6}\Z", max_length=6, help_text="Six digits.")


class OtpValidOut(serializers.Serializer[Any]):
    """The code was right."""

    valid = serializers.BooleanField()


class AskForOtp(APIView):
    """Sends a code to the buyer of a payment's order."""

    permission_classes = [access.own_or("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="Ask for a one-time code",
        about=(
            "Sends six digits to the e-mail address of the order's buyer, good for five minutes and five tries; the code "
            "before it ends. The answer is the same for a payment that is not there, not yours, or over."
        ),
        body=NewOtpIn,
        answer=OtpAskedOut,
        status=202,
        examples=[
            docs.sent("By e-mail", {"payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8", "channel": "email"}),
            docs.answered(
                "Asked",
                {"challenge_id": "otp_06dq0r0000vbd9w5t2dvhm71m9", "expires_at": "2026-11-21T04:05:00Z"},
                status=202,
            ),
        ],
        is_keyed=True,
        name="payments_otp",
    )
    def post(self, request: Request) -> Response:
        """Ask."""
        caller = auth.caller_of(request)
        read_key(request, required=False)  # sent again, a new code is what is wanted
        reader = NewOtpIn(data=request.data)
        reader.is_valid(raise_exception=True)
        body = reader.validated_data
        _slow_down(caller, body["payment_id"], deed="ask")
        with _evenly():
            asked = otp.ask(
                payment_id=body["payment_id"],
                payments=access.payments_of(caller),
                channel=body["channel"],
                actor=caller.actor,
                at=clock.now(),
            )
        return Response(OtpAskedOut(asked).data, status=202)


class ValidateOtp(APIView):
    """Takes a code back."""

    permission_classes = [access.own_or("payments:write")]

    @docs.operation(
        tag=TAG,
        summary="Confirm a one-time code",
        about="A wrong code is 422 `otp_invalid` with `tries_left`: 0 when a new code is needed.",
        body=OtpTryIn,
        answer=OtpValidOut,
        examples=[
            docs.sent("The code", {"payment_id": "pay_06dq0qg5wnvbd9w5t2dvhm71m8", "otp": "042917"}),
            docs.answered("It was right", {"valid": True}),
        ],
        is_keyed=True,
        name="payments_validate",
    )
    def post(self, request: Request) -> Response:
        """Try the code."""
        caller = auth.caller_of(request)
        read_key(request, required=False)
        reader = OtpTryIn(data=request.data)
        reader.is_valid(raise_exception=True)
        body = reader.validated_data
        _slow_down(caller, body["payment_id"], deed="try")
        with _evenly():
            otp.check(
                payment_id=body["payment_id"],
                payments=access.payments_of(caller),
                code=body["otp"],
                actor=caller.actor,
                at=clock.now(),
            )
        return Response(OtpValidOut({"valid": True}).data)


@contextmanager
def _evenly() -> Iterator[None]:
    """Let a question take the same time whatever is found, so that the clock tells nobody what the answer does not."""
    began = time.monotonic()
    try:
        yield
    finally:
        time.sleep(max(0.0, began + ANSWER_SECONDS - time.monotonic()))


def _slow_down(caller: auth.Caller, payment_id: str, *, deed: str) -> None:
    """Raises Throttled, and Unavailable while nobody can count: a code that may be guessed without end is none.

    Customers are counted as a whole, services per payment: they ask for all of their customers.
    """
    client = caller.client if caller.kind == "customer" else f"{caller.client}:{payment_id}"
    wait = ratelimit.wait_seconds(
        scope=SCOPE, client=f"{deed}:{client}", rate=ratelimit.rate_of(SCOPE), fail_closed=True
    )
    if wait:
        metrics.rate_limited(client_class=caller.kind)
        raise exceptions.Throttled(wait=wait)
