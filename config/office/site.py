"""The admin site: the Today page as its index, the search box, the language of each person."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class OfficeSite(UnfoldAdminSite):
    """Reckoner's back office."""

    index_title = _("Today")
    index_template = "admin/today.html"
    enable_nav_sidebar = True

    def extra_urls(self) -> list[URLPattern]:
        """Beside Django's. The search is named by its path: the site is made before the pages it leads to."""
        return [
            path("find/", self.admin_view(import_string("config.office.search.find_view")), name="find"),
            path("language/<str:code>/", self.admin_view(self.language), name="language"),
        ]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Whoever logs in reads their own language from then on."""
        answer: HttpResponse = super().login(request, extra_context)
        if request.method == "POST" and request.user.is_authenticated:
            _speak(answer, request.user.language)
        return answer

    def language(self, request: HttpRequest, code: str) -> HttpResponseBase:
        """Read on in another language; the choice is kept on this device."""
        if code not in dict(settings.LANGUAGES):
            raise Http404
        answer = HttpResponseRedirect(reverse("admin:index"))
        _speak(answer, code)
        return answer


def _speak(answer: HttpResponse, code: str) -> None:
    if code in dict(settings.LANGUAGES):
        answer.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            code,
            max_age=31_536_000,
            samesite="Lax",
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
        )
