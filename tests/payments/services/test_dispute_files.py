"""Settlement files as a door for disputes: what is planned, done once, asked about and left alone."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.core.models import AuditEntry
from config.core.money import Money
from gateways.reports import DisputeReport, DisputeStatus
from ledger.models import JournalEntry
from payments.errors import SettlementRefused
from payments.models import AttemptEvent, Capture, Dispute, DisputeEvent, GatewayAccount, MoneyCase
from payments.services import accounts, dispute_by_hand, dispute_files, disputes
from payments.services.dispute_files import DisputeFile
from payments.services.hearing import Heard
from tests.payments.services.test_races import together

pytestmark = pytest.mark.django_db
ACTOR = "user:fin@example.com"
COLUMNS = {
    "reference": "Order", "gateway_transaction_id": "Transaction", "gross": "Amount", "fee": "Fee", "kind": "Type",
    "time": "Time", "optional": ["fee"],
    "kinds": {"payment": ["Payment"], "dispute": ["Dispute"], "dispute_reversal": ["Dispute won"], "fee": ["Fee"]},
}  # fmt: skip
HEAD = "Order,Transaction,Amount,Fee,Type,Time"
DAY = "2026-10-20 10:00:00"
NEVER = "2099-01-15 10:00:00"
"""A day that has not come."""


@pytest.fixture
def account(momo_account: GatewayAccount) -> GatewayAccount:
    """An account whose map of columns knows disputes."""
    momo_account.settings = {**momo_account.settings, "settlement_columns": COLUMNS}
    momo_account.save()
    accounts.forget()
    return momo_account


@pytest.fixture
def capture(account: GatewayAccount, pay: Any, order: Any, momo: Any, hear: Any) -> Capture:
    """100,000 VND that MoMo took."""
    hear(momo.paid_ipn(pay(order()).attempt))
    return Capture.objects.get()


def row(number: object, amount: int, kind: str = "Dispute", *, fee: int = 0, at: str = DAY, order: str = "") -> str:
    return f"{order},{number},{amount},{fee},{kind},{at}"


def read(account: GatewayAccount, *rows: str) -> DisputeFile:
    return dispute_files.read(content="\n".join([HEAD, *rows]).encode(), name="momo.csv", account=account)


def verdicts(file: DisputeFile) -> list[str]:
    return [one.verdict.value for one in file.lines]


def done(account: GatewayAccount, at: datetime, *rows: str) -> dict[str, int]:
    """Read and apply; what the lines did."""
    return dispute_files.apply(file=read(account, *rows), actor=ACTOR, at=at).outcomes


def told(account: GatewayAccount, money: Money, number: str, status: DisputeStatus, at: datetime, **more: Any) -> None:
    """The gateway's own message."""
    report = DisputeReport(
        dispute_id="CB-7", status=status, money=money, gateway_transaction_id=number, withdrawn=True, occurred_at=at,
        **more,
    )  # fmt: skip
    disputes.apply_dispute_report(
        report=report, heard=Heard(account=account, source=AttemptEvent.Source.WEBHOOK, at=at)
    )


def everything() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Dispute, DisputeEvent, JournalEntry, MoneyCase))


# --- What it does ----------------------------------------------------------------------------------------------------
def test_a_look_says_what_each_line_would_do_and_changes_nothing(capture: Capture, account: GatewayAccount) -> None:
    number, before = capture.gateway_transaction_id, everything()

    file = read(
        account, row(number, 100_000, "Payment"), row(number, -100_000), row(number, -100_000),
        row(number, 100_000, "Dispute won"), row(424242, -5_000), row("", -50, "Fee"), row(99, 0),
    )  # fmt: skip

    assert verdicts(file) == ["opens", "known", "wins", "unknown_payment", "no_amount"]
    assert [one.line.row for one in file.lines] == [3, 4, 5, 6, 8]
    assert [one.payment_id for one in file.lines] == [capture.payment_id] * 3 + [None, None]
    assert (file.others, file.outcomes) == ({"payment": 1, "fee": 1}, {})
    assert everything() == before


