"""Money that goes back at Stripe, and what is paid out: refunds that fail late, disputes, payouts line by line."""

from __future__ import annotations

import dataclasses
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from config.core.money import Money
from gateways.errors import GatewayRejected, GatewayUnavailable
from gateways.reports import DisputeReport, DisputeStatus, Report, ReportAbout, ReportStatus
from gateways.requests import CheckoutRequest, Evidence, EvidenceFile
from gateways.sandbox.server import RunningSandbox
from gateways.settlement.lines import LineKind, SettlementFile
from gateways.stripe.adapter import CardRequest, Stripe
from tests.gateways.driver import Inbox
from tests.gateways.drivers.stripe import StripeDriver

PDF = EvidenceFile(
    name="../receipt 7.pdf", content_type="application/pdf", content=b"%PDF-1.4 \x00\xff", purpose="receipt"
)


class Fresh(StripeDriver):
    """An account of its own, so that a payout holds nothing of other tests."""

    def __init__(self, sandbox: RunningSandbox, inbox: Inbox) -> None:
        self.mark = secrets.token_hex(6)
        self.account = f"acct_{self.mark}"
        super().__init__(sandbox, inbox)

    def settings(self) -> dict[str, object]:
        return {
            "secret_key": f"sk_test_sandbox_{self.mark}", "publishable_key": f"pk_test_sandbox_{self.mark}",
            "webhook_secret": f"whsec_{self.mark}", "endpoint": self.sandbox.url,
        }  # fmt: skip


@pytest.fixture
def stripe(sandbox: RunningSandbox, inbox: Inbox) -> Fresh:
    return Fresh(sandbox, inbox)


def adapter(stripe: StripeDriver) -> Stripe:
    assert isinstance(stripe.gateway, Stripe)
    return stripe.gateway


def paid_by(stripe: StripeDriver, token: str) -> tuple[CheckoutRequest, Report]:
    request = stripe.opened(channel="payment_intent")
    card = CardRequest(
        reference=request.reference, gateway_transaction_id=stripe.known_ids[request.reference], payment_method=token,
        operation_id=f"{request.reference}-c", return_url="https://shop.example.vn/r",
    )  # fmt: skip
    return request, adapter(stripe).confirm_card(card).report


def heard(stripe: StripeDriver, kind: str) -> list[Any]:
    """What the adapter reads in the events of this type that have come."""
    messages = [one for one in stripe.inbox.messages if json.loads(one.body)["type"] == kind]
    return [report for one in messages for report in stripe.gateway.read_notification(one)]


# --- refunds ---------------------------------------------------------------------------------------------------------


def test_a_refund_that_was_done_fails_days_later(stripe: Fresh) -> None:
    request, paid = paid_by(stripe, "pm_card_refundFail")
    refund = stripe.refund_of(request, paid, 60_000)

    done = adapter(stripe).refund(refund)
    assert stripe.sandbox.drain()
    (failed,) = heard(stripe, "refund.failed")
    asked = adapter(stripe).query_refund(dataclasses.replace(refund, gateway_refund_id=done.gateway_transaction_id))

    assert (done.status, failed.status, asked.status) == (ReportStatus.PAID, ReportStatus.FAILED, ReportStatus.FAILED)
    assert (failed.reference, failed.about, failed.money) == (
        refund.reference,
        ReportAbout.REFUND,
        Money(60_000, "VND"),
    )
    assert failed.code == "expired_or_canceled_card"
    assert failed.gateway_transaction_id == done.gateway_transaction_id


def test_a_refund_that_the_bank_takes_its_time_for_is_told_when_done(stripe: Fresh) -> None:
    request, paid = paid_by(stripe, "pm_card_pendingRefund")
    refund = stripe.refund_of(request, paid, 60_000)

    first = adapter(stripe).refund(refund)
    assert stripe.sandbox.drain()

    assert first.status is ReportStatus.PENDING
    assert [one.status for one in heard(stripe, "refund.created")] == [ReportStatus.PENDING]
    assert [one.status for one in heard(stripe, "refund.updated")] == [ReportStatus.PAID]
    assert adapter(stripe).query_refund(refund).status is ReportStatus.PAID


