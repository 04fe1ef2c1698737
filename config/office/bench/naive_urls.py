"""Every address of the product, and the naive version's."""

from django.urls import include, path

from config.office.bench import naive

urlpatterns = [*naive.urlpatterns, path("", include("config.urls"))]
handler400 = "config.core.api.handler400"
handler403 = "config.core.api.handler403"
handler404 = "config.core.api.handler404"
handler500 = "config.core.api.handler500"
