"""Webhooks out: every event once for each receiver, sent until it arrives or its time is over, and held up by nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.core.destinations import DestinationRefused
from config.core.errors import InvalidInput
from config.core.models import AuditEntry, OutboxEvent
from payments import tasks, webhook_signing
from payments.errors import WebhookEndpointNotFound, WebhookRefused
from payments.models import AttemptEvent, Payment, WebhookDelivery, WebhookEndpoint
from payments.services import expiry, webhook_endpoints, webhook_fan_out, webhooks
from tests import factories
from tests.receiver import DRIP, HANG, Receiver, free_port, receiving

pytestmark = pytest.mark.django_db(transaction=True)
ROOT: Final = Path(__file__).resolve().parents[3]
D, S = WebhookDelivery, WebhookDelivery.Status


@pytest.fixture(autouse=True)
def _receivers_are_here(settings: Any) -> None:
    settings.WEBHOOK_INTERNAL_HOSTS = frozenset({"127.0.0.1"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Answers 204."""
    with receiving() as one:
        yield one


@pytest.fixture
def endpoint(receiver: Receiver) -> Callable[..., WebhookEndpoint]:
    """Subscribe an address: `endpoint()`, `endpoint("/a", "payment.completed")`."""

    def make(path: str = "/hook", *event_types: str, url: str = "") -> WebhookEndpoint:
        made, _secret = webhook_endpoints.create(
            url=url or receiver.url + path,
            event_types=event_types or ["payment.completed"],
            description="",
            actor="key:tests",
            at=timezone.now(),
        )
        return made

    return make


@pytest.fixture
def paid(order: Callable[..., Any], pay: Callable[..., Any], momo: Any) -> Callable[..., Payment]:
    """A payment that has succeeded: `paid(notify_url=...)`."""

    def make(**wish: Any) -> Payment:
        attempt = pay(order(), **wish).attempt
        momo.settle(attempt)
        expiry.ask(attempt, source=AttemptEvent.Source.POLL, at=timezone.now())
        found: Payment = Payment.objects.get(id=attempt.payment_id)
        assert found.status == "succeeded"
        return found

    return make


def run(after: timedelta = timedelta(seconds=1)) -> int:
    """What beat does: make deliveries, send what is due by then."""
    at = timezone.now() + after
    webhook_fan_out.fan_out(at=at)
    return webhooks.send_due(at=at)


def secret_of(row: WebhookEndpoint) -> str:
    found: str = WebhookEndpoint.objects.get(id=row.id).secret
    return found


