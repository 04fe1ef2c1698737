"""Xendit's API, from its reference: invoices, refunds, and the reading half of payments v3 and sessions."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from gateways.sandbox.delivery import Parcel
from gateways.sandbox.faults import Fault
from gateways.sandbox.provider import Outcome, Sandbox
from gateways.sandbox.state import Merchant, Payment, Refund, Stage, now_ms
from gateways.sandbox.web import BadRequest, Request, Response
from gateways.sandbox.xendit import objects, rules
from gateways.sandbox.xendit.lifecycle import Lifecycle, offered
from gateways.sandbox.xendit.rules import NAME


class Api:
    """The calls. `settle` ends an invoice and tells the merchant, `notification` is the message about one,
    `tell_refund` sends a refund's end after so many seconds.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        lifecycle: Lifecycle,
        *,
        settle: Callable[[Payment, Outcome], None],
        notification: Callable[[Payment, str], Parcel],
        tell_refund: Callable[[Refund, Payment, float], None],
    ) -> None:
        self.sandbox, self.lifecycle = sandbox, lifecycle
        self._settle, self._notification, self._tell_refund = settle, notification, tell_refund
        self.page_size = 100
        """So many refunds at most are on one page of a list."""

    # --- invoices ----------------------------------------------------------------------------------------------------

    def create(self, request: Request) -> Response:
        """Open an invoice. A repeated external_id makes another one, as at Xendit."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        fields = _body(request)
        if fields is None:
            return objects.refusal("INVALID_JSON_FORMAT")
        if fields.get("currency", "IDR") not in rules.INVOICE_CURRENCIES:
            return objects.refusal("UNSUPPORTED_CURRENCY")
        if wrong := rules.wrong_invoice(fields):
            return objects.refusal("API_VALIDATION_ERROR", wrong)
        if refused := _outside_limits(fields):
            return objects.refusal(refused)
        payment = self._open(fields, merchant)
        self.sandbox.world.record("created", provider=NAME, order=payment.order, amount=payment.amount)
        if self.sandbox.faults.take("create", payment.order, frozenset({Fault.IPN_BEFORE_REPLY})):
            self.lifecycle.end(payment, Outcome.PAY)
            self.sandbox.courier.deliver_now([self._notification(payment, "genuine")])
        elif self.sandbox.settings.autopay:
            self._settle(payment, Outcome.PAY)
        return self._invoice(payment)

    def _open(self, fields: Mapping[str, Any], merchant: Merchant) -> Payment:
        world, reference = self.sandbox.world, str(fields["external_id"])
        currency = str(fields.get("currency", "IDR"))
        with world.lock:
            earlier = len(self._of_reference(merchant, reference))
            identifier, amount = secrets.token_hex(12), rules.minor(fields["amount"], currency)
            assert amount is not None, "checked by wrong_invoice"
            payment = Payment(
                provider=NAME, merchant=merchant.code, order=f"{reference}~{earlier + 1}" if earlier else reference,
                amount=amount, currency=currency, token=identifier, created_ms=now_ms(),
                expires_ms=now_ms() + int(fields.get("invoice_duration", 86_400)) * 1000,
                description=str(fields.get("description", "")), return_url=str(fields.get("success_redirect_url", "")),
                notify_url=merchant.keys.get("webhookUrl", ""),
                language="en" if fields.get("locale") == "en" else "vi", changed_ms=now_ms(),
                fields={
                    "id": identifier, "external_id": reference, "payment_methods": fields.get("payment_methods", []),
                    "failure_redirect_url": fields.get("failure_redirect_url", ""), "payment_method": "",
                    "payment_channel": "", "merchant_name": merchant.keys.get("name") or "Sandbox shop",
                },
            )  # fmt: skip
            world.keep(payment)
        return payment

    def invoices(self, request: Request) -> Response:
        """The invoices of an external_id, newest first, as a bare list."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        found = self._of_reference(merchant, request.query.get("external_id", ""))
        with self.sandbox.world.lock:
            for payment in found:
                self.lifecycle.expire_if_due(payment)
            return objects.answer([objects.invoice(one, self._url) for one in reversed(found)])

    def invoice(self, request: Request) -> Response:
        """One invoice."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        payment = self._of_id(merchant, request.arguments["id"])
        if payment is None:
            return objects.refusal("INVOICE_NOT_FOUND_ERROR")
        with self.sandbox.world.lock:
            self.lifecycle.expire_if_due(payment)
            return self._invoice(payment)

    def expire(self, request: Request) -> Response:
        """Close one that is pending; any other is refused."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        payment = self._of_id(merchant, request.arguments["id"])
        if payment is None:
            return objects.refusal("INVOICE_NOT_FOUND_ERROR")
        try:
            self._settle(payment, Outcome.EXPIRE)
        except BadRequest:
            return objects.refusal("API_VALIDATION_ERROR", [("status", "only a pending invoice can be expired")])
        return self._invoice(payment)

    def v3_payment(self, request: Request) -> Response:
        """A payment as API v3 tells it; the version must be named."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        if not request.headers.get("api-version"):
            return objects.refusal("API_VALIDATION_ERROR", [("api-version", "api-version is required")])
        wanted = request.arguments["id"]
        for payment in self._mine(merchant):
            if payment.transactions and objects.payment_id(payment) == wanted:
                return objects.answer(objects.v3_payment(payment))
        return objects.refusal("DATA_NOT_FOUND")

    def session(self, request: Request) -> Response:
        """A payment session, which is what some payments of API v3 came by."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        payment = self.sandbox.world.payment_by_token(request.arguments["id"].removeprefix("ps-"))
        if payment is None or payment.merchant != merchant.code or "is_v3" not in payment.fields:
            return objects.refusal("DATA_NOT_FOUND")
        return objects.answer(objects.session(payment))

    # --- refunds -----------------------------------------------------------------------------------------------------

    def refund(self, request: Request) -> Response:
        """Take a refund over. The same idempotency-key and body get the first answer again."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        fields = _body(request)
        if fields is None:
            return objects.refusal("INVALID_JSON_FORMAT")
        if wrong := rules.wrong_refund(fields):
            return objects.refusal("API_VALIDATION_ERROR", wrong)
        with self.sandbox.world.lock:
            payment = self._refunded_payment(merchant, fields)
            if payment is None:
                return objects.refusal("TRANSACTION_NOT_FOUND")
            key = request.headers.get("idempotency-key", "")
            amount = rules.minor(fields.get("amount", rules.major(payment.amount, payment.currency)), payment.currency)
            earlier = next((one for one in self.sandbox.world.refunds_of(payment) if key and one.request == key), None)
            if earlier is not None:
                same = (earlier.order, earlier.amount) == (fields["reference_id"], amount)
                return self._refund_answer(earlier, payment) if same else objects.refusal("IDEMPOTENCY_ERROR")
            if refused := self._refund_refused(merchant, payment, fields, amount):
                return objects.refusal(refused)
            assert amount is not None, "refused otherwise"
            made, wait = self._book_refund(payment, str(fields["reference_id"]), key, amount)
        self.sandbox.world.record(
            "refund", provider=NAME, order=made.order, payment=payment.order, amount=amount, done=False
        )
        self._tell_refund(made, payment, wait)
        return self._refund_answer(made, payment)

    def _refund_refused(
        self, merchant: Merchant, payment: Payment, fields: Mapping[str, Any], amount: int | None
    ) -> str | None:
        refunds = self.lifecycle.refunds_of(payment)
        gone = sum(one.amount for one in refunds if one.stage in (Stage.PAID, Stage.PENDING))
        by_channel = {channel: can for _, channel, _, can in offered(payment)}
        if fields.get("currency", payment.currency) != payment.currency or amount is None or amount <= 0:
            return "INVALID_AMOUNT"
        if not payment.transactions:
            return "INELIGIBLE_TRANSACTION_STATUS"
        if not by_channel.get(payment.fields["payment_channel"], True):
            return "REFUND_NOT_SUPPORTED"
        if (NAME, merchant.code, str(fields["reference_id"])) in self.sandbox.world.refunds:
            return "DUPLICATE_ERROR"
        if any(one.stage is Stage.PENDING for one in refunds):
            return "REFUND_IN_PROGRESS"
        return "REFUND_AMOUNT_EXCEEDED" if gone + amount > payment.transactions[-1].amount else None

    def _book_refund(self, payment: Payment, reference: str, key: str, amount: int) -> tuple[Refund, float]:
        world = self.sandbox.world
        slow = self.sandbox.faults.take("refund", reference, frozenset({Fault.REFUND_PENDING}))
        wait = slow[Fault.REFUND_PENDING].seconds if slow else 0.0
        made = Refund(
            provider=NAME, merchant=payment.merchant, order=reference, payment=payment.order, request=key,
            transaction=payment.transactions[-1].number, amount=amount, number=world.next_number(), created_ms=now_ms(),
            stage=Stage.PENDING, code=0, done_after_ms=now_ms() + int(wait * 1000),
        )  # fmt: skip
        world.keep(made)
        return made, wait

    def _refund_answer(self, made: Refund, payment: Payment) -> Response:
        return objects.answer(objects.refund(made, payment, status="PENDING"))

    def refunds(self, request: Request) -> Response:
        """The refunds of one invoice or payment request, oldest first."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        payment = self._refunded_payment(merchant, request.query)
        found = self.lifecycle.refunds_of(payment) if payment else []
        after = request.query.get("after_id", "")
        ids = [objects.refund_id(one) for one in found]
        found = found[ids.index(after) + 1 :] if after in ids else found
        page = found[: min(int(request.query.get("limit", "10")), self.page_size)]
        data = [objects.refund(one, payment) for one in page] if payment else []
        return objects.answer({"data": data, "has_more": len(page) < len(found)})

    def refund_by_id(self, request: Request) -> Response:
        """One refund."""
        merchant = self._caller(request)
        if merchant is None:
            return objects.refusal("INVALID_API_KEY")
        made = self.refund_of_id(request.arguments["id"])
        if made is None or made.merchant != merchant.code:
            return objects.refusal("DATA_NOT_FOUND")
        with self.sandbox.world.lock:
            self.lifecycle.decide_if_due(made)
            return objects.answer(objects.refund(made, self.sandbox.world.payments[NAME, made.merchant, made.payment]))

    def refund_of_id(self, identifier: str) -> Refund | None:
        """The refund that Xendit calls so."""
        known = self.sandbox.world.refunds.values()
        return next((one for one in known if one.provider == NAME and objects.refund_id(one) == identifier), None)

    def _refunded_payment(self, merchant: Merchant, fields: Mapping[str, Any]) -> Payment | None:
        if fields.get("invoice_id"):
            return self._of_id(merchant, str(fields["invoice_id"]))
        wanted = fields.get("payment_request_id")
        return next(
            (one for one in self._mine(merchant) if one.transactions and objects.request_id(one) == wanted), None
        )

    # --- finding -----------------------------------------------------------------------------------------------------

    def _caller(self, request: Request) -> Merchant | None:
        """Whose key this is."""
        key = rules.key_of(request.headers)
        for (provider, _), merchant in self.sandbox.world.merchants.items():
            if provider == NAME and key and hmac.compare_digest(key.encode(), merchant.keys["secretKey"].encode()):
                return merchant
        return None

    def _of_id(self, merchant: Merchant, identifier: str) -> Payment | None:
        found = self.sandbox.world.payment_by_token(identifier)
        if found is None or found.provider != NAME or found.merchant != merchant.code or "is_v3" in found.fields:
            return None
        return found

    def _of_reference(self, merchant: Merchant, reference: str) -> list[Payment]:
        """Oldest first."""
        payments, found = self.sandbox.world.payments, []
        order = reference
        while (payment := payments.get((NAME, merchant.code, order))) is not None:
            found.append(payment)
            order = f"{reference}~{len(found) + 1}"
        return [one for one in found if "is_v3" not in one.fields]

    def _mine(self, merchant: Merchant) -> list[Payment]:
        with self.sandbox.world.lock:
            known = list(self.sandbox.world.payments.values())
        return [one for one in known if one.provider == NAME and one.merchant == merchant.code]

    def _invoice(self, payment: Payment) -> Response:
        return objects.answer(objects.invoice(payment, self._url))

    @property
    def _url(self) -> str:
        return self.sandbox.settings.public_url


def _body(request: Request) -> dict[str, Any] | None:
    """The JSON object that was sent, its numbers exact."""
    try:
        value = json.loads(request.body, parse_float=Decimal)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _outside_limits(fields: Mapping[str, Any]) -> str | None:
    amount = Decimal(fields["amount"])
    lowest, highest = rules.IDR_LIMITS if fields.get("currency", "IDR") == "IDR" else (Decimal(1), Decimal(10**10))
    if amount < lowest:
        return "MINIMAL_TRANSFER_AMOUNT_ERROR"
    return "MAXIMUM_TRANSFER_AMOUNT_ERROR" if amount > highest else None
