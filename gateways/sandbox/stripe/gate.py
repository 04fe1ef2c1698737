"""What stands before every call of Stripe's API: whose key it is, and whether the same call was made before."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateways.sandbox.state import Merchant, World
from gateways.sandbox.stripe import form
from gateways.sandbox.stripe.rules import NAME, VERSION, error
from gateways.sandbox.web import Request, Response

NOT_KEPT: Final = frozenset({400, 401, 404, 409, 429})
"""Answers to calls that were not begun: the key is free again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that was let in. `public`: it came with the publishable key, as a browser's does."""

    merchant: Merchant
    fields: dict[str, Any]
    arguments: dict[str, str]
    request: Request
    public: bool = False

    @property
    def id(self) -> str:
        """The id in the path."""
        return self.arguments.get("id", "")


Handler = Callable[[Call], Response]


class Gate:
    """Keys and idempotency."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], tuple[tuple[str, bytes], Response | None]] = {}

    def get(self, handler: Handler, *, public: bool = False) -> Callable[[Request], Response]:
        """A call that asks."""
        return lambda request: self.marked(self._let_in(request, handler, public=public))

    def post(self, handler: Handler, *, public: bool = False) -> Callable[[Request], Response]:
        """A call that changes something: its Idempotency-Key gets one answer."""
        return lambda request: self.marked(self._once(request, handler, public=public))

    def _once(self, request: Request, handler: Handler, *, public: bool) -> Response:
        key = request.headers.get("idempotency-key", "")
        if not key:
            return self._let_in(request, handler, public=public)
        place, what = (request.headers.get("authorization", ""), key), (request.path, request.body)
        with self._lock:
            known = self._answers.get(place)
            if known is None:
                self._answers[place] = (what, None)
        if known is not None:
            return _again(known, what)
        kept: Response | None = None
        try:
            response = self._let_in(request, handler, public=public)
            kept = None if response.status in NOT_KEPT else response
        finally:
            with self._lock:
                if kept is None:
                    del self._answers[place]
                else:
                    self._answers[place] = (what, kept)
        return response

    def _let_in(self, request: Request, handler: Handler, *, public: bool) -> Response:
        key = _key_of(request.headers.get("authorization", ""))
        merchant, is_public = self._merchant(key)
        if merchant is None or (is_public and not public):
            return error(401, message="Invalid API Key provided", kind="invalid_request_error")
        try:
            is_form = "multipart" not in request.headers.get("content-type", "")
            fields = (
                form.of_body(request.body)
                if request.method == "POST" and is_form
                else form.parse(request.query.items())
            )
        except ValueError as problem:
            return error(400, message=f"Invalid parameter name: {problem}", code="parameter_unknown")
        return handler(
            Call(merchant=merchant, fields=fields, arguments=dict(request.arguments), request=request, public=is_public)
        )

    def _merchant(self, key: str) -> tuple[Merchant | None, bool]:
        for (provider, _), merchant in list(self._world.merchants.items()):
            if provider == NAME:
                for name in ("secretKey", "publishableKey"):
                    if hmac.compare_digest(merchant.keys[name].encode(), key.encode()):
                        return merchant, name == "publishableKey"
        return None, False

    def marked(self, response: Response) -> Response:
        """The answer with its own number, which every one of Stripe's has."""
        headers = {"Request-Id": f"req_Sbx{self._world.next_number()}", "Stripe-Version": VERSION, **response.headers}
        return dataclasses.replace(response, headers=headers)


def _again(known: tuple[tuple[str, bytes], Response | None], what: tuple[str, bytes]) -> Response:
    first, answer = known
    if first != what:
        return error(
            400,
            kind="idempotency_error",
            message="This idempotency key was used with other parameters or another path.",
        )
    if answer is None:
        return error(
            409, code="idempotency_key_in_use", kind="idempotency_error", message="A call with this key is under way."
        )
    return dataclasses.replace(answer, headers={**answer.headers, "Idempotent-Replayed": "true"})


def _key_of(authorization: str) -> str:
    """The key of a Bearer or Basic header."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return rest.strip() if scheme.lower() == "bearer" else ""
