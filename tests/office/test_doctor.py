"""The doctor: each dependency ill in turn, on real ones; what is well is said to be well."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.utils import timezone

from config.core import breaker, deadletters, health, jobs
from config.core.clock import now
from config.core.models import OutboxEvent
from config.office.doctor import State, books, examine, gateways, mail, stores, work
from gateways.sandbox.momo.simulator import PUBLISHED
from gateways.sandbox.server import RunningSandbox
from payments.links import is_private
from payments.models import Attempt, BreakerOverride, GatewayAccount, Notification, Order
from payments.services import accounts, breakers, checkout
from payments.services.checkout import NewPayment
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
NOWHERE = "http://127.0.0.1:9"
(PARTNER, ACCESS_KEY, SECRET_KEY), *_ = PUBLISHED


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    accounts.forget()
    for check in (health.postgres, health.redis_server, health.kafka):
        check.forget()


@pytest.fixture
def account(sandbox: RunningSandbox) -> Callable[..., GatewayAccount]:
    """Our account at MoMo, with the sandbox on the other side unless told otherwise."""

    def make(**changes: object) -> GatewayAccount:
        keys = {"partner_code": PARTNER, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "endpoint": sandbox.url}
        (made,) = accounts.ensure_first_accounts({"momo": {**keys, **changes}})
        return made

    return make


def states(found: Any) -> list[tuple[str, State]]:
    return [(one.part, one.state) for one in found]


@contextmanager
def provider(status: int) -> Iterator[str]:
    """A mail provider that answers every question with one status."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.headers["api-key"] == "a-key" else 418)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v3/"
        server.shutdown()


# --- The whole ---------------------------------------------------------------------------------------------------------
@pytest.mark.kafka
def test_an_installation_that_is_well_has_no_problem(live_server: Any, settings: Any, account: Any):
    settings.PUBLIC_URL = live_server.url
    account()
    with jobs.running("sweep"):
        pass

    out = StringIO()
    call_command("doctor", "--json", stdout=out)

    found = json.loads(out.getvalue())
    assert [one for one in found if one["state"] == "problem"] == []
    assert [one["sentence"] for one in found if one["part"] == "gateway momo"] == ["answers, and accepts our signature"]
    assert {"settings", "PostgreSQL", "Redis", "Kafka", "web", "disk", "beat", "outbox", "ledger"} <= {
        one["part"] for one in found
    }


def test_a_wrong_redis_address_is_named_with_its_remedy_and_the_rest_is_still_looked_at(settings: Any):
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    settings.PUBLIC_URL = NOWHERE
    out = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out)

    assert ended.value.code == 3
    assert "✗ Redis" in out.getvalue()
    assert "Redis at 127.0.0.1:9 does not answer (ConnectionError)." in out.getvalue()
    assert "correct REDIS_URL" in out.getvalue()
    assert "debits equal credits" in out.getvalue()


def test_without_postgresql_the_rest_is_looked_at_and_what_could_not_be_is_named(settings: Any, monkeypatch: Any):
    settings.PUBLIC_URL = NOWHERE
    given = {**connections["default"].settings_dict, "HOST": "127.0.0.1", "PORT": 9}
    monkeypatch.setattr(connections["default"], "settings_dict", given)

    found = examine(at=now())

    told = dict(states(found))
    assert told["PostgreSQL"] is State.PROBLEM
    assert told["Redis"] is State.OK
    assert found[-1].sentence == "Not looked at: gateways, e-mail, jobs, outbox, keys and ledger."
    assert "correct DATABASE_URL" in next(one.remedy for one in found if one.part == "PostgreSQL")


# --- Stores ------------------------------------------------------------------------------------------------------------
def test_brokers_that_are_away_are_a_problem_and_none_configured_is_a_warning(settings: Any, monkeypatch: Any):
    monkeypatch.setattr(stores, "KAFKA_SECONDS", 0.5)
    settings.KAFKA_BROKERS = "127.0.0.1:9"
    assert states(stores.kafka_brokers(now())) == [("Kafka", State.PROBLEM)]

    settings.KAFKA_BROKERS = ""
    assert states(stores.kafka_brokers(now())) == [("Kafka", State.WARNING)]


