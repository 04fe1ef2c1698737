"""API keys of services and BI tools: made here, shown once, ended with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import apikeys, clock
from config.core.admin import filters, links
from config.core.admin.cells import NOTHING, Cell, Tone, chip, day, page, when
from config.core.admin.deeds import Deed, DeedForm, Doing, Done
from config.core.admin.panels import Facts, Panel
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.models import ApiKey


class NewKeyForm(DeedForm):
    """What a key is for and what it may."""

    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("Which service or tool will use it."))
    mode = forms.ChoiceField(label=_("Mode"), choices=(("test", _("test")), ("live", _("live"))))
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope, scope) for scope in sorted(apikeys.SCOPES)],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Only what the service needs."),
    )
    allowed_ips = forms.CharField(
        label=_("Addresses"),
        required=False,
        help_text=_("IP addresses it may call from, separated by spaces; empty: any."),
    )
    expires_at = forms.DateTimeField(
        label=_("Ends"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )

    def prepare(self) -> None:
        """A production key is a live one unless told otherwise."""
        self.initial = {"mode": "live" if settings.ENVIRONMENT == "production" else "test"}

    def clean_allowed_ips(self) -> list[str]:
        """Each a real address."""
        found = self.cleaned_data["allowed_ips"].replace(",", " ").split()
        check = forms.GenericIPAddressField()
        return [check.clean(address) for address in found]


def _create(doing: Doing) -> Done:
    data = doing.data
    key, secret = apikeys.create(
        name=data["name"],
        scopes=data["scopes"],
        mode=data["mode"],
        created_by=doing.user,
        allowed_ips=data["allowed_ips"],
        expires_at=data["expires_at"],
    )
    site: Any = admin.site
    context = {
        **site.each_context(doing.request),
        "title": _("New API key"),
        "key": key,
        "secret": secret,
        "url": page("core_apikey", key.pk),
    }
    # Answered at once and never stored, so a reload cannot show it again.
    return TemplateResponse(doing.request, "admin/new_key.html", context, headers={"Cache-Control": "no-store"})


def _revoke(doing: Doing) -> Done:
    apikeys.revoke(doing.obj, by=doing.user, reason=doing.reason, at=doing.at)
    return _t("The key is ended.")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """The key list and one key, without its secret: nobody has it but who uses it."""

    list_display = ("name", "prefix", "scope_list", "state", "last_use", "ends", "made")
    list_filter = (filters.days(_("made"), "created_at"),)
    list_select_related = ("created_by",)
    search_fields = ("prefix",)
    search_help_text = _("the first 12 characters, or the name")
    empty_list = _("No key was made yet.")
    deeds = (
        Deed(name="new", label=_("New key"), permission="core.add_apikey", run=_create, form=NewKeyForm, icon="add", is_main=True, is_of_list=True, explain=_("The secret is shown once, on the next page. Copy it there.")),
        Deed(name="revoke", label=_("End key"), permission="core.change_apikey", run=_revoke, icon="block", is_grave=True, is_offered=lambda key: key.revoked_at is None, explain=_("Whoever uses it is refused from now on.")),
    )  # fmt: skip

    def found(self, term: str) -> Sequence[Any]:
        """By id, name or beginning."""
        return list(
            (ApiKey.objects.filter(pk=term) | ApiKey.objects.filter(name=term) | ApiKey.objects.filter(prefix=term[:12]))
            .values_list("pk", flat=True)
        )  # fmt: skip

    @admin.display(description=_("scopes"))
    def scope_list(self, obj: ApiKey) -> Cell:
        return ", ".join(obj.scopes)

    @admin.display(description=_("state"))
    def state(self, obj: ApiKey) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("last used"))
    def last_use(self, obj: ApiKey) -> Cell:
        return day(obj.last_used_on)

    @admin.display(description=_("ends"))
    def ends(self, obj: ApiKey) -> Cell:
        return when(obj.expires_at)

    @admin.display(description=_("made"))
    def made(self, obj: ApiKey) -> Cell:
        return when(obj.created_at)

    def name_of(self, obj: ApiKey) -> Cell:
        """Its name."""
        return obj.name

    def status_of(self, obj: ApiKey) -> Cell:
        """Whether it works."""
        if obj.revoked_at:
            return chip(_("ended"), Tone.BAD, _("Ended by staff."))
        if obj.expires_at and obj.expires_at <= clock.now():
            return chip(_("expired"), Tone.WARN, _("Its time is over."))
        return chip(_("works"), Tone.GOOD)

    def panels(self, request: HttpRequest, obj: ApiKey) -> Sequence[Panel]:
        """What it may, and where it came from."""
        return (
            Facts(
                _("Key"),
                (
                    (_("Begins with"), obj.prefix),
                    (_("Scopes"), self.scope_list(obj)),
                    (_("Addresses"), ", ".join(obj.allowed_ips) or _("any")),
                    (_("Last used"), day(obj.last_used_on)),
                ),
            ),
            Facts(
                _("Life"),
                (
                    (_("Made"), when(obj.created_at)),
                    (_("By"), obj.created_by.email if obj.created_by else NOTHING),
                    (_("Ends"), when(obj.expires_at)),
                    (_("Ended by staff"), when(obj.revoked_at)),
                ),
            ),
        )


links.register("api_key", "core_apikey")
