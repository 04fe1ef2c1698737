"""A customer is forgotten: two people agree, who they were is emptied, and the money facts stay."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from config.core import approvals
from config.core.errors import InvalidInput
from config.core.models import Approval, AuditEntry, User
from ledger.models import Posting
from payments.errors import CustomerBusy, CustomerNotFound, EmailRefused
from payments.models import Capture, EmailMessageLog, Notification, Order, Payment
from payments.services import emails, forgetting
from tests import factories
from tests.factories import CUSTOMER, OTHER_CUSTOMER

pytestmark = pytest.mark.django_db(transaction=True)


def staff(email: str, *permissions: str) -> User:
    made = factories.UserFactory(email=email)
    made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return User.objects.get(pk=made.pk)


@pytest.fixture
def maker() -> User:
    return staff("maker@example.com", "forget_customer")


@pytest.fixture
def checker() -> User:
    return staff("checker@example.com", "decide_approval")


@pytest.fixture
def quiet(pay: Any, order: Any, momo: Any, hear: Any) -> Payment:
    """A customer who paid and got the receipt; beside them another customer's order."""
    hear(momo.paid_ipn(pay(order()).attempt))
    EmailMessageLog.objects.update(status="sent", subject="Thank you", sent_at=timezone.now(), next_try_at=None)
    order(customer=OTHER_CUSTOMER, order_id="THEIRS")
    payment: Payment = Payment.objects.get()
    return payment


