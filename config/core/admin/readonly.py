"""The base of our pages: staff read facts here and act by deeds. Nothing is added, changed or deleted by a form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any, ClassVar

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin

from config.core.admin import deeds, exports
from config.core.admin.cells import Cell, Text, listing
from config.core.admin.deeds import Button, Deed
from config.core.admin.exports import Export
from config.core.admin.keyset import KeysetChangeList
from config.core.admin.panels import Figure, Panel


class ReadOnlyAdmin(ModelAdmin):
    """A list walked by keyset, a page made of panels, and deeds that call services.

    Subclasses say `keyset` (the order of the list: an index), `list_display`, `deeds`, and override `headline` and
    `panels`. Money columns end in `_money` so that the style sheet puts them at the right.
    """

    keyset: ClassVar[tuple[str, ...]] = ("-created_at", "-id")
    deeds: ClassVar[Sequence[Deed]] = ()
    export: ClassVar[Export | None] = None
    empty_list: ClassVar[Text] = ""
    intro: ClassVar[Text] = ""

    change_list_template = "admin/list.html"
    list_per_page = 50
    list_filter_sheet = False
    list_fullwidth = True
    show_full_result_count = False
    show_facets = False
    actions = None
    sortable_by: ClassVar[tuple[str, ...]] = ()
    search_fields: ClassVar[tuple[str, ...]] = ()

    # --- Who may what ------------------------------------------------------------------------------------------------
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds facts by a form."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody edits facts."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes facts."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who has the model's view permission."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.view_{self.opts.model_name}"))

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only what our filters read: a made-up lookup could read the whole table."""
        assert request is not None, "Django passes the request"
        names = {one.parameter_name for one in self.get_list_filter(request)}
        return lookup in names or lookup.removesuffix("_from").removesuffix("_to") in names

    # --- The list ----------------------------------------------------------------------------------------------------
    def get_changelist(self, request: HttpRequest, **options: Any) -> type[KeysetChangeList]:
        """Pages by the last row seen."""
        return KeysetChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Exact matches only: `found()` says what a term names."""
        term = search_term.strip()
        if not term or "\x00" in term or not self.search_fields:
            return queryset, False
        return queryset.filter(pk__in=self.found(term)), False

    def found(self, term: str) -> Sequence[Any] | QuerySet[Any]:
        """The keys of the rows that a typed id or reference names."""
        return [term]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list with its deeds, and where its files are."""
        query = request.GET.urlencode()
        files = []
        if self.export is not None and request.user.has_perm(self.export.permission):
            name = f"admin:{self._name('export')}"
            files = [(kind.upper(), f"{reverse(name, args=[kind])}?{query}") for kind in exports.KINDS]
        added = {
            "buttons": self.buttons(request, None),
            "files": files,
            "empty_list": self.empty_list,
            "intro": self.intro,
            **(extra_context or {}),
        }
        return super().changelist_view(request, added)

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """The filtered list as a file."""
        if self.export is None or not self.has_view_permission(request):
            raise PermissionDenied
        return exports.serve(self.export, kind, request, lambda: self.get_changelist_instance(request).queryset)

    # --- The page of one thing -----------------------------------------------------------------------------------------
    def headline(self, request: HttpRequest, obj: Any) -> Sequence[Figure]:
        """The numbers at the top."""
        return ()

    def panels(self, request: HttpRequest, obj: Any) -> Sequence[Panel]:
        """What the page shows."""
        return ()

    def name_of(self, obj: Any) -> Cell:
        """The page's title."""
        return str(obj.pk)

    def status_of(self, obj: Any) -> Cell:
        """The chip beside the title."""
        return ""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """The page of one thing; outside any transaction, since nothing is written."""
        if object_id is None:
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        obj = self._object(request, object_id)
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        context = {
            **self.context(request, obj),
            "headline": self.headline(request, obj),
            "panels": self.panels(request, obj),
            "buttons": self.buttons(request, obj),
            "status": self.status_of(obj),
            "name": self.name_of(obj),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/detail.html", context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponseBase:
        """The audit trail is the history."""
        return HttpResponseRedirect(listing("core_auditentry", q=unquote(object_id)))

    def context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """What every page of ours has."""
        return {
            **self.admin_site.each_context(request),
            "title": capfirst(str(self.opts.verbose_name if obj is not None else self.opts.verbose_name_plural)),
            "opts": self.opts,
            "is_fullwidth": "1",
            "list_url": reverse(f"admin:{self._name('changelist')}"),
        }

    def _object(self, request: HttpRequest, object_id: str) -> Model | None:
        if not self.has_view_permission(request):
            raise PermissionDenied
        key = unquote(object_id)
        found: Model | None = None if "\x00" in key else self.get_object(request, key)
        return found

    # --- Deeds -----------------------------------------------------------------------------------------------------------
    def buttons(self, request: HttpRequest, obj: Any) -> list[Button]:
        """The deeds this person may do here now."""
        return [
            Button(deed.label, self.deed_url(deed, obj), deed.icon, deed.is_grave, deed.is_main)
            for deed in self.deeds
            if deed.is_of_list == (obj is None) and deed.allows(request.user) and (obj is None or deed.is_offered(obj))
        ]

    def deed_url(self, deed: Deed, obj: Any) -> str:
        """The page of a deed."""
        return reverse(f"admin:{self._name(deed.name)}", args=[] if deed.is_of_list else [obj.pk])

    def deed_view(self, deed: Deed) -> Callable[..., HttpResponseBase]:
        """The view of one deed, outside any transaction: services open their own."""

        def view(request: HttpRequest, object_id: str = "") -> HttpResponseBase:
            obj = self._object(request, object_id) if object_id else None
            if not object_id and not self.has_view_permission(request):
                raise PermissionDenied
            address = [] if obj is None else [obj.pk]
            back = reverse(f"admin:{self._name('changelist' if obj is None else 'change')}", args=address)
            context = {**self.context(request, obj), "name": self.name_of(obj) if obj is not None else ""}
            return deeds.serve(deed, request, obj, context=context, back=back)

        return view

    def get_urls(self) -> list[URLPattern]:
        """Ours before Django's, whose page of one thing would catch them all."""
        ours = [
            path(
                f"{deed.name}/" if deed.is_of_list else f"<path:object_id>/do/{deed.name}/",
                self._wrapped(self.deed_view(deed)),
                name=self._name(deed.name),
            )
            for deed in self.deeds
        ]
        if self.export is not None:
            ours.append(path("export.<str:kind>", self._wrapped(self.export_view), name=self._name("export")))
        urls: list[URLPattern] = [*ours, *super().get_urls()]
        return urls

    def _wrapped(self, view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        def wrapper(*arguments: Any, **options: Any) -> HttpResponseBase:
            answer: HttpResponseBase = self.admin_site.admin_view(view)(*arguments, **options)
            return answer

        return update_wrapper(wrapper, view)

    def _name(self, word: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{word}"