def test_lines_open_and_end_a_dispute_and_a_second_reading_changes_nothing(
    capture: Capture, account: GatewayAccount, at: datetime, books: Any, balances: Any
) -> None:
    number, before = capture.gateway_transaction_id, balances()
    taken = row(number, -100_000, fee=15_000)

    assert done(account, at, taken) == {"noted": 1}
    dispute = Dispute.objects.get()
    assert (dispute.status, dispute.respond_by, dispute.withdrawn_minor) == ("needs_response", None, 100_000)
    assert books()[f"{dispute.id}:opened"] == {
        "gw:momo:clearing": -115_000, "chargeback:disputed": 100_000, "fee:chargeback": 15_000,
    }  # fmt: skip
    back = row(number, 100_000, "Dispute won", fee=-15_000, at="2026-10-21 10:00:00")
    assert done(account, at, taken, back) == {"noted": 1}

    dispute.refresh_from_db()
    assert (dispute.status, balances()) == ("won", before)
    kept = everything()
    assert done(account, at, taken, back) == done(account, at, back) == done(account, at, taken) == {}
    assert everything() == kept


def test_a_part_of_a_fee_that_comes_back_comes_back_once(
    capture: Capture, account: GatewayAccount, at: datetime
) -> None:
    number = capture.gateway_transaction_id
    rows = (row(number, -100_000, fee=20_000), row(number, 100_000, "Dispute won", fee=-5_000))

    done(account, at, *rows)
    kept = everything()
    file = read(account, *rows)

    assert verdicts(file) == ["known", "known"]
    for one in file.lines:  # even if somebody planned before the first reading was done
        one.verdict = dispute_files.Verdict.OPENS
    assert dispute_files.apply(file=file, actor=ACTOR, at=at).outcomes == {"nothing_new": 2}
    assert (Dispute.objects.get().fee_minor, everything()) == (15_000, kept)


def test_a_fee_that_a_message_told_is_the_messages_to_change(
    capture: Capture, account: GatewayAccount, at: datetime
) -> None:
    number = capture.gateway_transaction_id
    told(account, capture.money, number, DisputeStatus.WON, at, fee=Money(15_000, "VND"))  # 20,000 less 5,000

    done(account, at, row(number, -100_000, fee=20_000), row(number, 100_000, "Dispute won", fee=-5_000))

    assert Dispute.objects.get().fee_minor == 15_000


def test_who_read_which_file_is_in_the_audit_trail(capture: Capture, account: GatewayAccount, at: datetime) -> None:
    file = read(account, row(capture.gateway_transaction_id, -100_000))
    dispute_files.apply(file=file, actor=ACTOR, at=at)

    entry = AuditEntry.objects.get(action="disputes.file_read")
    assert (entry.actor, entry.object_id) == (ACTOR, str(account.id))
    assert entry.after == {
        "file": "momo.csv", "sha256": file.sha256, "planned": {"opens": 1}, "done": {"noted": 1},
    }  # fmt: skip
    opened = DisputeEvent.objects.filter(what="opened").get()
    assert (opened.actor, opened.source) == (ACTOR, "file")


def test_a_message_before_or_after_the_file_tells_the_same_dispute_and_money_moves_once(
    capture: Capture, account: GatewayAccount, at: datetime, balances: Any
) -> None:
    number = capture.gateway_transaction_id
    done(account, at, row(number, -100_000))
    once, due = balances(), timezone.now() + timedelta(days=7)

    told(account, capture.money, number, DisputeStatus.NEEDS_RESPONSE, at, respond_by=due)

    dispute = Dispute.objects.get()
    assert (dispute.gateway_dispute_id, dispute.respond_by, balances()) == ("CB-7", due, once)
    assert verdicts(read(account, row(number, -100_000, at="2026-10-20 23:00:00"))) == ["known"]
    assert done(account, at, row(number, -100_000, at="2026-10-20 23:00:00")) == {}


def test_a_message_finds_what_a_file_told_of_money_that_nobody_knows(account: GatewayAccount, at: datetime) -> None:
    done(account, at, row(424242, -5_000))

    told(account, Money(5_000, "VND"), "424242", DisputeStatus.UNDER_REVIEW, at + timedelta(hours=1))

    dispute = Dispute.objects.get()
    assert (dispute.gateway_dispute_id, dispute.status) == ("CB-7", "under_review")