def test_a_server_that_may_forget_commits_is_a_problem_in_production_only(settings: Any):
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    assert ("durability", State.WARNING) in states(stores.postgresql(now()))

    settings.ENVIRONMENT = "production"
    assert ("durability", State.PROBLEM) in states(stores.postgresql(now()))


# --- Gateways ----------------------------------------------------------------------------------------------------------
def test_an_account_whose_gateway_is_a_closed_port_is_a_problem(account: Any):
    account(endpoint=NOWHERE)

    (found,) = gateways.accounts_work(now())

    assert (found.part, found.state) == ("gateway momo", State.PROBLEM)
    assert found.sentence.startswith("It does not answer: ")


def test_an_account_with_a_wrong_key_is_told_what_the_gateway_said(account: Any):
    account(secret_key="not the key")

    (found,) = gateways.accounts_work(now())

    assert (found.part, found.state) == ("gateway momo", State.WARNING)
    assert found.sentence.startswith("It answered oddly: 20 ")


def test_an_account_that_no_adapter_can_be_built_from_is_a_problem(account: Any):
    made = account()
    GatewayAccount.objects.filter(pk=made.pk).update(settings={"colour": "red"})

    (found,) = gateways.accounts_work(now())

    assert found.state is State.PROBLEM
    assert "unknown: colour" in found.sentence


def test_a_public_gateway_cannot_call_a_private_address(account: Any, settings: Any):
    account(endpoint="https://8.8.8.8")
    settings.PUBLIC_URL = "http://192.168.1.5:8000"
    assert states(gateways.notifications_arrive(now()))[0] == ("notifications of momo", State.WARNING)

    settings.ENVIRONMENT = "production"
    assert states(gateways.notifications_arrive(now()))[0] == ("notifications of momo", State.PROBLEM)


def test_silence_while_customers_pay_is_a_problem_until_a_notification_comes(account: Any):
    made = account()
    method = factories.PaymentMethodFactory(code="momo", account=made)
    an_hour_ago = now() - timedelta(hours=1)
    for _ in range(5):
        _attempt(made, method, at=an_hour_ago)

    (silent,) = gateways.notifications_arrive(now())
    Notification.objects.create(gateway="momo", account=made, dedupe_key="1", method="POST", received_at=now())
    (heard,) = gateways.notifications_arrive(now())

    assert silent.state is State.PROBLEM
    assert silent.sentence == "Silence: 5 attempts since the last notification (never)."
    assert heard.state is State.OK


def _attempt(made: GatewayAccount, method: Any, *, at: Any) -> None:
    order: Order = factories.make_order()
    payment = order.payments.create(
        method=method, customer=order.customer, amount_minor=order.amount_minor, currency="VND", client="test",
        expires_at=at, created_at=at, updated_at=at,
    )  # fmt: skip
    Attempt.objects.create(
        payment=payment, account=made, method=method, number=1, gateway_reference=payment.id,
        amount_minor=order.amount_minor, currency="VND", expires_at=at, created_at=at, updated_at=at,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://[::1]/", True),
        ("https://10.1.2.3", True),
        ("https://reckoner", True),
        ("https://pay.shop.internal/x", True),
        ("https://8.8.8.8/ipn", False),
    ],
)
def test_an_address_is_private_when_nobody_outside_can_call_it(url: str, private: bool):
    assert is_private(url) is private


# --- E-mail ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("status", "state"), [(200, State.OK), (401, State.PROBLEM), (500, State.WARNING)])
def test_brevo_is_asked_whether_it_knows_the_key(settings: Any, status: int, state: State):
    settings.BREVO_API_KEY = "a-key"
    with provider(status) as url:
        settings.ANYMAIL = {"BREVO_API_URL": url}

        found = list(mail.letters_leave(now()))

    assert states(found)[0] == ("e-mail", state)


def test_a_backend_that_sends_nothing_is_a_problem_in_production(settings: Any):
    assert states(mail.letters_leave(now()))[0] == ("e-mail", State.WARNING)

    settings.ENVIRONMENT = "production"
    assert states(mail.letters_leave(now()))[0] == ("e-mail", State.PROBLEM)


