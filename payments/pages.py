"""The hosted pay page: what an order costs, how to pay it, and what became of it. Works without scripts.

The token in the address is the payment's client secret: who has it may see and pay this one payment, nothing else.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import segno
import structlog
from csp.decorators import csp
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_cache_control
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from config.core import clock, masking, ratelimit
from config.core.errors import DomainError
from config.core.money import Money, total
from gateways.errors import ReportInvalid
from gateways.notifications import HttpMessage
from payments import amounts, letters, links, transfer_details
from payments.errors import AlreadyPaid, MethodNotFound, NotPayable, PaymentExpired
from payments.models import Attempt, AttemptEvent, OrderPlatformCost, Payment, PaymentMethod
from payments.pay_stage import Stage, stage_of, version_of
from payments.services import accounts, checkout, expiry, offers
from payments.services.offers import Offer
from payments.states import AttemptStatus

log = structlog.get_logger(__name__)

View: TypeAlias = Callable[..., HttpResponse]

LANGUAGE_COOKIE: Final = "pay_language"
LANGUAGES: Final = ("vi", "en")
ASK_RATE: Final = ratelimit.Rate(per_second=0.2, burst=1)
"""A browser that comes back makes us ask its gateway once in five seconds per attempt, however often it reloads."""
POLICY: Final[dict[str, list[str]]] = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
    "base-uri": ["'none'"],
}
strict: Final[Callable[[View], View]] = csp(POLICY)
_DEEPLINK: Final = re.compile(r"(?!javascript|data|vbscript)[a-z][a-z0-9+.-]{1,40}://", re.IGNORECASE)

PROBLEMS: Final = {
    "attempt_undecided": _("We do not know yet what became of your last try. Please wait a moment."),
    "idempotency_in_flight": _("This payment is being started right now. Please wait a moment."),
    "otp_required": _("This amount needs a one-time code first. Please go back to the shop and pay there."),
    "too_many_attempts": _("This payment was tried too often. Please order again in the shop."),
    "payment_method_unusable": _("This way to pay does not take this amount. Please choose another one."),
    "gateway_unavailable": _("The payment provider cannot be reached. Please try again or choose another way to pay."),
    "gateway_timeout": _("The payment provider did not answer in time. We are asking it; please wait a moment."),
    "gateway_refused": _("The payment provider refused this payment. Please choose another way to pay."),
    "other": _("This did not work. Please try again in a moment."),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the summary: a shop, or the marketplace's discount."""

    name: str
    amount: str


# --- Views -----------------------------------------------------------------------------------------------------------
@require_http_methods(["GET", "HEAD", "POST"])
@strict
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """Show a payment; a POST chooses a way to pay, or tries again."""
    payment = _payment_of(token)
    language = _language(request, payment)
    with translation.override(language):
        if payment is None:
            return _not_found(language)
        if request.method == "POST":
            return _choose(request, token, payment)
        response = _private(HttpResponse(_page(request, token, payment, language, at=clock.now())), language)
    if request.GET.get("lang") == language:
        response.set_cookie(
            LANGUAGE_COOKIE,
            language,
            path="/pay/",
            secure=request.is_secure(),
            httponly=True,
            samesite="Lax",
            max_age=365 * 24 * 3600,
        )
    return response


@require_safe
@strict
def state(request: HttpRequest, token: str) -> HttpResponse:
    """What the page's script asks every two seconds: whether the page would look different by now."""
    payment = _payment_of(token)
    if payment is None:
        return JsonResponse({"code": "payment_not_found"}, status=404)
    at = clock.now()
    attempt = _last_attempt(payment)
    stage = stage_of(payment, attempt, at=at)
    answer = {
        "stage": stage.value,
        "version": version_of(payment, attempt, stage),
        "is_final": stage.is_final,
        "seconds_left": _seconds_left(payment, at),
    }
    return _private(JsonResponse(answer), "")


