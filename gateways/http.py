"""The one HTTP client of all adapters.

It answers one question exactly: what do we know after this call? `never_sent` means that no byte of the request left
this machine; every other failure is an unknown outcome (RELIABILITY: "no error after bytes were sent is failed").
So nothing is sent twice, except calls an adapter marks `safe`, which ask and change nothing.

Three seams are set by whoever runs the adapters; this module imports neither Django nor a metrics library:
`before_request` (may assert that no database transaction is open), `admit` (a circuit breaker's say) and `on_call`.
A fourth, `sleep`, is for tests.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlencode, urlsplit

import requests
from urllib3.exceptions import HTTPError

from config.core import strict_json
from gateways import addresses, connections
from gateways.connections import Deadline
from gateways.errors import GatewayUnavailable

sleep: Callable[[float], None] = time.sleep
"""Waits so many seconds between two tries of one call."""
before_request: Callable[[], None] | None = None
"""Called before any byte is sent, e.g. to assert that no database transaction is open. What it raises, passes through."""
admit: Callable[[str, str], None] | None = None
"""Called with (gateway, operation) before each try; every try that was admitted is told to `on_call` once.

A breaker raises GatewayUnavailable(never_sent=True) from here.
"""
on_call: Callable[[str, str, str, float], None] | None = None
"""Told (gateway, operation, outcome, seconds) after each try; outcomes are the constants below."""

OK: Final = "ok"  # an HTTP answer below 500 arrived; what it says is the adapter's matter
NEVER_SENT: Final = "never_sent"
TIMED_OUT: Final = "timed_out"
BROKEN: Final = "broken"  # the connection ended before a whole answer
SERVER_ERROR: Final = "server_error"
UNREADABLE: Final = "unreadable"  # a redirect, too large, not strict JSON

Reader: TypeAlias = Callable[[bytes], Mapping[str, object]]
"""Makes an answer's body into names and values. Raises ValueError for what it cannot read."""
JSON_TYPE: Final = "application/json; charset=UTF-8"
FORM_TYPE: Final = "application/x-www-form-urlencoded; charset=UTF-8"
MAX_REPLY_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of one try, in seconds. `total` counts from the first attempt to connect to the last byte."""

    connect: float = 3.0
    read: float = 10.0
    total: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often a safe call is tried, and the bounds of the pause between (exponential, full jitter), in seconds."""

    tries: int = 3
    base_seconds: float = 0.25
    cap_seconds: float = 2.0

    def pause(self, failures: int) -> float:
        """A random pause after so many failures: anything from nothing to the exponential bound."""
        return random.uniform(0.0, min(self.cap_seconds, self.base_seconds * 2 ** (failures - 1)))  # noqa: S311 (jitter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer below 500 whose body could be read: strict JSON objects, unless the call brought a reader."""

    status: int
    data: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case


