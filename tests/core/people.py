"""Members of staff for tests."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission

from config.core.models import User


def person(email: str, *permissions: str, **fields: Any) -> User:
    """A member of staff with permissions of the core app."""
    user = User.objects.create_user(email, "a long enough password", **fields)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="core", codename__in=permissions))
    return User.objects.get(pk=user.pk)
