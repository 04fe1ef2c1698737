"""Bank transfers in the back office: confirm one, import a statement after a look at it, name nameless money."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.core.models import User
from payments.models import Capture, GatewayAccount, MoneyCase, Payment, PaymentMethod
from payments.services import accounts, checkout
from payments.services.checkout import NewPayment
from tests import factories
from tests.office.conftest import deed, open_payment

IMPORT = "admin:payments_payment_import-statement"
BANK = {
    "bank": "vcb", "bank_bin": "970436", "account_number": "0123456789", "account_name": "CONG TY CHO HOA",
    "bank_name": "Vietcombank",
}  # fmt: skip


@pytest.fixture
def bank(db: None) -> GatewayAccount:
    """Our bank account."""
    accounts.forget()
    (account,) = accounts.ensure_first_accounts({"bank_transfer": BANK})
    return account


@pytest.fixture
def method(bank: GatewayAccount) -> PaymentMethod:
    """Bank transfer."""
    made: PaymentMethod = factories.PaymentMethodFactory(
        code="bank_transfer", account=bank, name_en="Bank transfer", lifetime=timedelta(days=3)
    )
    return made


@pytest.fixture
def waiting(method: PaymentMethod, transactional_db: None) -> Payment:
    """350,000 that waits for its transfer."""
    order = factories.make_order(amount_minor=350_000)
    wish = NewPayment(order_id=order.order_id, method=method, client="tests", actor="system:tests")
    return checkout.create_payment(wish=wish, at=timezone.now()).payment


@pytest.fixture
def operator(login: Callable[..., Client]) -> Client:
    """Finance."""
    return login("finance_operator")


def form(**changes: str) -> dict[str, str]:
    today = timezone.localdate().isoformat()
    return {"bank_reference": "FT1", "amount": "350.000", "value_date": today, "text": "", **changes}


def sheet(*credits: str) -> SimpleUploadedFile:
    today = timezone.localdate().strftime("%d/%m/%Y")
    rows = ["Date,Bank reference,Credit,Description", *(f"{today},{row}" for row in credits)]
    return SimpleUploadedFile("sao-ke.csv", "\n".join(rows).encode())


def test_a_transfer_is_confirmed_on_its_payment(operator: Client, waiting: Payment) -> None:
    page = operator.get(reverse("admin:payments_payment_change", args=[waiting.pk])).text
    assert "Confirm transfer" in page and "Ask the gateway" not in page

    answer = operator.post(deed("payments_payment", waiting.pk, "confirm-transfer"), form())

    assert answer.status_code == 302
    waiting.refresh_from_db()
    assert (waiting.status, Capture.objects.get().gateway_transaction_id) == ("succeeded", "vcb:FT1")


def test_another_amount_is_held_and_said_so(operator: Client, waiting: Payment) -> None:
    answer = operator.post(
        deed("payments_payment", waiting.pk, "confirm-transfer"), form(amount="340.000"), follow=True
    )

    assert "The money is held, and a case was opened." in answer.text
    assert MoneyCase.objects.get().amount_minor == 340_000


@pytest.mark.parametrize(
    ("field", "value"), [("amount", "lots"), ("value_date", "2001-01-01"), ("bank_reference", " ")]
)
def test_odd_answers_are_explained_beside_their_field(
    operator: Client, waiting: Payment, field: str, value: str
) -> None:
    answer = operator.post(deed("payments_payment", waiting.pk, "confirm-transfer"), form(**{field: value}))

    assert (answer.status_code, 'class="o-error"' in answer.text) == (422, True)
    assert not Capture.objects.exists()


def test_only_who_may_act_on_payments_confirms_or_imports(login: Callable[..., Client], waiting: Payment) -> None:
    viewer = login("finance_viewer")

    assert viewer.post(deed("payments_payment", waiting.pk, "confirm-transfer"), form()).status_code == 403
    assert viewer.get(reverse(IMPORT)).status_code == 403
    assert not Capture.objects.exists()


def test_cash_and_gateways_have_no_transfer_to_confirm(operator: Client, cash: PaymentMethod) -> None:
    payment = open_payment(cash)

    assert "Confirm transfer" not in operator.get(reverse("admin:payments_payment_change", args=[payment.pk])).text
    assert operator.get(deed("payments_payment", payment.pk, "confirm-transfer")).status_code == 302


# --- A statement -----------------------------------------------------------------------------------------------------
def imported(client: Client, bank: GatewayAccount, **fields: Any) -> Any:
    return client.post(reverse(IMPORT), {"account": bank.pk, "bank": "generic", **fields})


def test_a_statement_is_looked_at_and_then_booked_without_choosing_it_again(
    operator: Client, waiting: Payment, bank: GatewayAccount
) -> None:
    reference = waiting.attempts.get().gateway_reference
    file = sheet(f"FT1,350000,MBVCB.1.{reference}.CT", "FT2,70000,chuyen tien")

    preview = imported(operator, bank, file=file, _preview="1")

    assert preview.status_code == 200
    assert "sao-ke.csv is at hand" in preview.text
    assert ">pays<" in preview.text and ">no reference<" in preview.text and waiting.pk in preview.text
    assert not Capture.objects.exists()
    kept = preview.text.partition('name="kept" value="')[2].partition('"')[0]
    assert len(kept) == 64

    answer = operator.post(reverse(IMPORT), {"account": bank.pk, "bank": "generic", "kept": kept}, follow=True)

    assert "Payments paid: 1. Held with a case: 0. Could not be booked: 0." in answer.text
    waiting.refresh_from_db()
    assert (waiting.status, Capture.objects.count()) == ("succeeded", 1)


def test_a_kept_file_is_its_owners_alone(
    operator: Client, login: Callable[..., Client], person: Callable[..., User], waiting: Payment, bank: GatewayAccount
) -> None:
    file = sheet(f"FT1,350000,{waiting.attempts.get().gateway_reference}")
    preview = imported(operator, bank, file=file, _preview="1").text
    kept = preview.partition('name="kept" value="')[2].partition('"')[0]

    answer = imported(login(user=person("finance_operator")), bank, kept=kept)

    assert (answer.status_code, "Choose the statement" in answer.text) == (422, True)
    assert not Capture.objects.exists()


def test_a_file_that_cannot_be_read_is_explained(operator: Client, waiting: Payment, bank: GatewayAccount) -> None:
    answer = imported(operator, bank, file=SimpleUploadedFile("x.csv", b"a,b\n1,2"), _preview="1")

    assert (answer.status_code, "no header row with all its columns" in answer.text) == (422, True)


# --- Money that nobody named -----------------------------------------------------------------------------------------
def test_nameless_money_is_named(operator: Client, waiting: Payment, bank: GatewayAccount) -> None:
    imported(operator, bank, file=sheet("FT2,350000,chuyen tien"), hold_rest="on")
    case = MoneyCase.objects.get()
    page = operator.get(reverse("admin:payments_moneycase_change", args=[case.pk])).text
    assert "Name the payment" in page and "sao-ke.csv, row 2: chuyen tien" in page

    address = deed("payments_moneycase", case.pk, "name-payment")
    refused = operator.post(address, {"payment": "pay_nobody", "reason": "call"})
    done = operator.post(address, {"payment": waiting.pk, "reason": "the payer called"})

    assert (refused.status_code, done.status_code) == (422, 302)
    case.refresh_from_db()
    assert case.payment_id == waiting.pk
    assert "Name the payment" not in operator.get(reverse("admin:payments_moneycase_change", args=[case.pk])).text