def test_a_refund_made_in_the_dashboard_is_nobodys_with_us(stripe: Fresh) -> None:
    _, paid = paid_by(stripe, "pm_card_visa")

    made = requests.post(
        f"{stripe.sandbox.url}/v1/refunds", data={"payment_intent": paid.gateway_transaction_id}, timeout=5,
        auth=(str(stripe.settings()["secret_key"]), ""),
    ).json()  # fmt: skip
    assert stripe.sandbox.drain()
    (report,) = heard(stripe, "refund.created")

    assert (report.reference, report.status, report.money) == (made["id"], ReportStatus.PAID, Money(960_000, "VND"))


def test_a_refund_of_what_is_used_up_or_disputed_is_a_definite_no(stripe: Fresh) -> None:
    request, paid = paid_by(stripe, "pm_card_visa")
    adapter(stripe).refund(stripe.refund_of(request, paid, 960_000))
    disputed, report = paid_by(stripe, "pm_card_createDispute")

    refused = []
    for one, told in ((request, paid), (disputed, report)):
        with pytest.raises(GatewayRejected) as caught:
            adapter(stripe).refund(stripe.refund_of(one, told, 1_000))
        refused.append(caught.value.code)

    assert refused == ["charge_already_refunded", "charge_disputed"]


def test_an_answer_about_another_sum_is_not_believed(stripe: Fresh) -> None:
    request, paid = paid_by(stripe, "pm_card_visa")
    refund = stripe.refund_of(request, paid, 60_000)
    stripe.fault("tamper", operation="refund")

    with pytest.raises(GatewayUnavailable) as caught:
        adapter(stripe).refund(refund)

    assert caught.value.code == "echo"
    assert adapter(stripe).query_refund(refund).status is ReportStatus.PAID


# --- disputes --------------------------------------------------------------------------------------------------------


def disputed(stripe: StripeDriver, token: str = "pm_card_createDispute") -> DisputeReport:
    _, paid = paid_by(stripe, token)
    assert stripe.sandbox.drain()
    opened = [one for one in heard(stripe, "charge.dispute.created") if isinstance(one, DisputeReport)]
    assert [one.gateway_transaction_id for one in opened] == [paid.gateway_transaction_id]
    return opened[0]


def test_a_dispute_takes_the_money_and_a_fee(stripe: Fresh) -> None:
    opened = disputed(stripe)
    (taken,) = heard(stripe, "charge.dispute.funds_withdrawn")

    assert (opened.status, opened.is_inquiry, opened.withdrawn) == (DisputeStatus.NEEDS_RESPONSE, False, True)
    assert (opened.money, opened.fee, opened.reason) == (Money(960_000, "VND"), Money(380_000, "VND"), "fraudulent")
    assert opened.respond_by is not None and opened.respond_by > datetime.now(UTC) + timedelta(days=6)
    assert (taken.dispute_id, taken.withdrawn) == (opened.dispute_id, True)
    assert adapter(stripe).query_dispute(opened.dispute_id).fee == opened.fee


def test_an_inquiry_moves_nothing_until_it_becomes_a_dispute(stripe: Fresh) -> None:
    asked = disputed(stripe, "pm_card_createDisputeInquiry")
    assert (asked.status, asked.is_inquiry, asked.withdrawn, asked.fee) == (
        DisputeStatus.NEEDS_RESPONSE, True, False, None,
    )  # fmt: skip

    adapter(stripe).submit_evidence(asked.dispute_id, Evidence(reference="e-1", text="escalate_inquiry_evidence"))
    now = adapter(stripe).query_dispute(asked.dispute_id)

    assert (now.status, now.is_inquiry, now.withdrawn) == (DisputeStatus.NEEDS_RESPONSE, False, True)


