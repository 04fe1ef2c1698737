"""Field encryption: what is written opens in its place only, and nowhere else, under whatever key it was written."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.core import crypto

K1, K2 = b"1" * 32, b"2" * 32


@given(plain=st.binary(max_size=500), context=st.text(max_size=50))
def test_what_was_encrypted_comes_back(plain: bytes, context: str):
    token = crypto.encrypt(plain, context=context)

    assert crypto.decrypt(token, context=context) == plain
    assert crypto.encrypt(plain, context=context) != token


@given(plain=st.text(max_size=200), context=st.text(max_size=50), other=st.text(max_size=50))
def test_another_context_does_not_open_it(plain: str, context: str, other: str):
    token = crypto.encrypt(plain, context=context)
    if other == context:
        other += "'"

    with pytest.raises(crypto.CannotDecrypt):
        crypto.decrypt(token, context=other)


@given(plain=st.binary(max_size=100), data=st.data())
def test_no_single_changed_byte_opens(plain: bytes, data: st.DataObject):
    version, key_id, *parts = crypto.encrypt(plain, context="t.c:1").split(":")
    which = data.draw(st.integers(0, 1))
    raw = bytearray(base64.b64decode(parts[which]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    parts[which] = base64.b64encode(bytes(raw)).decode()

    with pytest.raises(crypto.CannotDecrypt):
        crypto.decrypt(":".join([version, key_id, *parts]), context="t.c:1")


@given(token=st.one_of(st.text(max_size=80), st.lists(st.text(max_size=20), min_size=4, max_size=4).map(":".join)))
def test_what_is_no_token_is_refused_cleanly(token: str):
    with pytest.raises(crypto.CannotDecrypt):
        crypto.decrypt(token, context="t.c:1")


def test_a_token_says_version_and_key(settings: Any):
    settings.ENCRYPTION_KEYS = {"k2": K2, "k1": K1}

    version, key_id, nonce, sealed = crypto.encrypt("0123", context="t.c:1").split(":")

    assert (version, key_id) == ("v1", "k2")
    assert (len(base64.b64decode(nonce)), len(base64.b64decode(sealed))) == (12, 4 + 16)


def test_the_newest_key_encrypts_and_older_ones_still_open(settings: Any):
    settings.ENCRYPTION_KEYS = {"k1": K1}
    old = crypto.encrypt("lan", context="t.c:1")
    settings.ENCRYPTION_KEYS = {"k2": K2, "k1": K1}

    assert crypto.decrypt(old, context="t.c:1") == b"lan"
    assert (crypto.key_id_of(old), crypto.key_id_of(crypto.encrypt("lan", context="t.c:1"))) == ("k1", "k2")

    settings.ENCRYPTION_KEYS = {"k2": K2}
    with pytest.raises(crypto.CannotDecrypt, match="'k1' is not in ENCRYPTION_KEYS"):
        crypto.decrypt(old, context="t.c:1")


def test_a_blind_index_is_the_same_for_the_same_value_and_purpose_only(settings: Any):
    settings.ENCRYPTION_KEYS = {"k1": K1}
    index = crypto.blind_index("lan@example.com", purpose="buyer")

    assert crypto.blind_index("lan@example.com", purpose="buyer") == index
    assert len(index) == 64
    assert crypto.blind_index("lan@example.com", purpose="shop") != index
    assert crypto.blind_index("minh@example.com", purpose="buyer") != index

    settings.ENCRYPTION_KEYS = {"k2": K2, "k1": K1}
    assert crypto.blind_index("lan@example.com", purpose="buyer") != index
    assert crypto.blind_indexes("lan@example.com", purpose="buyer")[1] == index


def test_the_derivation_is_hkdf_sha256(settings: Any):
    """HKDF of RFC 5869 written out, so that a value in the database does not depend on a library's defaults."""
    settings.ENCRYPTION_KEYS = {"k1": K1}
    extracted = hmac.digest(b"\0" * 32, K1, hashlib.sha256)

    assert crypto.derive("pay-page") == hmac.digest(extracted, b"reckoner:pay-page\x01", hashlib.sha256)