# --- Work --------------------------------------------------------------------------------------------------------------
def test_beat_that_never_ran_and_a_job_that_failed_are_told():
    assert states(work.beat(now())) == [("beat", State.PROBLEM)]

    with pytest.raises(ZeroDivisionError), jobs.running("divide"):
        _ = 1 / 0

    assert states(work.beat(now())) == [("beat", State.OK), ("jobs", State.WARNING)]


def test_payments_that_wait_for_the_background_are_a_problem_after_two_minutes(account: Any, settings: Any):
    settings.INVOICE_MODE = "batch"
    method = factories.PaymentMethodFactory(account=account())
    order = factories.make_order()
    wish = NewPayment(order_id=order.order_id, method=method, client="t", actor="t")
    checkout.create_payment(wish=wish, at=now() - timedelta(minutes=1))
    assert states(work.queued_payments(now())) == [("payments in the background", State.OK)]

    (found,) = work.queued_payments(now() + timedelta(minutes=4))

    assert found.state is State.PROBLEM
    assert found.sentence.startswith("1 payments wait to be opened at their gateway, the oldest for 5 minutes")


def test_an_event_that_waits_and_a_dead_letter_are_told():
    OutboxEvent.objects.create(
        type="payment.completed", key="k", aggregate_type="payment", aggregate_id="p", sequence=1, data={},
        occurred_at=now(),
    )  # fmt: skip
    OutboxEvent.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    with transaction.atomic():
        deadletters.bury(
            source="email", topic="t", key="k", reference="r", payload={}, headers={}, error="e", attempts=5
        )

    (waiting,) = work.outbox(now())
    (letter,) = work.dead_letters(now())

    assert (waiting.state, waiting.sentence) == (State.PROBLEM, "The oldest event has waited for 5 minutes.")
    assert (letter.state, letter.sentence) == (State.WARNING, "Dead letters are open (email: 1).")


# --- Books -------------------------------------------------------------------------------------------------------------
def test_a_key_that_is_gone_is_noticed_by_what_no_longer_opens(settings: Any):
    order = factories.make_order()
    assert states(books.keys_decrypt(now())) == [("encryption keys", State.OK)]

    settings.ENCRYPTION_KEYS = {"t2": b"another key of thirty-two bytes!"}

    (found,) = books.keys_decrypt(now())
    assert found.state is State.PROBLEM
    assert f"payments_order {order.pk}" in found.sentence


def test_a_ledger_that_does_not_balance_is_a_problem():
    assert ("ledger", State.OK) in states(books.ledger_balances(now()))
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("INSERT INTO ledger_account (code, kind, currency, mode) VALUES ('bank:x', 'A', 'VND', 'H')")
        cursor.execute(
            "WITH j AS (INSERT INTO ledger_journal (booked_at, effective_on, lines, reference, request_hash, event, actor)"
            " VALUES (now(), current_date, 2, 'r', sha256('r'), 'e', 'a') RETURNING id)"
            " INSERT INTO ledger_line (journal_id, account_id, amount, booked_at, effective_on, line, currency, mode)"
            " SELECT j.id, a.id, 5, now(), current_date, 1, 'VND', 'H' FROM j, ledger_account a WHERE code = 'bank:x'"
        )
        cursor.execute("RESET session_replication_role")

    (found,) = books.ledger_balances(now())

    assert (found.state, found.sentence) == (State.PROBLEM, "Debits and credits differ in VND.")


def test_an_open_breaker_is_a_problem_and_a_held_one_a_warning(db: None):
    GatewayAccount.objects.create(code="momo", gateway="momo")
    assert [(one.part, one.state) for one in gateways.breakers_are_closed(now())] == [("breaker of momo", State.OK)]

    for _ in range(5):
        call, _say = breaker.admit("momo", policy=breakers.policy())
        breaker.note("momo", call, ok=False, seconds=0.1, policy=breakers.policy())
    (found,) = gateways.breakers_are_closed(now())
    assert (found.state, found.sentence.startswith("Open:")) == (State.PROBLEM, True)
    assert "gateway-down.md" in found.remedy

    BreakerOverride.objects.create(
        gateway="momo", state="open", reason="charges twice", set_by="user:ops@x", set_at=now(), until=now() + timedelta(hours=1)
    )  # fmt: skip
    (found,) = gateways.breakers_are_closed(now())
    assert (found.state, "charges twice" in found.sentence) == (State.WARNING, True)
