"""The tables of states, walked pair by pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from django.db import models
from django.utils import timezone

from payments import states
from payments.errors import IllegalTransition
from payments.models import Attempt, Dispute, MoneyCase, Notification, Payment, Refund
from payments.states import AttemptStatus, CaseStatus, DisputeStatus, NotificationStatus, PaymentStatus, RefundStatus

MACHINES: list[tuple[type[models.Model], type[models.TextChoices], Mapping[str, frozenset[str]]]] = [
    (Payment, PaymentStatus, states.PAYMENT_TRANSITIONS),
    (Attempt, AttemptStatus, states.ATTEMPT_TRANSITIONS),
    (Refund, RefundStatus, states.REFUND_TRANSITIONS),
    (Dispute, DisputeStatus, states.DISPUTE_TRANSITIONS),
    (Notification, NotificationStatus, states.NOTIFICATION_TRANSITIONS),
    (MoneyCase, CaseStatus, states.CASE_TRANSITIONS),
]


@pytest.mark.parametrize(("model", "statuses", "table"), MACHINES)
def test_every_pair_of_states_is_allowed_or_refused_as_the_table_says(model: Any, statuses: Any, table: Any) -> None:
    at = timezone.now()
    for start in statuses:
        for end in statuses:
            thing = model(status=start)
            if end in table[start]:
                thing.move_to(end, at=at)
                assert thing.status == end
            else:
                with pytest.raises(IllegalTransition):
                    thing.move_to(end, at=at)
                assert thing.status == start


@pytest.mark.parametrize(("model", "statuses", "table"), MACHINES)
def test_every_status_has_a_row(model: Any, statuses: Any, table: Any) -> None:
    assert set(table) == set(statuses)


def test_what_succeeded_never_goes_back() -> None:
    assert states.PAYMENT_TRANSITIONS[PaymentStatus.SUCCEEDED] == frozenset()
    assert states.ATTEMPT_TRANSITIONS[AttemptStatus.SUCCEEDED] == frozenset()


def test_every_end_can_be_reached_and_money_can_reach_every_unpaid_end() -> None:
    for ended in (PaymentStatus.FAILED, PaymentStatus.EXPIRED, PaymentStatus.CANCELLED):
        assert states.PAYMENT_TRANSITIONS[ended] == {PaymentStatus.SUCCEEDED}
