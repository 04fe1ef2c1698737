"""Where a thing's page is, by what audit rows, approvals and dead letters call it. Apps register their own words."""

from __future__ import annotations

from typing import Final

from django.urls import NoReverseMatch

from config.core.admin.cells import NOTHING, Cell, short, to

_pages: Final[dict[str, str]] = {"dead_letter": "core_deadletter", "api_key": "core_apikey", "user": "core_user"}


def register(object_type: str, page: str) -> None:
    """Say which page shows things of a type: register("refund", "payments_refund")."""
    assert _pages.setdefault(object_type, page) == page, f"two pages of {object_type}"


def to_object(object_type: str, object_id: str) -> Cell:
    """A link to a thing, or its id where it has no page."""
    if not object_id:
        return NOTHING
    name = _pages.get(object_type)
    if name is None:
        return short(object_id)
    try:
        return to(name, object_id)
    except NoReverseMatch:
        return short(object_id)


def page_of(object_type: str) -> str | None:
    """The page name of a type, if it has one."""
    return _pages.get(object_type)
