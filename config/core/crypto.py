"""Field encryption: AES-256-GCM under a key ring, bound to the place a value belongs to.

A token is `v1:<key id>:<nonce>:<ciphertext and tag>`, the last two in base64. The context (such as
`table.column:row id`) is authenticated with it, so a token that is copied elsewhere does not open.
NIST SP 800-38D: 96-bit random nonces, which are safe for 2^32 tokens per key; rotate long before that.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from config.core.errors import DomainError

VERSION: Final = "v1"
NONCE_BYTES: Final = 12


class CannotDecrypt(DomainError):
    """A token that is damaged, belongs elsewhere, or is under a key we do not hold."""

    code, status = "cannot_decrypt", 500


def newest_key_id() -> str:
    """The id of the key that encrypts."""
    return next(iter(settings.ENCRYPTION_KEYS))


def key_id_of(token: str) -> str:
    """Which key a token is under. Raises CannotDecrypt for what is no token."""
    return _parts(token)[0]


def encrypt(plain: bytes | str, *, context: str) -> str:
    """A token that only this context opens, under the newest key."""
    key_id = newest_key_id()
    nonce = os.urandom(NONCE_BYTES)
    body = plain.encode() if isinstance(plain, str) else plain
    sealed = _cipher(settings.ENCRYPTION_KEYS[key_id]).encrypt(nonce, body, context.encode())
    return f"{VERSION}:{key_id}:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"


def decrypt(token: str, *, context: str) -> bytes:
    """What was encrypted for this context. Raises CannotDecrypt."""
    key_id, nonce, sealed = _parts(token)
    key = settings.ENCRYPTION_KEYS.get(key_id)
    if key is None:
        raise CannotDecrypt(f"The key {key_id!r} is not in ENCRYPTION_KEYS.")
    try:
        return _cipher(key).decrypt(nonce, sealed, context.encode())
    except InvalidTag:
        raise CannotDecrypt("The stored value is damaged or was moved here from elsewhere.") from None


def blind_index(value: str, *, purpose: str) -> str:
    """What a value can be looked up by without being readable: HMAC-SHA256 in hex, under a subkey of the newest key."""
    return _keyed_hash(settings.ENCRYPTION_KEYS[newest_key_id()], value, purpose)


def blind_indexes(value: str, *, purpose: str) -> list[str]:
    """The same under every key, newest first: what to look up with, so that a rotation hides nothing."""
    return [_keyed_hash(key, value, purpose) for key in settings.ENCRYPTION_KEYS.values()]


def derive(purpose: str) -> bytes:
    """A 32-byte subkey of the newest key for one purpose (HKDF-SHA256, RFC 5869)."""
    return _subkey(settings.ENCRYPTION_KEYS[newest_key_id()], purpose)


def _keyed_hash(key: bytes, value: str, purpose: str) -> str:
    return hmac.digest(_subkey(key, f"blind-index:{purpose}"), value.encode(), "sha256").hex()


@cache
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


@cache
def _subkey(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=f"reckoner:{purpose}".encode()).derive(key)


def _parts(token: str) -> tuple[str, bytes, bytes]:
    version, _, rest = token.partition(":")
    pieces = rest.split(":")
    if version != VERSION or len(pieces) != 3:
        raise CannotDecrypt("The stored value is not an encrypted one.")
    try:
        nonce, sealed = (base64.b64decode(piece, validate=True) for piece in pieces[1:])
    except (binascii.Error, ValueError):
        raise CannotDecrypt("The stored value is damaged.") from None
    if len(nonce) != NONCE_BYTES or len(sealed) < 16:
        raise CannotDecrypt("The stored value is damaged.")
    return pieces[0], nonce, sealed
