"""JSON that two readers could understand differently is refused."""

from __future__ import annotations

import pytest

from config.core.strict_json import InvalidJson, read_object


def test_an_object_is_read() -> None:
    assert read_object('{"tên": "Nguyễn", "n": 1, "deep": {"list": [1, null, true]}}'.encode()) == {
        "tên": "Nguyễn", "n": 1, "deep": {"list": [1, None, True]},
    }  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"1", b'"x"', b"null", b"{", b"{} {}", b"\xef\xbb\xbf{}", b'{"a": "\xff"}', b"{'a': 1}", b'{"a": 1,}',
        b'{"a": 1, "a": 1}', b'{"a": {"b": 1, "b": 2}}', b'[{"a": 1, "a": 2}]', b'{"a": NaN}', b'{"a": Infinity}',
        b'{"a": -Infinity}', b'{"a": "\\u0000"}', b'{"\\u0000": 1}', b'{"a": "\\ud800"}', b'{"a": ["\\udfff"]}',
        b'{"a":' * 40 + b"1" + b"}" * 40, b'{"a":' + b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 01}',
    ],
)  # fmt: skip
def test_what_is_not_strict_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        read_object(body)


def test_a_whole_character_in_two_escapes_is_text() -> None:
    assert read_object(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}
