"""JSON as we read it: one meaning per text. No duplicate keys, no NaN, exact numbers, bounded depth and size."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final

MAX_DEPTH: Final = 32
MAX_NUMBER_LENGTH: Final = 40
"""Digits and signs of one number: beyond any amount or id, and short enough that no arithmetic on it is slow."""
UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL's text cannot hold: NUL, and halves of surrogate pairs."""


class InvalidJson(ValueError):
    """The text is not JSON, or means two things at once. The message says what, never the content."""


def loads(raw: bytes | str) -> Any:
    """The value of a JSON text, numbers with a point as Decimal. Raises InvalidJson."""
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except InvalidJson:
        raise
    except UnicodeDecodeError:
        raise InvalidJson("The text is not UTF-8.") from None
    except RecursionError:
        raise InvalidJson(f"Nested deeper than {MAX_DEPTH} levels.") from None
    except json.JSONDecodeError as error:
        raise InvalidJson(f"Not valid JSON at line {error.lineno}, column {error.colno}.") from None
    _check(value, MAX_DEPTH)
    return value


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body` (UTF-8), as a gateway or a customer sent it. Raises InvalidJson."""
    value = loads(body)
    if not isinstance(value, dict):
        raise InvalidJson("The text is not a JSON object.")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise InvalidJson("A name occurs twice in one object.")
    return result


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_NUMBER_LENGTH:
        raise InvalidJson("A number is too long.")
    value = Decimal(text)
    if abs(value.adjusted()) > MAX_NUMBER_LENGTH:
        raise InvalidJson("A number is too large or too small.")
    return value


def _integer(text: str) -> int:
    if len(text) > MAX_NUMBER_LENGTH:
        raise InvalidJson("A number is too long.")
    return int(text)


def _constant(text: str) -> Any:
    raise InvalidJson(f"{text} is not a JSON number.")


def _check(value: Any, levels: int) -> None:
    if isinstance(value, str):
        if UNSTORABLE.search(value):
            raise InvalidJson("A text holds a NUL character or half a surrogate pair.")
    elif isinstance(value, (dict, list)):
        if levels == 0:
            raise InvalidJson(f"Nested deeper than {MAX_DEPTH} levels.")
        if isinstance(value, dict):
            for name in value:
                _check(name, levels)
            value = list(value.values())
        for item in value:
            _check(item, levels - 1)
