"""Requests, responses and routes: as little HTTP as the sandbox needs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl


class BadRequest(Exception):
    """The caller of the control API made a mistake; `status` says which."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What came in. `arguments` are the named parts of the route's path."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    arguments: Mapping[str, str] = field(default_factory=dict)

    def object(self) -> dict[str, object]:
        """The body as a JSON object, an empty body as an empty one. Raises BadRequest."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise BadRequest("the body is not JSON") from error
        if not isinstance(value, dict):
            raise BadRequest("the body is not a JSON object")
        return value

    def form(self) -> dict[str, str]:
        """The fields of a posted HTML form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What goes out. `drop` closes the connection without a word."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json; charset=UTF-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False


def json_response(data: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(status=status, body=json.dumps(data, ensure_ascii=False).encode())


def html_response(text: str, status: int = 200) -> Response:
    """An HTML page."""
    return Response(status=status, body=text.encode(), content_type="text/html; charset=UTF-8")


def redirect(url: str) -> Response:
    """Send the browser on, with GET."""
    return Response(status=303, headers={"Location": url})


Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method and path (`{name}` matches one part). API calls that faults can hit have an `operation`.

    `operation_of` tells it from the request where one path carries several calls.
    """

    method: str
    path: str
    handler: Handler
    operation: str = ""
    order_of: Callable[[Request], str] = lambda request: ""
    operation_of: Callable[[Request], str] | None = None

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The named parts of the path, or None where the route does not fit."""
        if method != self.method:
            return None
        pattern = "".join(_part(piece) for piece in _PIECES.split(self.path))
        found = re.fullmatch(pattern, path)
        return found.groupdict() if found else None


_PIECES: Final = re.compile(r"(\{[a-z_]+\})")


def _part(piece: str) -> str:
    return f"(?P<{piece[1:-1]}>[^/]+)" if piece.startswith("{") else re.escape(piece)
