"""Small fields that several answers share."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from config.core.api import amount_text


class AmountText(serializers.CharField):
    """Minor units of one column as decimal text of major units; the row's `currency` says how many decimals."""

    def __init__(self, minor: str, **kwargs: Any) -> None:
        self.minor = minor
        super().__init__(source="*", read_only=True, **kwargs)

    def to_representation(self, value: Any) -> str:
        """The text."""
        return amount_text(getattr(value, self.minor), value.currency)


class TextOrNull(serializers.CharField):
    """Text, and null instead of an empty one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_null": True, "read_only": True, **kwargs})

    def to_representation(self, value: Any) -> str | None:  # type: ignore[override]  # null is the point
        """The text or null."""
        return str(value) if value else None