def test_nobodys_money_is_booked_once_and_its_payment_is_found_when_the_file_is_read_again(
    account: GatewayAccount, at: datetime, balances: Any, pay: Any, order: Any, momo: Any, hear: Any
) -> None:
    attempt = pay(order()).attempt
    line = row(4_999_999, -100_000, order="")
    assert verdicts(read(account, line)) == ["unknown_payment"]
    assert done(account, at, line) == {"held": 1}
    assert (MoneyCase.objects.get().kind, balances()["chargeback:disputed"]) == ("dispute_unknown", 100_000)
    assert done(account, at, line) == {}

    hear(momo.custom_ipn(orderId=attempt.gateway_reference, amount=100_000, transId=4_999_999))
    assert verdicts(read(account, line)) == ["adds"]
    done(account, at, line)

    dispute = Dispute.objects.get()
    assert (dispute.payment_id, balances()["chargeback:disputed"]) == (attempt.payment_id, 100_000)
    assert MoneyCase.objects.get().status == "closed"
    assert verdicts(read(account, line)) == ["known"]


def test_lines_that_name_the_order_alone_find_its_payment(
    capture: Capture, account: GatewayAccount, at: datetime
) -> None:
    assert capture.attempt is not None
    line = row("", -100_000, order=capture.attempt.gateway_reference)

    assert verdicts(read(account, line, line)) == ["opens", "known"]
    done(account, at, line)
    assert Dispute.objects.get().capture_id == capture.id


def test_a_dispute_that_staff_opened_without_its_money_learns_of_it(
    capture: Capture, account: GatewayAccount, at: datetime, balances: Any
) -> None:
    wish = dispute_by_hand.NewDispute(
        account=account, gateway_dispute_id="CB-1", money=capture.money, payment_id=str(capture.payment_id),
        is_withdrawn=False,
    )  # fmt: skip
    dispute_by_hand.open_by_hand(wish=wish, actor=ACTOR, why="e-mail", at=at)
    assert "chargeback:disputed" not in balances()

    assert verdicts(read(account, row(capture.gateway_transaction_id, -100_000))) == ["adds"]
    done(account, at, row(capture.gateway_transaction_id, -100_000))

    assert (Dispute.objects.get().withdrawn_minor, balances()["chargeback:disputed"]) == (100_000, 100_000)


# --- What a person must look at --------------------------------------------------------------------------------------
@pytest.mark.parametrize("line", [("Dispute", -60_000), ("Dispute won", 60_000)])
def test_another_sum_is_asked_about_and_not_booked(
    capture: Capture, account: GatewayAccount, at: datetime, balances: Any, line: tuple[str, int]
) -> None:
    number, (kind, amount) = capture.gateway_transaction_id, line
    done(account, at, row(number, -100_000))
    before = balances()

    other = row(number, amount, kind, at="2026-10-21 09:00:00")
    assert verdicts(read(account, other)) == ["differs"]
    assert done(account, at, other) == {"held": 1}
    assert done(account, at, other) == {}

    case = MoneyCase.objects.get()
    assert (case.kind, case.amount_minor, "another sum" in case.detail) == ("dispute_changed", 60_000, True)
    assert (Dispute.objects.get().status, balances()) == ("needs_response", before)


def test_money_that_goes_again_after_it_came_back_is_asked_about(
    capture: Capture, account: GatewayAccount, at: datetime, balances: Any
) -> None:
    number = capture.gateway_transaction_id
    rows = (row(number, -100_000), row(number, 100_000, "Dispute won", at="2026-10-21 10:00:00"))
    done(account, at, *rows)
    before = balances()

    again = row(number, -100_000, at="2026-10-25 10:00:00")
    assert verdicts(read(account, *rows, again)) == ["known", "known", "changed"]
    assert done(account, at, *rows, again) == {"held": 1}

    assert MoneyCase.objects.get().kind == "dispute_changed"
    assert (Dispute.objects.get().status, balances()) == ("won", before)


def test_money_that_comes_back_of_a_lost_dispute_is_asked_about(
    capture: Capture, account: GatewayAccount, at: datetime, balances: Any
) -> None:
    number = capture.gateway_transaction_id
    told(account, capture.money, number, DisputeStatus.LOST, at)
    before = balances()

    assert done(account, at, row(number, 100_000, "Dispute won")) == {"held": 1}
    assert (Dispute.objects.get().status, balances()) == ("lost", before)


