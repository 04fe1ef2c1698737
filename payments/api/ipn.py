"""Where gateways tell us what happened: the raw message goes in, the gateway's own words come out.

Plain views without the framework: this is the busiest path, and what is signed are the bytes as they came.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from config.core import clock, context
from config.core.api import problem_response
from gateways.notifications import HttpMessage
from payments.errors import MethodNotFound
from payments.services import accounts, notifications

FIRST_MOMO: Final = "momo"
FIRST_XENDIT: Final = "xendit"
FIRST_FIUU: Final = "fiuu"
FIRST_STRIPE: Final = "stripe"
"""The accounts that the reference systems' paths belong to."""


@csrf_exempt
def webhook(request: HttpRequest, gateway: str, account: str) -> HttpResponse:
    """A message of one gateway to one account of ours."""
    try:
        is_ours = accounts.by_code(account).gateway.code == gateway
    except MethodNotFound:
        is_ours = False
    if not is_ours:
        return problem_response(request, status=404)
    return _take(request, account, methods=("GET", "POST"))


@csrf_exempt
def momo_callback(request: HttpRequest) -> HttpResponse:
    """MoMo's notification under the path of the reference system."""
    return _take(request, FIRST_MOMO, methods=("POST",))


@csrf_exempt
def xendit_webhook(request: HttpRequest) -> HttpResponse:
    """Xendit's webhooks under the path of the reference system."""
    return _take(request, FIRST_XENDIT, methods=("POST",))


@csrf_exempt
def fiuu_webhook(request: HttpRequest) -> HttpResponse:
    """Fiuu's own form, or the JSON of the reference system under whose path this is (ACCEPTANCE E32)."""
    return _take(request, FIRST_FIUU, methods=("POST",))


@csrf_exempt
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """Stripe's events under the path of the reference system."""
    return _take(request, FIRST_STRIPE, methods=("POST",))


def _take(request: HttpRequest, account: str, *, methods: Sequence[str]) -> HttpResponse:
    if request.method not in methods:
        answer: HttpResponse = problem_response(request, status=405)
        answer["Allow"] = ", ".join(methods)
        return answer
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > settings.NOTIFICATION_MAX_BYTES:
        return problem_response(request, status=413 if length.isdigit() else 400)
    try:
        body = request.body
    except UnreadablePostError:  # the gateway hung up; it will come again
        return problem_response(request, status=400)
    message = HttpMessage(
        method=str(request.method),
        path=request.path,
        query=request.META.get("QUERY_STRING", ""),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        received_at=clock.now(),
    )
    try:
        reply = notifications.receive_notification(
            account_code=account, message=message, remote_ip=context.get().ip, at=clock.now()
        )
    except MethodNotFound:
        return problem_response(request, status=HTTPStatus.NOT_FOUND)
    answer = HttpResponse(reply.body, status=reply.status, content_type=reply.content_type)
    if not reply.body:
        del answer["Content-Type"]
    return answer
