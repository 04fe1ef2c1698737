"""What must be so after every accident (RELIABILITY 3.3), read from the tables, the brokers and the gateway's own record.

Every check returns what is wrong, in words; nothing wrong is an empty list.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from config.core import kafka
from gateways.sandbox.state import Stage
from tests.flows.stack import Stack

TRANSIENT: Final = {
    "payments_attempt": "status IN ('queued', 'created', 'sent', 'unknown') OR close_at IS NOT NULL",
    "payments_refund": "status IN ('requested', 'approved', 'submitted', 'pending', 'unknown')",
    "payments_dispute": "status IN ('opened', 'needs_response', 'under_review') OR answer_state IN ('sending', 'unknown')",
    "payments_notification": "status IN ('received', 'verified', 'retrying')",
    "payments_emailmessagelog": "status IN ('queued', 'failed')",
    "payments_webhookdelivery": "status IN ('queued', 'failed')",
    "payments_payment": "status IN ('pending', 'processing')",
    "core_approval": "status = 'approved' AND executed_at IS NULL",
    "core_outboxevent": "published_at IS NULL OR parked_at IS NOT NULL",
    "core_deadletter": "mirrored_at IS NULL",
}
"""Nothing may stay like this once everybody had time (I10)."""


class Listener:
    """Another service that reads every topic of ours from the real protocol, from now on."""

    def __init__(self, brokers: str) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": brokers, "group.id": "flows", "enable.auto.commit": False, "log_level": 0}
        )
        known = self._consumer.list_topics(timeout=10).topics
        places = [
            TopicPartition(topic, number)
            for topic in kafka.all_topics()
            for number in (known[topic].partitions if topic in known else range(4))
        ]
        for place in places:
            _, place.offset = self._consumer.get_watermark_offsets(place, timeout=10)
        self._consumer.assign(places)
        self.heard: list[tuple[str, int, int, dict[str, Any]]] = []

    def listen(self, seconds: float) -> None:
        """Take in what is there."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for message in self._consumer.consume(500, timeout=0.05):
                body = _body(message.value()) if message.error() is None else None
                if body is not None:
                    self.heard.append((message.topic(), message.partition(), message.offset(), body))

    def close(self) -> None:
        self._consumer.close()


def _body(value: bytes) -> dict[str, Any] | None:
    """An event or a dead letter of ours; brokers may be shared, and others say other things."""
    try:
        body = json.loads(value)
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    return body if "dead_letter_id" in body or (isinstance(body.get("data"), dict) and "event_id" in body) else None


