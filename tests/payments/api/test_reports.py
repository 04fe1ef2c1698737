"""What staff and BI tools read: the MoMo system's admin paths, payment methods, the books, cases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from config.core import clock
from gateways.sandbox.provider import Outcome
from ledger.models import JournalEntry, Posting
from payments.models import Attempt, MoneyCase, Order, Payment, PaymentMethod
from tests import factories
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db
Methods = dict[str, PaymentMethod]


@pytest.fixture
def bi(db: None) -> ApiClient:
    """A BI tool's key."""
    return factories.key("reports:read")


@pytest.fixture
def day(
    methods: Methods, order: Callable[..., Order], customer_client: ApiClient, momo: Any, ipn: Callable[..., Any]
) -> dict[str, Attempt]:
    """One paid, one failed and one waiting payment by MoMo, and one parcel."""
    for name, method in {"paid": "momo", "failed": "momo", "waiting": "momo", "parcel": "cod"}.items():
        order(order_id=name)
        assert customer_client.send("/v1/payment/init", {"order_id": name, "payment_method": method}).status_code == 201
    attempts = {attempt.payment.order.order_id: attempt for attempt in Attempt.objects.select_related("payment__order")}
    ipn(momo.paid_ipn(attempts["paid"]))
    momo.settle(attempts["failed"], Outcome.DECLINE)
    ipn(momo.ipn(attempts["failed"]))
    return attempts


# --- /v1/admin/transactions ------------------------------------------------------------------------------------------
def test_transactions_have_the_columns_and_words_of_the_reference_system(
    day: dict[str, Attempt], methods: Methods, bi: ApiClient
) -> None:
    rows = {row["order_id"]: row for row in bi.get("/v1/admin/transactions").json()["data"]}

    paid = Attempt.objects.get(id=day["paid"].id)
    assert rows["paid"] == {
        "id": paid.id,
        "transaction_code": paid.gateway_reference,
        "order_id": "paid",
        "payment_id": paid.payment_id,
        "payment_method_id": methods["momo"].id,
        "amount": "100000",
        "amount_minor": 100_000,
        "currency": "VND",
        "type": "PAYMENT",
        "status": "SUCCESS",
        "gateway_transaction_id": paid.gateway_transaction_id,
        "notes": None,
        "created_at": rows["paid"]["created_at"],
        "processed_at": rows["paid"]["processed_at"],
    }
    assert {name: row["status"] for name, row in rows.items()} == {
        "paid": "SUCCESS", "failed": "FAILED", "waiting": "AWAITING_PAYMENT", "parcel": "AWAITING_PAYMENT",
    }  # fmt: skip
    assert rows["failed"]["notes"]


def test_transactions_are_narrowed_and_paged_by_number_or_cursor(day: dict[str, Attempt], bi: ApiClient) -> None:
    def ids(**query: Any) -> list[str]:
        return [row["order_id"] for row in bi.get("/v1/admin/transactions", query).json()["data"]]

    assert ids(status="SUCCESS") == ids(order_id="paid") == ["paid"]
    assert ids(transaction_code=day["waiting"].gateway_reference) == ["waiting"]
    assert ids() == ["parcel", "waiting", "failed", "paid"]
    assert ids(page=2, page_size=3) == ["paid"]
    first = bi.get("/v1/admin/transactions", {"page_size": 3}).json()
    assert ids(cursor=first["next_cursor"], page_size=3) == ["paid"]


@pytest.mark.parametrize(
    "query", [{"page": 0}, {"page": "x"}, {"page": 999_999}, {"page_size": 101}, {"status": "PAID"}]
)
def test_odd_pages_are_refused(query: dict[str, Any], bi: ApiClient) -> None:
    assert bi.get("/v1/admin/transactions", query).status_code == 400


# --- /v1/admin/ledger ------------------------------------------------------------------------------------------------
def test_ledger_entries_have_the_columns_of_the_reference_system(day: dict[str, Attempt], bi: ApiClient) -> None:
    rows = bi.get("/v1/admin/ledger").json()["data"]

    debit = next(row for row in rows if row["type"] == "DEBIT")
    line = Posting.objects.get(id=debit["id"])
    assert debit == {
        "id": str(line.id),
        "ledger_id": line.account_id,
        "account_number": "gw:momo:clearing",
        "transaction_id": day["paid"].payment_id,
        "journal_id": line.journal_id,
        "amount": "100000",
        "currency": "VND",
        "type": "DEBIT",
        "description": "captured",
        "created_at": debit["created_at"],
    }
    assert sum(int(row["amount"]) * (1 if row["type"] == "DEBIT" else -1) for row in rows) == 0
    narrowed = bi.get("/v1/admin/ledger", {"account_number": "gw:momo:clearing", "type": "DEBIT"}).json()["data"]
    assert narrowed == [debit]
    assert bi.get("/v1/admin/ledger", {"transaction_id": "pay_x"}).json()["data"] == []


