"""Payouts at Xendit, from the reference of its Payouts API v2 and its page on test scenarios."""

from __future__ import annotations

import dataclasses
import hmac
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from gateways.sandbox.provider import Sandbox
from gateways.sandbox.state import Merchant, Payout, now_ms
from gateways.sandbox.web import BadRequest, Request, Response, Route, json_response
from gateways.sandbox.xendit import objects, rules
from gateways.sandbox.xendit.rules import NAME

CHANNELS: Final[dict[str, tuple[str, ...]]] = {
    "IDR": ("ID_BCA", "ID_MANDIRI", "ID_BNI", "ID_BRI", "ID_OVO", "ID_DANA"),
    "PHP": ("PH_BDO", "PH_BPI", "PH_GCASH"),
    "THB": ("TH_SCB",),
    "VND": ("VN_VCB", "VN_VIETCOMBANK", "VN_BIDV"),
    "MYR": ("MY_MAYBANK",),
}
"""Currency -> some of the banks and wallets. The Vietnamese codes are not confirmed."""
WAITING_ACCOUNT: Final = "131313"
"""A payout to it stays ACCEPTED, as at Xendit in test mode."""
FAILING_ACCOUNTS: Final = {
    "121212": "INVALID_DESTINATION",
    "999999": "REJECTED_BY_CHANNEL",
    "98018521": "TRANSFER_ERROR",
    "123456": "TEMPORARY_TRANSFER_ERROR",
}
"""Account number -> the failure_code with which a payout to it ends, as at Xendit in test mode."""
_FROM: Final = {
    "REQUESTED": ("ACCEPTED",),
    "SUCCEEDED": ("ACCEPTED", "REQUESTED"),
    "FAILED": ("ACCEPTED", "REQUESTED"),
    "CANCELLED": ("ACCEPTED",),
    "REVERSED": ("SUCCEEDED",),
}
_STEPS: Final = {
    "request": "REQUESTED", "succeed": "SUCCEEDED", "fail": "FAILED", "cancel": "CANCELLED", "reverse": "REVERSED",
}  # fmt: skip
_TOLD: Final = {"SUCCEEDED": "payout.succeeded", "FAILED": "payout.failed", "REVERSED": "payout.reversed"}
_ACCOUNT: Final = re.compile(r"[0-9A-Za-z+-]{5,34}")


