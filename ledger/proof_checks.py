"""The questions `proof.verify` asks. Each answers rows of (journal at fault or NULL, what it is about); none is right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Check:
    """One question in SQL and what an answer means."""

    name: str
    sentence: str
    sql: str


JOURNAL_CHECKS: Final = (
    Check(
        "journal_lines",
        "Journal {} does not sum to zero, or its lines are not the ones it was posted with.",
        """
        SELECT j.id AS journal, j.id AS subject
        FROM ledger_journal j
        LEFT JOIN LATERAL (
            SELECT count(*) AS lines, min(l.line) AS first, max(l.line) AS last,
                bool_or(l.booked_at <> j.booked_at OR l.effective_on <> j.effective_on OR l.xid <> j.xid) AS drifted,
                bool_or(a.id IS NULL) AS homeless,
                string_agg(a.code || '|' || l.currency || '|' || l.amount, E'\\n'
                           ORDER BY (a.code || '|' || l.currency || '|' || l.amount) COLLATE "C") AS request
            FROM ledger_line l
            LEFT JOIN ledger_account a ON a.id = l.account_id AND a.currency = l.currency AND a.mode = l.mode
            WHERE l.journal_id = j.id AND l.id BETWEEN j.id * 32768 + 1 AND j.id * 32768 + 32767
        ) l ON true
        WHERE j.id BETWEEN %(first)s AND %(last)s AND (
            l.lines <> j.lines OR l.lines < 2 OR l.first IS DISTINCT FROM 1 OR l.last <> j.lines OR l.drifted OR l.homeless
            OR sha256(convert_to(l.request || E'\\n' || coalesce(j.reverses_id::text, ''), 'UTF8')) IS DISTINCT FROM j.request_hash
            OR EXISTS (
                SELECT FROM ledger_line s WHERE s.id BETWEEN j.id * 32768 + 1 AND j.id * 32768 + 32767
                GROUP BY s.currency HAVING sum(s.amount) <> 0))
        """,
    ),
    Check(
        "reversals",
        "Journal {} is not the exact reversal of the one it names.",
        """
        SELECT j.id AS journal, j.id AS subject
        FROM ledger_journal j
        LEFT JOIN ledger_journal o ON o.id = j.reverses_id
        WHERE j.id BETWEEN %(first)s AND %(last)s AND j.reverses_id IS NOT NULL AND (
            o.id IS NULL OR o.lines <> j.lines
            OR EXISTS (SELECT FROM ledger_journal twin WHERE twin.reverses_id = j.reverses_id AND twin.id <> j.id)
            OR EXISTS (
                SELECT FROM ledger_line m LEFT JOIN ledger_line n ON n.journal_id = j.id AND n.line = m.line
                    AND n.id = j.id * 32768 + m.line
                WHERE m.id BETWEEN o.id * 32768 + 1 AND o.id * 32768 + 32767
                    AND (n.account_id, n.amount) IS DISTINCT FROM (m.account_id, -m.amount)))
        """,
    ),
)

WHOLE_CHECKS: Final = (
    Check(
        "lines_of_nothing",
        "Line {} belongs to no journal.",
        """
        SELECT l.journal_id AS journal, l.id AS subject FROM ledger_line l
        WHERE NOT EXISTS (SELECT FROM ledger_journal j WHERE j.id = l.journal_id)
        """,
    ),
    Check(
        "running_balances",
        "Line {} does not continue its strict account: numbers without gaps, each balance the one before and its amount.",
        """
        SELECT c.journal_id AS journal, c.id AS subject
        FROM (
            SELECT l.*, lag(l.seq, 1, 0::bigint) OVER account AS seq_before, lag(l.bal_after, 1, 0::bigint) OVER account AS bal_before,
                lag(l.booked_at, 1, '-infinity'::timestamptz) OVER account AS before
            FROM ledger_line l WHERE l.mode = 'S' WINDOW account AS (PARTITION BY l.account_id ORDER BY l.seq)
        ) c
        WHERE c.seq <> c.seq_before + 1 OR c.prev_seq <> c.seq_before OR c.prev_bal <> c.bal_before
            OR c.bal_after <> c.bal_before + c.amount OR c.booked_at < c.before
            OR c.seq IS NULL OR c.prev_seq IS NULL OR c.prev_bal IS NULL OR c.bal_after IS NULL
        """,
    ),
    Check(
        "balances",
        "The balance of {} is not that of its last line, or breaks its limits.",
        """
        SELECT last.journal_id AS journal, a.code || ' ' || a.currency AS subject
        FROM ledger_account a
        LEFT JOIN ledger_balance b ON b.account_id = a.id
        LEFT JOIN LATERAL (
            SELECT l.journal_id, l.seq, l.bal_after FROM ledger_line l
            WHERE l.account_id = a.id AND l.seq IS NOT NULL ORDER BY l.seq DESC LIMIT 1
        ) last ON true
        WHERE a.mode = 'S' AND (
            b.account_id IS NULL OR (b.seq, b.bal) <> (coalesce(last.seq, 0), coalesce(last.bal_after, 0))
            OR b.bal + b.hold_debit > b.max_bal OR b.bal - b.hold_credit < b.min_bal
            OR (a.kind IN ('A', 'E') AND b.min_bal <> 0) OR (a.kind NOT IN ('A', 'E') AND b.max_bal <> 0))
        """,
    ),
    Check(
        "holds",
        "What is reserved on {} is not what its holds say.",
        """
        SELECT NULL::bigint AS journal, a.code || ' ' || a.currency AS subject
        FROM ledger_balance b
        JOIN ledger_account a ON a.id = b.account_id
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(h.remaining) FILTER (WHERE h.side = 'D'), 0) AS debit,
                coalesce(sum(h.remaining) FILTER (WHERE h.side = 'C'), 0) AS credit,
                bool_or(h.remaining <> e.left_over) AS wrong
            FROM ledger_hold h
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(CASE e.kind WHEN 'placed' THEN e.amount ELSE -e.amount END), -1) AS left_over
                FROM ledger_hold_event e WHERE e.hold_id = h.id
            ) e
            WHERE h.account_id = b.account_id
        ) h ON true
        WHERE (b.hold_debit, b.hold_credit) <> (h.debit, h.credit) OR h.wrong
        """,
    ),
    Check(
        "consumed_holds",
        "The hold event {} was consumed by a journal that does not exist.",
        """
        SELECT NULL::bigint AS journal, e.id AS subject FROM ledger_hold_event e
        WHERE e.kind = 'consumed' AND NOT EXISTS (SELECT FROM ledger_journal j WHERE j.reference = e.journal_reference)
        """,
    ),
    Check(
        "rollups",
        "The folded sums of {} are not those of its lines.",
        """
        SELECT NULL::bigint AS journal, a.code || ' ' || a.currency AS subject
        FROM ledger_account a
        LEFT JOIN ledger_rollup r ON r.account_id = a.id
        LEFT JOIN (
            SELECT l.account_id, sum(greatest(l.amount, 0)) AS debit, sum(greatest(-l.amount, 0)) AS credit
            FROM ledger_line l WHERE l.xid < (SELECT h.upto FROM ledger_horizon h) GROUP BY l.account_id
        ) s ON s.account_id = a.id
        WHERE a.mode = 'H' AND (coalesce(r.debit, 0), coalesce(r.credit, 0)) <> (coalesce(s.debit, 0), coalesce(s.credit, 0))
        """,
    ),
    Check(
        "period_balances",
        "A folded sum by time of {} is not that of its lines.",
        """
        SELECT NULL::bigint AS journal, a.code || ' ' || a.currency || ' ' || s.basis || s.grain || ' ' || s.start AS subject
        FROM (
            SELECT coalesce(p.account_id, f.account_id) AS account_id, coalesce(p.basis, f.basis) AS basis,
                coalesce(p.grain, f.grain) AS grain, coalesce(p.start, f.start) AS start
            FROM ledger_period_balance p
            FULL JOIN (
                SELECT l.account_id, g.basis, g.grain, g.start,
                    sum(greatest(l.amount, 0)) AS debit, sum(greatest(-l.amount, 0)) AS credit
                FROM ledger_line l
                CROSS JOIN LATERAL (VALUES
                    ('E', 'y', date_trunc('year', l.effective_on::timestamp) AT TIME ZONE 'UTC'),
                    ('E', 'm', date_trunc('month', l.effective_on::timestamp) AT TIME ZONE 'UTC'),
                    ('E', 'd', l.effective_on::timestamp AT TIME ZONE 'UTC'),
                    ('B', 'y', date_trunc('year', l.booked_at, 'UTC')),
                    ('B', 'm', date_trunc('month', l.booked_at, 'UTC')),
                    ('B', 'd', date_trunc('day', l.booked_at, 'UTC')),
                    ('B', 'h', date_trunc('hour', l.booked_at, 'UTC'))
                ) AS g (basis, grain, start)
                WHERE l.xid < (SELECT h.upto FROM ledger_horizon h) AND (g.basis = 'E' OR l.mode = 'H')
                GROUP BY l.account_id, g.basis, g.grain, g.start
            ) f ON (f.account_id, f.basis, f.grain, f.start) = (p.account_id, p.basis, p.grain, p.start)
            WHERE (p.debit, p.credit) IS DISTINCT FROM (f.debit, f.credit)
        ) s
        JOIN ledger_account a ON a.id = s.account_id
        """,
    ),
    Check(
        "all_is_nothing",
        "All lines in {} do not sum to zero.",
        """
        SELECT NULL::bigint AS journal, l.currency AS subject FROM ledger_line l GROUP BY l.currency HAVING sum(l.amount) <> 0
        """,
    ),
)

REQUIRED_TRIGGERS: Final = frozenset(
    {f"ledger_{table}_is_append_only" for table in ("journal", "line", "hold_event", "seal", "seal_leaf")}
    | {f"ledger_{table}_is_not_deleted" for table in ("account", "balance", "hold", "period")}
    | {
        f"ledger_{table}_is_not_truncated"
        for table in ("journal", "line", "hold_event", "seal", "seal_leaf", "account", "balance", "hold", "period")
    }
    | {f"ledger_{table}_is_folded" for table in ("rollup", "period_balance", "horizon")}
    | {
        "ledger_account_keeps_identity",
        "ledger_balance_keeps_its_limits",
        "ledger_balance_starts_with_its_limits",
        "ledger_check_balances",
        "ledger_check_changed_holds",
        "ledger_check_hold_events",
        "ledger_check_lines",
        "ledger_check_new_holds",
        "ledger_hold_keeps_identity",
        "ledger_period_moves_forward",
    }
)
