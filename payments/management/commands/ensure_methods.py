"""`manage.py ensure_methods`: the first gateway accounts and payment methods, from the environment."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from payments.models import GatewayAccount
from payments.services import starters


class Command(BaseCommand):
    help = "Takes gateway accounts over from the environment and makes a method for each that has none. Safe to repeat."

    def handle(self, *args: Any, **options: Any) -> None:
        made = starters.ensure_methods()
        accounts = ", ".join(GatewayAccount.objects.order_by("code").values_list("code", flat=True)) or "none"
        self.stdout.write(f"gateway accounts: {accounts}; new methods: {', '.join(m.code for m in made) or 'none'}")