class Truth:
    """The state of some orders on every side."""

    def __init__(self, stack: Stack, listener: Listener, orders: str) -> None:
        self.stack, self.listener, self.orders = stack, listener, orders

    def problems(self) -> list[str]:
        """Everything that is wrong."""
        checks = (
            self._books, self._succeeded_payments, self._money_that_came, self._money_that_went, self._disputes, self._events,
            self._transient, self._audit, self._letters, self._dead_letters,
        )  # fmt: skip
        return [problem for check in checks for problem in check()]

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.stack.rows(sql, f"{self.orders}%")

    def _books(self) -> Iterator[str]:
        """I1, I2: each journal and all of them are zero, and every balance is the sum of its lines."""
        rows = self.stack.rows
        for row in rows("SELECT journal_id, currency FROM ledger_line GROUP BY 1, 2 HAVING sum(amount) <> 0"):
            yield f"I1: the journal {row['journal_id']} does not balance in {row['currency']}"
        for row in rows("SELECT currency FROM ledger_line GROUP BY 1 HAVING sum(amount) <> 0"):
            yield f"I1: the books do not balance in {row['currency']}"
        for row in rows(
            "SELECT b.account FROM audit_v1.account_balance b LEFT JOIN (SELECT account, currency, sum(amount_minor) AS total"
            " FROM audit_v1.ledger_entry GROUP BY 1, 2) e USING (account, currency) WHERE b.balance_minor <> coalesce(total, 0)"
        ):
            yield f"I2: the balance of {row['account']} is not the sum of its entries"

    def _succeeded_payments(self) -> Iterator[str]:
        """I3: a payment that succeeded has exactly one capture journal, of exactly its amount; no other has any."""
        for row in self.rows(
            """
            SELECT p.id, p.status, p.amount_minor, count(j.id) AS journals, sum(l.debit) AS debit
            FROM payments_payment p JOIN payments_order o ON o.id = p.order_id
            LEFT JOIN payments_capture c ON c.payment_id = p.id AND c.disposition = 'applied'
            LEFT JOIN ledger_journal j ON j.reference = c.journal_reference
            LEFT JOIN LATERAL (SELECT sum(amount) AS debit FROM ledger_line WHERE journal_id = j.id
                AND amount > 0 AND currency = p.currency AND account_id IN (SELECT id FROM ledger_account
                WHERE code LIKE 'gw:%%' OR code LIKE 'cod:%%' OR code LIKE 'bank:%%')) l ON true
            WHERE o.order_id LIKE %s GROUP BY p.id
            """
        ):
            is_paid = row["status"] == "succeeded"
            if (row["journals"], row["debit"]) != ((1, row["amount_minor"]) if is_paid else (0, None)):
                yield f"I3: the {row['status']} payment {row['id']} has {row['journals']} journals of {row['debit']}"

    def _money_that_came(self) -> Iterator[str]:
        """I4, I5: what the gateway took is what we captured, nothing lost and nothing invented; the rest has a case."""
        took = {
            (str(one.number), one.amount)
            for payment in self._at_the_gateway()
            if payment.stage is Stage.PAID and payment.provider == "momo"
            for one in payment.transactions
        }
        captured = {
            (row["gateway_transaction_id"], row["amount_minor"])
            for row in self.rows(
                "SELECT c.* FROM payments_capture c JOIN payments_gatewayaccount a ON a.id = c.account_id"
                " JOIN payments_payment p ON p.id = c.payment_id JOIN payments_order o ON o.id = p.order_id"
                " WHERE a.gateway = 'momo' AND o.order_id LIKE %s"
            )
        }
        for number, amount in took - captured:
            yield f"I4: the gateway took {amount} as {number} and we do not know"
        for number, amount in captured - took:
            yield f"I5: we captured {amount} as {number} and the gateway took nothing"
        for row in self.rows(
            "SELECT c.id FROM payments_capture c JOIN payments_payment p ON p.id = c.payment_id"
            " JOIN payments_order o ON o.id = p.order_id WHERE c.disposition = 'held' AND o.order_id LIKE %s"
            " AND (SELECT count(*) FROM payments_moneycase m WHERE m.capture_id = c.id) <> 1"
        ):
            yield f"I4: the held money {row['id']} has no case, or two"

    def _money_that_went(self) -> Iterator[str]:
        """I6: what the gateway gave back is what we say was refunded, and no more than came."""
        references = {payment.order for payment in self._at_the_gateway()}
        gave = {
            (refund.order, refund.amount)
            for refund in self.stack.sandbox.app.sandbox.world.refunds.values()
            if refund.payment in references and refund.code == 0
        }
        sent = {
            (row["gateway_reference"], row["amount_minor"])
            for row in self.rows(
                "SELECT r.* FROM payments_refund r JOIN payments_capture c ON c.id = r.capture_id"
                " JOIN payments_payment p ON p.id = c.payment_id JOIN payments_order o ON o.id = p.order_id"
                " WHERE r.status = 'succeeded' AND o.order_id LIKE %s"
            )
        }
        if gave != sent:
            yield f"I6: the gateway gave back {sorted(gave)}, we say {sorted(sent)}"
        for row in self.rows(
            "SELECT p.id FROM payments_payment p JOIN payments_order o ON o.id = p.order_id WHERE o.order_id LIKE %s"
            " AND (p.refunded_minor + p.refunding_minor > p.captured_minor OR p.refunding_minor <> 0 OR p.refunded_minor <>"
            " (SELECT coalesce(sum(amount_minor), 0) FROM payments_refund r WHERE r.payment_id = p.id"
            " AND r.status = 'succeeded'))"
        ):
            yield f"I6: the refunded sums of {row['id']} are not those of its refunds"

    def _disputes(self) -> Iterator[str]:
        """What a bank took is booked once, and its end once; what counts against a payment is what was lost."""
        for row in self.rows(
            """
            SELECT d.id, d.status, d.booked, d.disputed_minor, p.disputed_minor AS counted, (SELECT
                string_agg(split_part(j.reference, ':', 2), ' ' ORDER BY j.id) FROM ledger_journal j WHERE j.subject = d.id
            ) AS journals
            FROM payments_dispute d JOIN payments_payment p ON p.id = d.payment_id
            JOIN payments_order o ON o.id = p.order_id WHERE o.order_id LIKE %s
            """
        ):
            end = "won" if row["status"] == "won" else "lost"
            if row["journals"] != f"opened {end}" or row["disputed_minor"] != row["counted"]:
                yield f"the {row['status']} dispute {row['id']} has {row['journals']} and counts {row['counted']}"
            if (row["counted"] == 0) != (end == "won"):
                yield f"the {row['status']} dispute {row['id']} counts {row['counted']}"

    def _events(self) -> Iterator[str]:
        """I9: what was promised was told on every topic of its kind, at least once, under one event id in all."""
        promised = self.rows("SELECT * FROM core_outboxevent WHERE key LIKE %s ORDER BY position")
        yield from self._promises_missing(promised)
        missing = self._unheard(promised)
        for _ in range(100):
            if not missing:
                break
            self.listener.listen(0.1)
            missing = self._unheard(promised)
        yield from (f"I9: {event_id} was not heard on {topic}" for event_id, topic in sorted(missing))
        ids: dict[tuple[str, int], set[str]] = defaultdict(set)
        known = {row["event_id"] for row in promised}
        for _, _, _, body in self.listener.heard:
            if str(body.get("data", {}).get("order_id", "")).startswith(self.orders):
                ids[body["data"].get("payment_id", ""), body["sequence"]].add(body["event_id"])
                if body["event_id"] not in known:
                    yield f"I9: {body['event_id']} was told and never promised"
        yield from (f"I9: one fact was told as {found}" for found in ids.values() if len(found) != 1)

    def _promises_missing(self, promised: list[dict[str, Any]]) -> Iterator[str]:
        """Each end of a payment, and each refund, promises exactly one event."""
        count: dict[tuple[str, str], int] = defaultdict(int)
        for row in promised:
            count[row["aggregate_id"], row["type"]] += 1
        for row in self.rows(
            "SELECT p.*, (SELECT count(*) FROM payments_refund r WHERE r.payment_id = p.id AND r.status = 'succeeded')"
            " AS refunds, (SELECT count(*) + count(closed_at) FROM payments_dispute d WHERE d.payment_id = p.id) AS disputes,"
            " (SELECT count(*) FROM payments_attempt a WHERE a.payment_id = p.id) AS attempts"
            " FROM payments_payment p JOIN payments_order o ON o.id = p.order_id WHERE o.order_id LIKE %s"
        ):
            wanted = {
                "transaction.created": row["attempts"],
                "payment.completed": int(row["status"] == "succeeded"),
                "order.payment.received": int(row["status"] == "succeeded"),
                "payment.failed": int(row["status"] in ("failed", "expired", "cancelled")),
                "transaction.timeout": int(row["status"] == "expired"),
                "payment.refunded": row["refunds"],
                "payment.disputed": row["disputes"],
            }
            for kind, number in wanted.items():
                if count[row["id"], kind] != number:
                    yield f"I9: {row['status']} {row['id']} promised {kind} {count[row['id'], kind]} times, not {number}"

    def _unheard(self, promised: list[dict[str, Any]]) -> set[tuple[str, str]]:
        """Every topic of each event, and the very copy that we noted: a crash tells it twice, and the last one counts."""
        heard = self.listener.heard
        wanted = {(row["event_id"], topic) for row in promised for topic in kafka.topics_of(row["type"])}
        noted = {(row["event_id"], f"{row['type']}:{row['partition']}:{row['offset']}") for row in promised}
        copies = {(body.get("event_id", ""), f"{topic}:{number}:{offset}") for topic, number, offset, body in heard}
        return (wanted - {(body.get("event_id", ""), topic) for topic, _, _, body in heard}) | (noted - copies)

    def _transient(self) -> Iterator[str]:
        """I10: nobody is left in a state that was meant to pass."""
        for table, condition in TRANSIENT.items():
            for row in self.stack.rows(f"SELECT * FROM {table} WHERE {condition}"):
                yield f"I10: {table} {row.get('id') or row.get('event_id')} stayed {row.get('status', 'untold')}"

    def _audit(self) -> Iterator[str]:
        """I12: each capture, refund and unpaid end has exactly one entry of the trail, with who it was."""
        for row in self.rows(
            """
            WITH deeds AS (
                SELECT p.id, 'payment.' || p.status AS action FROM payments_payment p
                JOIN payments_order o ON o.id = p.order_id
                WHERE o.order_id LIKE %s AND p.status IN ('succeeded', 'expired', 'cancelled', 'failed')
            )
            SELECT d.id, d.action, count(a.id) AS entries FROM deeds d
            LEFT JOIN core_auditentry a ON a.object_id = d.id AND a.action = d.action AND a.actor <> ''
            GROUP BY 1, 2 HAVING count(a.id) <> 1
            """
        ):
            yield f"I12: {row['action']} of {row['id']} has {row['entries']} audit entries"
        for row in self.rows(
            "SELECT r.id FROM payments_refund r JOIN payments_capture c ON c.id = r.capture_id"
            " JOIN payments_payment p ON p.id = c.payment_id JOIN payments_order o ON o.id = p.order_id"
            " WHERE o.order_id LIKE %s AND r.status = 'succeeded' AND (SELECT count(*) FROM core_auditentry a"
            " WHERE a.object_id = r.id AND a.action = 'refund.succeeded' AND a.actor <> '') <> 1"
        ):
            yield f"I12: the refund {row['id']} is not in the trail exactly once"

    def _letters(self) -> Iterator[str]:
        """Each fact promised one letter, it was sent, and every copy of it carries the same Message-ID."""
        sent = b"\n".join(self.stack.letters)
        for row in self.rows(
            "SELECT e.id, e.fact, e.status FROM payments_emailmessagelog e JOIN payments_payment p ON p.id = e.payment_id"
            " JOIN payments_order o ON o.id = p.order_id WHERE o.order_id LIKE %s"
        ):
            if row["status"] == "sent" and f"<{row['id']}@".encode() not in sent:
                yield f"the letter {row['fact']} is noted as sent and nobody got it"
        for row in self.rows(
            "SELECT p.id FROM payments_payment p JOIN payments_order o ON o.id = p.order_id WHERE o.order_id LIKE %s"
            " AND p.status = 'succeeded' AND (SELECT count(*) FROM payments_emailmessagelog e WHERE e.payment_id = p.id"
            " AND e.kind = 'payment_succeeded' AND e.status = 'sent') <> 1"
        ):
            yield f"the receipt of {row['id']} was not sent exactly once"

    def _dead_letters(self) -> Iterator[str]:
        """Whatever was given up was copied to its topic."""
        for row in self.stack.rows("SELECT topic, id FROM core_deadletter"):
            heard = [1 for topic, _, _, body in self.listener.heard if body.get("dead_letter_id") == row["id"]]
            if not heard:
                self.listener.listen(0.5)
                heard = [1 for topic, _, _, body in self.listener.heard if body.get("dead_letter_id") == row["id"]]
            if not heard:
                yield f"the dead letter {row['id']} was not heard on dlq.{row['topic']}"

    def _at_the_gateway(self) -> list[Any]:
        """What the gateway knows of attempts of these orders."""
        references = {
            row["gateway_reference"]
            for row in self.rows(
                "SELECT a.gateway_reference FROM payments_attempt a JOIN payments_payment p ON p.id = a.payment_id"
                " JOIN payments_order o ON o.id = p.order_id WHERE o.order_id LIKE %s"
            )
        }
        return [one for one in self.stack.sandbox.app.sandbox.world.payments.values() if one.order in references]
