"""The Today page: its numbers are right, and each leads to the list that it counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import reverse

from config.core.admin.cells import money_text, read_money
from config.core.clock import now
from config.core.money import Money, MoneyError
from config.office import chart, today
from config.office.today import DaySum
from ledger.admin import t_accounts
from ledger.models import Account, JournalEntry, Posting
from payments.admin import words
from payments.models import Capture, EmailMessageLog, MoneyCase
from payments.states import AttemptStatus, CaseStatus, DisputeStatus, NotificationStatus, PaymentStatus, RefundStatus
from tests.office.conftest import Day


def test_the_numbers_of_a_day(day: Day) -> None:
    numbers = today.read(at=now())

    assert (numbers.days[-1].count, numbers.days[-1].minor) == (1, 100_000)
    assert len(numbers.days) == 30
    assert [(case.kind, case.count, case.minor) for case in numbers.cases] == [("amount_mismatch", 1, 1_234)]
    assert numbers.suspense_over == Money(1_234, "VND")
    assert numbers.refunds == {"pending_approval:bank": (1, 50_000)}
    assert (numbers.approvals, numbers.unknown, numbers.dead) == (1, 0, 1)
    assert {(rate.code, rate.total, rate.paid) for rate in numbers.rates} == {("cod", 1, 1), ("momo", 1, 1)}
    assert numbers.is_balanced


def test_every_number_leads_to_the_list_it_counts(boss: Client, day: Day) -> None:
    page = boss.get(reverse("admin:index")).context["today"]
    counted = {str(tile.label): tile for tile in page.tiles}

    for label, count in (
        ("Paid today", 1), ("Paid yesterday", 0), ("Open money cases", 1), ("Refunds to approve", 1),
        ("Refunds to send by bank", 0), ("Refunds that need a hand", 0), ("Approvals waiting", 1),
        ("Attempts of unknown outcome", 0), ("Dead letters", 1),
    ):  # fmt: skip
        shown = boss.get(counted[label].url).context["cl"]
        assert len(shown.result_list) == count, label
    waiting = counted["Events not told yet"]
    assert str(boss.get(waiting.url).context["cl"].result_count) == str(waiting.value)
    assert boss.get(counted["In suspense"].url).status_code == 200
    assert boss.get(counted["Trial balance"].url).context["is_balanced"] is True


def test_the_page_is_read_once_and_then_kept(boss: Client, day: Day) -> None:
    cache.clear()
    boss.get(reverse("admin:index"))

    with CaptureQueriesContext(connection) as queries:
        boss.get(reverse("admin:index"))
    assert len(queries) <= 8


def test_without_redis_the_page_is_there(boss: Client, day: Day) -> None:
    away = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9/0"}}

    with override_settings(CACHES=away):
        assert boss.get(reverse("admin:index")).status_code == 200


def test_a_person_sees_the_tiles_of_what_they_may_see(login: Callable[..., Client], day: Day) -> None:
    tiles = login("support").get(reverse("admin:index")).context["today"].tiles

    assert "Dead letters" not in {str(tile.label) for tile in tiles}
    assert "Paid today" in {str(tile.label) for tile in tiles}
    assert login("api_admin").get(reverse("admin:index")).context["today"].tiles == []


def test_bars_stand_on_a_scale_that_can_be_read() -> None:
    at = now().date()
    days = [DaySum(at - timedelta(days=9 - n), n, n * 1_030_000) for n in range(10)]

    drawn = chart.bars(days, "VND")

    assert [line.label for line in drawn.lines] == ["0", "5M", "10M"]
    assert [bar.is_now for bar in drawn.bars] == [False] * 9 + [True]
    assert chart.bars([], "VND").bars == []


# --- Words and drawings ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("known", "states"),
    [
        (words.PAYMENT, PaymentStatus),
        (words.ATTEMPT, AttemptStatus),
        (words.REFUND, RefundStatus),
        (words.DISPUTE, DisputeStatus),
        (words.NOTIFICATION, NotificationStatus),
        (words.CASE, CaseStatus),
        (words.EMAIL, EmailMessageLog.Status),
        (words.CAPTURE, Capture.Disposition),
        (words.KINDS, MoneyCase.Kind),
    ],
)
def test_every_state_is_explained_in_plain_words(known: dict[str, object], states: type) -> None:
    assert set(known) == set(states)


def test_t_accounts_put_debits_left_and_credits_right(day: Day) -> None:
    journal = JournalEntry.objects.filter(subject=day.held.pk).get()

    drawn = t_accounts.of_journals([journal]).data

    sides = {
        account.code: ([m.minor for m, _ in account.debits], [m.minor for m, _ in account.credits])
        for account in drawn.accounts
    }
    assert sides == {"gw:momo:clearing": ([1_234], []), "suspense:over": ([], [1_234])}


def test_a_statement_runs_from_line_to_line_to_the_balance(boss: Client, day: Day) -> None:
    account = Account.objects.get(code="suspense:over")

    page = boss.get(reverse("admin:ledger_account_change", args=[account.pk]))
    statement = page.context["panels"][0].data

    assert "1.234" in statement.closing
    assert len(statement.table.rows) == Posting.objects.filter(account=account).count() == 1
    assert "1.234" in statement.table.rows[0][-1]
    tomorrow = (now() + timedelta(days=2)).date().isoformat()
    later = boss.get(reverse("admin:ledger_account_change", args=[account.pk]), {"day_from": tomorrow})
    assert later.context["panels"][0].data.table.rows == []


def test_money_is_written_as_it_is_read_here() -> None:
    assert money_text(Money(1_234_567, "VND")) == "1.234.567\u00a0₫"
    assert money_text(Money(-1_250, "USD")) == "-12,50\u00a0USD"
    assert money_text(Money(0, "VND")) == "0\u00a0₫"


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1.234.567", "VND", 1_234_567), ("1,234,567", "VND", 1_234_567), ("1234567", "VND", 1_234_567),
        ("1.234.567\u00a0₫", "VND", 1_234_567), ("12,50", "USD", 1_250), ("12.50", "USD", 1_250),
        ("1.234,50", "USD", 123_450), ("1,234.50", "USD", 123_450),
    ],
)  # fmt: skip
def test_money_is_read_as_it_is_typed(text: str, currency: str, minor: int) -> None:
    assert read_money(text, currency) == Money(minor, currency)


@pytest.mark.parametrize("text", ["", "ten", "1.23.456", "12,5", "--1", "1e9999", "1٫000"])
def test_what_is_no_amount_in_dong_is_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        read_money(text, "VND")
