-- Balances. All are signed: debit above zero. Plans are fixed to index ranges, since the planner cannot know that what lies
-- beyond the horizon is little.

-- Now: the balance row of a strict account; else what is folded plus the lines that are not.
CREATE FUNCTION ledger_balance_now(p_account bigint) RETURNS numeric LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    balance numeric;
    folded xid8;
BEGIN
    SELECT b.bal INTO balance FROM ledger_balance b WHERE b.account_id = p_account;
    IF FOUND THEN
        RETURN balance;
    END IF;
    SELECT r.debit - r.credit, r.upto INTO balance, folded FROM ledger_rollup r WHERE r.account_id = p_account;
    RETURN coalesce(balance, 0) + (
        SELECT coalesce(sum(l.amount), 0) FROM ledger_line l WHERE l.account_id = p_account AND l.xid >= coalesce(folded, '0'));
END $$;

-- As it stood at a moment of booking, that moment included. Strict: its last line then. Insert-only: whole years, months, days
-- and hours before, the folded lines of the hour, and what is not folded yet.
CREATE FUNCTION ledger_balance_at(p_account bigint, p_at timestamptz) RETURNS numeric LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    folded xid8 := coalesce((SELECT h.upto FROM ledger_horizon h WHERE h.id = 1), '0');
    year timestamptz := date_trunc('year', p_at, 'UTC');
    month timestamptz := date_trunc('month', p_at, 'UTC');
    day timestamptz := date_trunc('day', p_at, 'UTC');
    hour timestamptz := date_trunc('hour', p_at, 'UTC');
BEGIN
    IF EXISTS (SELECT FROM ledger_balance b WHERE b.account_id = p_account) THEN
        RETURN coalesce((SELECT l.bal_after FROM ledger_line l WHERE l.account_id = p_account AND l.booked_at <= p_at
                         ORDER BY l.booked_at DESC, l.seq DESC LIMIT 1), 0);
    END IF;
    RETURN (SELECT coalesce(sum(p.debit - p.credit), 0) FROM ledger_period_balance p
            WHERE p.account_id = p_account AND p.basis = 'B' AND p.grain = 'y' AND p.start < year)
        + (SELECT coalesce(sum(p.debit - p.credit), 0) FROM ledger_period_balance p
           WHERE p.account_id = p_account AND p.basis = 'B' AND p.grain = 'm' AND p.start >= year AND p.start < month)
        + (SELECT coalesce(sum(p.debit - p.credit), 0) FROM ledger_period_balance p
           WHERE p.account_id = p_account AND p.basis = 'B' AND p.grain = 'd' AND p.start >= month AND p.start < day)
        + (SELECT coalesce(sum(p.debit - p.credit), 0) FROM ledger_period_balance p
           WHERE p.account_id = p_account AND p.basis = 'B' AND p.grain = 'h' AND p.start >= day AND p.start < hour)
        + (SELECT coalesce(sum(l.amount), 0) FROM ledger_line l
           WHERE l.account_id = p_account AND l.booked_at >= hour AND l.booked_at <= p_at AND l.xid < folded)
        + (SELECT coalesce(sum(l.amount), 0) FROM ledger_line l
           WHERE l.account_id = p_account AND l.xid >= folded AND l.booked_at <= p_at);
END $$;

-- At the end of an effective day, whenever it was booked.
CREATE FUNCTION ledger_balance_on(p_account bigint, p_day date) RETURNS numeric LANGUAGE plpgsql STABLE
SET jit = off SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    folded xid8 := coalesce((SELECT h.upto FROM ledger_horizon h WHERE h.id = 1), '0');
    year timestamptz := date_trunc('year', p_day::timestamp) AT TIME ZONE 'UTC';
    month timestamptz := date_trunc('month', p_day::timestamp) AT TIME ZONE 'UTC';
    day timestamptz := p_day::timestamp AT TIME ZONE 'UTC';
BEGIN
    RETURN (SELECT coalesce(sum(p.debit - p.credit), 0) FROM ledger_period_balance p
            WHERE p.account_id = p_account AND p.basis = 'E' AND p.grain = 'y' AND p.start < year)
        + (SELECT coalesce(sum(p.debit - p.credit), 0) FROM ledger_period_balance p
           WHERE p.account_id = p_account AND p.basis = 'E' AND p.grain = 'm' AND p.start >= year AND p.start < month)
        + (SELECT coalesce(sum(p.debit - p.credit), 0) FROM ledger_period_balance p
           WHERE p.account_id = p_account AND p.basis = 'E' AND p.grain = 'd' AND p.start >= month AND p.start <= day)
        + (SELECT coalesce(sum(l.amount), 0) FROM ledger_line l
           WHERE l.account_id = p_account AND l.xid >= folded AND l.effective_on <= p_day);
END $$;

-- Every account with its sum of debits and credits: now, or at the end of an effective day.
CREATE FUNCTION ledger_trial_balance(p_day date) RETURNS TABLE (account_id bigint, debit numeric, credit numeric)
LANGUAGE sql STABLE SET jit = off AS $$
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
RETURNS TABLE (day date, account_id bigint, debit numeric, credit numeric) LANGUAGE sql STABLE SET jit = off SET enable_seqscan = off AS $$
    SELECT s.day, s.account_id, sum(s.debit), sum(s.credit)
    FROM (
        SELECT (p.start AT TIME ZONE 'UTC')::date AS day, p.account_id, p.debit, p.credit
        FROM ledger_account a
        JOIN ledger_period_balance p ON p.account_id = a.id AND p.basis = 'E' AND p.grain = 'd'
            AND p.start >= p_first::timestamp AT TIME ZONE 'UTC' AND p.start <= p_last::timestamp AT TIME ZONE 'UTC'
        WHERE a.owner_type = ANY (p_owner_types)
        UNION ALL
        SELECT l.effective_on, a.id, l.debit, l.credit
        FROM ledger_account a
        CROSS JOIN LATERAL (
            SELECT t.effective_on, greatest(t.amount, 0) AS debit, greatest(-t.amount, 0) AS credit
            FROM ledger_line t
            WHERE t.account_id = a.id AND t.xid >= coalesce((SELECT h.upto FROM ledger_horizon h WHERE h.id = 1), '0') OFFSET 0
        ) l
        WHERE a.owner_type = ANY (p_owner_types) AND l.effective_on BETWEEN p_first AND p_last
    ) s
    GROUP BY s.day, s.account_id
$$;
