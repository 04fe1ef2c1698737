"""One JSON object a line on stdout, and for every request an id, a trace and one line that says how it went.

The same formatter serves structlog and the standard library, so that a library's warning carries our ids too. Control
characters are escaped by JSON (ASCII only): nobody can write a line of their own into the log.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config.core import context, masking, metrics
from config.core.api import problem_response

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})", re.ASCII)
"""W3C Trace Context, 3.2: version 00, a trace id and a parent id that are not all zeros, flags."""
PERMISSIONS_POLICY: Final = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
MAX_TRACEBACK: Final = 12_000
OWN_FIELDS: Final = frozenset({"event", "level", "exc_info", "stack_info"})

access_log = structlog.get_logger("reckoner.access")

# --- Logs ------------------------------------------------------------------------------------------------------------


class JsonFormatter(logging.Formatter):
    """A log line as JSON: who we are, when, what happened, under which ids; masked by config.core.masking."""

    def __init__(self, *, service: str, version: str, env: str) -> None:
        super().__init__()
        self._head = {"service": service, "version": version, "env": env}

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        fields: dict[str, Any] = record.msg if isinstance(record.msg, dict) else {}
        event = str(fields["event"]) if fields else record.getMessage()
        now = context.get()
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": event if event.isidentifier() else masking.text(event),
            "logger": record.name,
            **self._head,
        }
        if now.request_id:
            line["request_id"] = now.request_id
        if now.trace_id:
            line["trace_id"], line["span_id"] = now.trace_id, now.traceparent[36:52]
        if now.actor:
            line["actor_type"], _, name = now.actor.partition(":")
            line["actor_id"] = name if line["actor_type"] in ("customer", "system", "key") else masking.pseudonym(name)
        for name, value in fields.items():
            if name not in OWN_FIELDS:
                line.setdefault(name, masking.value(name, value))
        if trace := self._traceback(record, fields):
            line["exception"] = masking.text(trace, limit=MAX_TRACEBACK)
        return json.dumps(line, default=str)

    def _traceback(self, record: logging.LogRecord, fields: dict[str, Any]) -> str:
        found = record.exc_info or fields.get("exc_info")
        if isinstance(found, BaseException):
            found = (type(found), found, found.__traceback__)
        return self.formatException(found)[-MAX_TRACEBACK:] if isinstance(found, tuple) and found[0] else ""


def json_formatter() -> logging.Formatter:
    """The formatter of every log line; also points structlog at the standard library's handlers."""
    structlog.configure(
        processors=PROCESSORS,
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return JsonFormatter(service=settings.LOG_SERVICE_NAME, version=settings.BUILD_ID, env=settings.ENVIRONMENT)


def _current_exception(logger: Any, method: str, fields: Any) -> Any:
    if fields.get("exc_info") is True:  # log.exception(): the formatter may run after the except block
        fields["exc_info"] = sys.exc_info()
    return fields


PROCESSORS: Final = [
    structlog.stdlib.filter_by_level,
    _current_exception,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
"""One list for good: a logger keeps the list it first met, whoever configures again."""


# --- Requests --------------------------------------------------------------------------------------------------------


class RequestContextMiddleware:
    """The outermost layer: binds ids and address, answers with them, measures, and writes the one access line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Handle one request inside its context."""
        began = time.perf_counter()
        meta = request.META
        trace_id, traceparent = _trace(meta.get("HTTP_TRACEPARENT", ""))
        ip = context.client_ip(
            remote=meta.get("REMOTE_ADDR", ""),
            forwarded=meta.get("HTTP_X_FORWARDED_FOR", ""),
            trusted_proxies=settings.TRUSTED_PROXIES,
        )
        request_id = _request_id(meta.get("HTTP_X_REQUEST_ID", ""))
        with context.bind(request_id=request_id, trace_id=trace_id, traceparent=traceparent, actor="", ip=ip):
            if "\x00" in request.path_info or "%00" in meta.get("QUERY_STRING", ""):
                answer: HttpResponse = problem_response(
                    request, status=400, detail="The address holds a NUL character."
                )
            else:
                answer = self.get_response(request)
            surface = surface_of(request.path_info)
            headers = answer.headers
            headers["X-Request-ID"] = request_id
            headers["traceparent"] = traceparent
            headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
            if surface not in ("page", "static"):
                headers.setdefault("Cache-Control", "no-store")
            if surface != "static":
                self._record(request, answer, surface, time.perf_counter() - began)
        return answer

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        """Name the member of staff in logs and audit rows of admin pages."""
        if request.path_info.startswith("/admin/") and request.user.is_authenticated:
            context.amend(actor=f"user:{request.user.email}")

    def _record(self, request: HttpRequest, answer: HttpResponse, surface: str, seconds: float) -> None:
        route = request.resolver_match.route if request.resolver_match else "unmatched"
        method = request.method if request.method in METHODS else "OTHER"
        metrics.request_answered(
            surface=surface, route=route, method=str(method), status=answer.status_code, seconds=seconds
        )
        # Never the path itself: it may hold what a customer's browser was given to prove itself with.
        write = access_log.debug if surface == "health" else access_log.info
        write(
            "request",
            method=method,
            surface=surface,
            route=route,
            status_code=answer.status_code,
            duration_ms=round(seconds * 1000, 1),
        )


METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SURFACES: Final = (
    ("/api/v1/webhooks/", "webhook"),
    ("/v1/transaction/callback", "webhook"),
    ("/v1/payments/xendit/webhook", "webhook"),
    ("/api/v1/stripe/webhook", "webhook"),
    ("/api/", "api"),
    ("/v1/", "compat"),
    ("/admin", "admin"),
    ("/health", "health"),
    ("/metrics", "health"),
    ("/static/", "static"),
)


def surface_of(path: str) -> str:
    """Which side of the house a path is on; the label of metrics and logs."""
    return next((surface for root, surface in SURFACES if path.startswith(root)), "page")


def _request_id(sent: str) -> str:
    return sent if REQUEST_ID.fullmatch(sent) else f"req_{os.urandom(16).hex()}"


def _trace(sent: str) -> tuple[str, str]:
    """The trace the caller is in, or a new one; and the traceparent with a span of ours to pass on."""
    found = TRACEPARENT.fullmatch(sent)
    trace_id, flags = (found[1], found[2]) if found else (os.urandom(16).hex(), "01")
    return trace_id, f"00-{trace_id}-{os.urandom(8).hex()}-{flags}"
