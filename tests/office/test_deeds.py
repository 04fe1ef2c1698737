"""What staff do: each deed is one call of a service, with a reason, by two people where two are needed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from config.core.models import ApiKey, Approval, AuditEntry, DeadLetter, User
from ledger import selectors
from ledger.models import JournalEntry
from payments.models import GatewayAccount, MoneyCase, Payment, PaymentMethod, Refund
from payments.services import accounts
from tests.office.conftest import BANK, Day, ask_refund, deed, open_payment


# --- Four eyes -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("model", "thing"), [("core_approval", "approval"), ("payments_refund", "refund")])
def test_nobody_approves_their_own_refund_superusers_included(
    model: str, thing: str, login: Callable[..., Client], person: Callable[..., User], paid: Payment
) -> None:
    maker = person("finance_operator", "finance_approver", is_superuser=True)
    refund = ask_refund(paid, maker)
    key = refund.approval_id if thing == "approval" else refund.pk
    journals = JournalEntry.objects.count()

    answer = login(user=maker).post(deed(model, key, "approve"), {"reason": "mine"})

    assert answer.status_code == 422
    assert "somebody else has to decide" in answer.text
    assert Approval.objects.get().status == "pending"
    assert Refund.objects.get().status == "pending_approval"
    assert JournalEntry.objects.count() == journals


def test_another_person_approves_a_refund_and_it_is_booked(login: Callable[..., Client], day: Day) -> None:
    answer = login("finance_approver").post(deed("payments_refund", day.refund.pk, "approve"), {"reason": "ok"})

    assert answer.status_code == 302
    day.refund.refresh_from_db()
    assert day.refund.status == "approved"
    assert JournalEntry.objects.filter(reference=f"{day.refund.pk}:booked").count() == 1


def test_a_rejected_refund_gives_its_money_free(login: Callable[..., Client], day: Day) -> None:
    client = login("finance_approver")

    assert client.post(deed("payments_refund", day.refund.pk, "reject"), {"reason": ""}).status_code == 422
    assert client.post(deed("payments_refund", day.refund.pk, "reject"), {"reason": "no proof"}).status_code == 302
    day.refund.refresh_from_db()
    day.paid.refresh_from_db()
    assert (day.refund.status, day.paid.refunding_minor) == ("rejected", 0)


def test_a_case_is_proposed_by_one_and_approved_by_another(login: Callable[..., Client], day: Day) -> None:
    operator, approver = login(user=day.maker), login("finance_approver")
    form = {"decision": "hold", "reason": "the sender will call"}

    preview = operator.post(deed("payments_moneycase", day.case.pk, "propose"), {**form, "_preview": "1"})
    assert preview.status_code == 200
    assert MoneyCase.objects.get().status == "open"
    assert operator.post(deed("payments_moneycase", day.case.pk, "propose"), form).status_code == 302
    assert MoneyCase.objects.get().status == "proposed"
    assert operator.get(deed("payments_moneycase", day.case.pk, "approve")).status_code == 403
    assert approver.post(deed("payments_moneycase", day.case.pk, "approve"), {"reason": ""}).status_code == 302
    case = MoneyCase.objects.get()
    assert (case.status, case.decision) == ("executed", "hold")


def test_a_decision_that_makes_no_sense_for_a_case_is_not_offered(login: Callable[..., Client], day: Day) -> None:
    form = {"decision": "apply", "reason": "try"}

    answer = login(user=day.maker).post(deed("payments_moneycase", day.case.pk, "propose"), form)

    assert answer.status_code == 422
    assert MoneyCase.objects.get().status == "open"


# --- Refunds ---------------------------------------------------------------------------------------------------------
def _form(**fields: str) -> dict[str, str]:
    known = {"how": "amount", "amount": "30.000", "shipping_bearer": "platform", "route": "bank", "reason": "torn"}
    return {**known, "nonce": "once", **BANK, **fields}


def test_a_refund_is_previewed_and_asked_for_once_however_often_it_is_sent(
    login: Callable[..., Client], person: Callable[..., User], paid: Payment
) -> None:
    client = login(user=person("finance_operator"))
    address = deed("payments_payment", paid.pk, "refund")

    preview = client.post(address, {**_form(), "_preview": "1"})
    assert preview.status_code == 200
    assert "refund:payable" in preview.text and "30.000" in preview.text
    assert Refund.objects.count() == 0
    first, second = client.post(address, _form()), client.post(address, _form())

    refund = Refund.objects.get()
    assert first.status_code == second.status_code == 302
    assert first.url == second.url == reverse("admin:payments_refund_change", args=[refund.pk])
    assert (refund.amount_minor, refund.status, refund.route) == (30_000, "pending_approval", "bank")
    assert refund.bank_details == BANK


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"amount": "100.001"}, "More than is left"),
        ({"amount": "many"}, "not a number"),
        ({"amount": ""}, "Say how much"),
        ({"how": "lines", "amount": ""}, "at least one line"),
        ({"reason": ""}, "required"),
        ({"account_number": ""}, "A transfer needs this"),
    ],
)
def test_a_refund_that_cannot_be_is_refused_in_a_sentence(
    fields: dict[str, str], word: str, login: Callable[..., Client], paid: Payment
) -> None:
    answer = login("finance_operator").post(deed("payments_payment", paid.pk, "refund"), _form(**fields))

    assert answer.status_code == 422
    assert word in answer.text
    assert Refund.objects.count() == 0
    paid.refresh_from_db()
    assert paid.refunding_minor == 0


def test_a_refund_by_lines_takes_the_line_that_was_named(login: Callable[..., Client], paid: Payment) -> None:
    form = _form(how="lines", amount="", line_0="40.000")

    assert login("finance_operator").post(deed("payments_payment", paid.pk, "refund"), form).status_code == 302
    line = Refund.objects.get().lines.get()
    assert (line.kind, line.list_minor, line.cash_minor) == ("goods", 40_000, 40_000)


def test_a_bank_refund_is_booked_as_sent(login: Callable[..., Client], day: Day) -> None:
    login("finance_approver").post(deed("payments_refund", day.refund.pk, "approve"), {})
    form = {"bank": "vcb", "bank_reference": "FT-1"}

    assert login("treasury").post(deed("payments_refund", day.refund.pk, "settle"), form).status_code == 302
    day.refund.refresh_from_db()
    assert (day.refund.status, day.refund.bank_reference) == ("succeeded", "FT-1")
    assert selectors.trial_balance().is_balanced


# --- Payments --------------------------------------------------------------------------------------------------------
def test_cash_is_collected_in_exactly_the_amount_owed(login: Callable[..., Client], cash: PaymentMethod) -> None:
    payment = open_payment(cash)
    client, address = login("finance_operator"), deed("payments_payment", payment.pk, "collected")
    form = {"carrier": "ghn", "carrier_reference": "G1"}

    assert client.post(address, {**form, "amount": "99.999"}).status_code == 422
    payment.refresh_from_db()
    assert payment.status == "awaiting_payment"
    assert client.post(address, {**form, "amount": "100.000"}).status_code == 302
    payment.refresh_from_db()
    assert (payment.status, payment.captured_minor) == ("succeeded", 100_000)


def test_a_payment_is_cancelled_with_a_reason(login: Callable[..., Client], cash: PaymentMethod) -> None:
    payment = open_payment(cash)
    client, address = login("finance_operator"), deed("payments_payment", payment.pk, "cancel")

    assert client.post(address, {"reason": " "}).status_code == 422
    assert client.post(address, {"reason": "the customer called"}).status_code == 302
    payment.refresh_from_db()
    assert payment.status == "cancelled"
    assert client.get(address).status_code == 302  # no longer offered


def test_who_takes_a_pay_link_is_kept(login: Callable[..., Client], cash: PaymentMethod) -> None:
    payment = open_payment(cash)

    answer = login("finance_operator").post(deed("payments_payment", payment.pk, "pay-link"))

    assert "no-store" in answer["Cache-Control"]
    assert "/pay/" in answer.text
    assert AuditEntry.objects.filter(action="payment.link_shown", object_id=payment.pk).count() == 1


# --- Messages and letters --------------------------------------------------------------------------------------------
def test_the_raw_message_is_shown_to_few_and_that_is_kept_first(login: Callable[..., Client], day: Day) -> None:
    address = deed("payments_notification", day.message.pk, "raw")

    assert login("finance_operator").post(address, {"reason": "curious"}).status_code == 403
    assert AuditEntry.objects.filter(action="notification.raw_viewed").count() == 0
    answer = login("ops").post(address, {"reason": "the customer complains"})

    assert "secret-bytes" in answer.text
    entry = AuditEntry.objects.get(action="notification.raw_viewed")
    assert (entry.object_id, entry.reason) == (day.message.pk, "the customer complains")
    page = login("ops").get(reverse("admin:payments_notification_change", args=[day.message.pk]))
    assert "secret-bytes" not in page.text


def test_a_dead_letter_is_discarded_once_with_a_reason(login: Callable[..., Client], day: Day) -> None:
    letter = DeadLetter.objects.get()
    client, address = login("ops"), deed("core_deadletter", letter.pk, "discard")

    assert client.post(address, {"reason": ""}).status_code == 422
    assert client.post(address, {"reason": "a test"}).status_code == 302
    letter.refresh_from_db()
    assert (letter.status, letter.reason) == ("discarded", "a test")


# --- Secrets ---------------------------------------------------------------------------------------------------------
def test_an_api_keys_secret_is_shown_once(login: Callable[..., Client]) -> None:
    client = login("api_admin")
    form = {"name": "orders", "mode": "test", "scopes": ["payments:read"], "allowed_ips": "10.0.0.1"}

    answer = client.post(reverse("admin:core_apikey_new"), form)

    key = ApiKey.objects.get()
    secret = answer.context["secret"]
    assert secret.startswith("sk_test_") and secret in answer.text
    assert "no-store" in answer["Cache-Control"]
    assert (key.scopes, key.allowed_ips) == (["payments:read"], ["10.0.0.1"])
    for address in (reverse("admin:core_apikey_changelist"), reverse("admin:core_apikey_change", args=[key.pk])):
        page = client.get(address).text
        assert secret not in page and key.hash not in page


def test_gateway_secrets_go_in_and_never_come_out(login: Callable[..., Client], momo: PaymentMethod) -> None:
    account = momo.account
    client, address = login("ops"), deed("payments_gatewayaccount", account.pk, "edit")
    page = client.get(address).text
    form = {"s_partner_code": "MOMO", "s_secret_key": "secret-2", "is_enabled": "on", "reason": "rotated",
            "s_endpoint": "https://test-payment.momo.vn", "s_request_type": "captureWallet"}  # fmt: skip

    answer = client.post(address, form)

    assert answer.status_code == 302, answer.context["form"].errors
    account = GatewayAccount.objects.get(pk=account.pk)
    assert (account.secrets["secret_key"], account.secrets["access_key"]) == ("secret-2", "access-1")
    after = client.get(reverse("admin:payments_gatewayaccount_change", args=[account.pk])).text
    for text in (page, after, client.get(address).text):
        assert not any(secret in text for secret in ("secret-1", "secret-2", "access-1"))
    entry = AuditEntry.objects.get(action="gateway_account.saved")
    assert entry.after["secrets_changed"] == ["secret_key"]
    assert "secret-2" not in str(entry.after)
    accounts.forget()


def test_settings_that_no_adapter_can_be_built_from_are_refused(
    login: Callable[..., Client], momo: PaymentMethod
) -> None:
    form = {"s_partner_code": "MOMO", "s_endpoint": "not an address", "is_enabled": "on", "reason": "typo"}

    answer = login("ops").post(deed("payments_gatewayaccount", momo.account.pk, "edit"), form)

    assert answer.status_code == 422
    assert GatewayAccount.objects.get(code="momo").settings["partner_code"] == "MOMO"
    assert AuditEntry.objects.filter(action="gateway_account.saved").count() == 0


def test_the_columns_of_settlement_files_are_set_as_json_and_shown_as_they_were_set(
    login: Callable[..., Client], momo: PaymentMethod
) -> None:
    client, address = login("ops"), deed("payments_gatewayaccount", momo.account.pk, "edit")
    form = {"s_partner_code": "MOMO", "s_endpoint": "https://test-payment.momo.vn", "s_request_type": "captureWallet",
            "is_enabled": "on", "reason": "a real file came"}  # fmt: skip
    columns = '{"gross": "Số tiền", "reference": "Mã đơn"}'

    refused = [client.post(address, {**form, "s_settlement_columns": text}) for text in ("Số tiền", '{"tip": "x"}')]
    saved = client.post(address, {**form, "s_settlement_columns": columns})

    assert [answer.status_code for answer in (*refused, saved)] == [422, 422, 302]
    assert "settlement_columns: unknown: tip" in refused[1].text
    account = GatewayAccount.objects.get(code="momo")
    assert accounts.adapter_of(account).settlement_columns == {"gross": "Số tiền", "reference": "Mã đơn"}
    assert "Mã đơn" in client.get(address).text
    accounts.forget()


def test_a_methods_limits_are_changed_as_they_are_written_here(
    login: Callable[..., Client], cash: PaymentMethod
) -> None:
    client, address = login("ops"), deed("payments_paymentmethod", cash.pk, "edit")
    form = {"name_vi": "Tiền mặt", "name_en": "Cash", "position": "3", "is_active": "on", "reason": "new limits"}

    assert client.post(address, {**form, "limits": "VND few many"}).status_code == 422
    assert client.post(address, {**form, "limits": "VND 2.000 9.000.000\nUSD 1,50 100"}).status_code == 302
    cash.refresh_from_db()
    assert cash.limits == {"VND": [2_000, 9_000_000], "USD": [150, 10_000]}


# --- People ----------------------------------------------------------------------------------------------------------
def test_nobody_changes_their_own_rights(login: Callable[..., Client], person: Callable[..., User]) -> None:
    boss = person(is_superuser=True)

    answer = login(user=boss).post(deed("core_user", boss.pk, "rights"), {"reason": "more", "is_superuser": "on"})

    assert answer.status_code == 422
    assert "Somebody else" in answer.text
    assert AuditEntry.objects.filter(object_type="user").count() == 0


def test_only_a_superuser_gives_roles_and_it_is_kept(login: Callable[..., Client], person: Callable[..., User]) -> None:
    boss, clerk = person(is_superuser=True), person()
    helper = person()
    from django.contrib.auth.models import Group, Permission

    helper.user_permissions.add(*Permission.objects.filter(codename__in=["change_user", "view_user", "add_user"]))
    group = Group.objects.get(name="finance_approver")
    form = {"reason": "new job", "groups": [str(group.pk)]}

    assert login(user=helper).post(deed("core_user", clerk.pk, "rights"), form).status_code == 422
    assert list(clerk.groups.all()) == []
    assert login(user=boss).post(deed("core_user", clerk.pk, "rights"), form).status_code == 302
    assert list(clerk.groups.all()) == [group]
    entry = AuditEntry.objects.get(action="user.rights_changed")
    assert (entry.actor, entry.after) == (
        f"user:{boss.email}", {"groups": ["finance_approver"], "is_superuser": False},
    )  # fmt: skip


def test_a_stopped_person_is_out_with_their_next_request(
    login: Callable[..., Client], person: Callable[..., User], boss: Client
) -> None:
    clerk = person("finance_viewer")
    client = login(user=clerk)
    assert client.get(reverse("admin:payments_payment_changelist")).status_code == 200

    assert boss.post(deed("core_user", clerk.pk, "stop"), {"reason": "left"}).status_code == 302
    assert client.get(reverse("admin:payments_payment_changelist")).status_code == 302


def test_a_weak_first_password_is_refused(boss: Client) -> None:
    form = {"email": "new@example.com", "name": "New", "language": "vi", "password": "password1234"}

    assert boss.post(reverse("admin:core_user_new"), form).status_code == 422
    assert not User.objects.filter(email="new@example.com").exists()
    assert boss.post(reverse("admin:core_user_new"), {**form, "password": "a quiet green river 9"}).status_code == 302
    assert User.objects.get(email="new@example.com").is_superuser is False