# --- /v1/admin/statistics --------------------------------------------------------------------------------------------
def test_statistics_sum_each_day_gateway_and_status_with_the_cash_flow(day: dict[str, Attempt], bi: ApiClient) -> None:
    today = clock.business_day(timezone.now()).isoformat()

    body = bi.get("/v1/admin/statistics", {"date_from": today, "date_to": today}).json()

    assert [(row["gateway"], row["status"], row["count"], row["amount"]) for row in body["data"]] == [
        ("cod", "AWAITING_PAYMENT", 1, "100000"),
        ("momo", "AWAITING_PAYMENT", 2, "200000"),  # one failed try leaves the payment payable
        ("momo", "SUCCESS", 1, "100000"),
    ]
    assert {row["day"] for row in body["data"]} == {today}
    assert body["cash_flow"] == [
        {
            "day": today,
            "account_number": "gw:momo:clearing",
            "owner_type": "gateway",
            "owner_id": "momo",
            "currency": "VND",
            "cash_in": "100000",
            "cash_out": "0",
            "net": "100000",
        }
    ]
    assert bi.get("/v1/admin/statistics", {"gateway": "cod", "status": "SUCCESS"}).json()["data"] == []


def test_a_business_day_begins_at_midnight_in_viet_nam(day: dict[str, Attempt], bi: ApiClient) -> None:
    Payment.objects.filter(order__order_id="paid").update(created_at=datetime(2026, 3, 9, 16, 59, tzinfo=UTC))
    Payment.objects.filter(order__order_id="parcel").update(created_at=datetime(2026, 3, 9, 17, 0, tzinfo=UTC))

    rows = bi.get("/v1/admin/statistics", {"date_from": "2026-03-09", "date_to": "2026-03-10"}).json()["data"]

    assert [(row["day"], row["gateway"]) for row in rows] == [("2026-03-09", "momo"), ("2026-03-10", "cod")]


@pytest.mark.parametrize(
    "query",
    [{"date_from": "2026-02-30"}, {"date_to": "0001-01-01"}, {"date_from": "2025-01-01", "date_to": "2026-12-31"},
     {"date_from": "2026-02-02", "date_to": "2026-02-01"}],
)  # fmt: skip
def test_odd_days_are_refused(query: dict[str, str], bi: ApiClient) -> None:
    assert bi.get("/v1/admin/statistics", query).status_code == 400


# --- /v1/payment-method ----------------------------------------------------------------------------------------------
def test_methods_speak_the_customers_language(methods: Methods, anonymous: ApiClient) -> None:
    vi = anonymous.get("/v1/payment-method", headers={"accept-language": "vi"}).json()
    en = anonymous.get("/v1/payment-method", headers={"accept-language": "en"}).json()

    assert vi[0] == {
        "id": methods["momo"].id,
        "code": "momo",
        "name": "Ví MoMo",
        "type": "ONLINE",
        "description": "",
        "is_active": True,
        "min_amount": "1000",
        "max_amount": "50000000",
        "currency": "VND",
        "currencies": ["VND"],
        "is_available": True,
        "unavailable_reason": None,
    }
    assert [row["name"] for row in en] == ["MoMo wallet", "Cash on delivery"]
    assert [row["type"] for row in en] == ["ONLINE", "OFFLINE"]


def test_methods_are_narrowed_by_what_is_to_be_paid(methods: Methods, anonymous: ApiClient) -> None:
    PaymentMethod.objects.filter(code="cod").update(limits={"VND": [1_000, 20_000], "USD": [100, 5_000]})

    def codes(**query: Any) -> list[str]:
        return [row["code"] for row in anonymous.get("/v1/payment-method", query).json()]

    assert codes(amount=20_000) == ["momo", "cod"]
    assert codes(amount=20_001, currency="vnd") == ["momo"]
    assert codes(amount="999") == []
    assert codes(currency="USD") == codes(currency="USD", amount="1.00") == ["cod"]
    (cod,) = anonymous.get("/v1/payment-method", {"currency": "USD"}).json()
    assert (cod["min_amount"], cod["max_amount"], cod["currencies"]) == ("1.00", "50.00", ["USD", "VND"])
    assert anonymous.get("/v1/payment-method", {"amount": "1.5"}).json()["code"] == "amount_precision"
    assert anonymous.get("/v1/payment-method", {"currency": "XXX"}).status_code == 422


