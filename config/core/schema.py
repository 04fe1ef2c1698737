"""The OpenAPI document, complete and true, and a page that shows it without anything from outside."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from csp.decorators import csp_replace
from django.conf import settings
from django.utils.decorators import method_decorator
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "What went wrong (RFC 9457). `code` never changes its meaning; texts may change.",
    "required": ["type", "title", "status", "code", "detail", "request_id", "errors", "retryable"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "examples": ["amount_precision"]},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the request."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "retryable": {"type": "boolean", "description": "The same request may work later."},
        "decline": {
            "type": "object",
            "description": "With 402: why the card was refused, in words for its holder.",
            "properties": {
                "code": {"type": "string", "examples": ["card_declined"]},
                "decline_code": {"type": "string", "examples": ["insufficient_funds"]},
                "message": {"type": "string"},
                "retryable": {"type": "boolean", "description": "The same card may work later."},
            },
        },
        "error": {"type": "string", "description": "On paths of the reference systems: the code once more."},
        "message": {"type": "string", "description": "On paths of the reference systems: the detail once more."},
    },
}
EVERYWHERE: Final = {
    400: "The request cannot be read.",
    401: "Credentials are missing or not valid.",
    403: "The caller may not do this.",
    404: "There is no such thing, or it is not yours.",
    405: "The path does not take this method.",
    406: "We answer JSON.",
    409: "The thing is not in a state that allows this, or the same request is still being worked on.",
    413: "The body is too large.",
    415: "We read JSON.",
    422: "A value breaks a rule.",
    429: "Too many requests.",
    503: "Something we depend on does not answer; try again.",
}
WITH_BODY_ONLY: Final = frozenset({413, 415})
RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[misc]  # the library has no types
    """Customer and system tokens, and API keys: one header."""

    target_class = "config.core.auth.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """For `components.securitySchemes`."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A JWT of a configured issuer (customer or system token), or an API key sk_test_... / sk_live_...",
        }


class StaffScheme(OpenApiAuthenticationExtension):  # type: ignore[misc]  # the library has no types
    """The admin's session, for reading."""

    target_class = "config.core.auth.SessionStaff"
    name = "staff"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """For `components.securitySchemes`."""
        cookie = settings.SESSION_COOKIE_NAME
        return {"type": "apiKey", "in": "cookie", "name": cookie, "description": "A signed-in member of staff."}


class StrictBodies(OpenApiSerializerExtension):  # type: ignore[misc]  # the library has no types
    """Says that a body takes no other fields."""

    target_class = "config.core.api.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        """The serializer's own schema, closed."""
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**schema, "additionalProperties": False}


class AmountInField(OpenApiSerializerFieldExtension):  # type: ignore[misc]  # the library has no types
    """An amount that comes in: text or number."""

    target_class = "config.core.api.AmountIn"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        """Both notations, with their bounds."""
        least: dict[str, Any] = {"minimum": 0} if self.target.allow_zero else {"exclusiveMinimum": 0}
        return {
            "oneOf": [
                {"type": "string", "pattern": r"^[0-9]{1,15}(\.[0-9]{1,3})?$"},
                {"type": "number", "maximum": 10**12, **least},
            ],
            "description": 'Major units, such as 960000 or "12.50".',
        }


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Put the problem document beside every operation's own answers (a hook of drf-spectacular)."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = deepcopy(PROBLEM)
    for operations in result["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict) and "responses" in operation:
                _complete(operation)
    return result


def _complete(operation: dict[str, Any]) -> None:
    for status, text in EVERYWHERE.items():
        if status in WITH_BODY_ONLY and "requestBody" not in operation:
            continue
        if status == 401 and not operation.get("security"):
            continue
        answer: dict[str, Any] = {
            "description": text,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in (429, 503):
            answer["headers"] = deepcopy(RETRY_AFTER)
        operation["responses"].setdefault(str(status), answer)


@method_decorator(csp_replace({"default-src": ["'self'"]}), name="dispatch")
class Schema(SpectacularAPIView):  # type: ignore[misc]  # the library has no types
    """The OpenAPI 3.1 document, as YAML or, if asked (`Accept`, `?format=json`), as JSON."""


@method_decorator(
    csp_replace({"script-src": ["'self'"], "style-src": ["'self'", "'unsafe-inline'"], "img-src": ["'self'", "data:"]}),
    name="dispatch",
)
class Docs(SpectacularSwaggerSplitView):  # type: ignore[misc]  # the library has no types
    """Swagger UI from our own static files. Its script is a file of its own, so no inline script is allowed."""
