"""Addresses we give away."""

from __future__ import annotations

from typing import Any

from config.core import ids
from payments import links


def test_a_secret_names_its_payment_and_no_other() -> None:
    payment = ids.payment_id()
    secret = links.client_secret(payment)

    assert links.payment_of_secret(secret) == payment
    for wrong in (
        secret[:-1],
        secret[:-1] + "0" if secret[-1] != "0" else secret[:-1] + "1",
        "",
        "ü" * 50,
        secret.upper(),
    ):
        assert links.payment_of_secret(wrong) is None


def test_a_link_outlives_the_rotation_of_its_key(settings: Any) -> None:
    payment = ids.payment_id()
    secret = links.client_secret(payment)
    settings.ENCRYPTION_KEYS = {"t2": b"another thirty-two bytes for tests"[:32], **settings.ENCRYPTION_KEYS}

    assert links.client_secret(payment) != secret
    assert links.payment_of_secret(secret) == payment
