"""Dead letters: what could not be handled after its tries. A person requeues or discards each, with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import clock, deadletters
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, Text, Tone, age, chip, clipped, identifier, when
from config.core.admin.deeds import Deed, Doing, Done
from config.core.admin.panels import Facts, Figure, Panel, fields_of
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.models import DeadLetter

S = DeadLetter.Status
STATES: Final[dict[str, tuple[Tone, Text]]] = {
    S.OPEN: (Tone.BAD, _("Waits for a person.")),
    S.REQUEUED: (Tone.GOOD, _("Was taken up again.")),
    S.DISCARDED: (Tone.CALM, _("Was found not to be needed.")),
}
SOURCES: Final = {
    "notification": "notification",
    "approval": "approval",
    "email": "email",
    "queued_payment": "attempt",
    "outbox": "outbox_event",
}
"""Which page shows the row a letter came from."""


def _requeue(doing: Doing) -> Done:
    deadletters.requeue(dead_letter_id=doing.obj.pk, actor=doing.user, reason=doing.reason, at=doing.at)
    return _t("It will be tried again.")


def _discard(doing: Doing) -> Done:
    deadletters.discard(dead_letter_id=doing.obj.pk, actor=doing.user, reason=doing.reason, at=doing.at)
    return _t("Discarded.")


def _is_open(letter: DeadLetter) -> bool:
    return letter.status == S.OPEN


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """The queue and one letter."""

    list_display = ("buried", "source", "topic", "from_row", "what_went_wrong", "attempts", "state", "waits")
    list_display_links = ("buried",)
    list_filter = (filters.choice(_("state"), "status", "status", S.choices), filters.days(_("buried"), "created_at"))
    search_fields = ("reference",)
    search_help_text = _("id of the letter or of the row it came from")
    empty_list = _("Everything could be handled.")
    deeds = (
        Deed(name="requeue", label=_("Try again"), permission="core.change_deadletter", run=_requeue, icon="refresh", is_main=True, is_offered=_is_open, explain=_("Its tries are given back; what was done already is not done twice.")),
        Deed(name="discard", label=_("Discard"), permission="core.change_deadletter", run=_discard, icon="delete", is_grave=True, is_offered=_is_open, explain=_("Nothing more happens with it; it stays in this list.")),
    )  # fmt: skip

    def found(self, term: str) -> Sequence[Any]:
        """By its id or its source row's."""
        return [term, *DeadLetter.objects.filter(source__in=SOURCES, reference=term).values_list("pk", flat=True)[:200]]

    @admin.display(description=_("buried"))
    def buried(self, obj: DeadLetter) -> Cell:
        return when(obj.created_at)

    @admin.display(description=_("from"))
    def from_row(self, obj: DeadLetter) -> Cell:
        return links.to_object(SOURCES.get(obj.source, ""), obj.reference)

    @admin.display(description=_("error"))
    def what_went_wrong(self, obj: DeadLetter) -> Cell:
        return clipped(obj.error, 60)

    @admin.display(description=_("state"))
    def state(self, obj: DeadLetter) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("waits"))
    def waits(self, obj: DeadLetter) -> Cell:
        return age(obj.created_at, at=clock.now()) if _is_open(obj) else NOTHING

    def name_of(self, obj: DeadLetter) -> Cell:
        """Its topic."""
        return obj.topic

    def status_of(self, obj: DeadLetter) -> Cell:
        """Its state in words."""
        tone, words = STATES[obj.status]
        return chip(obj.get_status_display(), tone, words)

    def headline(self, request: HttpRequest, obj: DeadLetter) -> Sequence[Figure]:
        """Tries and age."""
        return (
            Figure(_("Tries"), str(obj.attempts)),
            Figure(_("Buried"), when(obj.created_at)),
            Figure(_("Source"), obj.source),
        )

    def panels(self, request: HttpRequest, obj: DeadLetter) -> Sequence[Panel]:
        """What it is, why it failed, and the decision."""
        return (
            Facts(
                _("What failed"),
                (
                    (_("From"), self.from_row(obj)),
                    (_("Key"), identifier(obj.key)),
                    (_("Error"), obj.error),
                    (_("Copied to the broker"), when(obj.mirrored_at)),
                ),
            ),
            Facts(
                _("Decision"),
                (
                    (_("State"), self.status_of(obj)),
                    (_("By"), obj.decided_by.email if obj.decided_by else NOTHING),
                    (_("When"), when(obj.decided_at)),
                    (_("Reason"), obj.reason or NOTHING),
                ),
            ),
            Facts(
                _("Content"),
                ((_("Payload"), fields_of(obj.payload)), (_("Headers"), fields_of(obj.headers))),
                is_wide=True,
            ),
        )


links.register("dead_letter", "core_deadletter")
