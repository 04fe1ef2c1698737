"""What a payer does at Stripe: the hosted card page, and the bank's 3-D Secure step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlencode

from gateways.sandbox import pages
from gateways.sandbox.provider import Sandbox
from gateways.sandbox.state import Payment, Stage, now_ms
from gateways.sandbox.stripe import page as stripe_page
from gateways.sandbox.stripe.lifecycle import Lifecycle
from gateways.sandbox.stripe.rules import CARDS, NAME
from gateways.sandbox.web import BadRequest, Request, Response, Route, html_response, redirect


class Payer:
    """The pages and their forms. `announce` tells the merchant what came of them."""

    def __init__(self, sandbox: Sandbox, lifecycle: Lifecycle, *, announce: Callable[[Payment], None]) -> None:
        self.sandbox, self.lifecycle, self._announce = sandbox, lifecycle, announce

    def routes(self) -> list[Route]:
        """Under /c, which is ours: where Stripe's own pages are is its affair."""
        return [
            Route(method="GET", path="/c/pay/{token}", handler=self.pay_page),
            Route(method="POST", path="/c/pay/{token}", handler=self.pay_form),
            Route(method="GET", path="/c/pay/{token}/state", handler=self.pay_state),
            Route(method="GET", path="/c/3ds/{token}", handler=self.proof_page),
            Route(method="POST", path="/c/3ds/{token}", handler=self.proof_form),
        ]

    def pay_page(self, request: Request) -> Response:
        """The card form, or what became of it."""
        payment = self._session(request)
        return self._page(payment, request) if payment else html_response(pages.gone(), 404)

    def pay_form(self, request: Request) -> Response:
        """What the payer pressed."""
        payment, form = self._session(request), request.form()
        if payment is None:
            return html_response(pages.gone(), 404)
        self.lifecycle.expire_if_due(payment)
        if form.get("action") == "expire":
            with suppress(BadRequest):
                self.lifecycle.expire(payment)
                self._announce(payment)
            return redirect(f"/c/pay/{payment.token}?{urlencode({'lang': request.query.get('lang', '')})}")
        number = form.get("number", "").replace(" ", "")
        problem = _mistyped(number, form)
        if problem:
            return self._page(payment, request, problem=problem, typed=form.get("number", ""))
        with suppress(BadRequest):  # it has ended meanwhile: the payer goes back with what became of it
            self.lifecycle.try_card(payment, number)
            self._announce(payment)
        if payment.fields["intent_status"] == "requires_action":
            return redirect(f"/c/3ds/{payment.token}?{urlencode({'lang': request.query.get('lang', '')})}")
        if payment.fields["error"]:
            return self._page(payment, request, typed=form.get("number", ""))
        return redirect(self.return_address(payment))

    def pay_state(self, request: Request) -> Response:
        """Lets an open page leave when the payment ends elsewhere."""
        payment = self._session(request)
        expire = self.lifecycle.expire_if_due
        return pages.state(self.sandbox.world, payment, expire_if_due=expire, leave=self.return_address)

    def proof_page(self, request: Request) -> Response:
        """The bank's question."""
        payment = self.sandbox.world.payment_by_token(request.arguments["token"])
        if payment is None or payment.fields["intent_status"] != "requires_action":
            return html_response(pages.gone(), 404)
        return html_response(
            stripe_page.proof_page(payment, language=_language(payment, request), merchant=payment.merchant)
        )

    def proof_form(self, request: Request) -> Response:
        """The cardholder's answer to it."""
        payment = self.sandbox.world.payment_by_token(request.arguments["token"])
        if payment is None or payment.fields["intent_status"] != "requires_action":
            return html_response(pages.gone(), 404)
        if request.form().get("action") == "prove":
            self.lifecycle.try_card(payment, payment.fields["card"], proven=True)
        else:
            self.lifecycle.refuse_proof(payment)
        self._announce(payment)
        if payment.fields["session"] and payment.stage is Stage.WAITING:
            return redirect(f"/c/pay/{payment.token}?{urlencode({'lang': request.query.get('lang', '')})}")
        return redirect(self.return_address(payment))

    def return_address(self, payment: Payment) -> str:
        """Where the browser goes at the end. Nothing of it is signed."""
        if payment.fields["session"]:
            is_good = payment.stage in (Stage.PAID, Stage.AUTHORIZED)
            address = payment.return_url if is_good else payment.fields["cancel_url"] or payment.return_url
            return str(address).replace("{CHECKOUT_SESSION_ID}", payment.fields["session"])
        query = {
            "payment_intent": payment.fields["intent"],
            "payment_intent_client_secret": payment.fields["secret"],
            "redirect_status": "succeeded" if payment.stage in (Stage.PAID, Stage.AUTHORIZED) else "failed",
        }
        return f"{payment.return_url}{'&' if '?' in payment.return_url else '?'}{urlencode(query)}"

    def _page(self, payment: Payment, request: Request, *, problem: str = "", typed: str = "") -> Response:
        self.lifecycle.expire_if_due(payment)
        language = _language(payment, request)
        if payment.stage is not Stage.WAITING:
            leave = self.return_address(payment)
            return html_response(
                stripe_page.closed_page(payment, language=language, merchant=payment.merchant, leave=leave)
            )
        error = payment.fields["error"]
        problem = problem or (stripe_page.refusal(error, language=language) if error else "")
        page = stripe_page.open_page(
            payment, language=language, merchant=payment.merchant, problem=problem, typed=typed
        )
        return html_response(page, 402 if typed else 200)

    def _session(self, request: Request) -> Payment | None:
        payment = self.sandbox.world.payment_by_token(request.arguments["token"])
        return payment if payment is not None and payment.provider == NAME and payment.fields["session"] else None


def _language(payment: Payment, request: Request) -> str:
    return request.query.get("lang") or payment.language


def _mistyped(number: str, form: Mapping[str, str]) -> str:
    """Which of the page's own complaints fits; nothing where the form is good."""
    if number not in CARDS:
        return "bad_number"
    month, _, year = form.get("expiry", "").replace(" ", "").partition("/")
    today = datetime.fromtimestamp(now_ms() / 1000, tz=UTC)
    if not (month.isdigit() and year.isdigit() and len(year) == 2 and 1 <= int(month) <= 12):
        return "bad_expiry"
    if (2000 + int(year), int(month)) < (today.year, today.month):
        return "bad_expiry"
    cvc = form.get("cvc", "")
    return "" if cvc.isdigit() and len(cvc) in (3, 4) else "bad_cvc"