def verified(secret: str, heard: Any) -> bool:
    """As a receiver checks it, written from the specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.".encode() + heard.body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert abs(time.time() - int(heard.headers["webhook-timestamp"])) < 60
    return any(
        hmac.compare_digest(wanted, one.removeprefix("v1,")) for one in heard.headers["webhook-signature"].split()
    )


# --- What is told ----------------------------------------------------------------------------------------------------
def test_a_subscriber_hears_the_envelope_of_the_event_signed(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    subscribed = endpoint()
    payment = paid()

    assert run() == 1
    (heard,) = receiver.heard
    event = OutboxEvent.objects.get(type="payment.completed")
    told = json.loads(heard.body)
    assert list(told) == ["event_id", "type", "version", "occurred_at", "sequence", "producer", "trace_id", "data"]
    assert (told["event_id"], told["type"], told["sequence"]) == (event.event_id, "payment.completed", event.sequence)
    assert told["data"] == event.data
    assert heard.headers["webhook-id"] == event.event_id
    assert heard.headers["content-type"] == "application/json; charset=utf-8"
    assert "authorization" not in heard.headers
    assert verified(secret_of(subscribed), heard)
    row = D.objects.get()
    assert (row.status, row.tries, row.status_code, row.error, row.payment_id) == (S.SENT, 1, 204, "", payment.id)
    assert bytes(row.body) == heard.body
    assert row.sent_at is not None and row.next_try_at is None


def test_the_signature_is_the_specification_s_own_example() -> None:
    assert (
        webhook_signing.signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp=1614265330,
            body=b'{"test": 2432232314}',
        )
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_only_what_was_subscribed_is_told_and_nothing_from_before(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    paid()
    endpoint("/completed", "payment.completed")
    endpoint("/failed", "payment.failed")
    endpoint("/all", "*")
    assert run() == 0
    paid()

    assert run() == 4
    told = sorted((one.path, json.loads(one.body)["type"]) for one in receiver.heard)
    assert told == [
        ("/all", "order.payment.received"),
        ("/all", "payment.completed"),
        ("/all", "transaction.created"),
        ("/completed", "payment.completed"),
    ]


def test_a_payment_s_notify_url_hears_how_it_ended_signed_with_its_client_s_secret(
    receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    payment = paid(notify_url=f"{receiver.url}/merchant?x=1")
    paid()

    assert run() == 1
    (heard,) = receiver.heard
    told = json.loads(heard.body)
    assert (heard.path, told["type"], told["data"]["payment_id"]) == (
        "/merchant?x=1",
        "payment.completed",
        payment.id,
    )
    own = WebhookEndpoint.objects.get()
    assert (own.kind, own.client, own.url) == ("notify_url", "tests", "")
    assert verified(own.secret, heard)


def test_a_notify_url_hears_of_refunds_and_failures_but_of_no_single_try(
    receiver: Receiver, order: Callable[..., Any], pay: Callable[..., Any]
) -> None:
    payment = pay(order(), notify_url=f"{receiver.url}/m").payment
    expiry.expire_overdue(at=payment.expires_at + timedelta(hours=1))

    run()
    assert [json.loads(one.body)["type"] for one in receiver.heard] == ["payment.failed"]
    assert webhook_endpoints.TOLD_TO_NOTIFY_URLS == ("payment.completed", "payment.failed", "payment.refunded")


def test_a_customer_s_payment_is_told_with_the_secret_of_whoever_issued_the_token() -> None:
    issuer = factories.ISSUER

    assert webhook_fan_out.client_of(Payment(client=f"{issuer}:0123456789abcdef")) == issuer
    assert webhook_fan_out.client_of(Payment(client=issuer)) == issuer
    assert webhook_fan_out.client_of(Payment(client="key_01")) == "key_01"


def test_the_order_service_is_told_by_its_token_below_the_address_it_is_asked_at(
    receiver: Receiver, paid: Callable[..., Payment], settings: Any
) -> None:
    settings.URL_ORDER_SERVICE = f"{receiver.url}/orders-api"
    settings.ORDER_SERVICE_TOKEN = "our-token"
    settings.WEBHOOK_INTERNAL_HOSTS = frozenset()  # its address is ours already, wherever it leads
    payment = paid()

    assert run() == 1
    (heard,) = receiver.heard
    assert heard.path == f"/orders-api/v1/orders/{payment.order.order_id}/payment"
    assert heard.headers["authorization"] == "Bearer our-token"
    assert json.loads(heard.body)["data"]["status"] == "SUCCESS"
    own = WebhookEndpoint.objects.get()
    assert (own.kind, own.event_types) == ("order_service", list(webhook_endpoints.TOLD_TO_THE_ORDER_SERVICE))
    assert verified(own.secret, heard)


def test_a_payment_refuses_a_notify_url_inside_before_anything_is_written(
    order: Callable[..., Any], pay: Callable[..., Any]
) -> None:
    with pytest.raises(DestinationRefused) as refusal:
        pay(order(), notify_url="https://169.254.169.254/latest")

    assert refusal.value.field == "notify_url"
    assert not Payment.objects.exists()


# --- Once for each, and cheap ----------------------------------------------------------------------------------------
def test_a_capture_costs_the_same_statements_whether_nobody_listens_or_twenty_do(
    endpoint: Callable[..., WebhookEndpoint],
    receiver: Receiver,
    order: Callable[..., Any],
    pay: Callable[..., Any],
    momo: Any,
    hear: Callable[..., Any],
) -> None:
    counts = []
    for listens in (False, True):
        if listens:
            for number in range(20):
                endpoint(f"/{number}", "*")
        body = momo.paid_ipn(pay(order(), notify_url=f"{receiver.url}/m" if listens else "").attempt)
        with CaptureQueriesContext(connection) as queries:
            hear(body)
        counts.append(len(queries))
        assert not any("payments_webhook" in one["sql"] for one in queries)

    assert counts[0] == counts[1]


def test_twenty_endpoints_hear_each_event_once_however_often_it_is_fanned_out(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    for number in range(20):
        endpoint(f"/{number}")
    for _ in range(3):
        paid()
    run()
    OutboxEvent.objects.update(fanned_out_at=None)  # as if the mark had been lost

    assert run() == 0
    assert D.objects.count() == 60
    assert sorted(one.path for one in receiver.heard) == sorted(f"/{n}" for n in range(20) for _ in range(3))
    assert len(set(receiver.ids())) == 3


@pytest.mark.race
def test_two_who_fan_out_and_two_who_send_at_once_send_each_once(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    for number in range(5):
        endpoint(f"/{number}")
    for _ in range(4):
        paid()
    at = timezone.now() + timedelta(seconds=1)
    barrier, sent = threading.Barrier(2), []

    def work() -> None:
        try:
            barrier.wait()
            webhook_fan_out.fan_out(at=at, limit=3)
            barrier.wait()
            sent.append(webhooks.work_off(at=at, calls=4))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(sent) == 20
    assert len(receiver.heard) == 20
    assert len({(one.path, one.headers["webhook-id"]) for one in receiver.heard}) == 20


def test_one_sender_of_the_house_works_at_a_time(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    endpoint()
    paid()
    webhook_fan_out.fan_out(at=timezone.now())
    receiver.status = HANG
    first = threading.Thread(target=lambda: (webhooks.send_due(at=timezone.now()), connection.close()))
    first.start()
    _until(lambda: len(receiver.heard) == 1)

    assert webhooks.send_due(at=timezone.now() + timedelta(hours=1)) == 0
    receiver.released.set()
    first.join()
    assert len(receiver.heard) == 1


def test_a_hanging_receiver_holds_up_nobody_else(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    with receiving(status=HANG) as hanging, receiving(status=DRIP) as dripping:
        endpoint("", url=f"{hanging.url}/")
        endpoint("", url=f"{dripping.url}/")
        for number in range(18):
            endpoint(f"/{number}")
        for _ in range(4):
            paid()
        webhook_fan_out.fan_out(at=timezone.now())
        sender = threading.Thread(target=lambda: (webhooks.send_due(at=timezone.now()), connection.close()))
        began = time.monotonic()
        sender.start()
        _until(lambda: len(receiver.heard) == 72)
        took = time.monotonic() - began
        during = (len(hanging.heard), len(dripping.heard))
        hanging.released.set()
        dripping.released.set()
        sender.join()

    assert took < 8
    assert during == (1, 1)  # one call of each is under way; the rest of theirs waits
    assert D.objects.filter(status=S.SENT, endpoint__url__startswith=receiver.url).count() == 72


# --- Tried again, and not for ever -----------------------------------------------------------------------------------
def test_what_fails_is_tried_again_with_growing_pauses_and_given_up_after_three_days(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    endpoint()
    receiver.status = 500
    paid()
    at = timezone.now()
    webhook_fan_out.fan_out(at=at)
    pauses: list[float] = []
    while (row := D.objects.get()).status != S.GIVEN_UP:
        assert webhooks.send_due(at=at) == 0
        row = D.objects.get()
        if row.status == S.FAILED:
            assert webhooks.send_due(at=at) == 0  # not due: nothing is sent
            pauses.append((row.next_try_at - at).total_seconds())
            at = row.next_try_at

    planned = [pause.total_seconds() for pause in webhooks.RETRY_AFTER]
    assert len(pauses) == 9
    assert all(plan <= pause <= plan * 1.1 for plan, pause in zip(planned, pauses, strict=True))
    assert (row.tries, row.status_code, row.error, row.next_try_at) == (10, 500, "HTTP 500", None)
    assert len(receiver.heard) == 10
    assert len(set(receiver.ids())) == 1
    assert webhooks.send_due(at=at + timedelta(days=30)) == 0


@pytest.mark.parametrize(("status", "words"), [
    (302, "HTTP 302, and redirects are not followed"), (404, "HTTP 404"), (503, "HTTP 503"),
])  # fmt: skip
def test_what_is_no_success_is_a_failure_and_says_which(
    status: int, words: str, endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    endpoint()
    receiver.status = status
    paid()
    run()

    row = D.objects.get()
    assert (row.status, row.status_code, row.error, row.tries) == (S.FAILED, status, words, 1)


def test_a_name_that_leads_inside_by_now_is_not_called(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment], settings: Any
) -> None:
    endpoint()
    paid()
    settings.WEBHOOK_INTERNAL_HOSTS = frozenset()
    run()

    row = D.objects.get()
    assert (row.status, row.status_code, row.error) == (S.FAILED, None, "the address is not on the open internet")
    assert receiver.heard == []


def test_where_nobody_listens_the_rest_waits_for_the_next_run(
    endpoint: Callable[..., WebhookEndpoint], paid: Callable[..., Payment]
) -> None:
    endpoint(url=f"http://127.0.0.1:{free_port()}/")
    for _ in range(3):
        paid()
    run()

    assert sorted(D.objects.values_list("status", "tries")) == [(S.FAILED, 1), (S.QUEUED, 0), (S.QUEUED, 0)]


def test_410_switches_a_subscription_off_and_gives_up_what_waits(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    endpoint()
    receiver.status = 410
    paid()
    paid()
    run()

    row = WebhookEndpoint.objects.get()
    assert (row.is_enabled, row.disabled_reason) == (False, "the receiver answered 410: gone")
    assert set(D.objects.values_list("status", flat=True)) == {S.GIVEN_UP}
    assert len(receiver.heard) == 1


DYING: Final = """
import django
django.setup()
from django.utils import timezone
from payments.services import webhook_fan_out, webhooks
webhook_fan_out.fan_out(at=timezone.now())
webhooks.send_due(at=timezone.now())
"""


@pytest.mark.parametrize(
    ("point", "heard"),
    [("webhook.fanned_out", 1), ("webhook.claimed", 1), ("webhook.sent", 2), ("webhook.noted", 1)],
)
def test_a_sender_that_dies_anywhere_loses_nothing_and_repeats_only_under_the_same_id(
    point: str, heard: int, endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    endpoint()
    paid()
    stored = connection.settings_dict
    database = f"postgres://postgres@{stored['HOST']}:{stored['PORT']}/{stored['NAME']}"
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": database,
        "FAULTPOINT": point,
        "WEBHOOK_INTERNAL_HOSTS": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
    }
    died = subprocess.run(
        [sys.executable, "-c", DYING], env=env, cwd=ROOT, capture_output=True, timeout=60, check=False
    )

    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    run(after=timedelta(seconds=1))
    run(after=webhooks.LEASE + timedelta(seconds=5))
    assert len(receiver.heard) == heard
    assert len(set(receiver.ids())) == 1
    assert D.objects.get().status == S.SENT


# --- Secrets ---------------------------------------------------------------------------------------------------------
def test_while_a_secret_is_exchanged_both_sign_and_then_only_the_new_one(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    subscribed = endpoint()
    old = secret_of(subscribed)
    at = timezone.now()
    _row, new = webhook_endpoints.rotate(endpoint_id=subscribed.id, actor="user:a@x", reason="a leak", at=at)
    paid()
    run()
    WebhookEndpoint.objects.update(previous_until=at - timedelta(seconds=1))
    paid()
    run()

    during, after = receiver.heard
    assert old != new
    assert (verified(old, during), verified(new, during)) == (True, True)
    assert (verified(old, after), verified(new, after)) == (False, True)
    assert len(after.headers["webhook-signature"].split()) == 1


def test_no_secret_is_in_the_log_the_audit_trail_or_the_table(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment], caplog: Any, capsys: Any
) -> None:
    subscribed = endpoint()
    _row, new = webhook_endpoints.rotate(
        endpoint_id=subscribed.id, actor="user:a@x", reason="a leak", at=timezone.now()
    )
    receiver.statuses["/hook"] = 500
    paid()
    run()

    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(e)::text FROM payments_webhookendpoint e")
        (stored,) = cursor.fetchone()
    kept = json.dumps([str(row) for row in AuditEntry.objects.values("action", "before", "after", "reason")])
    printed = caplog.text + "".join(capsys.readouterr())
    for secret in (new, subscribed.secret):
        assert secret.startswith("whsec_")
        assert all(secret not in text and secret[6:] not in text for text in (stored, kept, printed))


# --- By hand ---------------------------------------------------------------------------------------------------------
def test_staff_send_again_what_was_given_up_under_the_id_it_had(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    endpoint()
    receiver.status = 500
    paid()
    run()
    row = D.objects.get()
    D.objects.update(status=S.GIVEN_UP, tries=10, next_try_at=None)
    receiver.status = 200

    with pytest.raises(InvalidInput):
        webhooks.retry(delivery_id=row.id, actor="user:a@x", reason=" ", at=timezone.now())
    webhooks.retry(delivery_id=row.id, actor="user:a@x", reason="they are back", at=timezone.now())
    with pytest.raises(WebhookRefused):
        webhooks.retry(delivery_id=row.id, actor="user:a@x", reason="twice", at=timezone.now())
    run()

    row.refresh_from_db()
    assert (row.status, row.tries, row.error) == (S.SENT, 1, "")
    assert len(receiver.heard) == 2
    assert len(set(receiver.ids())) == 1
    assert AuditEntry.objects.get(action="webhook_delivery.retried").reason == "they are back"


def test_an_endpoint_that_is_off_hears_nothing_and_what_waited_is_given_up(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    subscribed = endpoint()
    paid()
    webhook_fan_out.fan_out(at=timezone.now())
    with pytest.raises(InvalidInput):
        webhook_endpoints.switch(endpoint_id=subscribed.id, is_enabled=False, actor="user:a@x", reason="")
    webhook_endpoints.switch(endpoint_id=subscribed.id, is_enabled=False, actor="user:a@x", reason="moving house")
    paid()
    run()

    assert [row.error for row in D.objects.all()] == ["the endpoint was switched off"]
    assert receiver.heard == []
    with pytest.raises(WebhookRefused):
        webhooks.retry(delivery_id=D.objects.get().id, actor="user:a@x", reason="now", at=timezone.now())
    webhook_endpoints.switch(endpoint_id=subscribed.id, is_enabled=True, actor="user:a@x", reason="moved")
    paid()
    assert run() == 1


def test_a_deleted_endpoint_hears_nothing_and_is_not_found_again(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    subscribed = endpoint()
    webhook_endpoints.delete(endpoint_id=subscribed.id, actor="key:tests", at=timezone.now())
    paid()

    assert run() == 0
    with pytest.raises(WebhookEndpointNotFound):
        webhook_endpoints.delete(endpoint_id=subscribed.id, actor="key:tests", at=timezone.now())


def test_a_test_event_means_nothing_and_shows_whether_it_arrives(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver
) -> None:
    subscribed = endpoint()
    webhooks.send_test(endpoint_id=subscribed.id, actor="user:a@x", at=timezone.now())

    assert run() == 1
    (heard,) = receiver.heard
    assert json.loads(heard.body)["type"] == "webhook.test"
    assert verified(secret_of(subscribed), heard)
    assert not OutboxEvent.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["payment.complete"]}, "event_types"),
    ],
)
def test_an_odd_endpoint_is_refused_and_nothing_is_kept(changes: dict[str, Any], field: str) -> None:
    wish = {"url": "https://hooks.example.com/", "event_types": ["payment.completed"], "description": "", **changes}
    with pytest.raises(InvalidInput) as refusal:
        webhook_endpoints.create(**wish, actor="key:tests", at=timezone.now())

    assert refusal.value.field == field
    assert not WebhookEndpoint.objects.exists()


def test_beat_s_tasks_make_and_send_and_are_harmless_twice(
    endpoint: Callable[..., WebhookEndpoint], receiver: Receiver, paid: Callable[..., Payment]
) -> None:
    endpoint()
    paid()

    assert (tasks.fan_out_events(), tasks.send_webhooks()) == (1, 1)
    assert (tasks.fan_out_events(), tasks.send_webhooks()) == (0, 0)
    assert len(receiver.heard) == 1


def _until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
