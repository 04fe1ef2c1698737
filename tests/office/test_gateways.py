"""Gateways in the back office: how they do, a test call, their breakers in hand, and the rules that choose among them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.core import breaker, ids
from config.core.breaker import State
from config.core.clock import now
from config.core.models import AuditEntry
from payments.models import Attempt, BreakerOverride, GatewayAccount, Notification, PaymentMethod, RoutingRule, Shop
from payments.services import accounts, breakers, routes
from tests.office.conftest import deed, open_payment

pytestmark = pytest.mark.django_db

LIST = "admin:payments_gatewayaccount_changelist"
RULES = "admin:payments_routingrule_changelist"
SIMULATE = "admin:payments_routing_simulate"


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    accounts.forget()
    routes.forget()
    breakers.forget()


@pytest.fixture
def ops(login: Callable[..., Client]) -> Client:
    return login("ops")


def rule_form(account: GatewayAccount, **changed: Any) -> dict[str, Any]:
    return {
        "position": 10, "account": account.pk, "weight": 0, "cost_basis_points": 0, "is_active": "on", "reason": "cheaper",
        **changed,
    }  # fmt: skip


# --- How they do -----------------------------------------------------------------------------------------------------
def test_the_list_shows_mode_breaker_success_and_the_last_message(momo: PaymentMethod, boss: Client) -> None:
    for status in ("succeeded", "succeeded", "succeeded", "failed"):
        Attempt.objects.filter(payment=open_payment(momo)).update(status=status)
    for minutes, state in ((90, "processed"), (2, "rejected")):
        Notification.objects.create(
            gateway="momo", account=momo.account, dedupe_key=ids.new_id("x"), method="POST", path="/", status=state,
            received_at=now() - timedelta(minutes=minutes),
        )  # fmt: skip

    page = boss.get(reverse(LIST)).text

    assert "75%" in page and "closed" in page and "test" in page
    assert "1 h" in page  # a forged message says nothing
    breaker.force("momo", State.OPEN, seconds=60)
    assert "held open" in boss.get(reverse(LIST)).text


def test_the_page_tells_calls_answers_and_rates(momo: PaymentMethod, boss: Client) -> None:
    for status in ("succeeded", "failed"):
        Attempt.objects.filter(payment=open_payment(momo)).update(status=status)
    for ok in (True, True, False):
        call, _ = breaker.admit("momo", policy=breakers.policy())
        breaker.note("momo", call, ok=ok, seconds=0.4, policy=breakers.policy())

    page = boss.get(reverse("admin:payments_gatewayaccount_change", args=[momo.account.pk])).text

    assert "3 calls in 15 minutes, 1 failed" in page
    assert "50 % in the last 15 minutes" in page
    assert "Last call" in page and "failed" in page
    assert "/api/v1/webhooks/momo/momo" in page


def test_many_accounts_cost_no_query_more(momo: PaymentMethod, boss: Client) -> None:
    def queries() -> int:
        routes.forget()
        with CaptureQueriesContext(connection) as found:
            assert boss.get(reverse(LIST)).status_code == 200
        return len(found)

    queries()
    before = queries()
    for number in range(10):
        GatewayAccount.objects.create(code=f"momo-{number}", gateway="momo", is_enabled=False)

    assert queries() == before


def test_the_last_message_is_read_from_its_index(momo: PaymentMethod, db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute(
            "EXPLAIN SELECT received_at FROM payments_notification WHERE account_id = 'x' AND status IN"
            " ('processed', 'ignored') ORDER BY received_at DESC LIMIT 1"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "notification_heard" in plan


# --- Deeds -----------------------------------------------------------------------------------------------------------
def test_a_test_call_that_finds_nobody_says_so_and_is_in_the_trail(momo: PaymentMethod, ops: Client) -> None:
    momo.account.settings = {**momo.account.settings, "endpoint": "http://127.0.0.1:9"}
    momo.account.save()
    accounts.forget()

    answer = ops.post(deed("payments_gatewayaccount", momo.account.pk, "test"), {"reason": "new firewall"})

    assert answer.status_code == 422
    assert "It does not answer." in answer.text
    entry = AuditEntry.objects.get(action="gateway_account.tested")
    assert (entry.reason, entry.after["verdict"]) == ("new firewall", "silent")


def test_cash_needs_no_test_call(cash: PaymentMethod, ops: Client) -> None:
    answer = ops.post(deed("payments_gatewayaccount", cash.account.pk, "test"), {"reason": "why not"}, follow=True)

    assert "there is nobody to ask" in answer.text


def test_ops_holds_a_breaker_open_and_releases_it(
    momo: PaymentMethod, ops: Client, django_capture_on_commit_callbacks: Any
) -> None:
    key = momo.account.pk
    assert ops.get(deed("payments_gatewayaccount", key, "release")).status_code == 302  # nobody holds it

    with django_capture_on_commit_callbacks(execute=True):
        ops.post(deed("payments_gatewayaccount", key, "hold-open"), {"hours": "2", "reason": "charges twice"})

    held = BreakerOverride.objects.get()
    assert (held.gateway, held.state, held.reason) == ("momo", "open", "charges twice")
    assert timedelta(minutes=119) < held.until - now() <= timedelta(hours=2)
    assert breakers.down({"momo"}) == {"momo"}
    page = ops.get(reverse("admin:payments_gatewayaccount_change", args=[key])).text
    assert "charges twice" in page and "held open" in page

    with django_capture_on_commit_callbacks(execute=True):
        ops.post(deed("payments_gatewayaccount", key, "release"), {"reason": "mended"})
    assert breakers.down({"momo"}) == frozenset()
    actions = set(AuditEntry.objects.filter(object_type="gateway_breaker").values_list("action", flat=True))
    assert actions == {"gateway_breaker.forced", "gateway_breaker.released"}


def test_a_live_account_is_not_enabled_among_test_accounts(momo: PaymentMethod, ops: Client) -> None:
    account = GatewayAccount.objects.create(code="momo-live", gateway="momo", mode="live", is_enabled=False)
    form = {"s_partner_code": "P", "s_access_key": "a", "s_secret_key": "s", "is_enabled": "on", "reason": "go"}

    answer = ops.post(deed("payments_gatewayaccount", account.pk, "edit"), form)

    assert answer.status_code == 422
    assert "cannot be mixed" in answer.text
    account.refresh_from_db()
    assert (account.is_enabled, account.secrets) == (False, {})


def test_a_new_method_begins_hidden_and_leads_to_its_settings(momo: PaymentMethod, ops: Client) -> None:
    form = {"code": "momo-atm", "account": momo.account.pk, "kind": "ONLINE", "channel": "payWithATM"}

    answer = ops.post(reverse("admin:payments_paymentmethod_new"), form)

    made = PaymentMethod.objects.get(code="momo-atm")
    assert (made.account, made.channel, made.is_active) == (momo.account, "payWithATM", False)
    assert answer.headers["Location"].endswith(f"/paymentmethod/{made.pk}/do/edit/")
    assert ops.get(answer.headers["Location"]).status_code == 200
    assert AuditEntry.objects.get(action="payment_method.begun").object_id == str(made.pk)
    again = ops.post(reverse("admin:payments_paymentmethod_new"), form)
    assert again.status_code == 422
    assert PaymentMethod.objects.filter(code="momo-atm").count() == 1


def test_when_an_accounts_payments_are_opened_is_set_shown_and_in_the_trail(momo: PaymentMethod, ops: Client) -> None:
    account, form = momo.account, {"s_partner_code": "MOMO", "s_endpoint": "https://test-payment.momo.vn", "is_enabled": "on",
                                   "s_request_type": "captureWallet", "reason": "a slow evening"}  # fmt: skip
    address = deed("payments_gatewayaccount", account.pk, "edit")
    shown = reverse("admin:payments_gatewayaccount_change", args=[account.pk])
    assert "as DISABLE_CREATE_INVOICE_DIRECTLY says" in ops.get(shown).text

    saved = ops.post(address, {**form, "invoice_mode": "batch"})
    odd = ops.post(address, {**form, "invoice_mode": "never"})

    assert (saved.status_code, odd.status_code) == (302, 422)
    account.refresh_from_db()
    assert account.invoice_mode == "batch"
    entry = AuditEntry.objects.get(action="gateway_account.saved")
    assert (entry.before["invoice_mode"], entry.after["invoice_mode"]) == ("", "batch")
    assert "in the background" in ops.get(shown).text


def test_an_account_that_calls_nobody_has_no_such_choice(ops: Client) -> None:
    account = GatewayAccount.objects.create(code="cod", gateway="cod")

    assert "invoice_mode" not in ops.get(deed("payments_gatewayaccount", account.pk, "edit")).text


def test_a_queued_attempt_shows_its_tries_and_the_next_and_cannot_be_asked_about(
    momo: PaymentMethod, boss: Client
) -> None:
    payment = open_payment(momo)
    Attempt.objects.filter(payment=payment).update(status="queued", sends=2, next_send_at=now() + timedelta(minutes=1))
    attempt = Attempt.objects.get(payment=payment)

    page = boss.get(reverse("admin:payments_attempt_change", args=[attempt.pk])).text
    rows = boss.get(reverse("admin:payments_attempt_changelist") + "?status=queued").text

    assert "Times sent" in page and "Sent next" in page
    assert "Ask the gateway" not in page
    assert attempt.gateway_reference[:20] in rows and "sent next" in rows.lower()


# --- Rules -----------------------------------------------------------------------------------------------------------
def test_treasury_makes_changes_and_removes_a_rule(momo: PaymentMethod, login: Callable[..., Client]) -> None:
    client = login("treasury")
    Shop.objects.create(id="shop-1", name="One")
    wish = rule_form(
        momo.account, currency="VND", smallest="50.000", fixed_cost="400", cost_basis_points=110, shop="shop-1"
    )

    client.post(reverse("admin:payments_routingrule_new"), wish)

    rule = RoutingRule.objects.get()
    found = (
        rule.min_minor,
        rule.max_minor,
        rule.cost_fixed_minor,
        rule.cost_basis_points,
        rule.shop_id,
        rule.is_active,
    )
    assert found == (50_000, None, 400, 110, "shop-1", True)
    page = client.get(reverse(RULES)).text
    assert "≥ 50.000\u00a0₫" in page and "1.1 % + 400\u00a0₫" in page

    edit = deed("payments_routingrule", rule.pk, "edit")
    assert 'value="50000"' in client.get(edit).text
    client.post(edit, {**wish, "position": 3, "is_active": "", "reason": "pause"})
    rule.refresh_from_db()
    assert (rule.position, rule.is_active) == (3, False)

    client.post(deed("payments_routingrule", rule.pk, "remove"), {"reason": "not needed"})
    assert not RoutingRule.objects.exists()
    trail = AuditEntry.objects.filter(object_type="routing_rule").order_by("id")
    assert [(one.action, one.reason) for one in trail] == [
        ("routing_rule.saved", "cheaper"),
        ("routing_rule.saved", "pause"),
        ("routing_rule.removed", "not needed"),
    ]
    assert (trail[1].before["position"], trail[1].after["position"]) == (10, 3)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"shop": "nobody"}, "There is no such shop."),
        ({"smallest": "100", "currency": ""}, "amounts_of_a_rule_have_a_currency"),
        ({"smallest": "200", "largest": "100", "currency": "VND"}, "a_rule_fits_some_amount"),
        ({"smallest": "10,5", "currency": "VND"}, ""),
        ({"reason": ""}, ""),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(momo: PaymentMethod, ops: Client, changed: Any, words: str) -> None:
    answer = ops.post(reverse("admin:payments_routingrule_new"), rule_form(momo.account, **changed))

    assert answer.status_code == 422
    assert words in answer.text
    assert not RoutingRule.objects.exists()


def test_a_rule_does_not_mix_modes_nor_cash_with_gateways(
    momo: PaymentMethod, cash: PaymentMethod, ops: Client
) -> None:
    live = GatewayAccount.objects.create(code="momo-live", gateway="momo", mode="live")
    for wish in (rule_form(live), rule_form(cash.account, method=momo.pk), rule_form(momo.account, method=cash.pk)):
        answer = ops.post(reverse("admin:payments_routingrule_new"), wish)
        assert answer.status_code == 422
    assert not RoutingRule.objects.exists()


def test_a_viewer_sees_the_rules_and_may_not_change_them(momo: PaymentMethod, login: Callable[..., Client]) -> None:
    client = login("finance_viewer")

    assert client.get(reverse(RULES)).status_code == 200
    assert client.post(reverse("admin:payments_routingrule_new"), rule_form(momo.account)).status_code == 403
    assert not RoutingRule.objects.exists()


# --- The trial -------------------------------------------------------------------------------------------------------
def test_the_trial_says_which_account_and_why_not_the_others(momo: PaymentMethod, ops: Client) -> None:
    second = GatewayAccount.objects.create(code="momo-2", gateway="momo")
    off = GatewayAccount.objects.create(code="momo-3", gateway="momo", is_enabled=False)
    RoutingRule.objects.create(position=1, account=second, currency="VND", min_minor=200_000)
    RoutingRule.objects.create(position=2, account=off)
    RoutingRule.objects.create(position=3, account=momo.account)
    asked = {"method": momo.pk, "amount": "100.000", "currency": "VND", "shop": "", "order_id": "ORD-1"}

    small = ops.get(reverse(SIMULATE), asked).text
    large = ops.get(reverse(SIMULATE), {**asked, "amount": "200.000"}).text

    assert "amount too small" in small and "account disabled" in small and "taken" in small
    assert "amount too small" not in large and "stands by" in large
    breaker.force("momo", State.OPEN, seconds=60)
    assert "gateway down" in ops.get(reverse(SIMULATE), asked).text
    assert ops.get(reverse(SIMULATE), {**asked, "amount": "much"}).status_code == 422


def test_the_trial_is_for_those_who_may_see_rules(login: Callable[..., Client]) -> None:
    assert login("support").get(reverse(SIMULATE)).status_code == 403