# --- What is refused -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (row(1, -1, "Chargeback"), "Row 3, column Type: is an unknown word: 'Chargeback'"),
        (row(1, -1).replace(",-1,", ",lots,"), "Row 3, column Amount"),
        (row(1, -1, at="yesterday"), "Row 3, column Time"),
        (row(1, -1, at="0001-01-01 00:00:00"), "Row 3, column Time: date value out of range"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_whole(
    capture: Capture, account: GatewayAccount, bad: str, words: str
) -> None:
    before = everything()

    with pytest.raises(SettlementRefused) as caught:
        read(account, row(capture.gateway_transaction_id, -100_000), bad)

    assert words in caught.value.message
    assert (caught.value.field, everything()) == ("file", before)


def test_an_account_without_settlement_files_is_refused(cod_account: GatewayAccount) -> None:
    with pytest.raises(SettlementRefused) as caught:
        read(cod_account, row(1, -1))

    assert caught.value.field == "account"
    assert dispute_files.gateways_with_files() == ["fiuu", "momo", "vnpay", "xendit", "zalopay"]
    assert dispute_files.gateways_to_ask() == ["fiuu", "stripe", "xendit"]


def test_a_line_that_cannot_be_booked_says_why_and_the_others_go_on(
    capture: Capture, account: GatewayAccount, at: datetime
) -> None:
    odd = row(7, -1_000, at=NEVER)
    file = read(account, odd, row(capture.gateway_transaction_id, -100_000))
    dispute_files.apply(file=file, actor=ACTOR, at=at)

    assert file.outcomes == {"error": 1, "noted": 1}
    assert [bool(one.error) for one in file.lines] == [True, False]
    assert Dispute.objects.get().capture_id == capture.id
    assert verdicts(read(account, odd)) == ["unknown_payment"]  # it may be read again


# --- Many ------------------------------------------------------------------------------------------------------------
def test_each_line_costs_the_same_questions_however_many_there_are(
    account: GatewayAccount, at: datetime, pay: Any, order: Any, momo: Any, hear: Any
) -> None:
    for _ in range(12):
        hear(momo.paid_ipn(pay(order()).attempt))
    numbers = list(Capture.objects.order_by("id").values_list("gateway_transaction_id", flat=True))
    done(account, at, row(numbers.pop(), -100_000))  # accounts and balances are there, and nothing is the first

    def questions(*rows: str) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as planning:
            file = read(account, *rows)
        with CaptureQueriesContext(connection) as booking:
            dispute_files.apply(file=file, actor=ACTOR, at=at)
        return len(planning), len(booking)

    one, two = questions(row(numbers[0], -100_000)), questions(*(row(number, -100_000) for number in numbers[1:3]))
    eight = questions(*(row(number, -100_000) for number in numbers[3:11]))

    assert one[0] == two[0] == eight[0] <= 8
    per_line = two[1] - one[1]
    assert (eight[1] - two[1], per_line <= 45) == (6 * per_line, True)


def test_ten_thousand_lines_are_planned_with_few_questions_in_little_memory(
    capture: Capture, account: GatewayAccount
) -> None:
    rows = [row(5_000_000 + n, -1_000 - n) for n in range(5_000)]
    rows += [row(5_000_000 + n, 1_000 + n, "Dispute won") for n in range(5_000)]
    tracemalloc.start()
    began = time.monotonic()

    with CaptureQueriesContext(connection) as asked:
        file = read(account, *rows)

    seconds, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert file.counts == {"unknown_payment": 5_000, "wins": 5_000}
    assert len(asked) <= 40
    assert (seconds < 60, peak < 150 * 1024 * 1024) == (True, True), (seconds, peak)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_people_read_the_same_file_at_once_while_the_message_comes(
    capture: Capture, account: GatewayAccount, at: datetime, balances: Callable[[], dict[str, int]]
) -> None:
    number = capture.gateway_transaction_id
    rows = (row(number, -100_000, fee=20_000), row(number, 100_000, "Dispute won", fee=-5_000), row(77, -3_000))
    files = [read(account, *rows) for _ in range(4)]

    def apply(file: DisputeFile) -> Callable[[], object]:
        return lambda: dispute_files.apply(file=file, actor=ACTOR, at=at).outcomes

    def message() -> None:
        told(account, capture.money, number, DisputeStatus.NEEDS_RESPONSE, at - timedelta(days=30))

    answers = together([*map(apply, files), message])

    assert not any(isinstance(one, Exception) or "error" in (one or {}) for one in answers), answers
    assert Dispute.objects.count() == 2
    dispute = Dispute.objects.get(payment_id=capture.payment_id)
    assert (dispute.gateway_dispute_id, dispute.status, dispute.fee_minor) == ("CB-7", "won", 15_000)
    assert (balances()["chargeback:disputed"], balances()["fee:chargeback"]) == (3_000, 15_000)
