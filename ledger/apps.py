"""The ledger app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from ledger import retention


class LedgerConfig(AppConfig):
    """Double-entry books that the database itself keeps."""

    name = "ledger"
    label = "ledger"
    verbose_name = _("Ledger")

    def ready(self) -> None:
        """Say that the books are kept for ever."""
        retention.register()
