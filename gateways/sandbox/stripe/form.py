"""Forms with names in brackets, as Stripe takes them: `metadata[order]=1`, `line_items[0][quantity]=2`, `expand[]=a`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from typing import Any, Final
from urllib.parse import parse_qsl

_NAME: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def parse(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The values as they nest: lists come as dicts by position, see items_of(). Raises ValueError for a broken name."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        whole = _NAME.fullmatch(name)
        if whole is None:
            raise ValueError(name)
        path = [whole.group(1), *re.findall(r"\[([^\[\]]*)\]", whole.group(2))]
        place = found
        for part in path[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise ValueError(name)
            place = inner
        place[path[-1] or str(len(place))] = value
    return found


def of_body(body: bytes) -> dict[str, Any]:
    """The fields of a posted form. Raises ValueError."""
    return parse(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)))


def parts_of(body: bytes, content_type: str) -> dict[str, bytes]:
    """The parts of a multipart form by their names."""
    whole = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found: dict[str, bytes] = {}
    for part in whole.get_payload() if whole.is_multipart() else []:
        name = part.get_param("name", header="content-disposition") if isinstance(part, Message) else None
        content = part.get_payload(decode=True) if isinstance(part, Message) else None
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = content
    return found


def items_of(value: object) -> list[Any]:
    """The entries of a list that was sent by position."""
    return [value[key] for key in sorted(value, key=_position)] if isinstance(value, dict) else []


def text_of(fields: dict[str, Any], *path: str) -> str:
    """The text at a nested name, nothing where there is none."""
    value: object = fields
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _position(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdigit() else (0, key)
