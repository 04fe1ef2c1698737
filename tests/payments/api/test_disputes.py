"""Disputes over HTTP: seen, and answered with documents."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from config.core.money import Money
from payments.models import Dispute, DisputeEvidence, Payment
from payments.services import dispute_by_hand
from tests.factories import ApiClient

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7 signed for by Lan"


@pytest.fixture
def dispute(pay: Any, order: Any, momo: Any, hear: Any, momo_account: Any) -> Dispute:
    """MoMo wrote an e-mail about a paid order."""
    opened = pay(order())
    hear(momo.paid_ipn(opened.attempt))
    wish = dispute_by_hand.NewDispute(
        account=momo_account, gateway_dispute_id="CB-1", money=Money(60_000, "VND"), payment_id=opened.payment.id,
        reason="not_received",
    )  # fmt: skip
    return dispute_by_hand.open_by_hand(wish=wish, actor="user:a@x", why="e-mail", at=timezone.now())


def upload(client: ApiClient, dispute: Dispute, content: bytes, **fields: str) -> Any:
    file = SimpleUploadedFile("proof.pdf", content, content_type="application/x-msdownload")
    return client.post(f"/api/v1/disputes/{dispute.id}/evidence", {"file": file, **fields})


def test_a_service_answers_a_dispute_with_a_document(system_client: ApiClient, dispute: Dispute) -> None:
    kept = upload(system_client, dispute, PDF, purpose="shipping")
    assert kept.status_code == 201
    assert {key: kept.json()[key] for key in ("purpose", "name", "content_type", "size")} == {
        "purpose": "shipping", "name": "proof.pdf", "content_type": "application/pdf", "size": len(PDF),
    }  # fmt: skip
    done = system_client.send(f"/api/v1/disputes/{dispute.id}/submit", {"text": "It was delivered."})
    again = system_client.send(f"/api/v1/disputes/{dispute.id}/submit", {"text": "It was delivered."})

    assert (done.status_code, done.json()["status"], done.json()["answer_state"]) == (200, "under_review", "given")
    assert again.json() == done.json()
    assert [one["evidence_id"] for one in done.json()["evidence"]] == [kept.json()["evidence_id"]]
    other = system_client.send(f"/api/v1/disputes/{dispute.id}/submit", {"text": "Another story."})
    assert (other.status_code, other.json()["code"]) == (409, "dispute_refused")


def test_giving_up_is_done_once(system_client: ApiClient, dispute: Dispute) -> None:
    done = system_client.send(f"/api/v1/disputes/{dispute.id}/accept", {"reason": "lost parcel"})
    again = system_client.send(f"/api/v1/disputes/{dispute.id}/accept", {"reason": "lost parcel"})

    assert (done.status_code, done.json()["status"]) == (200, "accepted")
    assert again.json() == done.json()


def test_giving_up_above_the_limit_waits(system_client: ApiClient, dispute: Dispute, settings: Any) -> None:
    settings.REFUND_APPROVAL_LIMITS = {"VND": "50000"}
    for _ in range(2):
        done = system_client.send(f"/api/v1/disputes/{dispute.id}/accept", {"reason": "lost parcel"})
        assert (done.status_code, done.json()["status"], done.json()["answer"]) == (200, "needs_response", None)


def test_what_is_no_document_is_refused(system_client: ApiClient, dispute: Dispute) -> None:
    wrong = upload(system_client, dispute, b"MZ\x90 a program")
    large = upload(system_client, dispute, b"%PDF-" + b"x" * 5 * 1024 * 1024)
    huge = upload(system_client, dispute, b"%PDF-" + b"x" * 6 * 1024 * 1024)
    nameless = upload(system_client, dispute, PDF, purpose="joke")

    assert (wrong.status_code, wrong.json()["code"]) == (422, "evidence_refused")
    assert [answer.status_code for answer in (large, huge, nameless)] == [413, 413, 400]
    assert not DisputeEvidence.objects.exists()


def test_disputes_are_listed_and_narrowed(system_client: ApiClient, dispute: Dispute) -> None:
    assert [one["dispute_id"] for one in system_client.get("/api/v1/disputes").json()["data"]] == [dispute.id]
    assert system_client.get("/api/v1/disputes", {"status": "won"}).json()["data"] == []
    found = system_client.get("/api/v1/disputes", {"payment_id": dispute.payment_id}).json()["data"]
    assert (found[0]["reason"], found[0]["withdrawn"]) == ("not_received", "60000")
    assert system_client.get("/api/v1/disputes/dp_00000000000000000000000000").status_code == 404


def test_a_refund_of_a_disputed_payment_is_refused_with_its_code(system_client: ApiClient, dispute: Dispute) -> None:
    refusal = system_client.send(f"/api/v1/payments/{dispute.payment_id}/refund", {"amount": "1000"})

    assert (refusal.status_code, refusal.json()["code"]) == (409, "payment_disputed")
    assert Payment.objects.get().refunding_minor == 0