@pytest.mark.parametrize(
    ("text", "status", "withdrawn"),
    [
        ("see: winning_evidence", DisputeStatus.WON, False),
        ("losing_evidence", DisputeStatus.LOST, True),
        ("we delivered", DisputeStatus.UNDER_REVIEW, True),
    ],
)
def test_evidence_goes_with_its_documents_and_decides(
    stripe: Fresh, text: str, status: DisputeStatus, withdrawn: bool
) -> None:
    opened = disputed(stripe)
    image = EvidenceFile(name="parcel.png", content_type="image/png", content=b"\x89PNG", purpose="shipping")
    evidence = Evidence(reference=f"ev-{opened.dispute_id}", text=text, files=(PDF, image))

    first, again = (adapter(stripe).submit_evidence(opened.dispute_id, evidence) for _ in range(2))
    assert stripe.sandbox.drain()

    assert first == again
    assert (first.status, first.withdrawn) == (status, withdrawn)
    payment = stripe.truth(stripe_order(stripe))
    (kept,) = payment["fields"]["disputes"]
    assert sorted(kept["evidence"]) == ["receipt", "shipping_documentation", "uncategorized_text"]
    assert kept["submissions"] == 1
    ended = [one.status for one in heard(stripe, "charge.dispute.closed")]
    assert ended == ([] if status is DisputeStatus.UNDER_REVIEW else [status])
    back = [one.withdrawn for one in heard(stripe, "charge.dispute.funds_reinstated")]
    assert back == ([False] if status is DisputeStatus.WON else [])


def stripe_order(stripe: StripeDriver) -> str:
    return next(iter(stripe.known_ids))


@pytest.mark.parametrize(
    ("files", "text", "code"),
    [
        ((PDF, dataclasses.replace(PDF, name="other.pdf")), "x", "one_document"),
        ((dataclasses.replace(PDF, content_type="text/html"),), "x", "content_type"),
        ((), " ", "no_evidence"),
    ],
)
def test_what_is_no_evidence_is_refused_before_anything_is_sent(
    stripe: Fresh, files: tuple[EvidenceFile, ...], text: str, code: str
) -> None:
    opened = disputed(stripe)

    with pytest.raises(GatewayRejected) as caught:
        adapter(stripe).submit_evidence(opened.dispute_id, Evidence(reference="e-1", text=text, files=files))

    assert caught.value.code == code
    assert adapter(stripe).query_dispute(opened.dispute_id).status is DisputeStatus.NEEDS_RESPONSE


def test_a_dispute_that_is_given_up_is_lost_and_takes_no_evidence(stripe: Fresh) -> None:
    opened = disputed(stripe)

    lost, again = (adapter(stripe).accept_dispute(opened.dispute_id) for _ in range(2))

    assert (lost.status, lost.withdrawn) == (DisputeStatus.LOST, True)
    assert lost == again
    with pytest.raises(GatewayRejected):
        adapter(stripe).submit_evidence(opened.dispute_id, Evidence(reference="e-2", text="winning_evidence"))


def test_a_dispute_nobody_knows_is_a_definite_no(stripe: Fresh) -> None:
    with pytest.raises(GatewayRejected) as caught:
        adapter(stripe).query_dispute("du_../v1/refunds")

    assert caught.value.code in ("resource_missing", "http_404")


# --- payouts ---------------------------------------------------------------------------------------------------------


def pay_out(stripe: Fresh, **how: object) -> dict[str, Any]:
    found: dict[str, Any] = stripe.control("POST", "/stripe/payouts", {"merchant": stripe.account, **how})
    return found


def settled(stripe: Fresh) -> list[SettlementFile]:
    now = datetime.now(UTC)
    return list(adapter(stripe).settlements(since=now - timedelta(hours=1), until=now + timedelta(hours=1)))


