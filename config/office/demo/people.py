"""Staff of the demo: one user per role, with the passwords that the demo printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.contrib.auth.models import Group

from config.core.models import User

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "viewer": ("finance_viewer",),
    "operator": ("finance_operator",),
    "approver": ("finance_approver",),
    "treasury": ("treasury",),
    "accountant": ("accountant",),
    "support": ("support",),
    "ops": ("ops",),
    "auditor": ("auditor",),
    "admin": (),
}
"""What stands before the @ of a demo user -> its groups. `admin` is a superuser, who still cannot approve own work."""


def ensure(passwords: Mapping[str, str]) -> list[User]:
    """Make the users of these e-mails, or set their passwords again; unknown roles are refused by KeyError."""
    made = []
    for email, password in passwords.items():
        role = email.partition("@")[0]
        user = User.objects.filter(email=email).first() or User(email=email)
        user.name = role.capitalize()
        user.language = "en"
        user.is_staff, user.is_superuser = True, role == "admin"
        user.set_password(password)
        user.save()
        user.groups.set(Group.objects.filter(name__in=ROLES[role]))
        made.append(user)
    return made