@csrf_exempt  # a gateway sends the browser here, some by POST; nothing it carries is believed
@require_http_methods(["GET", "HEAD", "POST"])
@strict
def come_back(request: HttpRequest, account: str) -> HttpResponse:
    """A browser returns from a gateway: ask the gateway what happened, then show the pay page.

    The signature only tells which attempt this is about, and that this browser may see it; what the address says about
    the payment is never believed (RELIABILITY T11).
    """
    language = _language(request, None)
    try:
        connected = accounts.by_code(account)
        message = HttpMessage(
            method=str(request.method),
            path=request.path,
            query=request.META.get("QUERY_STRING", ""),
            headers={"content-type": request.content_type or ""},
            body=request.body,
        )
        told = connected.gateway.read_return(message)
    except (MethodNotFound, ReportInvalid) as error:
        log.info("return_not_understood", account=account[:40], error=str(error))
        with translation.override(language):
            return _not_found(language)
    attempt = (
        Attempt.objects.filter(account=connected.account, gateway_reference=told.reference)
        .select_related("account", "payment")
        .first()
    )
    if attempt is None:
        with translation.override(language):
            return _not_found(language)
    _ask_about(attempt)
    page = reverse("pay:page", args=[links.client_secret(attempt.payment_id)])
    return _private(HttpResponseRedirect(f"{page}?returned=1"), "")


# --- What they do ----------------------------------------------------------------------------------------------------
def _payment_of(token: str) -> Payment | None:
    payment_id = links.payment_of_secret(token)
    if payment_id is None:
        return None
    payment: Payment | None = Payment.objects.select_related("order", "method__account").filter(id=payment_id).first()
    return payment


def _last_attempt(payment: Payment) -> Attempt:
    attempt = payment.attempts.select_related("account", "method").order_by("number").last()
    assert attempt is not None, "a payment has an attempt from its first commit"
    return attempt


def _choose(request: HttpRequest, token: str, payment: Payment) -> HttpResponse:
    """Start paying by the chosen method. The answer is always a redirect, so that a reload repeats nothing."""
    problem = ""
    code = request.POST.get("method", "")[:40]
    method = PaymentMethod.objects.select_related("account").filter(code=code).first()
    if code and method is None:
        problem = "payment_method_unusable"
    else:
        try:
            checkout.pay_again(
                payment_id=payment.id,
                method=method,
                actor=f"customer:{masking.pseudonym(payment.customer)}",
                at=clock.now(),
            )
        except (AlreadyPaid, PaymentExpired, NotPayable):
            pass  # the page itself says so
        except DomainError as error:
            problem = error.code if error.code in PROBLEMS else "other"
    query = f"?{urlencode({'problem': problem})}" if problem else ""
    response = HttpResponseRedirect(reverse("pay:page", args=[token]) + query)
    response.status_code = 303
    return _private(response, "")


def _ask_about(attempt: Attempt) -> None:
    """Ask the gateway, unless we know the best already or asked a moment ago."""
    if attempt.status == AttemptStatus.SUCCEEDED:
        return
    if ratelimit.wait_seconds(scope="pay-return", client=attempt.id, rate=ASK_RATE):
        return
    try:
        expiry.ask(attempt, source=AttemptEvent.Source.RETURN, at=clock.now())
    except DomainError:
        log.exception("ask_failed", attempt_id=attempt.id)


# --- What they show --------------------------------------------------------------------------------------------------
def _page(request: HttpRequest, token: str, payment: Payment, language: str, *, at: datetime) -> str:
    attempt = _last_attempt(payment)
    stage = stage_of(payment, attempt, at=at)
    found = _offers(payment, attempt, at=at) if stage.may_choose else []
    others = [offer for offer in found if offer.method.pk != attempt.method_id]
    context = {
        "token": token,
        "language": language,
        "other_language": "en" if language == "vi" else "vi",
        "brand": letters.brand(),
        "payment": payment,
        "order": payment.order,
        "attempt": attempt,
        "stage": stage.value,
        "is_final": stage.is_final,
        "version": version_of(payment, attempt, stage),
        "amount": amounts.shown(payment.amount, language),
        "parts": _parts(payment, language),
        "refunded": amounts.shown(Money(payment.refunded_minor, payment.currency), language),
        "method": attempt.method,
        "offers": others,
        "has_other": any(offer.is_available for offer in others),
        "qr": _qr(attempt.qr_text) if stage is Stage.WAITING and attempt.qr_text else "",
        "transfer": transfer_details.lines(attempt, language) if stage is Stage.WAITING else [],
        "deeplink": attempt.deeplink if _DEEPLINK.match(attempt.deeplink) else "",
        "can_open_page": _can_open_page(attempt),
        "can_repeat": any(offer.is_available and offer.method.pk == attempt.method_id for offer in found),
        "seconds_left": _seconds_left(payment, at),
        "clock": str(timedelta(seconds=_seconds_left(payment, at))),
        "is_soon": (payment.expires_at - at).total_seconds() < 24 * 3600,
        "problem": _problem(request),
        "has_returned": request.GET.get("returned") == "1",
        "recipient": _masked(payment.order.buyer_email),
        "back": _back(payment),
    }
    return render_to_string("pay/page.html", context, request)