@dataclass(frozen=True, slots=True)
class _Call:
    """What stays the same in every try of one call."""

    method: str
    url: str
    operation: str
    headers: Mapping[str, str]
    read: Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpClient:
    """Calls one gateway. Only https and loopback are spoken to, or plain HTTP to the hosts named for it."""

    gateway: str
    hosts: frozenset[str]
    plain_http_hosts: frozenset[str] = frozenset()
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    max_reply_bytes: int = MAX_REPLY_BYTES

    def post_json(
        self,
        url: str,
        make_body: Callable[[], Mapping[str, object]],
        *,
        operation: str,
        headers: Mapping[str, str] | None = None,
        safe: bool = False,
        read: Reader = strict_json.read_object,
    ) -> Reply:
        """POST a JSON object and read one. Raises GatewayUnavailable.

        `make_body` is called once for each try, so that a repeated question can carry a new request id. Only `safe`
        calls are repeated, and none once `timeouts.total` seconds have gone by.
        """

        def encoded() -> bytes:
            return json.dumps(make_body(), ensure_ascii=False).encode()

        asking = _Call("POST", url, operation, {"Content-Type": JSON_TYPE, **(headers or {})}, read)
        return self._call(asking, encoded, safe=safe)

    def post_form(
        self,
        url: str,
        make_fields: Callable[[], Mapping[str, str] | Sequence[tuple[str, str]]],
        *,
        operation: str,
        headers: Mapping[str, str] | None = None,
        safe: bool = False,
        read: Reader = strict_json.read_object,
    ) -> Reply:
        """POST form fields (UTF-8, a space becomes "+"), otherwise as post_json. Raises GatewayUnavailable."""

        def encoded() -> bytes:
            return urlencode(make_fields()).encode()

        asking = _Call("POST", url, operation, {"Content-Type": FORM_TYPE, **(headers or {})}, read)
        return self._call(asking, encoded, safe=safe)

    def post_bytes(
        self,
        url: str,
        body: bytes,
        *,
        content_type: str,
        operation: str,
        headers: Mapping[str, str] | None = None,
        read: Reader = strict_json.read_object,
    ) -> Reply:
        """POST a body as it is, once. Raises GatewayUnavailable."""
        asking = _Call("POST", url, operation, {"Content-Type": content_type, **(headers or {})}, read)
        return self._call(asking, lambda: body, safe=False)

    def get(
        self,
        url: str,
        query: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        *,
        operation: str,
        headers: Mapping[str, str] | None = None,
        read: Reader = strict_json.read_object,
    ) -> Reply:
        """GET, which asks and changes nothing, so it is repeated like any safe call. Raises GatewayUnavailable."""
        whole = f"{url}?{urlencode(query)}" if query else url
        return self._call(_Call("GET", whole, operation, dict(headers or {}), read), lambda: b"", safe=True)

    def _call(self, call: _Call, make_body: Callable[[], bytes], *, safe: bool) -> Reply:
        self._check_url(call.url)
        started = time.monotonic()
        failures = 0
        while True:
            if before_request is not None:
                before_request()
            body = make_body()
            if admit is not None:
                admit(self.gateway, call.operation)
            try:
                return self._try(call, body)
            except GatewayUnavailable:
                failures += 1
                total = min(self.timeouts.total, _limit.get())
                if not safe or failures >= self.retries.tries or time.monotonic() - started >= total:
                    raise
                sleep(self.retries.pause(failures))

    def _try(self, call: _Call, body: bytes) -> Reply:
        started = time.monotonic()
        outcome = BROKEN
        try:
            reply = self._exchange(call, body)
            outcome = OK
        except _Failed as failure:
            outcome = failure.outcome
            raise GatewayUnavailable(
                f"{self.gateway} {call.operation}: {failure}", code=outcome, never_sent=outcome == NEVER_SENT
            ) from failure
        finally:
            if on_call is not None:
                on_call(self.gateway, call.operation, outcome, time.monotonic() - started)
        return reply

    def _exchange(self, call: _Call, body: bytes) -> Reply:
        limit = _limit.get()
        with Deadline(min(self.timeouts.total, limit)) as deadline:
            try:
                response = connections.session().request(
                    call.method,
                    call.url,
                    data=body or None,
                    headers={"Accept": "application/json", **call.headers},
                    timeout=(min(self.timeouts.connect, limit), min(self.timeouts.read, limit)),
                    allow_redirects=False,
                    stream=True,
                )
                with response:
                    content = self._read(response)
            except (requests.RequestException, HTTPError, OSError) as error:
                raise _Failed(_outcome(error, deadline), type(error).__name__) from error
        if response.status_code >= 500:
            raise _Failed(SERVER_ERROR, f"HTTP {response.status_code}")
        if response.is_redirect or 300 <= response.status_code < 400:
            raise _Failed(UNREADABLE, f"HTTP {response.status_code} leads elsewhere")
        try:
            data = call.read(content)
        except ValueError as error:  # strict_json's InvalidJson is one
            raise _Failed(UNREADABLE, f"HTTP {response.status_code}: {error}") from error
        lower = {name.lower(): value for name, value in response.headers.items()}
        return Reply(status=response.status_code, data=data, headers=lower)

    def _read(self, response: requests.Response) -> bytes:
        content = b""
        for chunk in response.iter_content(16_384):
            content += chunk
            if len(content) > self.max_reply_bytes:
                raise _Failed(UNREADABLE, f"more than {self.max_reply_bytes} bytes")
        return content

    def _check_url(self, url: str) -> None:
        assert addresses.may_call(url, plain_http_hosts=self.plain_http_hosts), f"not https: {url}"
        host = urlsplit(url).hostname
        assert host in self.hosts, f"{self.gateway} may not call {host}"


_limit: ContextVar[float] = ContextVar("gateway_call_seconds", default=float("inf"))


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Calls made in this block end within so many seconds each, however long their gateway is usually given."""
    token = _limit.set(seconds)
    try:
        yield
    finally:
        _limit.reset(token)


class _Failed(Exception):
    """One try without a usable answer, and which of the outcomes it was."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


def _outcome(error: Exception, deadline: Deadline) -> str:
    if not deadline.sent:
        return NEVER_SENT
    if deadline.passed or isinstance(error, requests.Timeout):
        return TIMED_OUT
    return BROKEN
