"""Strict reading of JSON objects that strangers sent.

Python's reader is lenient where money must not be: the last of two equal names wins, NaN is a number, text may hold
half a character. Here each of these is an error, because a message that two readers understand differently can be
signed for one of them and believed by the other.
"""

from __future__ import annotations

import json
from typing import Final, NoReturn

MAX_DEPTH: Final = 32


class NotStrictJson(ValueError):
    """The bytes are not one JSON object that everybody reads the same way."""


def read_object(body: bytes) -> dict[str, object]:
    """The JSON object in `body` (UTF-8). Raises NotStrictJson.

    Refused: duplicate names, NaN and Infinity, a byte order mark, lone surrogates, NUL characters (PostgreSQL cannot
    keep them), more than 32 levels, anything but an object at the top.
    """
    try:
        value = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise NotStrictJson(f"not strict JSON: {type(error).__name__}") from error
    if not isinstance(value, dict):
        raise NotStrictJson("not a JSON object")
    _check(value, depth=1)
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotStrictJson("a name occurs twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is not JSON")


def _check(value: object, *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotStrictJson("nested too deeply")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise NotStrictJson("text holds a NUL or half a character")
    elif isinstance(value, dict):
        for name, item in value.items():
            _check(name, depth=depth)
            _check(item, depth=depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth=depth + 1)
