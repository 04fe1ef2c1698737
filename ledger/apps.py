"""The ledger app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LedgerConfig(AppConfig):
    """Double-entry books that the database itself keeps."""

    name = "ledger"
    label = "ledger"
    verbose_name = _("Ledger")
