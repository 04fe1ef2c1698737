"""Staff: who may do what. Rights are changed by somebody else, with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.core import staff
from config.core.admin import links
from config.core.admin.cells import NOTHING, Cell, Tone, chip, listing, when
from config.core.admin.deeds import Deed, DeedForm, Doing, Done, ReasonForm
from config.core.admin.filters import ChoiceFilter
from config.core.admin.panels import Facts, Panel, Table, columns
from config.core.admin.readonly import ReadOnlyAdmin
from config.core.models import AuditEntry, User

LANGUAGES = (("vi", "Tiếng Việt"), ("en", "English"))


class RightsForm(ReasonForm):
    """Roles of a person."""

    groups = forms.ModelMultipleChoiceField(
        label=_("Roles"), queryset=Group.objects.order_by("name"), required=False, widget=forms.CheckboxSelectMultiple
    )
    is_superuser = forms.BooleanField(
        label=_("Superuser"), required=False, help_text=_("May do everything except approve their own work.")
    )

    def prepare(self) -> None:
        """Begin with what the person has."""
        self.initial = {"groups": list(self.obj.groups.all()), "is_superuser": self.obj.is_superuser}


class NewUserForm(DeedForm):
    """A new member of staff."""

    email = forms.EmailField(label=_("E-mail"))
    name = forms.CharField(label=_("Name"), max_length=150)
    language = forms.ChoiceField(label=_("Language"), choices=LANGUAGES)
    password = forms.CharField(
        label=_("First password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 12 characters; the person should change it at once."),
    )
    groups = forms.ModelMultipleChoiceField(
        label=_("Roles"), queryset=Group.objects.order_by("name"), required=False, widget=forms.CheckboxSelectMultiple
    )


class PasswordForm(ReasonForm):
    """A new first password."""

    password = forms.CharField(
        label=_("New password"), widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )


def _create(doing: Doing) -> Done:
    data = doing.data
    user = staff.create(
        email=data["email"],
        name=data["name"],
        password=data["password"],
        groups=data["groups"],
        language=data["language"],
        by=doing.user,
    )
    return _t("%(email)s may now log in.") % {"email": user.email}


def _change_rights(doing: Doing) -> Done:
    data = doing.data
    staff.change_rights(
        user_id=doing.obj.pk,
        groups=data["groups"],
        is_superuser=data["is_superuser"],
        by=doing.user,
        reason=doing.reason,
    )
    return _t("The rights are changed.")


def _stop(doing: Doing) -> Done:
    staff.set_active(user_id=doing.obj.pk, is_active=False, by=doing.user, reason=doing.reason)
    return _t("This person can no longer log in.")


def _let_in(doing: Doing) -> Done:
    staff.set_active(user_id=doing.obj.pk, is_active=True, by=doing.user, reason=doing.reason)
    return _t("This person may log in again.")


def _set_password(doing: Doing) -> Done:
    staff.set_password(user_id=doing.obj.pk, password=doing.data["password"], by=doing.user, reason=doing.reason)
    return _t("The password is set.")


class RoleFilter(ChoiceFilter):
    """A role that somebody has. Roles are rows, so the choices are read when the list is drawn."""

    title, parameter_name, column = _("role"), "role", "groups__name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All roles."""
        return [(name, name) for name in Group.objects.order_by("name").values_list("name", flat=True)]


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    """The people list and one person."""

    keyset = ("email",)
    list_display = ("email", "name", "roles", "state", "last_seen")
    search_fields = ("email",)
    list_filter = (RoleFilter,)
    search_help_text = _("e-mail address")
    deeds = (
        Deed(name="new", label=_("New person"), permission="core.add_user", run=_create, form=NewUserForm, icon="person_add", is_main=True, is_of_list=True),
        Deed(name="rights", label=_("Change rights"), permission="core.change_user", run=_change_rights, form=RightsForm, icon="shield_person", explain=_("Nobody changes their own rights; only a superuser gives roles.")),
        Deed(name="password", label=_("Set password"), permission="core.change_user", run=_set_password, form=PasswordForm, icon="key"),
        Deed(name="stop", label=_("Stop"), permission="core.change_user", run=_stop, icon="person_off", is_grave=True, is_offered=lambda user: user.is_active),
        Deed(name="let-in", label=_("Let in again"), permission="core.change_user", run=_let_in, icon="person", is_offered=lambda user: not user.is_active),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """With their roles."""
        rows: QuerySet[User] = super().get_queryset(request)
        return rows.prefetch_related("groups")

    def found(self, term: str) -> QuerySet[Any]:
        """By e-mail, whatever its case."""
        return User.objects.filter(email=term.lower()).values("pk")

    @admin.display(description=_("roles"))
    def roles(self, obj: User) -> Cell:
        return ", ".join(group.name for group in obj.groups.all()) or NOTHING

    @admin.display(description=_("state"))
    def state(self, obj: User) -> Cell:
        return self.status_of(obj)

    @admin.display(description=_("last login"))
    def last_seen(self, obj: User) -> Cell:
        return when(obj.last_login)

    def name_of(self, obj: User) -> Cell:
        """Their name."""
        return obj.get_full_name()

    def status_of(self, obj: User) -> Cell:
        """Whether they may log in."""
        if not obj.is_active:
            return chip(_("stopped"), Tone.BAD, _("Cannot log in."))
        return chip(_("superuser"), Tone.WARN) if obj.is_superuser else chip(_("active"), Tone.GOOD)

    def panels(self, request: HttpRequest, obj: User) -> Sequence[Panel]:
        """Who, and what they did last."""
        return (
            Facts(
                _("Person"),
                (
                    (_("E-mail"), obj.email),
                    (_("Roles"), self.roles(obj)),
                    (_("Language"), dict(LANGUAGES).get(obj.language, obj.language)),
                    (_("Last login"), when(obj.last_login)),
                    (_("Since"), when(obj.created_at)),
                ),
            ),
            _history("user", str(obj.pk), _("Changes to this account")),
        )


def _history(object_type: str, object_id: str, title: Any) -> Table:
    found = AuditEntry.objects.filter(object_type=object_type, object_id=object_id).order_by("-id")[:20]
    rows: list[Sequence[Cell]] = [(when(e.created_at), e.action, e.actor, e.reason or NOTHING) for e in found]
    heads = columns(_("When"), _("What"), _("By"), _("Reason"))
    return Table(
        title, heads, rows, _("Nothing was changed."), more=listing("core_auditentry", q=object_id) if rows else ""
    )


links.register("user", "core_user")
