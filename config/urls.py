"""Every address of the house. The API's own are in payments.api.urls; none ends in a slash."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.core import health, schema

urlpatterns = [
    path("health", health.overall),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("health/deps", health.dependencies),
    path("metrics", health.scrape),
    path("api/v1/schema", schema.Schema.as_view(), name="schema"),
    path("api/v1/docs", schema.Docs.as_view(url_name="schema"), name="docs"),
    path("", include("payments.api.urls")),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("", include("payments.pages_urls")),
    path("", RedirectView.as_view(pattern_name="admin:index")),
]
handler400 = "config.core.api.handler400"
handler403 = "config.core.api.handler403"
handler404 = "config.core.api.handler404"
handler500 = "config.core.api.handler500"
