"""Connections that know when the first byte of a request has left, and a deadline that ends them.

Each thread keeps its own for a while.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

IDLE_SECONDS: Final = 20.0
"""A kept connection older than this is not trusted: the far end may be closing it just now, and then a POST that was
never handled would look like one with an unknown outcome."""


class Deadline:
    """Ends one exchange after so many seconds, however slowly the far end keeps it alive, and knows whether it sent.

    Socket timeouts bound single reads only; a gateway that drips a byte a second would hold a worker for ever.
    """

    def __init__(self, seconds: float) -> None:
        self.sent = False
        self.passed = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        _thread.deadline = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._socket = None
        _thread.deadline = None

    def sending(self, sock: socket.socket) -> None:
        """From here on bytes of the request may arrive. Raises TimeoutError when time is already up."""
        with self._lock:
            if self.passed:
                raise TimeoutError("no time left to send")
            self.sent = True
            self._socket = sock

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            if self._socket is not None:
                try:
                    # The plain socket's method: a TLS socket's own would free state that another thread is reading.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
                except OSError:
                    return  # closed already: the exchange is over


class _Connection(HTTPConnection):
    """Tells the deadline of the current call when bytes go out."""

    def send(self, data: Any) -> None:
        """Connect first if need be, and only then count the request as sent."""
        if self.sock is None:
            self.connect()
        _announce(self.sock)
        super().send(data)


class _TlsConnection(HTTPSConnection):
    """The same over TLS: a failed handshake has sent nothing of the request."""

    def send(self, data: Any) -> None:
        """Connect first if need be, and only then count the request as sent."""
        if self.sock is None:
            self.connect()
        _announce(self.sock)
        super().send(data)


def _announce(sock: socket.socket) -> None:
    deadline = _thread.deadline
    if deadline is not None:
        deadline.sending(sock)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Pools of our own connection classes."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


class _Thread(threading.local):
    """What belongs to one thread: its kept connections and the call it is making."""

    def __init__(self) -> None:
        self.deadline: Deadline | None = None
        self.session: requests.Session | None = None
        self.used_at = 0.0


_thread = _Thread()


def session() -> requests.Session:
    """This thread's session, a new one where the last was idle for long."""
    now = time.monotonic()
    kept = _thread.session
    if kept is not None and now - _thread.used_at > IDLE_SECONDS:
        kept.close()
        kept = None
    if kept is None:
        kept = requests.Session()
        kept.trust_env = False  # no proxy, .netrc or certificate bundle that somebody's shell happens to name
        kept.headers["User-Agent"] = "reckoner"
        for scheme in ("http://", "https://"):
            kept.mount(scheme, _Adapter(pool_connections=8, pool_maxsize=2, max_retries=0))
        _thread.session = kept
    _thread.used_at = now
    return kept
