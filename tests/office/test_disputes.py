"""The disputes queue: what is due stands out, documents are kept, and money is decided by two people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from config.core.clock import now
from config.core.models import Approval, AuditEntry, User
from config.core.money import Money
from payments.models import Dispute, DisputeEvidence, GatewayAccount, Payment, PaymentMethod
from payments.services import dispute_by_hand
from tests.office.conftest import deed, open_payment, report_paid

LIST = "admin:payments_dispute_changelist"
PDF = b"%PDF-1.7 signed for"


@pytest.fixture
def disputed(momo: PaymentMethod) -> Dispute:
    """MoMo wrote that 100,000 VND are disputed; 30 hours are left."""
    payment = open_payment(momo)
    report_paid(payment.attempts.get())
    return by_hand("CB-1", payment, hours=30)


def by_hand(number: str, payment: Payment | None, *, hours: int = 200, amount: int = 100_000) -> Dispute:
    wish = dispute_by_hand.NewDispute(
        account=GatewayAccount.objects.get(code="momo"), gateway_dispute_id=number, money=Money(amount, "VND"),
        payment_id=payment.pk if payment else "", reason="not_received", respond_by=now() + timedelta(hours=hours),
    )  # fmt: skip
    return dispute_by_hand.open_by_hand(wish=wish, actor="user:a@x", why="e-mail of today", at=now())


def page_of(dispute: Dispute) -> str:
    return reverse("admin:payments_dispute_change", args=[dispute.pk])


@pytest.mark.parametrize("language", ["en", "vi"])
def test_the_queue_the_page_and_every_deed_open(language: str, boss: Client, disputed: Dispute) -> None:
    by_hand("CB-2", None)
    boss.get(reverse("admin:language", args=[language]))
    assert boss.get(reverse(LIST)).status_code == 200
    for dispute in Dispute.objects.all():
        assert boss.get(page_of(dispute)).status_code == 200
        for button in boss.get(page_of(dispute)).context["buttons"]:
            assert boss.get(button.url).status_code == 200, button.label
    assert boss.get(reverse("admin:payments_dispute_open")).status_code == 200


def test_what_is_due_is_found_and_counted(boss: Client, disputed: Dispute) -> None:
    by_hand("CB-2", None)
    overdue = by_hand("CB-3", None, hours=-3)
    soon = boss.get(reverse(LIST), {"due": "soon"}).context["cl"].result_list
    over = boss.get(reverse(LIST), {"due": "over"}).context["cl"].result_list

    assert {row.pk for row in soon} == {disputed.pk, overdue.pk}
    assert [row.pk for row in over] == [overdue.pk]
    assert "3 h overdue" in boss.get(reverse(LIST)).text
    tiles = {str(tile.label): tile for tile in boss.get(reverse("admin:index")).context["today"].tiles}
    assert (tiles["Disputes due in 48 hours"].value, tiles["Disputes due in 48 hours"].note) == (
        "2",
        "3 open, 300.000\u00a0₫",
    )


def test_the_share_of_those_won_stands_at_the_head(boss: Client, disputed: Dispute) -> None:
    assert boss.get(reverse(LIST)).context["intro"] == ""
    for number, status in enumerate(("won", "lost", "expired")):
        made = by_hand(f"CB-9{number}", None)
        Dispute.objects.filter(pk=made.pk).update(status=status, closed_at=now())

    assert boss.get(reverse(LIST)).context["intro"] == "Won in the last 12 months: 1 of 3 that ended (33 %)."


def test_a_document_is_kept_and_can_be_taken_by_who_may(login: Callable[..., Client], disputed: Dispute) -> None:
    operator = login("finance_operator")
    file = SimpleUploadedFile("proof.pdf", PDF)
    answer = operator.post(deed("payments_dispute", disputed.pk, "evidence"), {"file": file, "purpose": "shipping"})
    assert answer.status_code == 302
    kept = DisputeEvidence.objects.get()
    address = reverse("admin:payments_dispute_document", args=[disputed.pk, kept.pk])

    taken = operator.get(address)
    assert (taken.content, taken.headers["X-Content-Type-Options"]) == (PDF, "nosniff")
    assert taken.headers["Content-Disposition"].startswith("attachment")
    assert login("finance_viewer").get(address).status_code == 403
    assert AuditEntry.objects.filter(action="dispute.evidence_read", object_id=disputed.pk).count() == 1


def test_what_is_no_document_is_refused_beside_the_field(login: Callable[..., Client], disputed: Dispute) -> None:
    file = SimpleUploadedFile("proof.pdf", b"MZ program")
    address = deed("payments_dispute", disputed.pk, "evidence")
    answer = login("finance_operator").post(address, {"file": file, "purpose": "shipping"})

    assert (answer.status_code, DisputeEvidence.objects.count()) == (422, 0)
    assert "Evidence is a PDF" in answer.text


def test_a_dispute_is_contested_from_its_page(login: Callable[..., Client], disputed: Dispute) -> None:
    answer = login("treasury").post(deed("payments_dispute", disputed.pk, "contest"), {"text": "It arrived."})

    assert answer.status_code == 302
    disputed.refresh_from_db()
    assert (disputed.status, disputed.answer_text) == ("under_review", "It arrived.")


def test_its_end_is_told_by_one_and_approved_by_another_on_its_page(
    login: Callable[..., Client], person: Callable[..., User], disputed: Dispute
) -> None:
    maker = person("finance_operator", "finance_approver")
    address = deed("payments_dispute", disputed.pk, "end")
    preview = login(user=maker).post(address, {"end": "lost", "reason": "e-mail", "_preview": "1"})
    assert "chargeback:disputed" in preview.text
    assert not Approval.objects.exists()
    assert login(user=maker).post(address, {"end": "lost", "reason": "e-mail"}).status_code == 302
    own = login(user=maker).post(deed("payments_dispute", disputed.pk, "approve"), {"reason": "mine"})
    assert own.status_code == 422
    assert login("finance_approver").post(deed("payments_dispute", disputed.pk, "approve"), {}).status_code == 302

    disputed.refresh_from_db()
    assert (disputed.status, disputed.booked) == ("lost", "clawed_back")


def test_a_viewer_sees_and_acts_on_nothing(login: Callable[..., Client], disputed: Dispute) -> None:
    viewer = login("finance_viewer")
    shown = viewer.get(page_of(disputed))

    assert (shown.status_code, shown.context["buttons"]) == (200, [])
    assert viewer.post(deed("payments_dispute", disputed.pk, "contest"), {"text": "x"}).status_code == 403


def test_staff_open_a_dispute_from_an_e_mail(login: Callable[..., Client], momo: PaymentMethod) -> None:
    payment = open_payment(momo)
    report_paid(payment.attempts.get())
    form = {
        "account": GatewayAccount.objects.get(code="momo").pk, "gateway_dispute_id": "CB-77", "payment_id": payment.pk,
        "amount": "60.000", "currency": "VND", "fee": "", "why": "fraud", "is_withdrawn": "on",
        "respond_by": "2026-12-01T17:00", "reason": "e-mail of 21 November",
    }  # fmt: skip
    client = login("finance_operator")
    wrong = client.post(reverse("admin:payments_dispute_open"), {**form, "amount": "x"})
    done = client.post(reverse("admin:payments_dispute_open"), form)

    assert (wrong.status_code, done.status_code) == (422, 302)
    dispute = Dispute.objects.get()
    assert (dispute.amount_minor, dispute.withdrawn_minor, dispute.payment_id) == (60_000, 60_000, payment.pk)
    assert dispute.respond_by is not None and dispute.respond_by.isoformat() == "2026-12-01T10:00:00+00:00"


def test_a_payments_page_shows_its_disputes_and_search_finds_them(boss: Client, disputed: Dispute) -> None:
    page = boss.get(reverse("admin:payments_payment_change", args=[disputed.payment_id]))
    assert disputed.pk in page.text
    for term in (disputed.pk, "CB-1"):
        assert boss.get(reverse("admin:find"), {"q": term}).url == page_of(disputed)
    listed = boss.get(reverse("admin:payments_payment_changelist"), {"note": "disputed"})
    assert [row.pk for row in listed.context["cl"].result_list] == [disputed.payment_id]
