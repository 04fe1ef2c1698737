"""Whoever dies wherever: nothing is lost, nothing doubled, nothing invented, and every event is told under one id.

A process is killed at a named place (config.core.faultpoints) in the middle of a story, comes back as production brings
it back, and the story goes on: the client repeats its request with the same key, the gateway its message, beat its
sweeps. Then every side must tell the same (tests.flows.truth).
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Final

import pytest

from tests.flows import scenes
from tests.flows.scenes import Market, Scene
from tests.flows.stack import RELAY, WEB, WORKER, Death, Stack
from tests.flows.truth import Listener, Truth

ROOT: Final = Path(__file__).resolve().parents[2]
Pair = tuple[Scene, Death]


def _each(scene: Scene, process: str, *points: str) -> list[Pair]:
    return [(scene, Death(process=process, point=point)) for point in points]


def _while_standing(victim: str, *places: tuple[Scene, str, str]) -> list[Pair]:
    return [(scene, Death(process=process, point=point, victim=victim)) for scene, process, point in places]


APPLYING: Final = (
    "report.capture_written", "report.attempt_written", "report.payment_written", "report.journal_posted",
    "report.email_queued", "report.believed",
)  # fmt: skip

PAIRS: Final[tuple[Pair, ...]] = (
    *_each(
        scenes.paid, WEB,
        "checkout.payment_written", "attempt.begun", "checkout.attempt_written", "outbox.written",
        "checkout.event_written", "checkout.intent_committed", "checkout.gateway_answered", "checkout.answer_written",
        "checkout.status_written", "ipn.kept", "ipn.verified", "ipn.applied", *APPLYING,
    ),
    *_each(scenes.rerouted, WEB, "checkout.rerouted"),
    *_each(scenes.prepared, WEB, "attempt.begun", "checkout.event_written"),
    *_each(
        scenes.prepared, WORKER,
        "queued.claimed", "checkout.intent_committed", "checkout.gateway_answered", "checkout.answer_written",
    ),
    *_each(scenes.prepared_late, WORKER, "queued.put_off", "queued.given_up", "deadletter.buried", "queued.requeued"),
    *_each(scenes.charged, WEB, "card.asked", "card.charged"),
    *_each(scenes.paid, WORKER, "email.claimed", "email.sent", "email.noted"),
    *_each(
        scenes.told_over_http, WORKER, "webhook.fanned_out", "webhook.claimed", "webhook.sent", "webhook.noted"
    ),
    *_each(scenes.paid, RELAY, "relay.read", "relay.delivered", "relay.marked"),
    *_each(scenes.paid_unheard, WORKER, "query.answered", "query.applied", *APPLYING),
    *_each(
        scenes.refunded, WEB,
        "refund.asked", "refund.booked", "refund.written", "refund.intent_committed", "refund.gateway_answered",
        "refund.executed_posted", "refund.told",
    ),
    *_each(
        scenes.refunded_unclear, WORKER,
        "refund.intent_committed", "refund.gateway_answered", "refund.executed_posted", "refund.told",
    ),
    *_each(
        scenes.expired, WORKER, "query.answered", "expiry.locked", "expiry.attempts_ended", "outbox.written", "expiry.told"
    ),
    *_each(scenes.closed, WORKER, "closing.intent_committed", "closing.gateway_answered", "closing.believed"),
    *_each(scenes.cash, WEB, "checkout.answer_written", "cod.told", "report.journal_posted", "cod.booked"),
    *_each(scenes.transferred, WEB, "checkout.answer_written", "transfer.told", "report.journal_posted", "transfer.booked"),
    *_each(scenes.cancelled_after_payment, WEB, "cancellation.payment_ended", "case.asked", "cancellation.order_closed"),
    *_each(
        scenes.cancelled_after_payment, WORKER,
        "approval.requested", "case.proposed", "approval.decided", "approval.committed", "resolution.claimed",
        "refund.booked", "resolution.carried_out", "resolution.committed", "approval.executed",
    ),
    *_each(scenes.part_cancelled, WEB, "cancellation.part_closed", "cancellation.part_committed"),
    *_each(scenes.paid_twice, WEB, "case.opened"),
    *_each(scenes.paid_twice, WORKER, "resolution.carried_out", "refund.executed_posted"),
    *_each(scenes.told_by_events, WORKER, "consumed.read", "consumed.done", "cod.booked"),
    *_each(scenes.told_too_early, WORKER, "deadletter.buried", "deadletter.requeued", "consumed.taken_up"),
    *_each(scenes.told_too_early, RELAY, "deadletter.mirrored"),
    *_each(
        scenes.disputed, WEB,
        "dispute.believed", "dispute.booked", "dispute.intent_committed", "dispute.gateway_answered",
    ),
    *_each(scenes.disputed_unclear, WORKER, "dispute.gateway_answered", "dispute.believed"),
    *_each(scenes.authorized, WEB, "authorization.wish_committed", "authorization.gateway_answered"),
    *_each(scenes.authorized_then_cancelled, WEB, "authorization.believed"),
    (scenes.expired, Death(process=WORKER, point="outbox.written", times=2)),
    (scenes.refunded, Death(process=RELAY, point="relay.delivered", times=2)),
    *_while_standing(
        "the whole web",
        (scenes.paid, WEB, "checkout.gateway_answered"),
        (scenes.paid, WEB, "report.believed"),
        (scenes.refunded, WEB, "refund.intent_committed"),
    ),
    *_while_standing(
        "PostgreSQL",
        (scenes.paid, WEB, "checkout.intent_committed"),
        (scenes.paid, WEB, "checkout.gateway_answered"),
        (scenes.paid, WEB, "ipn.kept"),
        (scenes.paid, WEB, "report.journal_posted"),
        (scenes.paid, WORKER, "email.sent"),
        (scenes.paid, RELAY, "relay.delivered"),
        (scenes.refunded, WEB, "refund.gateway_answered"),
        (scenes.expired, WORKER, "expiry.told"),
        (scenes.prepared, WORKER, "checkout.gateway_answered"),
    ),
)  # fmt: skip
QUICK: Final = (
    "paid: web at checkout.gateway_answered",
    "paid: web at report.journal_posted",
    "prepared: worker at checkout.gateway_answered",
    "paid: relay at relay.delivered",
    "refunded_unclear: worker at refund.gateway_answered",
    "disputed: web at dispute.gateway_answered",
    "paid: PostgreSQL while web at report.journal_posted",
)
"""Those that run every time; all others wait for --soak."""

_numbers = itertools.count(1)


def _name(pair: Pair) -> str:
    scene, death = pair
    return f"{scene.__name__}: {death}"


def _parameters() -> list[object]:
    return [
        pytest.param(scene, death, id=name, marks=[] if name in QUICK else pytest.mark.soak)
        for scene, death in PAIRS
        for name in [_name((scene, death))]
    ]


@pytest.mark.kafka
@pytest.mark.parametrize(("scene", "death"), _parameters())
def test_every_side_tells_the_same_after_a_death(scene: Scene, death: Death, stack: Stack, listener: Listener) -> None:
    orders = f"CR-{stack.run}-{next(_numbers)}-"
    with stack.doomed(death):
        scene(Market(stack, orders))

    assert Truth(stack, listener, orders).problems() == []
    assert stack.ask_worker("prove") == []


def test_every_fault_point_of_the_source_has_its_death() -> None:
    source = [
        path
        for app in ("config", "payments", "ledger", "settlements", "gateways")
        for path in (ROOT / app).rglob("*.py")
    ]
    there = {point for path in source for point in re.findall(r'faultpoints\.reach\(\s*"([^"]+)"', path.read_text())}

    assert there == {death.point for _, death in PAIRS}
    assert len(there) >= 50
    assert len({_name(pair) for pair in PAIRS}) == len(PAIRS) >= 80
    assert set(QUICK) <= {_name(pair) for pair in PAIRS}
