-- Balances. All are signed: debit above zero.

-- Now: the balance row of a strict account; else what is folded plus the lines that are not.
CREATE FUNCTION ledger_balance_now(p_account bigint) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT b.bal FROM ledger_balance b WHERE b.account_id = p_account),
        coalesce((SELECT r.debit - r.credit FROM ledger_rollup r WHERE r.account_id = p_account), 0)
        + coalesce((SELECT sum(l.amount) FROM ledger_line l WHERE l.account_id = p_account
                    AND l.xid >= coalesce((SELECT r.upto FROM ledger_rollup r WHERE r.account_id = p_account), '0')), 0))
$$;

-- As it stood at a moment of booking, that moment included. Strict: its last line then. Insert-only: whole years, months, days
-- and hours before, the folded lines of the hour, and what is not folded yet.
CREATE FUNCTION ledger_balance_at(p_account bigint, p_at timestamptz) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM ledger_balance b WHERE b.account_id = p_account) THEN
        coalesce((SELECT l.bal_after FROM ledger_line l WHERE l.account_id = p_account AND l.booked_at <= p_at
                  ORDER BY l.booked_at DESC, l.seq DESC LIMIT 1), 0)
    ELSE
        coalesce((
            SELECT sum(p.debit - p.credit) FROM ledger_period_balance p
            WHERE p.account_id = p_account AND p.basis = 'B' AND (
                (p.grain = 'y' AND p.start < date_trunc('year', p_at, 'UTC'))
                OR (p.grain = 'm' AND p.start >= date_trunc('year', p_at, 'UTC') AND p.start < date_trunc('month', p_at, 'UTC'))
                OR (p.grain = 'd' AND p.start >= date_trunc('month', p_at, 'UTC') AND p.start < date_trunc('day', p_at, 'UTC'))
                OR (p.grain = 'h' AND p.start >= date_trunc('day', p_at, 'UTC') AND p.start < date_trunc('hour', p_at, 'UTC')))
        ), 0)
        + coalesce((
            SELECT sum(l.amount) FROM ledger_line l
            WHERE l.account_id = p_account AND l.booked_at >= date_trunc('hour', p_at, 'UTC') AND l.booked_at <= p_at
                AND l.xid < coalesce((SELECT h.upto FROM ledger_horizon h WHERE h.id = 1), '0')
        ), 0)
        + coalesce((
            SELECT sum(l.amount) FROM ledger_line l
            WHERE l.account_id = p_account AND l.booked_at <= p_at
                AND l.xid >= coalesce((SELECT h.upto FROM ledger_horizon h WHERE h.id = 1), '0')
        ), 0)
    END
$$;

-- At the end of an effective day, whenever it was booked.
CREATE FUNCTION ledger_balance_on(p_account bigint, p_day date) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT coalesce((
            SELECT sum(p.debit - p.credit) FROM ledger_period_balance p
            WHERE p.account_id = p_account AND p.basis = 'E' AND (
                (p.grain = 'y' AND p.start < date_trunc('year', p_day::timestamp) AT TIME ZONE 'UTC')
                OR (p.grain = 'm' AND p.start >= date_trunc('year', p_day::timestamp) AT TIME ZONE 'UTC'
                                  AND p.start < date_trunc('month', p_day::timestamp) AT TIME ZONE 'UTC')
                OR (p.grain = 'd' AND p.start >= date_trunc('month', p_day::timestamp) AT TIME ZONE 'UTC'
                                  AND p.start <= p_day::timestamp AT TIME ZONE 'UTC'))
        ), 0)
        + coalesce((
            SELECT sum(l.amount) FROM ledger_line l
            WHERE l.account_id = p_account AND l.effective_on <= p_day
                AND l.xid >= coalesce((SELECT h.upto FROM ledger_horizon h WHERE h.id = 1), '0')
        ), 0)
$$;

-- Every account with its sum of debits and credits: now, or at the end of an effective day.
CREATE FUNCTION ledger_trial_balance(p_day date) RETURNS TABLE (account_id bigint, debit numeric, credit numeric)
LANGUAGE sql STABLE AS $$
    SELECT s.account_id, sum(s.debit), sum(s.credit)
    FROM (
        SELECT p.account_id, p.debit, p.credit
        FROM ledger_period_balance p
        WHERE p.basis = 'E' AND (
            (p_day IS NULL AND p.grain = 'y')
            OR (p.grain = 'y' AND p.start < date_trunc('year', p_day::timestamp) AT TIME ZONE 'UTC')
            OR (p.grain = 'm' AND p.start >= date_trunc('year', p_day::timestamp) AT TIME ZONE 'UTC'
                              AND p.start < date_trunc('month', p_day::timestamp) AT TIME ZONE 'UTC')
            OR (p.grain = 'd' AND p.start >= date_trunc('month', p_day::timestamp) AT TIME ZONE 'UTC'
                              AND p.start <= p_day::timestamp AT TIME ZONE 'UTC'))
        UNION ALL
        SELECT l.account_id, greatest(l.amount, 0), greatest(-l.amount, 0)
        FROM ledger_journal j
        JOIN ledger_line l ON l.id BETWEEN j.id * 32768 + 1 AND j.id * 32768 + 32767
        WHERE j.xid >= coalesce((SELECT h.upto FROM ledger_horizon h WHERE h.id = 1), '0')
            AND (p_day IS NULL OR l.effective_on <= p_day)
    ) s
    GROUP BY s.account_id
$$;

-- Debits and credits of the accounts of some owners, by effective day.
CREATE FUNCTION ledger_daily_turnover(p_owner_types text[], p_first date, p_last date)
RETURNS TABLE (day date, account_id bigint, debit numeric, credit numeric) LANGUAGE sql STABLE AS $$
    SELECT s.day, s.account_id, sum(s.debit), sum(s.credit)
    FROM (
        SELECT (p.start AT TIME ZONE 'UTC')::date AS day, p.account_id, p.debit, p.credit
        FROM ledger_account a
        JOIN ledger_period_balance p ON p.account_id = a.id AND p.basis = 'E' AND p.grain = 'd'
            AND p.start >= p_first::timestamp AT TIME ZONE 'UTC' AND p.start <= p_last::timestamp AT TIME ZONE 'UTC'
        WHERE a.owner_type = ANY (p_owner_types)
        UNION ALL
        SELECT l.effective_on, l.account_id, greatest(l.amount, 0), greatest(-l.amount, 0)
        FROM ledger_account a
        JOIN ledger_line l ON l.account_id = a.id AND l.effective_on BETWEEN p_first AND p_last
            AND l.xid >= coalesce((SELECT h.upto FROM ledger_horizon h WHERE h.id = 1), '0')
        WHERE a.owner_type = ANY (p_owner_types)
    ) s
    GROUP BY s.day, s.account_id
$$;
