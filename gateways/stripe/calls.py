"""Calls to Stripe: form in, JSON out, and what its errors let us know.

Source: Stripe's API reference, pages on authentication, idempotent requests, pagination and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.http import HttpClient, Reply
from gateways.stripe import codes, messages

PAGE: Final = 100
MAX_PAGES: Final = 50
"""A list is read this far; what lies beyond makes a question unanswered, never answered with no."""

Fields = Sequence[tuple[str, str]]
"""Form fields, nested names in brackets as Stripe wants them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Stripe's API for one account."""

    client: HttpClient
    endpoint: str
    files_endpoint: str
    secret_key: str = field(repr=False)
    api_version: str

    def post(self, path: str, fields: Fields, *, operation: str, key: str) -> Mapping[str, object]:
        """Change something, once: `key` is the Idempotency-Key. Raises GatewayRejected or GatewayUnavailable."""
        reply = self.client.post_form(
            self.endpoint + path, lambda: fields, operation=operation, headers=self._headers(key)
        )
        return self._data(reply, operation)

    def upload(self, body: bytes, *, content_type: str, operation: str, key: str) -> Mapping[str, object]:
        """Send a file. Raises GatewayRejected or GatewayUnavailable."""
        reply = self.client.post_bytes(
            f"{self.files_endpoint}/v1/files", body, content_type=content_type, operation=operation,
            headers=self._headers(key),
        )  # fmt: skip
        return self._data(reply, operation)

    def get(self, path: str, fields: Fields = (), *, operation: str) -> Mapping[str, object]:
        """Ask. Raises GatewayUnavailable, and GatewayRejected where Stripe has no such thing."""
        reply = self.client.get(self.endpoint + path, fields, operation=operation, headers=self._headers())
        if reply.status not in (200, 404):
            error = refusal(reply, operation)
            raise GatewayUnavailable(str(error), code=error.code, raw=error.raw)
        return self._data(reply, operation)

    def each(self, path: str, fields: Fields, *, operation: str) -> Iterator[Mapping[str, object]]:
        """Every object of a list, as Stripe orders it (newest first). Raises GatewayUnavailable, also for too many."""
        after: Fields = ()
        for _ in range(MAX_PAGES):
            answer = self.get(path, (*fields, ("limit", str(PAGE)), *after), operation=operation)
            rows = answer.get("data")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise GatewayUnavailable(f"stripe {operation}: the answer is no list", code="list")
            yield from rows
            if answer.get("has_more") is not True:
                return
            after = (("starting_after", messages.text_in(rows[-1].get("id")) if rows else ""),)
        raise GatewayUnavailable(f"stripe {operation}: more than {PAGE * MAX_PAGES} objects", code="too_many")

    def _headers(self, key: str = "") -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.secret_key}", "Stripe-Version": self.api_version}
        return {**headers, "Idempotency-Key": key} if key else headers

    def _data(self, reply: Reply, operation: str) -> Mapping[str, object]:
        if reply.status != 200:
            raise refusal(reply, operation)
        if not messages.text_in(reply.data.get("object")):
            raise GatewayUnavailable(f"stripe {operation}: the answer is no object of Stripe's", code="no_object")
        return reply.data


def refusal(reply: Reply, operation: str) -> GatewayRejected | GatewayUnavailable:
    """A definite no where the error proves one, else an unknown outcome.

    A refused card's `raw` has `decline`: {code, message, retryable, advice}, fit for the customer to see, in which a
    bank's suspicion of fraud is a plain decline.
    """
    given = reply.data.get("error")
    error: Mapping[str, object] = given if isinstance(given, Mapping) else {}
    kind, code = messages.text_in(error.get("type")), messages.text_in(error.get("code"))
    decline_code = messages.text_in(error.get("decline_code"))
    shown = decline_code or code or kind or f"http_{reply.status}"
    param = messages.text_in(error.get("param"))
    # Stripe's own sentence may repeat what was sent, keys in part included, so only its codes are told.
    text = f"stripe {operation}: HTTP {reply.status} {shown}{f' ({param[:60]})' if param else ''}"
    raw: dict[str, object] = {"status": reply.status, "error": messages.masked(error)}
    request_id = reply.headers.get("request-id", "")
    if request_id:
        raw["request_id"] = request_id[:60]
    unknown = (
        not error
        or reply.status in codes.NO_ANSWER_STATUSES
        or kind in codes.NO_ANSWER_TYPES
        or code in codes.NO_ANSWER_CODES
    )
    if unknown:
        return GatewayUnavailable(text, code=shown, raw=raw)
    if reply.status == 402:
        raw["decline"] = decline(error)
    return GatewayRejected(text, code=shown, raw=raw, by_payer=reply.status == 402)


def decline(error: Mapping[str, object]) -> dict[str, object]:
    """What a customer may know of a refused card."""
    code, decline_code = messages.text_in(error.get("code")), messages.text_in(error.get("decline_code"))
    meaning = codes.meaning_of(code, decline_code)
    if meaning is codes.Meaning.FRAUD:
        return {"code": "generic_decline", "message": "Your card was declined.", "retryable": False, "advice": ""}
    advice = messages.text_in(error.get("advice_code"))
    return {
        "code": decline_code or code,
        "message": messages.text_in(error.get("message"))[: messages.MAX_TEXT],
        "retryable": meaning in (codes.Meaning.GATEWAY_ERROR, codes.Meaning.BY_CUSTOMER)
        and advice != "do_not_try_again",
        "advice": advice,
    }


def found(ask: Callable[[], Mapping[str, object]]) -> Mapping[str, object] | None:
    """What a question found; None where Stripe says that it has no such thing."""
    try:
        return ask()
    except GatewayRejected as error:
        if error.code == "resource_missing":
            return None
        raise GatewayUnavailable(str(error), code=error.code, raw=error.raw) from error


def segment(identifier: str) -> str:
    """An id as a part of a path."""
    return quote(identifier, safe="")