def told() -> list[str]:
    """What is still known of customer-1, as the database holds it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT buyer_name || buyer_email || buyer_phone FROM payments_order WHERE customer = %s"
            " UNION ALL SELECT recipient || subject FROM payments_emailmessagelog"
            " UNION ALL SELECT body || query || proof FROM payments_notification"
            " UNION ALL SELECT request::text || response::text FROM payments_attempt",
            [CUSTOMER],
        )
        return [row[0] for row in cursor.fetchall()]


def ask(maker: User) -> Approval:
    return forgetting.ask(customer=CUSTOMER, actor=maker, reason="they wrote to us", at=timezone.now())


def test_nothing_is_emptied_until_another_person_agrees(quiet: Payment, maker: User, checker: User) -> None:
    approval = ask(maker)
    assert all(told())
    with pytest.raises(approvals.SelfApprovalRefused):
        approvals.approve(approval_id=approval.pk, checker=maker, at=timezone.now())
    assert all(told())

    done = approvals.approve(approval_id=approval.pk, checker=checker, at=timezone.now())

    assert (done.status, done.executed_at is not None) == ("approved", True)
    assert told() == ["", "", "", "{}{}"]
    assert Order.objects.get(order_id="THEIRS").buyer_email == "lan@example.com"


def test_money_facts_stay_and_receipts_are_not_sent_again(quiet: Payment, maker: User, checker: User) -> None:
    before = (list(Posting.objects.order_by("id").values()), list(Capture.objects.values()))

    approvals.approve(approval_id=ask(maker).pk, checker=checker, at=timezone.now())

    assert (list(Posting.objects.order_by("id").values()), list(Capture.objects.values())) == before
    payment = Payment.objects.get()
    assert (payment.status, payment.captured_minor, payment.customer) == ("succeeded", 100_000, CUSTOMER)
    with pytest.raises(EmailRefused):
        emails.resend(
            payment_id=quiet.pk, kind=EmailMessageLog.Kind.PAYMENT_SUCCEEDED, actor="user:a", reason="asked for",
            at=timezone.now(),
        )  # fmt: skip


def test_who_asked_who_agreed_and_how_much_went_is_in_the_trail(quiet: Payment, maker: User, checker: User) -> None:
    approvals.approve(approval_id=ask(maker).pk, checker=checker, at=timezone.now())

    assert AuditEntry.objects.get(action="approval.requested").actor == "user:maker@example.com"
    entry = AuditEntry.objects.get(action="customer.forgotten")
    assert (entry.actor, entry.object_id, entry.reason) == ("user:checker@example.com", CUSTOMER, "they wrote to us")
    assert entry.after == {"orders": 1, "emails": 1, "messages": 1, "attempts": 1}


def test_the_same_message_of_a_forgotten_customer_is_still_a_duplicate(
    quiet: Payment, maker: User, checker: User, momo: Any, hear: Any
) -> None:
    body = momo.ipn(quiet.attempts.get())
    approvals.approve(approval_id=ask(maker).pk, checker=checker, at=timezone.now())

    hear(body)

    assert Notification.objects.get().deliveries == 2
    assert Capture.objects.count() == 1


def test_an_order_told_again_does_not_bring_a_forgotten_buyer_back(
    quiet: Payment, maker: User, checker: User, system_client: Any
) -> None:
    approvals.approve(approval_id=ask(maker).pk, checker=checker, at=timezone.now())

    body = {
        "order_id": quiet.order.order_id, "customer_id": CUSTOMER, "amount": "100000", "currency": "VND",
        "buyer": {"name": "Lan", "email": "lan@example.com"},
    }  # fmt: skip
    system_client.send("/api/v1/orders", body, key="again")

    assert told()[0] == ""


@pytest.mark.parametrize("still_open", ["payment", "refund", "case", "email"])
def test_a_customer_whose_money_moves_is_not_forgotten(quiet: Payment, maker: User, still_open: str) -> None:
    if still_open == "payment":
        Payment.objects.update(status="awaiting_payment")
    elif still_open == "email":
        EmailMessageLog.objects.update(status="queued", next_try_at=timezone.now())
    elif still_open == "refund":
        quiet.refunds.create(
            capture=Capture.objects.get(), amount_minor=1, currency="VND", route="gateway", requested_by="tests",
            created_at=timezone.now(), updated_at=timezone.now(),
        )  # fmt: skip
    else:
        quiet.cases.create(kind="late_payment", amount_minor=1, currency="VND", opened_at=timezone.now())
    before = told()

    with pytest.raises(CustomerBusy):
        ask(maker)

    assert (Approval.objects.count(), told()) == (0, before)


def test_money_that_moves_again_before_the_yes_stops_the_deed(quiet: Payment, maker: User, checker: User) -> None:
    approval = ask(maker)
    Payment.objects.update(status="awaiting_payment")
    before = told()

    done = approvals.approve(approval_id=approval.pk, checker=checker, at=timezone.now())

    assert (done.executed_at, done.execution_error.partition(":")[0], told()) == (None, "customer_busy", before)


def test_nobody_is_forgotten_without_a_reason_or_unknown(quiet: Payment, maker: User) -> None:
    with pytest.raises(InvalidInput):
        forgetting.ask(customer=CUSTOMER, actor=maker, reason=" ", at=timezone.now())
    with pytest.raises(CustomerNotFound):
        forgetting.ask(customer="nobody", actor=maker, reason="why", at=timezone.now())

    assert Approval.objects.count() == 0


# --- The command -------------------------------------------------------------------------------------------------------
def test_the_command_counts_and_asks(quiet: Payment, maker: User) -> None:
    out = StringIO()
    call_command("forget_customer", CUSTOMER, "--dry-run", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"orders": 1, "emails": 1, "messages": 1, "attempts": 1}
    assert (Approval.objects.count(), all(told())) == (0, True)

    out = StringIO()
    call_command("forget_customer", CUSTOMER, "--actor", maker.email, "--reason", "a letter", "--json", stdout=out)

    assert json.loads(out.getvalue()) == {"approval": Approval.objects.get().pk, "status": "pending"}
    assert all(told())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((CUSTOMER,), 2),
        ((CUSTOMER, "--actor", "checker@example.com", "--reason", "a letter"), 4),
        (("nobody", "--dry-run"), 4),
    ],
)
def test_the_command_refuses(quiet: Payment, checker: User, arguments: tuple[str, ...], code: int) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("forget_customer", *arguments)

    assert (refused.value.returncode, Approval.objects.count()) == (code, 0)
