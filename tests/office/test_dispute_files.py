"""Reading a settlement file in the back office: choose, look, confirm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from config.core.models import AuditEntry
from payments.admin import dispute_files as page
from payments.models import Capture, Dispute, GatewayAccount, Payment, PaymentMethod
from payments.services import accounts
from tests.office.conftest import open_payment, report_paid
from tests.payments.services.test_dispute_files import COLUMNS, HEAD, NEVER, row

READ = "admin:payments_dispute_read-settlement"
LIST = "admin:payments_dispute_changelist"


@pytest.fixture
def account(momo: PaymentMethod) -> GatewayAccount:
    """MoMo, whose file has words for disputes."""
    account = momo.account
    account.settings = {**account.settings, "settlement_columns": COLUMNS}
    account.save()
    accounts.forget()
    return account


@pytest.fixture
def paid_one(account: GatewayAccount, momo: PaymentMethod) -> Payment:
    """100,000 VND by MoMo."""
    payment = open_payment(momo)
    report_paid(payment.attempts.get())
    return payment


def number(payment: Payment) -> str:
    return Capture.objects.get(payment=payment).gateway_transaction_id


def sheet(*rows: str, head: str = HEAD) -> SimpleUploadedFile:
    return SimpleUploadedFile("momo.csv", "\n".join([head, *rows]).encode())


def send(client: Client, account: GatewayAccount, **fields: Any) -> Any:
    return client.post(reverse(READ), {"account": account.pk, **fields}, follow=True)


@pytest.mark.parametrize("language", ["en", "vi"])
def test_a_file_is_looked_at_and_then_applied_without_choosing_it_again(
    language: str, login: Callable[..., Client], paid_one: Payment, account: GatewayAccount
) -> None:
    operator = login("finance_operator")
    operator.get(reverse("admin:language", args=[language]))
    words = {
        "en": ("Read a settlement file", "opens a dispute", "Opened: 1. Won: 0. Given to a person: 0. Failed: 0."),
        "vi": ("Đọc tệp đối soát", "mở tranh chấp", "Đã mở: 1. Thắng: 0. Giao cho người xử lý: 0. Lỗi: 0."),
    }[language]
    assert words[0] in operator.get(reverse(LIST)).text

    rows = (row(number(paid_one), -100_000), row(number(paid_one), 100_000, "Payment"))
    preview = send(operator, account, file=sheet(*rows), _preview="1")

    assert (preview.status_code, words[1] in preview.text, paid_one.pk in preview.text) == (200, True, True)
    assert {"en": "1 lines are not about disputes", "vi": "1 dòng không về tranh chấp"}[language] in preview.text
    assert not Dispute.objects.exists()
    kept = preview.text.partition('name="kept" value="')[2].partition('"')[0]
    answer = send(operator, account, kept=kept)

    assert words[2] in answer.text
    assert Dispute.objects.get().payment_id == paid_one.pk
    assert AuditEntry.objects.get(action="disputes.file_read").actor.startswith("user:")
    assert "0" in send(operator, account, kept=kept).text and Dispute.objects.count() == 1


def test_only_who_may_act_on_disputes_reads_files(
    login: Callable[..., Client], paid_one: Payment, account: GatewayAccount
) -> None:
    viewer = login("finance_viewer")

    assert viewer.get(reverse(READ)).status_code == 403
    assert send(viewer, account, file=sheet(row(number(paid_one), -100_000))).status_code == 403
    assert "read-settlement" not in viewer.get(reverse(LIST)).text
    assert not Dispute.objects.exists()


def test_a_kept_file_is_its_owners_alone(
    login: Callable[..., Client], paid_one: Payment, account: GatewayAccount
) -> None:
    preview = send(login("finance_operator"), account, file=sheet(row(number(paid_one), -100_000)), _preview="1")
    kept = preview.text.partition('name="kept" value="')[2].partition('"')[0]

    answer = send(login("treasury"), account, kept=kept)

    assert (answer.status_code, "Choose the settlement file." in answer.text) == (422, True)
    assert not Dispute.objects.exists()


def test_a_file_that_is_not_understood_is_explained_beside_it(
    login: Callable[..., Client], paid_one: Payment, account: GatewayAccount
) -> None:
    rows = (row(number(paid_one), -100_000), row(1, -1, "Chargeback"))
    for how in ({"_preview": "1"}, {}):
        answer = send(login("finance_operator"), account, file=sheet(*rows), **how)
        assert (answer.status_code, "Row 3, column Type" in answer.text) == (422, True)
    assert not Dispute.objects.exists()


def test_a_file_without_disputes_says_so(
    login: Callable[..., Client], paid_one: Payment, account: GatewayAccount
) -> None:
    preview = send(login("finance_operator"), account, file=sheet(row(1, 5, "Payment")), _preview="1")

    assert "No line of this file is about a dispute; 1 are about other things." in preview.text


def test_only_accounts_whose_gateway_has_such_files_are_offered(
    login: Callable[..., Client], cash: PaymentMethod
) -> None:
    answer = login("finance_operator").get(reverse(READ))

    assert "There is no account whose gateway has settlement files." in answer.text
    assert f'<option value="{cash.account.pk}"' not in answer.text


def test_more_than_a_page_can_wait_for_is_left_to_operations(
    login: Callable[..., Client], account: GatewayAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST", 2)
    rows = [row(number, -1_000) for number in range(1, 4)]

    answer = send(login("finance_operator"), account, file=sheet(*rows))

    assert (answer.status_code, "let operations run import_disputes" in answer.text) == (422, True)
    assert not Dispute.objects.exists()


def test_what_failed_is_told_with_its_row(
    login: Callable[..., Client], paid_one: Payment, account: GatewayAccount
) -> None:
    answer = send(
        login("finance_operator"), account, file=sheet(row(7, -1_000, at=NEVER), row(number(paid_one), -100_000))
    )

    assert (
        "Opened: 1. Won: 0. Given to a person: 0. Failed: 1. Row 2: This line is dated 2099-01-15, which has not come yet."
        in answer.text
    )
