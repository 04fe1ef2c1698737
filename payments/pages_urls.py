"""The pages that a customer sees."""

from __future__ import annotations

from django.urls import path

from payments import mailbox, pages

app_name = "pay"
urlpatterns = [
    path("pay/return/<slug:account>", pages.come_back, name="return"),
    path("pay/<str:token>", pages.pay, name="page"),
    path("pay/<str:token>/state", pages.state, name="state"),
    path("mailbox", mailbox.listing, name="mailbox"),
    path("mailbox/<str:name>", mailbox.message, name="mailbox-message"),
    path("mailbox/<str:name>/html", mailbox.message_html, name="mailbox-html"),
]
