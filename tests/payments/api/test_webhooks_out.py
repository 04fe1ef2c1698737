"""Webhooks out over the API: subscribe, look, exchange secrets, send again; a secret is in one answer and no other."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from django.utils import timezone

from payments.models import Payment, WebhookDelivery, WebhookEndpoint
from payments.services import webhook_fan_out, webhooks
from tests import factories
from tests.factories import ApiClient
from tests.receiver import receiving

pytestmark = pytest.mark.django_db(transaction=True)
ROOT: Final = "/api/v1/webhook-endpoints"
COLLECTED: Final = {"result": "collected", "carrier": "ghn", "reference": "GHN-1", "amount": "50000"}
NEW: Final = {"url": "https://hooks.example.com/reckoner", "event_types": ["payment.completed"]}


def patch(client: ApiClient, path: str, body: Any) -> Any:
    return client.generic("PATCH", path, json.dumps(body), content_type="application/json")


def test_a_subscription_shows_its_secret_once_and_then_never_again(system_client: ApiClient) -> None:
    made = system_client.send(ROOT, {**NEW, "description": "The warehouse"})
    secret = made.json()["secret"]
    path = f"{ROOT}/{made.json()['endpoint_id']}"
    later = [
        system_client.get(path),
        system_client.get(ROOT),
        patch(system_client, path, {"event_types": ["*"]}),
        system_client.send(f"{path}/disable", {"reason": "moving"}),
        system_client.send(f"{path}/enable", {"reason": "moved"}),
        system_client.send(f"{path}/test"),
        system_client.get("/api/v1/webhook-deliveries"),
    ]

    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    assert secret.startswith("whsec_") and len(secret) == 50
    assert [answer.status_code for answer in later] == [200, 200, 200, 200, 200, 201, 200]
    assert all("whsec_" not in answer.content.decode() for answer in later)
    shown = later[0].json()
    assert shown == {
        "endpoint_id": made.json()["endpoint_id"], "kind": "subscription", "client": None, "url": NEW["url"],
        "description": "The warehouse", "event_types": ["payment.completed"], "is_enabled": True,
        "disabled_reason": None, "previous_secret_until": None, "created_at": shown["created_at"],
    }  # fmt: skip
    assert later[2].json()["event_types"] == ["*"]
    assert later[3].json()["disabled_reason"] == "moving"


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"url": "https://169.254.169.254/latest"}, 422, "destination_refused"),
        ({"url": "http://hooks.example.com/"}, 422, "destination_refused"),
        ({"url": "https://2130706433/"}, 422, "destination_refused"),
        ({"url": "javascript:alert(1)"}, 422, "destination_refused"),
        ({"event_types": ["payment.complete"]}, 400, "invalid_request"),
        ({"event_types": []}, 400, "invalid_request"),
        ({"secret": "whsec_mine"}, 400, "invalid_request"),
    ],
)
def test_an_odd_subscription_is_refused_by_name(
    changes: dict[str, Any], status: int, code: str, system_client: ApiClient
) -> None:
    answer = system_client.send(ROOT, {**NEW, **changes})

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    (field,) = changes
    assert any(error["pointer"].startswith(f"/{field}") for error in answer.json()["errors"])
    assert not WebhookEndpoint.objects.exists()


def test_a_changed_address_is_checked_like_a_new_one(system_client: ApiClient) -> None:
    path = f"{ROOT}/{system_client.send(ROOT, NEW).json()['endpoint_id']}"
    answer = patch(system_client, path, {"url": "https://10.0.0.1/"})

    assert (answer.status_code, answer.json()["code"]) == (422, "destination_refused")
    assert WebhookEndpoint.objects.get().url == NEW["url"]


def test_an_exchanged_secret_comes_with_the_time_until_which_the_old_one_counts(system_client: ApiClient) -> None:
    made = system_client.send(ROOT, NEW).json()
    path = f"{ROOT}/{made['endpoint_id']}/rotate-secret"
    soft, hard = system_client.send(path).json(), system_client.send(path, {"overlap_hours": 0}).json()

    assert len({made["secret"], soft["secret"], hard["secret"]}) == 3
    assert soft["previous_secret_until"] is not None and hard["previous_secret_until"] is None
    row = WebhookEndpoint.objects.get()
    assert row.secrets(at=timezone.now()) == [hard["secret"]]


def test_a_deleted_subscription_is_gone_and_its_deliveries_can_still_be_read(system_client: ApiClient) -> None:
    path = f"{ROOT}/{system_client.send(ROOT, NEW).json()['endpoint_id']}"
    system_client.send(f"{path}/test")
    answer = system_client.generic("DELETE", path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert system_client.get(path).json()["code"] == "webhook_endpoint_not_found"
    assert system_client.get(ROOT).json()["data"] == []
    (row,) = system_client.get("/api/v1/webhook-deliveries").json()["data"]
    assert (row["status"], row["error"]) == ("given_up", "the endpoint was switched off")


def test_a_merchant_pays_with_a_notify_url_gets_its_secret_and_sends_again(
    system_client: ApiClient, methods: Any, settings: Any
) -> None:
    settings.WEBHOOK_INTERNAL_HOSTS = frozenset({"127.0.0.1"})
    with receiving(status=500) as receiver:
        body = {
            "order_id": "ORD-9", "payment_method": "cod", "amount": "50000", "currency": "VND",
            "customer_id": "customer-1", "notify_url": f"{receiver.url}/merchant",
        }  # fmt: skip
        assert system_client.send("/api/v1/payments", body).status_code == 201
        payment = Payment.objects.get()
        system_client.send(f"/api/v1/payments/{payment.id}/cod", COLLECTED)
        webhook_fan_out.fan_out(at=timezone.now())
        webhooks.send_due(at=timezone.now())
        (own,) = system_client.get(ROOT, {"kind": "notify_url", "client": factories.ISSUER}).json()["data"]
        secret = system_client.send(f"{ROOT}/{own['endpoint_id']}/rotate-secret").json()["secret"]
        (row,) = system_client.get("/api/v1/webhook-deliveries", {"payment_id": payment.id}).json()["data"]
        receiver.status = 200
        again = system_client.send(f"/api/v1/webhook-deliveries/{row['delivery_id']}/retry", {"reason": "we are back"})
        webhooks.send_due(at=timezone.now())
        shown = system_client.get(f"/api/v1/webhook-deliveries/{row['delivery_id']}").json()

    assert (row["status"], row["status_code"], row["tries"]) == ("failed", 500, 1)
    assert (again.status_code, again.json()["status"]) == (200, "queued")
    assert (shown["status"], shown["status_code"], json.loads(shown["body"])["type"]) == (
        "sent",
        200,
        "payment.completed",
    )
    assert WebhookEndpoint.objects.get().secret == secret
    assert system_client.generic("DELETE", f"{ROOT}/{own['endpoint_id']}").json()["code"] == "webhook_refused"


def test_deliveries_are_narrowed_by_what_they_are_about(system_client: ApiClient) -> None:
    first, second = (system_client.send(ROOT, NEW).json()["endpoint_id"] for _ in range(2))
    for endpoint in (first, first, second):
        system_client.send(f"{ROOT}/{endpoint}/test")
    path = "/api/v1/webhook-deliveries"
    row = WebhookDelivery.objects.filter(endpoint=second).get()

    assert len(system_client.get(path, {"endpoint_id": first}).json()["data"]) == 2
    assert len(system_client.get(path, {"event_id": row.event_id}).json()["data"]) == 1
    assert system_client.get(path, {"status": "given_up"}).json()["data"] == []
    assert system_client.get(path, {"status": "lost"}).status_code == 400


def test_a_notify_url_inside_is_refused_with_the_field_named(system_client: ApiClient, methods: Any) -> None:
    body = {
        "order_id": "ORD-9", "payment_method": "cod", "amount": "50000", "currency": "VND", "customer_id": "customer-1",
        "notify_url": "https://[::ffff:127.0.0.1]/",
    }  # fmt: skip
    answer = system_client.send("/api/v1/payments", body)

    assert (answer.status_code, answer.json()["code"]) == (422, "destination_refused")
    assert answer.json()["errors"][0]["pointer"] == "/notify_url"
    assert not Payment.objects.exists()
