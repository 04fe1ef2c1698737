"""Deeds: what staff may do on a page. A button, a form with a reason, a permission, and one call of a service.

The page of a deed explains what will happen, where it can shows the journal that will be booked, and asks for a
reason. Refusals of the service come back as a sentence beside the form; nothing is done in the admin itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.core import clock
from config.core.admin.cells import Text
from config.core.admin.panels import Panel
from config.core.errors import DomainError
from config.core.models import User


class DeedForm(forms.Form):
    """What a deed asks for; drawn by templates/admin/form.html."""

    def __init__(self, *arguments: Any, obj: Any = None, user: User | None = None, **options: Any) -> None:
        self.obj, self.user = obj, user
        super().__init__(*arguments, **options)
        self.prepare()

    def prepare(self) -> None:
        """Subclasses fit choices and first values to the object."""


class ReasonForm(DeedForm):
    """Only why."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=250,
        widget=forms.Textarea(attrs={"rows": 2, "autofocus": True}),
        help_text=gettext_lazy("Kept in the audit trail with your name."),
    )


class NoQuestionForm(DeedForm):
    """A deed that needs no reason: it changes nothing that was decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """One deed under way: who does it to what, with which answers."""

    request: HttpRequest
    user: User
    obj: Any
    data: Mapping[str, Any]
    at: datetime

    @property
    def actor(self) -> str:
        """The name in the audit trail."""
        return f"user:{self.user.email}"

    @property
    def reason(self) -> str:
        """Why."""
        return str(self.data.get("reason", ""))


Done = str | HttpResponseBase
"""A sentence for the next page, or the next page itself."""


def _always(obj: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing staff may do. `permission` is asked for on the button and again on the page."""

    name: str
    label: Text
    permission: str
    run: Callable[[Doing], Done]
    explain: Text = ""
    form: type[DeedForm] = ReasonForm
    icon: str = "bolt"
    is_grave: bool = False
    is_main: bool = False
    is_of_list: bool = False  # acts on no single row
    is_offered: Callable[[Any], bool] = field(default=_always)
    preview: Callable[[Any, Mapping[str, Any]], Sequence[Panel]] | None = None

    @property
    def has_preview(self) -> bool:
        """Whether its page can show what would be booked."""
        return self.preview is not None

    def allows(self, user: Any) -> bool:
        """Whether a person may do this at all."""
        return bool(user.has_perm(self.permission))


@dataclass(frozen=True, slots=True)
class Button:
    """A deed as the page shows it."""

    label: Text
    url: str
    icon: str
    is_grave: bool
    is_main: bool


def serve(deed: Deed, request: HttpRequest, obj: Any, *, context: Mapping[str, Any], back: str) -> HttpResponseBase:
    """Show the form of a deed, preview it, or do it. Raises PermissionDenied, Http404."""
    if not deed.allows(request.user):
        raise PermissionDenied
    if obj is None and not deed.is_of_list:
        raise Http404
    if obj is not None and not deed.is_offered(obj):
        messages.warning(request, _("This is not possible in the present state."))
        return HttpResponseRedirect(back)
    user: Any = request.user
    is_sent = request.method == "POST"
    form = deed.form(request.POST if is_sent else None, request.FILES if is_sent else None, obj=obj, user=user)
    panels: Sequence[Panel] = ()
    status = 200
    if is_sent and form.is_valid():
        if deed.preview is not None and "_preview" in request.POST:
            panels, status = _preview(deed, obj, form)
        else:
            done = _do(deed, Doing(request=request, user=user, obj=obj, data=form.cleaned_data, at=clock.now()), form)
            if isinstance(done, HttpResponseBase):
                return done
            if done is not None:
                messages.success(request, done)
                return HttpResponseRedirect(back)
    if form.errors:
        status = 422
    return TemplateResponse(
        request,
        "admin/deed.html",
        {**context, "deed": deed, "form": form, "panels": panels, "back": back},
        status=status,
    )


def _do(deed: Deed, doing: Doing, form: DeedForm) -> Done | None:
    try:
        return deed.run(doing)
    except DomainError as error:
        _explain(form, error)
        return None


def _preview(deed: Deed, obj: Any, form: DeedForm) -> tuple[Sequence[Panel], int]:
    assert deed.preview is not None, "only a deed with a preview is previewed"
    try:
        return deed.preview(obj, form.cleaned_data), 200
    except DomainError as error:
        _explain(form, error)
        return (), 422


def _explain(form: DeedForm, error: DomainError) -> None:
    form.add_error(error.field if error.field in form.fields else None, error.message)


def attachment(body: bytes, *, name: str, content_type: str) -> HttpResponse:
    """A file to keep, which no browser will try to show."""
    return HttpResponse(
        body,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"},
    )