def test_methods_that_are_off_are_shown_only_when_asked_for(methods: Methods, anonymous: ApiClient) -> None:
    PaymentMethod.objects.filter(code="cod").update(is_active=False)

    assert [row["code"] for row in anonymous.get("/v1/payment-method").json()] == ["momo"]
    by_code = anonymous.get("/v1/payment-method/cod").json()
    by_number = anonymous.get(f"/v1/payment-method/{methods['cod'].id}").json()
    assert by_code == by_number == anonymous.get("/api/v1/payment-methods/COD").json()
    assert by_code["is_active"] is False
    for nothing in ("nope", "0", "9" * 30, "-1", "é"):
        answer = anonymous.get(f"/v1/payment-method/{nothing}")
        assert (answer.status_code, answer.json()["code"]) == (404, "payment_method_not_found")


# --- The books and cases ---------------------------------------------------------------------------------------------
def test_an_account_tells_its_balance_and_its_movements(day: dict[str, Attempt], system_client: ApiClient) -> None:
    account = system_client.get("/api/v1/ledger/accounts/gw:momo:clearing").json()
    statement = system_client.get("/api/v1/ledger/accounts/gw:momo:clearing/statement").json()

    assert (account["balance"], account["balance_minor"], account["kind"]) == ("100000", 100_000, "A")
    (line,) = statement["data"]
    assert (line["event"], line["debit"], line["credit"]) == ("captured", "100000", "0")
    assert (statement["opening_balance"], statement["closing_balance"]) == ("0", "100000")
    later = (timezone.now() + timedelta(seconds=1)).isoformat()
    empty = system_client.get(
        "/api/v1/ledger/accounts/gw:momo:clearing/statement",
        {"booked_from": later, "booked_to": (timezone.now() + timedelta(days=1)).isoformat()},
    ).json()
    assert (empty["data"], empty["opening_balance"], empty["closing_balance"]) == ([], "100000", "100000")
    assert system_client.get("/api/v1/ledger/accounts/gw:momo:clearing?currency=USD").status_code == 404


def test_accounts_and_journals_are_listed(day: dict[str, Attempt], system_client: ApiClient) -> None:
    accounts = system_client.get("/api/v1/ledger/accounts", {"kind": "A", "owner_type": "gateway"}).json()["data"]
    assert [row["code"] for row in accounts] == ["gw:momo:clearing"]

    (journal,) = system_client.get("/api/v1/ledger/journals", {"order_id": "paid"}).json()["data"]
    entry = JournalEntry.objects.get()
    assert journal == system_client.get(f"/api/v1/ledger/journals/{entry.pk}").json()
    assert (journal["reference"], journal["subject"]) == (entry.reference, day["paid"].payment_id)
    assert sum(line["amount_minor"] for line in journal["lines"]) == 0
    assert system_client.get("/api/v1/ledger/journals", {"reference": "nope"}).json()["data"] == []


def test_cases_are_listed_and_shown(
    day: dict[str, Attempt], system_client: ApiClient, momo: Any, ipn: Callable[..., Any]
) -> None:
    momo.settle(day["paid"], again=True)
    ipn(momo.ipn(day["paid"]))

    (case,) = system_client.get("/api/v1/money-cases", {"status": "open", "kind": "double_payment"}).json()["data"]

    assert case == system_client.get(f"/api/v1/money-cases/{MoneyCase.objects.get().id}").json()
    assert (case["payment_id"], case["amount"], case["suggestion"]) == (day["paid"].payment_id, "100000", "refund")


# --- Webhooks --------------------------------------------------------------------------------------------------------
def test_a_webhook_reaches_its_account_and_no_other(
    day: dict[str, Attempt], momo: Any, ipn: Callable[..., Any], anonymous: ApiClient
) -> None:
    body = momo.paid_ipn(day["waiting"])

    for elsewhere in ("momo/nope", "cod/momo", "momo/cod"):
        answer = ipn(body, f"/api/v1/webhooks/{elsewhere}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert ipn(body, "/api/v1/webhooks/momo/momo").status_code == 204
    assert Payment.objects.get(order__order_id="waiting").status == "succeeded"
    assert anonymous.put("/api/v1/webhooks/momo/momo").status_code == 405
    assert anonymous.get("/v1/transaction/callback").status_code == 405


def test_a_webhook_reads_no_more_than_it_may(momo_account: Any, ipn: Callable[..., Any], settings: Any) -> None:
    settings.NOTIFICATION_MAX_BYTES = 100

    assert ipn(b"x" * 100).status_code == 400
    assert ipn(b"x" * 101).status_code == 413
