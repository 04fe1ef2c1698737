"""What the reports for staff and BI tools share: who reads them, and pages by number."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from config.core import auth
from config.core.api import bad_parameter
from config.core.pagination import CursorList, read_limit

TAG: Final = "Reference paths"
READERS: Final = [auth.BearerAuthentication, auth.SessionStaff]
DEEPEST: Final = 10_000
"""So many rows can be skipped by page number; further down a cursor is the way."""
NUMBERED: Final = (
    OpenApiParameter(
        "page", {"type": "integer", "minimum": 1}, description="Instead of a cursor, down to ten thousand rows."
    ),
    OpenApiParameter("page_size", {"type": "integer", "minimum": 1, "maximum": 100}, description="As `limit`."),
)


def answer(
    pages: CursorList,
    rows: QuerySet[Any],
    request: Request,
    shape: type[serializers.BaseSerializer[Any]],
    order: tuple[str, ...],
) -> Response:
    """A page by its number or after a cursor."""
    text: str | None = request.GET.get("page")
    if text is None:
        return pages.answer(rows, request, lambda page: shape(page, many=True).data)
    size = read_limit(request)
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= DEEPEST // size + 1):
        raise bad_parameter("page", f"From 1, and no more than {DEEPEST} rows down: then go on with a cursor.")
    start = (int(text) - 1) * size
    page = list(rows.order_by(*order)[start : start + size + 1])
    return Response({"data": shape(page[:size], many=True).data, "next_cursor": None, "has_more": len(page) > size})