class Payouts:
    """The calls, and what a tester does. `tell` sends a webhook: merchant, reference, event and its object."""

    def __init__(self, sandbox: Sandbox, *, tell: Callable[[str, str, str, dict[str, object]], None]) -> None:
        self.sandbox, self._tell = sandbox, tell

    def routes(self) -> list[Route]:
        """Paths as at Xendit; what is under /control is ours."""
        by_id, by_reference = self._order_of_id, lambda request: request.query.get("reference_id", "")
        return [
            Route(method="POST", path="/v2/payouts", handler=self.create, operation="payout", order_of=_reference_in_body),
            Route(method="GET", path="/v2/payouts", handler=self.listing, operation="payout_query", order_of=by_reference),
            Route(method="GET", path="/v2/payouts/{id}", handler=self.one, operation="payout_query", order_of=by_id),
            Route(method="GET", path="/control/xendit/payouts", handler=self.all),
            Route(method="POST", path="/control/xendit/payouts/{order}/{step}", handler=self.step),
        ]  # fmt: skip

    # --- the merchant ------------------------------------------------------------------------------------------------

    def create(self, request: Request) -> Response:
        """Take a payout over: ACCEPTED, and its end comes later. The same key and body get that answer again."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        fields = _body(request)
        if fields is None:
            return objects.refusal("INVALID_JSON_FORMAT")
        key = request.headers.get("idempotency-key", "")
        if wrong := _wrong(fields, key):
            return objects.refusal("API_VALIDATION_ERROR", wrong)
        if refused := _refused(fields):
            return objects.refusal(refused)
        with self.sandbox.world.lock:
            earlier = self.sandbox.world.payouts.get((NAME, merchant.code, key))
            made = self._made(fields, merchant, key)
            if earlier is not None:
                return self._accepted(earlier) if _same(earlier, made) else objects.refusal("DUPLICATE_ERROR")
            self.sandbox.world.keep(made)
            self.sandbox.world.record("payout", provider=NAME, order=made.order, amount=made.amount)
            answer = self._accepted(made)
            self._end_by_account(made)
        return answer

    def _made(self, fields: Mapping[str, Any], merchant: Merchant, key: str) -> Payout:
        currency, properties = str(fields["currency"]), fields["channel_properties"]
        amount = rules.minor(fields["amount"], currency)
        assert amount is not None, "refused otherwise"
        return Payout(
            provider=NAME, merchant=merchant.code, order=str(fields["reference_id"]), key=key, amount=amount,
            currency=currency, channel=str(fields["channel_code"]), account_number=properties["account_number"],
            account_holder=properties["account_holder_name"], description=str(fields.get("description", "")),
            number=self.sandbox.world.next_number(), created_ms=now_ms(), changed_ms=now_ms(), status="ACCEPTED",
        )  # fmt: skip

    def _accepted(self, payout: Payout) -> Response:
        first = dataclasses.replace(payout, status="ACCEPTED", failure="", changed_ms=payout.created_ms)
        return objects.answer(shown(first))

    def _end_by_account(self, payout: Payout) -> None:
        if payout.account_number != WAITING_ACCOUNT:
            failure = FAILING_ACCOUNTS.get(payout.account_number, "")
            self._move(payout, "FAILED" if failure else "SUCCEEDED", failure=failure)

    def listing(self, request: Request) -> Response:
        """The payouts of a reference, newest first."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        wanted = request.query.get("reference_id", "")
        if not wanted:
            return objects.refusal("API_VALIDATION_ERROR", [("reference_id", "reference_id is required")])
        found = [one for one in self._known() if (one.merchant, one.order) == (merchant.code, wanted)]
        return objects.answer({"data": [shown(one) for one in reversed(found)], "has_more": False})

    def one(self, request: Request) -> Response:
        """One payout."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        found = self._of_id(request.arguments["id"])
        if found is None or found.merchant != merchant.code:
            return objects.refusal("DATA_NOT_FOUND")
        return objects.answer(shown(found))

    # --- the tester --------------------------------------------------------------------------------------------------

    def all(self, request: Request) -> Response:
        """GET /control/xendit/payouts: all payouts, newest first."""
        return json_response({"payouts": [dataclasses.asdict(one) for one in reversed(self._known())]})

    def step(self, request: Request) -> Response:
        """POST /control/xendit/payouts/{order}/request|succeed|fail|cancel|reverse: what its bank does with a payout.

        `?failure=` is the failure_code of a `fail`.
        """
        order, status = request.arguments["order"], _STEPS.get(request.arguments["step"], "")
        found = [one for one in self._known() if one.order == order]
        if not status or not found:
            raise BadRequest(f"needs a payout's reference_id and one of {', '.join(_STEPS)}", status=404)
        failure = request.query.get("failure", "REJECTED_BY_CHANNEL") if status == "FAILED" else ""
        with self.sandbox.world.lock:
            if found[-1].status not in _FROM[status]:
                raise BadRequest(f"the payout is {found[-1].status}", status=409)
            self._move(found[-1], status, failure=failure)
        return json_response(dataclasses.asdict(found[-1]))

    def _move(self, payout: Payout, status: str, *, failure: str = "") -> None:
        payout.status, payout.failure, payout.changed_ms = status, failure, now_ms()
        self.sandbox.world.keep(payout)
        self.sandbox.world.record("payout_moved", provider=NAME, order=payout.order, status=status)
        if status in _TOLD:
            self._tell(payout.merchant, payout.order, _TOLD[status], shown(payout))

    # --- finding -----------------------------------------------------------------------------------------------------

    def _caller(self, request: Request) -> Merchant | None:
        key = rules.key_of(request.headers).encode()
        known = [one for one in self.sandbox.world.merchants.values() if one.provider == NAME]
        return next((one for one in known if key and hmac.compare_digest(key, one.keys["secretKey"].encode())), None)

    def _known(self) -> list[Payout]:
        with self.sandbox.world.lock:
            return [one for one in self.sandbox.world.payouts.values() if one.provider == NAME]

    def _of_id(self, identifier: str) -> Payout | None:
        return next((one for one in self._known() if payout_id(one) == identifier), None)

    def _order_of_id(self, request: Request) -> str:
        found = self._of_id(request.arguments["id"])
        return found.order if found else ""


def payout_id(payout: Payout) -> str:
    """What Xendit calls a payout: 29 characters."""
    return f"disb-{payout.number:024x}"


def shown(payout: Payout) -> dict[str, object]:
    """A payout as the API and the webhooks tell it."""
    told: dict[str, object] = {
        "id": payout_id(payout), "amount": rules.major(payout.amount, payout.currency), "channel_code": payout.channel,
        "currency": payout.currency, "status": payout.status, "description": payout.description,
        "reference_id": payout.order, "created": rules.moment(payout.created_ms), "updated": rules.moment(payout.changed_ms),
        "estimated_arrival_time": rules.moment(payout.created_ms + 900_000), "business_id": payout.merchant,
        "channel_properties": {"account_number": payout.account_number, "account_holder_name": payout.account_holder},
    }  # fmt: skip
    return {**told, "failure_code": payout.failure} if payout.failure else told


def _same(one: Payout, other: Payout) -> bool:
    names = ("order", "amount", "currency", "channel", "account_number", "account_holder", "description")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _wrong(fields: Mapping[str, Any], key: str) -> list[tuple[str, str]]:
    """Paths and texts of what a new payout has wrong, apart from what has an error of its own."""
    wrong = []
    if not 1 <= len(key) <= 100:
        wrong.append(("idempotency-key", "idempotency-key must have 1 to 100 characters"))
    reference, channel = fields.get("reference_id"), fields.get("channel_code")
    if not isinstance(reference, str) or not 1 <= len(reference) <= 255:
        wrong.append(("reference_id", "reference_id must have 1 to 255 characters"))
    if not isinstance(channel, str) or not channel:
        wrong.append(("channel_code", "channel_code is required"))
    properties = fields.get("channel_properties")
    for name in ("account_number", "account_holder_name"):
        value = properties.get(name) if isinstance(properties, dict) else None
        if not isinstance(value, str) or not 1 <= len(value) <= 100:
            wrong.append((f"channel_properties.{name}", f"{name} must have 1 to 100 characters"))
    currency = fields.get("currency")
    if currency not in CHANNELS:
        wrong.append(("currency", "currency is not one of the known ones"))
    elif rules.minor(fields.get("amount"), str(currency)) is None:
        wrong.append(("amount", "amount must be a number that fits the currency"))
    if not isinstance(fields.get("description", ""), str) or len(fields.get("description", "")) > 100:
        wrong.append(("description", "description must have up to 100 characters"))
    return wrong


def _refused(fields: Mapping[str, Any]) -> str | None:
    currency, amount = fields["currency"], Decimal(fields["amount"])
    lowest, highest = rules.IDR_LIMITS if currency == "IDR" else (Decimal("0.01"), Decimal(10**10))
    if fields["channel_code"] not in CHANNELS[currency]:
        return "CHANNEL_CODE_NOT_SUPPORTED_ERROR"
    if not _ACCOUNT.fullmatch(fields["channel_properties"]["account_number"]):
        return "RECIPIENT_ACCOUNT_NUMBER_ERROR"
    if amount < lowest:
        return "RECIPIENT_AMOUNT_ERROR"
    return "MAXIMUM_TRANSFER_LIMIT_ERROR" if amount > highest else None


def _body(request: Request) -> dict[str, Any] | None:
    """The JSON object that was sent, its numbers exact."""
    try:
        value = json.loads(request.body, parse_float=Decimal)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _reference_in_body(request: Request) -> str:
    return str((_body(request) or {}).get("reference_id", ""))
