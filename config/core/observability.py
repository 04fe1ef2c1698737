"""JSON logs with request ids. (Skeleton: the whole of it follows.)"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def json_formatter() -> logging.Formatter:
    """The formatter of every log line."""
    return logging.Formatter("%(levelname)s %(name)s %(message)s")


class RequestContextMiddleware:
    """Gives each request its id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)
