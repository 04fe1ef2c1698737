"""E-mails we promised, and whether they were sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import masking
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, clipped, identifier, to, when
from config.core.admin.deeds import Deed, Doing, Done
from config.core.admin.panels import Facts, Panel
from config.core.admin.readonly import ReadOnlyAdmin
from payments.admin import words
from payments.models import EmailMessageLog
from payments.services import emails


def _resend(doing: Doing) -> Done:
    emails.resend(
        payment_id=doing.obj.payment_id,
        kind=EmailMessageLog.Kind(doing.obj.kind),
        actor=doing.actor,
        reason=doing.reason,
        at=doing.at,
    )
    return _t("The e-mail will be sent again.")


@admin.register(EmailMessageLog)
class EmailAdmin(ReadOnlyAdmin):
    """The e-mail list and one e-mail."""

    list_display = ("made", "kind", "of_payment", "state", "tries", "sent", "wrong")
    list_display_links = ("made",)
    list_filter = (
        filters.choice(_("state"), "status", "status", EmailMessageLog.Status.choices),
        filters.choice(_("kind"), "kind", "kind", EmailMessageLog.Kind.choices),
        filters.days(_("promised"), "created_at"),
    )
    search_fields = ("id",)
    search_help_text = _("e-mail or payment id")
    empty_list = _("No e-mail was promised yet.")
    deeds = (
        Deed(
            name="resend",
            label=_("Send again"),
            permission="payments.resend_email",
            run=_resend,
            icon="forward_to_inbox",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[EmailMessageLog]:
        """Without the address."""
        rows: QuerySet[EmailMessageLog] = super().get_queryset(request)
        return rows.defer("recipient")

    def found(self, term: str) -> Sequence[Any]:
        """By id or payment."""
        return [term, *EmailMessageLog.objects.filter(payment_id=term).values_list("pk", flat=True)[:200]]

    @admin.display(description=_("promised"))
    def made(self, obj: EmailMessageLog) -> Cell:
        return when(obj.created_at)

    @admin.display(description=_("payment"))
    def of_payment(self, obj: EmailMessageLog) -> Cell:
        return to("payments_payment", obj.payment_id)

    @admin.display(description=_("state"))
    def state(self, obj: EmailMessageLog) -> Cell:
        return words.state(obj, words.EMAIL)

    @admin.display(description=_("sent"))
    def sent(self, obj: EmailMessageLog) -> Cell:
        return when(obj.sent_at)

    @admin.display(description=_("error"))
    def wrong(self, obj: EmailMessageLog) -> Cell:
        return clipped(obj.error, 50)

    def name_of(self, obj: EmailMessageLog) -> Cell:
        """What it is about."""
        return obj.get_kind_display().capitalize()

    def status_of(self, obj: EmailMessageLog) -> Cell:
        """Its state in words."""
        return words.state(obj, words.EMAIL)

    def panels(self, request: HttpRequest, obj: EmailMessageLog) -> Sequence[Panel]:
        """To whom (masked), about what, how it went."""
        return (
            Facts(
                _("E-mail"),
                (
                    (_("Payment"), self.of_payment(obj)),
                    (_("To"), masking.text(obj.recipient) or NOTHING),
                    (_("Subject"), obj.subject or NOTHING),
                    (_("Language"), obj.locale),
                    (_("Fact"), identifier(obj.fact)),
                    (_("Emptied by retention"), when(obj.purged_at)),
                ),
            ),
            Facts(
                _("Sending"),
                (
                    (_("Promised"), when(obj.created_at)),
                    (_("Sent"), when(obj.sent_at)),
                    (_("Tries"), str(obj.tries)),
                    (_("Next try"), when(obj.next_try_at)),
                    (_("Mail server's id"), obj.provider_id or NOTHING),
                    (_("Error"), obj.error or NOTHING),
                ),
            ),
        )


links.register("email", "payments_emailmessagelog")
