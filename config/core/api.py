"""How errors, JSON and amounts look at the edge: problem documents out (RFC 9457), strict JSON in."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar, Final

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import register_converter
from django.views import defaults
from drf_spectacular.utils import extend_schema_field
from rest_framework import exceptions, parsers, serializers, status
from rest_framework.response import Response

from config.core import context, ids
from config.core.errors import DomainError
from config.core.money import EXPONENTS, Money, UnknownCurrency
from config.core.strict_json import UNSTORABLE, InvalidJson, loads

log = structlog.get_logger(__name__)

API_ROOTS: Final = ("/api/", "/v1/", "/health", "/metrics")
RETRY_AFTER_SECONDS: Final = 5

# --- Problems (RFC 9457) ---------------------------------------------------------------------------------------------

CODES: Final[Mapping[int, str]] = {
    400: "invalid_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "request_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    500: "internal_error",
    503: "temporarily_unavailable",
}
RETRYABLE: Final = frozenset({429, 500, 502, 503, 504})


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    path: str,
    errors: list[dict[str, str]] | None = None,
    retryable: bool | None = None,
    facts: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """A problem document. Paths of the reference systems get their `error` and `message` beside it."""
    document: dict[str, object] = {
        **(facts or {}),
        "type": f"urn:reckoner:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": context.get().request_id,
        "errors": errors or [],
        "retryable": status in RETRYABLE if retryable is None else retryable,
    }
    if path.startswith(tuple(settings.REFERENCE_PATHS)):
        document |= {"error": code, "message": detail}
    return document


def problem_response(request: HttpRequest, *, status: int, code: str = "", detail: str = "") -> JsonResponse:
    """A problem for plain Django views and error handlers."""
    document = problem(
        status=status, code=code or CODES[status], detail=detail or HTTPStatus(status).description, path=request.path
    )
    answer = JsonResponse(document, status=status, content_type="application/problem+json")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def exception_handler(error: Exception, info: Mapping[str, Any]) -> Response | None:
    """Turn what a view raised into a problem document; None for what nobody expected (Django makes it a 500)."""
    path: str = info["request"].path
    headers: dict[str, str] = {}
    if isinstance(error, DomainError):
        errors = [_fault(error.field, error.code, error.message)] if error.field else []
        document = problem(
            status=error.status,
            code=error.code,
            detail=error.message,
            path=path,
            errors=errors,
            retryable=error.retryable,
            facts=error.facts,
        )
        if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    elif isinstance(error, (OperationalError, InterfaceError)):
        # Locks, deadlocks, statement time-outs and lost connections: nothing was committed, so asking again is right.
        log.warning("database_unavailable", error_type=type(error.__cause__ or error).__name__, exc_info=error)
        document = problem(status=503, code=CODES[503], detail="Try the same request again shortly.", path=path)
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    elif isinstance(error, DataError):
        # A value that passed our checks and that PostgreSQL cannot hold: the caller's to change, and ours to catch.
        log.warning("value_out_of_range", exc_info=error)
        document = problem(status=422, code="invalid_input", detail="A value is out of range.", path=path)
    else:
        if isinstance(error, Http404):
            error = exceptions.NotFound()
        elif isinstance(error, PermissionDenied):
            error = exceptions.PermissionDenied()
        if not isinstance(error, exceptions.APIException):
            return None
        document = _of_drf(error, path)
        headers = _headers_of(error)
    return Response(
        document, status=int(str(document["status"])), headers=headers, content_type="application/problem+json"
    )


def _of_drf(error: exceptions.APIException, path: str) -> dict[str, object]:
    code, detail = CODES.get(error.status_code, "invalid_request"), ""
    errors: list[dict[str, str]] = []
    if isinstance(error, exceptions.ValidationError):
        errors = list(_faults(error.detail, ""))
        detail = errors[0]["detail"] if len(errors) == 1 else "Several fields are not as they should be."
    else:
        detail = str(error.detail)
        own = error.get_codes()
        if isinstance(own, str) and own != error.default_code and not isinstance(error, exceptions.Throttled):
            code = own
        elif type(error).__module__.startswith("config."):
            code = error.default_code
    return problem(status=error.status_code, code=code, detail=detail, path=path, errors=errors)


def _headers_of(error: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, -int(-wait // 1)))
    return headers


def _faults(detail: Any, pointer: str) -> Iterator[dict[str, str]]:
    """DRF's nested errors as JSON pointers (RFC 6901); what concerns the whole points at its parent."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else "/" + str(name).replace("~", "~0").replace("/", "~1")
            yield from _faults(inner, pointer + step)
    elif isinstance(detail, list) and any(isinstance(item, (Mapping, list)) for item in detail):
        for index, item in enumerate(detail):
            yield from _faults(item, f"{pointer}/{index}")
    elif isinstance(detail, list):
        for item in detail:
            yield from _faults(item, pointer)
    else:
        yield {"pointer": pointer, "code": str(getattr(detail, "code", "invalid")), "detail": str(detail)}


def _fault(field: str, code: str, detail: str) -> dict[str, str]:
    return {"pointer": field if field.startswith("/") else f"/{field}", "code": code, "detail": detail}


def bad_parameter(name: str, detail: str, *, code: str = "invalid") -> exceptions.ValidationError:
    """A 400 that names a query parameter."""
    return exceptions.ValidationError({name: [exceptions.ErrorDetail(detail, code=code)]})