def _offers(payment: Payment, attempt: Attempt, *, at: datetime) -> list[Offer]:
    """What else the customer may choose. None where choosing would only be refused: no attempt is left, or one is just being sent."""
    if attempt.number >= settings.MAX_ATTEMPTS_PER_PAYMENT or attempt.status == AttemptStatus.SENT:
        return []
    return offers.offers(at=at, money=payment.amount)


def _can_open_page(attempt: Attempt) -> bool:
    """Whether an attempt by a card form of the shop's own can be left for the page that its method has otherwise."""
    is_somewhere = attempt.pay_url or attempt.qr_text or attempt.deeplink
    return not is_somewhere and attempt.used_channel != attempt.method.channel


def _parts(payment: Payment, language: str) -> list[Part]:
    """The shops and what each costs; only the names where the order has become cheaper since."""
    rows = list(payment.order.shop_orders.select_related("shop").filter(is_owed=True).order_by("id"))
    costs = OrderPlatformCost.objects.filter(order_id=payment.order_id).first()
    discount = Money(costs.order_level_minor if costs else 0, payment.currency)
    prices = [Money(row.list_minor - row.site_funded_product_discount_minor, payment.currency) for row in rows]
    if total(prices, payment.currency) - discount != payment.amount:
        return [Part(row.shop.name, "") for row in rows]
    parts = [Part(row.shop.name, amounts.shown(price, language)) for row, price in zip(rows, prices, strict=True)]
    if discount:
        parts.append(Part(str(_("Marketplace discount")), amounts.shown(-discount, language)))
    return parts


def _problem(request: HttpRequest) -> str:
    code = request.GET.get("problem", "")
    return str(PROBLEMS[code]) if code in PROBLEMS else ""


def _seconds_left(payment: Payment, at: datetime) -> int:
    return max(0, int((payment.expires_at - at).total_seconds()))


def _qr(text: str) -> SafeString:
    """A QR code as inline SVG, dark on white in either colour scheme: scanners want it so."""
    drawing = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawing,
        kind="svg",
        xmldecl=False,
        svgns=False,
        omitsize=True,
        border=0,
        dark="#14171c",
        svgclass="",
        lineclass="",
    )
    return mark_safe(drawing.getvalue().decode())  # noqa: S308  # segno draws a path; the text is not in it


def _masked(address: str) -> str:
    name, at, host = address.partition("@")
    return f"{name[:1]}•••{at}{host}" if at else ""


def _back(payment: Payment) -> str:
    """The shop's address with what it may want to know. Only a hint: the shop asks us or hears our event."""
    if not payment.return_url:
        return ""
    parts = urlsplit(payment.return_url)
    query = [*parse_qsl(parts.query, keep_blank_values=True)]
    query += [("order_id", payment.order.order_id), ("payment_id", payment.id), ("status", payment.status)]
    return urlunsplit(parts._replace(query=urlencode(query)))


def _language(request: HttpRequest, payment: Payment | None) -> str:
    """What the customer chose here, else the payment's own language, else what the browser asks for."""
    wishes = [request.GET.get("lang"), request.COOKIES.get(LANGUAGE_COOKIE), payment.locale if payment else None]
    wishes.append((translation.get_language() or "vi")[:2])
    return next((wish for wish in wishes if wish in LANGUAGES), "vi")


def _not_found(language: str) -> HttpResponse:
    page = render_to_string("pay/not_found.html", {"language": language, "brand": letters.brand()})
    return _private(HttpResponse(page, status=404), language)


def _private(response: HttpResponse, language: str) -> HttpResponse:
    """Kept by nobody, found by no search engine, and the address (it holds the secret) is told to no other site."""
    patch_cache_control(response, no_store=True, private=True)
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "same-origin"
    if language:
        response["Content-Language"] = language
    return response
