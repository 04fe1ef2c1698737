"""Bank transfers: what is shown, how long it is waited for, and that the money is believed once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from config.core.errors import InvalidInput
from config.core.money import Money
from gateways.bank_transfer import reference as transfer_reference
from gateways.bank_transfer.adapter import BankTransfer
from ledger.models import JournalEntry
from payments.errors import CaseRefused, NotPayable, PaymentNotFound, TransferKnown
from payments.models import Attempt, AttemptEvent, Capture, EmailMessageLog, MoneyCase, Payment, PaymentMethod
from payments.services import accounts, cases, checkout, expiry, naming, starters, transfers
from payments.services.hearing import Outcome
from payments.services.sending import Opened
from payments.services.transfers import Transfer
from payments.states import AttemptStatus, PaymentStatus

pytestmark = pytest.mark.django_db(transaction=True)
ME = "user:finance@example.com"


@pytest.fixture
def opened(pay: Callable[..., Opened], order: Callable[..., Any], bank_method: PaymentMethod) -> Opened:
    """A payment of 350,000 that waits for its transfer."""
    found: Opened = pay(order(amount_minor=350_000), method=bank_method)
    return found


def transfer(at: datetime, *, number: str = "FT1", minor: int = 350_000, **fields: Any) -> Transfer:
    return Transfer(**{"number": number, "money": Money(minor, "VND"), "occurred_at": at, **fields})


def confirm(opened: Opened, at: datetime, **fields: Any) -> Outcome:
    return transfers.confirm(payment_id=opened.payment.id, transfer=transfer(at, **fields), actor=ME, at=at)


# --- Waiting ---------------------------------------------------------------------------------------------------------
def test_a_transfer_is_waited_for_with_its_qr_and_reference(opened: Opened) -> None:
    attempt = Attempt.objects.get()

    assert (opened.payment.status, attempt.status) == (PaymentStatus.AWAITING_PAYMENT, AttemptStatus.REQUIRES_ACTION)
    assert transfer_reference.is_valid(attempt.gateway_reference)
    assert attempt.gateway_reference in attempt.qr_text
    assert attempt.response["transfer"]["text"] == attempt.gateway_reference
    assert attempt.next_query_at is None
    assert opened.payment.expires_at - opened.payment.created_at == timedelta(days=3)


def test_the_customer_is_written_how_to_pay_and_not_to_pay_at_the_door(opened: Opened) -> None:
    assert EmailMessageLog.objects.get().kind == EmailMessageLog.Kind.TRANSFER_DETAILS


def test_asking_again_shows_the_same_reference(opened: Opened, bank_method: PaymentMethod, at: datetime) -> None:
    again = checkout.pay_again(payment_id=opened.payment.id, method=bank_method, actor=ME, at=at)

    assert (again.is_replay, again.attempt.id) == (True, opened.attempt.id)
    assert Attempt.objects.count() == 1


def test_it_waits_until_its_time_is_over_and_money_that_comes_then_still_pays(opened: Opened, at: datetime) -> None:
    late = at + timedelta(days=3, minutes=1)
    assert expiry.expire_overdue(at=at + timedelta(days=2)) == 0
    assert expiry.expire_overdue(at=late) == 1

    assert confirm(opened, late) is Outcome.APPLIED
    payment = Payment.objects.get()
    assert (payment.status, payment.is_late) == (PaymentStatus.SUCCEEDED, True)


def test_nobody_is_asked_about_a_transfer_after_its_end(opened: Opened, at: datetime) -> None:
    late = at + timedelta(days=3, minutes=1)
    expiry.expire_overdue(at=late)

    assert (Attempt.objects.get().status, Attempt.objects.get().next_query_at) == (AttemptStatus.EXPIRED, None)


def test_what_nobody_can_be_asked_about_does_not_stand_before_the_others_for_ever(opened: Opened, at: datetime) -> None:
    Attempt.objects.update(next_query_at=at)

    assert [expiry.ask_due(at=at), expiry.ask_due(at=at)] == [1, 0]


def test_a_transfer_that_the_customer_turned_away_from_may_still_come(
    pay: Callable[..., Opened], opened: Opened, at: datetime
) -> None:
    pay(opened.payment.order)

    assert Attempt.objects.get(number=1).status == AttemptStatus.REQUIRES_ACTION
    assert confirm(opened, at) is Outcome.APPLIED
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED


def test_two_attempts_never_share_a_reference(
    pay: Callable[..., Opened], order: Callable[..., Any], opened: Opened, bank_method: PaymentMethod, monkeypatch: Any
) -> None:
    fresh = iter(["22222222222", opened.attempt.gateway_reference])
    monkeypatch.setattr(transfer_reference, "make", lambda number: next(fresh, "33333333333"))
    first, second = (pay(order(amount_minor=350_000), method=bank_method).attempt for _ in range(2))

    assert (first.gateway_reference, second.gateway_reference) == ("22222222222", "33333333333")


def test_an_account_that_is_not_configured_is_no_method(settings: Any, db: None) -> None:
    nothing = {"bank": "", "bank_bin": "", "account_number": "", "account_name": "", "bank_name": ""}
    settings.GATEWAYS = {"bank_transfer": nothing, "cod": {}}

    assert [method.code for method in starters.ensure_methods()] == ["cod"]


# --- Believing -------------------------------------------------------------------------------------------------------
def test_a_confirmed_transfer_pays_and_the_money_is_in_our_bank(
    opened: Opened, at: datetime, books: Callable[[], Any]
) -> None:
    assert confirm(opened, at, number=" ft 26325 001 ") is Outcome.APPLIED

    shop = opened.payment.order.shop_orders.get().shop_id
    assert Payment.objects.get().status == PaymentStatus.SUCCEEDED
    assert books() == {
        "cap:bank_transfer:vcb:FT 26325 001": {"bank:vcb": 350_000, f"escrow:{shop}": -350_000},
    }
    assert AttemptEvent.objects.latest("id").actor == ME


def test_the_same_transfer_counts_once(opened: Opened, at: datetime) -> None:
    told = [confirm(opened, at, number=number) for number in ("FT1", "ft1", " FT1 ")]

    assert told == [Outcome.APPLIED, Outcome.ALREADY_APPLIED, Outcome.ALREADY_APPLIED]
    assert (Capture.objects.count(), JournalEntry.objects.count()) == (1, 1)


def test_another_sum_than_is_owed_is_held_in_suspense_with_a_case(
    opened: Opened, at: datetime, balances: Callable[[], Any]
) -> None:
    assert confirm(opened, at, minor=340_000, text="tra thieu") is Outcome.WRONG_AMOUNT

    case = MoneyCase.objects.get()
    assert balances() == {"bank:vcb": 340_000, "suspense:over": -340_000}
    assert (case.kind, case.detail) == (MoneyCase.Kind.AMOUNT_MISMATCH, "tra thieu")
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT


def test_a_second_transfer_is_held_too(opened: Opened, at: datetime, balances: Callable[[], Any]) -> None:
    confirm(opened, at)

    assert confirm(opened, at, number="FT2") is Outcome.HELD
    assert balances()["bank:vcb"] == 700_000
    assert MoneyCase.objects.get().kind == MoneyCase.Kind.DOUBLE_PAYMENT


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"number": "  "}, "bank_reference"),
        ({"number": "x" * 71}, "bank_reference"),
        ({"number": "FT\x001"}, "bank_reference"),
        ({"minor": 0}, "amount"),
        ({"minor": -5}, "amount"),
        ({"occurred_at": None}, "value_date"),
    ],
)
def test_what_no_bank_can_have_said_is_refused(opened: Opened, at: datetime, fields: Any, named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        confirm(opened, at, **fields)

    assert caught.value.field == named
    assert (Capture.objects.count(), JournalEntry.objects.count()) == (0, 0)


@pytest.mark.parametrize("away", [timedelta(days=2), timedelta(days=-400)])
def test_a_value_date_far_away_is_refused(opened: Opened, at: datetime, away: timedelta) -> None:
    with pytest.raises(InvalidInput):
        confirm(opened, at, occurred_at=at + away)

    assert not Capture.objects.exists()


def test_a_number_that_was_booked_otherwise_is_shown_and_not_swallowed(
    pay: Callable[..., Opened], order: Callable[..., Any], opened: Opened, bank_method: PaymentMethod, at: datetime
) -> None:
    other = pay(order(amount_minor=350_000), method=bank_method)
    confirm(opened, at)

    with pytest.raises(TransferKnown) as caught:
        confirm(other, at)
    assert caught.value.facts == {"payment_id": opened.payment.id, "amount_minor": 350_000}
    assert Payment.objects.get(id=other.payment.id).status == PaymentStatus.AWAITING_PAYMENT
    with pytest.raises(TransferKnown):
        confirm(opened, at, minor=1)


def test_only_a_payment_by_transfer_can_be_confirmed(
    pay: Callable[..., Opened], order: Callable[..., Any], at: datetime
) -> None:
    with pytest.raises(NotPayable):
        confirm(pay(order()), at)
    with pytest.raises(PaymentNotFound):
        transfers.confirm(payment_id="pay_nobody", transfer=transfer(at), actor=ME, at=at)


# --- Money that nobody named -----------------------------------------------------------------------------------------
@pytest.fixture
def nameless(opened: Opened, at: datetime) -> MoneyCase:
    """350,000 came without a reference."""
    account = opened.attempt.account
    report = transfers.report_of(transfer(at, number="FT9"), account, "")
    heard = transfers.Heard(account=account, source=AttemptEvent.Source.FILE, at=at, actor=ME)
    assert transfers.reports.apply_report(report=report, heard=heard) is Outcome.UNKNOWN_ORDER
    return MoneyCase.objects.get()


def test_a_person_names_the_payment_of_nameless_money_and_two_people_apply_it(
    nameless: MoneyCase, opened: Opened, at: datetime, balances: Callable[[], Any]
) -> None:
    assert not cases.can_apply(nameless)

    case = naming.name_payment(
        case_id=nameless.id, payment_id=opened.payment.id, reason="the payer called", actor=ME, at=at
    )

    assert cases.can_apply(MoneyCase.objects.get(id=case.id))
    assert Attempt.objects.get().status == AttemptStatus.SUCCEEDED
    assert Payment.objects.get().status == PaymentStatus.AWAITING_PAYMENT
    assert balances() == {"bank:vcb": 350_000, "suspense:over": -350_000}
    with pytest.raises(CaseRefused):
        naming.name_payment(case_id=case.id, payment_id=opened.payment.id, reason="again", actor=ME, at=at)


def test_naming_needs_a_reason_and_a_payment_by_transfer(
    nameless: MoneyCase, pay: Callable[..., Opened], order: Callable[..., Any], opened: Opened, at: datetime
) -> None:
    with pytest.raises(InvalidInput):
        naming.name_payment(case_id=nameless.id, payment_id=opened.payment.id, reason=" ", actor=ME, at=at)
    with pytest.raises(NotPayable):
        naming.name_payment(case_id=nameless.id, payment_id=pay(order()).payment.id, reason="x", actor=ME, at=at)

    assert MoneyCase.objects.get().payment is None


def test_money_by_transfer_goes_back_by_bank(opened: Opened, at: datetime) -> None:
    confirm(opened, at)
    capture = Capture.objects.get()

    assert isinstance(accounts.of(capture.account), BankTransfer)
    assert accounts.can_refund(capture) is False
