"""How an operation is described in the OpenAPI document, in one call that keeps the types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar, cast

from django.http import QueryDict
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers

from config.core.api import CurrencyIn
from config.core.pagination import DEFAULT_LIMIT, MAX_CURSOR_LENGTH, MAX_LIMIT

Method = TypeVar("Method", bound=Callable[..., Any])
Described = Any
"""A serializer class, or what drf-spectacular takes in its place."""

PROBLEM_REF: Final = {"$ref": "#/components/schemas/Problem"}
PROBLEMS: Final[Mapping[int, str]] = {
    400: "The request cannot be read, or a field of it breaks a rule.",
    402: "The card was refused. `decline` says what its holder may know; another card may be tried.",
    404: "There is no such thing, or it is not yours.",
    409: "The thing is not in a state that allows this, or the same request is still being worked on.",
    410: "The time to pay is over.",
    422: "A value breaks a rule of the business.",
    502: "The payment provider refused. `payment_id` says what to go on with.",
    503: "The payment provider, or something else we depend on, does not answer; the same request may work later.",
    504: "The payment provider did not answer in time. We ask it; nothing is lost and nothing is charged twice.",
}
GATEWAY_PROBLEMS: Final = (410, 502, 503, 504)
"""What an operation that calls a gateway may answer beside the usual."""
CARD_PROBLEMS: Final = (402, *GATEWAY_PROBLEMS)
"""And one that may charge a card."""


def operation(
    *,
    tag: str,
    summary: str,
    answer: Described,
    status: int = 200,
    about: str = "",
    body: Described = None,
    query: Sequence[Any] = (),
    problems: Sequence[int] = (),
    examples: Sequence[OpenApiExample] = (),
    is_keyed: bool = False,
    name: str = "",
) -> Callable[[Method], Method]:
    """Describe a view's method. `is_keyed` says that it takes an Idempotency-Key."""
    parameters = [*query, *([KEY, REPLAYED] if is_keyed else [])]
    answers: dict[Any, Any] = {status: answer}
    for code in problems:
        answers[code, "application/problem+json"] = OpenApiResponse(response=PROBLEM_REF, description=PROBLEMS[code])
    decorate = extend_schema(
        operation_id=name or None,
        tags=[tag],
        summary=summary,
        description=about or summary,
        request=body,
        responses=answers,
        parameters=parameters,
        examples=list(examples),
    )
    return cast("Callable[[Method], Method]", decorate)


@cache
def page_of(row: type[serializers.BaseSerializer[Any]]) -> Described:
    """The envelope of a list."""
    return inline_serializer(
        name=f"{row.__name__}Page",
        fields={
            "data": row(many=True),
            "next_cursor": serializers.CharField(allow_null=True, help_text="Send it as `cursor` for the next page."),
            "has_more": serializers.BooleanField(),
        },
    )


def sent(title: str, value: object) -> OpenApiExample:
    """An example of a request."""
    return OpenApiExample(title, value=value, request_only=True)


def answered(title: str, value: object, *, status: int = 200) -> OpenApiExample:
    """An example of an answer."""
    return OpenApiExample(title, value=value, response_only=True, status_codes=[str(status)])


KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    OpenApiParameter.HEADER,
    description="A value of yours for each thing you want made: sent again, it finds that thing and makes no second.",
)
REPLAYED: Final = OpenApiParameter(
    "Idempotent-Replayed",
    {"type": "string", "enum": ["true"]},
    OpenApiParameter.HEADER,
    response=[201],
    description="The answer shows what an earlier request made.",
)
PAGE: Final = (
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        description="Rows a page.",
    ),
    OpenApiParameter(
        "cursor", {"type": "string", "maxLength": MAX_CURSOR_LENGTH}, description="`next_cursor` of the page before."
    ),
)


class Filters(serializers.Serializer[Any]):
    """The base of every set of query parameters."""

    @classmethod
    def read(cls, query: QueryDict) -> dict[str, Any]:
        """The parameters that were given. Raises ValidationError naming what is wrong, an empty value included."""
        filters = cls(data=query.dict())
        filters.is_valid(raise_exception=True)
        return dict(filters.validated_data)


class CurrencyFilter(Filters):
    """Narrows to one currency."""

    currency = CurrencyIn(required=False)
