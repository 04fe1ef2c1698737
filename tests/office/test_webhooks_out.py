"""Webhooks out in the back office: subscribed, tested, exchanged and sent again by staff, and no secret to be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse

from config.core.clock import now
from config.core.models import AuditEntry
from payments.models import WebhookDelivery, WebhookEndpoint
from tests.office.conftest import Day, deed

pytestmark = pytest.mark.django_db(transaction=True)
ENDPOINT, DELIVERY = "payments_webhookendpoint", "payments_webhookdelivery"


@pytest.fixture
def ops(login: Callable[..., Client], person: Callable[..., Any]) -> Client:
    """Whoever keeps the pipes, reading English."""
    return login(user=person("ops", language="en"))


def test_a_new_endpoint_shows_its_secret_once_and_no_page_after_it(ops: Client, day: Day) -> None:
    answer = ops.post(
        reverse(f"admin:{ENDPOINT}_new"),
        {"url": "https://hooks.example.com/new", "event_types": ["payment.completed"], "description": "The warehouse"},
    )
    made = WebhookEndpoint.objects.get(url="https://hooks.example.com/new")
    pages = [
        reverse(f"admin:{ENDPOINT}_changelist"),
        reverse(f"admin:{ENDPOINT}_change", args=[made.pk]),
        *(deed(ENDPOINT, made.pk, name) for name in ("edit", "rotate", "test", "disable", "remove")),
    ]

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"].startswith("no-store")
    assert made.secret in answer.content.decode()
    for page in pages:
        shown = ops.get(page)
        assert shown.status_code == 200
        assert made.secret not in shown.content.decode() and "whsec_" not in shown.content.decode()


def test_an_address_inside_is_refused_beside_its_field(ops: Client, day: Day) -> None:
    answer = ops.post(
        reverse(f"admin:{ENDPOINT}_new"), {"url": "https://192.168.1.1/", "event_types": ["payment.completed"]}
    )

    assert answer.status_code == 422
    assert "This address is not on the open internet." in answer.content.decode()
    assert WebhookEndpoint.objects.count() == 1


def test_staff_exchange_a_secret_switch_off_and_on_and_every_deed_is_kept(ops: Client, day: Day) -> None:
    row = WebhookEndpoint.objects.get()
    old = row.secret
    exchanged = ops.post(deed(ENDPOINT, row.pk, "rotate"), {"hours": "72", "reason": "somebody left"})
    ops.post(deed(ENDPOINT, row.pk, "disable"), {"reason": "the receiver moves"})
    row.refresh_from_db()
    was_off = (row.is_enabled, row.disabled_reason)
    ops.post(deed(ENDPOINT, row.pk, "enable"), {"reason": "moved"})
    ops.post(deed(ENDPOINT, row.pk, "edit"), {"url": row.url, "event_types": ["payment.failed"], "reason": "less"})

    row = WebhookEndpoint.objects.get()
    assert row.secret in exchanged.content.decode() and old not in exchanged.content.decode()
    assert row.previous_secret == old
    assert was_off == (False, "the receiver moves")
    assert (row.is_enabled, row.event_types) == (True, ["payment.failed"])
    kept = AuditEntry.objects.filter(object_id=row.pk).order_by("id").values_list("action", "reason")
    assert [one for one in kept if one[1]] == [
        ("webhook_endpoint.rotated", "somebody left"),
        ("webhook_endpoint.disabled", "the receiver moves"),
        ("webhook_endpoint.enabled", "moved"),
        ("webhook_endpoint.changed", "less"),
    ]


def test_a_test_event_leads_to_its_delivery(ops: Client, day: Day) -> None:
    answer = ops.post(deed(ENDPOINT, WebhookEndpoint.objects.get().pk, "test"))
    made = WebhookDelivery.objects.get(status="queued")

    assert answer.status_code == 302
    page = ops.get(answer.headers["Location"]).content.decode()
    assert made.event_id in page and "A test; nothing happened." in page


def test_what_was_given_up_is_sent_again_with_a_reason(ops: Client, day: Day) -> None:
    row = WebhookDelivery.objects.get()
    refused = ops.post(deed(DELIVERY, row.pk, "again"), {"reason": ""})
    row.refresh_from_db()
    before = row.status
    ops.post(deed(DELIVERY, row.pk, "again"), {"reason": "they are back"})

    row.refresh_from_db()
    assert (refused.status_code, before, row.status) == (422, "given_up", "queued")


def test_a_payment_leads_to_its_webhooks_and_the_search_to_both(ops: Client, day: Day) -> None:
    row, endpoint = WebhookDelivery.objects.get(), WebhookEndpoint.objects.get()
    page = ops.get(reverse("admin:payments_payment_change", args=[day.paid.pk])).content.decode()

    assert reverse(f"admin:{DELIVERY}_change", args=[row.pk]) in page
    for key, name in ((row.pk, DELIVERY), (endpoint.pk, ENDPOINT)):
        found = ops.get(reverse("admin:find"), {"q": key})
        assert found.headers["Location"] == reverse(f"admin:{name}_change", args=[key])
    for term in (row.pk, row.event_id, day.paid.pk, endpoint.pk):
        listed = ops.get(reverse(f"admin:{DELIVERY}_changelist"), {"q": term}).content.decode()
        assert reverse(f"admin:{DELIVERY}_change", args=[quote(row.pk)]) in listed


def test_the_house_s_own_endpoints_are_shown_and_cannot_be_deleted_or_tested(
    ops: Client, day: Day, settings: Any
) -> None:
    settings.URL_ORDER_SERVICE = "http://orders:9002"
    made = WebhookEndpoint.objects.create(
        kind="notify_url", client="key_1", event_types=["payment.completed"], secret="whsec_eA==", created_by="system",
        created_at=now(),
    )  # fmt: skip
    page = ops.get(reverse(f"admin:{ENDPOINT}_change", args=[made.pk])).content.decode()
    refused = ops.get(deed(ENDPOINT, made.pk, "remove"))
    ops.post(deed(ENDPOINT, made.pk, "edit"), {"event_types": ["payment.failed"], "reason": "only these"})

    assert "notify_url of key_1" in page
    assert refused.status_code == 302
    made.refresh_from_db()
    assert (made.url, made.event_types) == ("", ["payment.failed"])
