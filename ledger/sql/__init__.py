"""The ledger's tables, guards and functions in SQL, as the migrations load them."""

from __future__ import annotations

from pathlib import Path

from django.db.migrations import RunSQL


def load(name: str) -> RunSQL:
    """An operation that runs `name`.sql of this folder. Going back is refused: money rows are not dropped."""
    return RunSQL((Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8"))
