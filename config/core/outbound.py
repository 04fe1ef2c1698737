"""One POST to an address that somebody else chose: to the IP address that was checked, bounded in time and size.

Nothing of the answer but its status is kept: a body shown to whoever chose the address would read our network to them.
Redirects are answers like any other. Considered instead: `requests-hardened` (its filter runs in a patched adapter of
requests, without a limit for the whole exchange) and an egress proxy, which an operator may still put in front.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from config.core import destinations
from config.core.destinations import Address, Destination, DestinationRefused, NameUnknown, Rules

CONNECT_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 15.0
MAX_REPLY_BYTES: Final = 64 * 1024
MAX_ADDRESSES: Final = 3
USER_AGENT: Final = "reckoner-webhooks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds to connect (TLS included) and seconds for all of it."""

    connect_seconds: float = CONNECT_SECONDS
    total_seconds: float = TOTAL_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: the status, or why there is none (a word of a closed set), and how long it took."""

    status: int | None
    problem: str
    seconds: float

    @property
    def is_success(self) -> bool:
        """Whether the receiver said that it has it."""
        return self.status is not None and 200 <= self.status < 300


def post(
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    rules: Rules,
    limits: Limits = Limits(),  # frozen
    ca_file: str = "",
) -> Answer:
    """Send a body once. Never raises for what the far end does: refused, unknown_name, unreachable, tls, timed_out, broken."""
    started = time.monotonic()
    status, problem = None, ""
    try:
        destination = destinations.read(url, rules=rules)
        found = destinations.addresses_of(destination, rules=rules, seconds=limits.connect_seconds)
        left = limits.total_seconds - (time.monotonic() - started)
        status = _exchange(destination, found[:MAX_ADDRESSES], body, headers, limits, left, ca_file)
    except DestinationRefused:
        problem = "refused"
    except NameUnknown:
        problem = "unknown_name"
    except _Failed as failure:
        problem = failure.problem
    return Answer(status=status, problem=problem, seconds=time.monotonic() - started)


class _Failed(Exception):
    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def _exchange(
    destination: Destination,
    found: list[Address],
    body: bytes,
    headers: Mapping[str, str],
    limits: Limits,
    seconds: float,
    ca_file: str,
) -> int:
    with _Deadline(seconds) as deadline:
        try:
            sock = _connect(destination, found, limits, deadline, ca_file)
            with sock:
                return _ask(destination, sock, body, headers, deadline)
        except ssl.SSLError as error:
            raise _Failed("timed_out" if deadline.passed else "tls") from error
        except TimeoutError as error:
            raise _Failed("timed_out") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Failed("timed_out" if deadline.passed else "broken") from error


def _connect(
    destination: Destination, found: list[Address], limits: Limits, deadline: _Deadline, ca_file: str
) -> socket.socket:
    """A connection to one of the checked addresses; the name is only shown to TLS and in the Host header."""
    until = time.monotonic() + limits.connect_seconds
    plain: socket.socket | None = None
    for address in found:
        left = until - time.monotonic()
        if left <= 0:
            break
        try:
            plain = socket.create_connection((str(address), destination.port), timeout=left)
            break
        except OSError:
            continue
    if plain is None:
        raise _Failed("unreachable")
    sock = plain
    try:
        if destination.is_tls:
            sock = _trust(ca_file).wrap_socket(plain, server_hostname=destination.host, do_handshake_on_connect=False)
        deadline.watch(sock)
        sock.settimeout(max(until - time.monotonic(), 0.001))
        if isinstance(sock, ssl.SSLSocket):
            sock.do_handshake()
    except BaseException:  # whatever ends it, an interrupt too: nobody else knows of this socket
        sock.close()
        raise
    sock.settimeout(limits.total_seconds)
    return sock


def _ask(
    destination: Destination, sock: socket.socket, body: bytes, headers: Mapping[str, str], deadline: _Deadline
) -> int:
    caller = http.client.HTTPConnection(destination.host, destination.port)
    caller.sock = sock
    caller.putrequest("POST", destination.target, skip_host=True, skip_accept_encoding=True)
    told = {"Host": destination.host_header, "User-Agent": USER_AGENT, "Connection": "close", **headers}
    for name, value in {**told, "Content-Length": str(len(body))}.items():
        caller.putheader(name, value)
    caller.endheaders(body)
    answer = caller.getresponse()
    try:
        answer.read(MAX_REPLY_BYTES)  # heard out, and not kept
    except (OSError, http.client.HTTPException):
        pass  # it hung up after its status: the status counts, unless time ended it
    finally:
        answer.close()
    if deadline.passed:
        raise TimeoutError("the answer did not end")
    return answer.status


class _Deadline:
    """Ends the exchange after so many seconds, however slowly the far end keeps it alive."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(max(seconds, 0.0), self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._socket = None

    def watch(self, sock: socket.socket) -> None:
        """The connection to end. Raises TimeoutError when time is up already."""
        with self._lock:
            self._socket = sock
            if self.passed:
                raise TimeoutError("no time left")

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            if self._socket is not None:
                try:
                    # The plain socket's method: a TLS socket's own would free state that another thread is reading.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:
                    return  # closed already


@cache
def _trust(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context