def test_a_payout_is_read_line_by_line_to_its_last_unit(stripe: Fresh) -> None:
    first, paid = paid_by(stripe, "pm_card_visa")
    refund = stripe.refund_of(first, paid, 60_000)
    returned = adapter(stripe).refund(refund)
    second, other = paid_by(stripe, "pm_card_visa")
    third, lost = paid_by(stripe, "pm_card_createDispute")
    paid_by(stripe, "pm_card_visa")
    payout = pay_out(stripe)

    (file,) = settled(stripe)

    assert (file.number, file.total) == (payout["id"], Money(payout["amount"], "VND"))
    assert sum(line.net.minor for line in file.lines) == payout["amount"]
    assert all(line.gross - line.fee == line.net for line in file.lines)
    lines = {(line.kind, line.reference): line for line in file.lines}
    charge, back = lines[LineKind.PAYMENT, first.reference], lines[LineKind.REFUND, refund.reference]
    assert (charge.gross, charge.fee, charge.gateway_transaction_id) == (
        Money(960_000, "VND"), Money(27_840, "VND"), paid.gateway_transaction_id,
    )  # fmt: skip
    assert (back.gross, back.fee, back.gateway_transaction_id) == (
        Money(-60_000, "VND"), Money(0, "VND"), returned.gateway_transaction_id,
    )  # fmt: skip
    assert {line.gateway_transaction_id for line in file.lines if line.kind is LineKind.PAYMENT} >= {
        other.gateway_transaction_id, lost.gateway_transaction_id,
    }  # fmt: skip
    (chargeback,) = [line for line in file.lines if line.kind is LineKind.DISPUTE]
    assert (chargeback.gross, chargeback.fee) == (Money(-960_000, "VND"), Money(380_000, "VND"))
    assert chargeback.gateway_transaction_id == lost.gateway_transaction_id
    assert chargeback.dispute_id.startswith("du_")
    assert file.settled_on == datetime.now(UTC).date()
    assert {second.reference, third.reference} <= {line.reference for line in file.lines}


def test_payouts_come_oldest_first_and_hold_what_came_since(stripe: Fresh) -> None:
    paid_by(stripe, "pm_card_visa")
    one = pay_out(stripe)
    request, paid = paid_by(stripe, "pm_card_refundFail")
    adapter(stripe).refund(stripe.refund_of(request, paid, 60_000))
    assert stripe.sandbox.drain()
    two = pay_out(stripe)

    files = settled(stripe)

    assert [file.number for file in files] == [one["id"], two["id"]]
    assert [line.kind for line in files[0].lines] == [LineKind.PAYMENT]
    assert sorted(line.gross.minor for line in files[1].lines) == [-60_000, 60_000, 960_000]


def test_a_payout_that_stripe_has_not_itemised_yet_is_left_for_later(stripe: Fresh) -> None:
    paid_by(stripe, "pm_card_visa")
    pay_out(stripe, reconciliation="in_progress")

    assert settled(stripe) == []


def test_lines_that_do_not_come_to_the_payout_are_not_used(stripe: Fresh) -> None:
    paid_by(stripe, "pm_card_visa")
    pay_out(stripe)
    (entry,) = [
        one for one in stripe.control("GET", "/log?event=payout")["log"] if one["payout"]["merchant"] == stripe.account
    ]
    kept = next(one for one in stripe.sandbox.app.sandbox.world.log if one.get("payout") == entry["payout"])
    kept["payout"]["amount"] += 1

    with pytest.raises(GatewayUnavailable) as caught:
        settled(stripe)

    assert caught.value.code == "sum"


def test_there_is_nothing_to_pay_out_twice(stripe: Fresh) -> None:
    paid_by(stripe, "pm_card_visa")
    pay_out(stripe)

    again = requests.post(f"{stripe.sandbox.url}/control/stripe/payouts", json={"merchant": stripe.account}, timeout=5)

    assert again.status_code == 409