# --- Error pages of the whole site: problems under the API, Django's own pages elsewhere -------------------------------


def handler400(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that Django refused before any view saw it."""
    if request.path.startswith(API_ROOTS):
        return problem_response(request, status=400)
    return defaults.bad_request(request, exception)


def handler403(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Not allowed."""
    if request.path.startswith(API_ROOTS):
        return problem_response(request, status=403)
    return defaults.permission_denied(request, exception)


def handler404(request: HttpRequest, exception: Exception) -> HttpResponse:
    """No such path."""
    if request.path.startswith(API_ROOTS):
        return problem_response(request, status=404)
    return defaults.page_not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    """What nobody expected: the log has the details, the caller has the request id to ask with."""
    if not request.path.startswith(API_ROOTS):
        return defaults.server_error(request)
    lost_database = isinstance(sys.exc_info()[1], (OperationalError, InterfaceError))
    return problem_response(request, status=503 if lost_database else 500)


# --- What comes in ---------------------------------------------------------------------------------------------------


class RequestTooLarge(exceptions.APIException):
    """The body is larger than we read."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "request_too_large"


class StrictJSONParser(parsers.BaseParser):
    """JSON with one meaning: see config.core.strict_json. Numbers with a point arrive as Decimal."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """The parsed body. Raises ParseError, RequestTooLarge."""
        raw = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(raw) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestTooLarge
        try:
            return loads(raw)
        except InvalidJson as error:
            raise exceptions.ParseError(str(error), code="invalid_json") from error


class StrictSerializer(serializers.Serializer[Any]):
    """The base of every body we read: a field we do not know is refused by name, not ignored.

    A misspelt `refund_amout` would otherwise refund everything; a field such as `status` would look accepted.
    """

    def to_internal_value(self, data: Any) -> Any:
        """The validated values. Raises ValidationError naming each unknown field."""
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in data.keys() - self.fields.keys())
            if unknown:
                raise exceptions.ValidationError(
                    {
                        name[:100]: [exceptions.ErrorDetail("There is no such field.", code="unknown_field")]
                        for name in unknown
                    }
                )
        return super().to_internal_value(data)


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "pattern": r"^\d{1,18}(\.\d{1,6})?$", "examples": ["12.50"]},
            {"type": "number", "minimum": 0},
        ],
        "description": "Major units; not more decimals than the currency has.",
    }
)
class AmountIn(serializers.Field[Decimal, Any, str, Any]):
    """An amount in major units as a decimal string or number. Positive, unless zero is allowed.

    How many decimals it may have is its currency's to say: `Money.parse(amount, currency)` does.
    """

    WRITTEN: ClassVar[re.Pattern[str]] = re.compile(r"\d{1,18}(\.\d{1,6})?", re.ASCII)
    default_error_messages = {
        "amount_invalid": "Write the amount as digits with a point for decimals, such as 12.50.",
        "amount_not_positive": "The amount must be more than zero.",
    }

    def __init__(self, *, allow_zero: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.allow_zero = allow_zero

    def to_internal_value(self, data: Any) -> Decimal:
        """The amount. Raises ValidationError."""
        if isinstance(data, bool) or not isinstance(data, (str, int, Decimal, float)):
            self.fail("amount_invalid")
        text = f"{data:f}" if isinstance(data, Decimal) and abs(data.adjusted()) < 30 else str(data)
        if text.startswith("-") and self.WRITTEN.fullmatch(text[1:]):
            self.fail("amount_not_positive")
        if not self.WRITTEN.fullmatch(text):
            self.fail("amount_invalid")
        value = Decimal(text)
        if not value and not self.allow_zero:
            self.fail("amount_not_positive")
        return value

    def to_representation(self, value: Any) -> str:
        """The amount as text."""
        return f"{value:f}"


class CurrencyIn(serializers.CharField):
    """An ISO 4217 code in either case. Raises UnknownCurrency (422)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_length": 3, "min_length": 3, **kwargs})

    def to_internal_value(self, data: Any) -> str:
        """The code in capitals."""
        code: str = super().to_internal_value(data).upper()
        if code not in EXPONENTS:
            raise UnknownCurrency(f"We do not know the currency {code!r}.", field=self.field_name or "currency")
        return code


def query_text(request: Any, name: str, *, max_length: int = 200, default: str = "") -> str:
    """A query parameter as text. Raises a ValidationError that names it."""
    value: str = request.GET.get(name, default)
    if len(value) > max_length or UNSTORABLE.search(value):
        raise bad_parameter(name, f"At most {max_length} characters of plain text.")
    return value


class OwnId:
    """Path converter `<own_id:...>`: one of our ids; anything else is a 404 before a view or a database sees it."""

    regex = rf"[a-z]{{2,4}}_[{ids.ALPHABET}]{{26}}"

    def to_python(self, value: str) -> str:
        """As it is."""
        return value

    def to_url(self, value: str) -> str:
        """As it is."""
        return value


register_converter(OwnId, "own_id")

# --- What goes out ---------------------------------------------------------------------------------------------------


def money_out(minor: int, currency: str) -> dict[str, object]:
    """An amount for an answer: decimal text for people, minor units for machines."""
    return {"amount": amount_text(minor, currency), "amount_minor": minor, "currency": currency}


def amount_text(minor: int, currency: str) -> str:
    """Minor units as decimal text of major units, with exactly the currency's decimals."""
    return str(Money(minor, currency))
