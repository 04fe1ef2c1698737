"""Make the groups of the back office and give them exactly what the table of roles says."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.management.base import BaseCommand

from config.office import roles


class Command(BaseCommand):
    """`manage.py ensure_roles`: safe to repeat; run it after an update that brings new pages."""

    help = "Make the groups of the back office and give them exactly what config/office/roles.py says."

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it and say so."""
        roles.ensure(Group, Permission)
        self.stdout.write(f"{len(roles.ROLES)} roles are as the table says.")
