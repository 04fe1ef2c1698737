-- The fold moves lines into sums. It goes up to the oldest running transaction: everything below has ended, nothing there can
-- appear later. (A cursor over ids or times would lose what commits late.)

CREATE FUNCTION ledger_fold(p_journals integer, OUT status text, OUT folded bigint, OUT upto xid8) LANGUAGE plpgsql SET jit = off AS $$
#variable_conflict use_column
DECLARE
    here bigint := (SELECT c.system_identifier FROM pg_control_system() c);
    horizon ledger_horizon;
    begun xid8;
    cut xid8;
BEGIN
    folded := 0;
    IF NOT pg_try_advisory_xact_lock(hashtext('ledger_fold')) THEN
        status := 'busy';
        RETURN;
    END IF;
    SELECT * INTO horizon FROM ledger_horizon h WHERE h.id = 1;
    IF horizon.system_identifier <> here THEN
        status := 'foreign_cluster';
        RETURN;
    END IF;
    begun := coalesce(horizon.upto, '0');
    upto := pg_snapshot_xmin(pg_current_snapshot());
    PERFORM set_config('ledger.folding', pg_current_xact_id()::text, true);

    -- A long backlog goes in portions, always whole transactions.
    SELECT j.xid INTO cut FROM ledger_journal j
    WHERE j.xid >= begun AND j.xid < ledger_fold.upto ORDER BY j.xid OFFSET p_journals LIMIT 1;
    IF cut = begun THEN
        SELECT min(j.xid) INTO cut FROM ledger_journal j WHERE j.xid > begun AND j.xid < ledger_fold.upto;
    END IF;
    status := CASE WHEN cut IS NULL THEN 'done' ELSE 'more' END;
    upto := coalesce(cut, upto);

    WITH moved AS MATERIALIZED (
        SELECT l.account_id, l.mode, l.effective_on, l.booked_at, greatest(l.amount, 0) AS debit, greatest(-l.amount, 0) AS credit
        FROM ledger_journal j
        JOIN ledger_line l ON l.id BETWEEN j.id * 32768 + 1 AND j.id * 32768 + 32767
        WHERE j.xid >= begun AND j.xid < ledger_fold.upto
    ), rolled AS (
        INSERT INTO ledger_rollup AS r (account_id, debit, credit, upto)
        SELECT m.account_id, sum(m.debit), sum(m.credit), ledger_fold.upto FROM moved m WHERE m.mode = 'H' GROUP BY m.account_id
        ON CONFLICT (account_id) DO UPDATE
        SET debit = r.debit + excluded.debit, credit = r.credit + excluded.credit, upto = excluded.upto
    ), by_time AS (
        INSERT INTO ledger_period_balance AS p (account_id, basis, grain, start, debit, credit)
        SELECT s.account_id, s.basis, s.grain, s.start, sum(s.debit), sum(s.credit)
        FROM (
            SELECT m.account_id, m.debit, m.credit, g.basis, g.grain, g.start
            FROM moved m
            CROSS JOIN LATERAL (VALUES
                ('E', 'y', date_trunc('year', m.effective_on::timestamp) AT TIME ZONE 'UTC'),
                ('E', 'm', date_trunc('month', m.effective_on::timestamp) AT TIME ZONE 'UTC'),
                ('E', 'd', m.effective_on::timestamp AT TIME ZONE 'UTC'),
                ('B', 'y', date_trunc('year', m.booked_at, 'UTC')),
                ('B', 'm', date_trunc('month', m.booked_at, 'UTC')),
                ('B', 'd', date_trunc('day', m.booked_at, 'UTC')),
                ('B', 'h', date_trunc('hour', m.booked_at, 'UTC'))
            ) AS g (basis, grain, start)
            WHERE g.basis = 'E' OR m.mode = 'H'
        ) s
        GROUP BY s.account_id, s.basis, s.grain, s.start
        ON CONFLICT (account_id, basis, grain, start) DO UPDATE
        SET debit = p.debit + excluded.debit, credit = p.credit + excluded.credit
    )
    SELECT count(*) INTO folded FROM moved;

    INSERT INTO ledger_horizon AS h (id, upto, system_identifier, folded_at) VALUES (1, ledger_fold.upto, here, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET upto = excluded.upto, folded_at = excluded.folded_at;
END $$;

-- After a restore into another cluster: transaction ids of the past say nothing there. The recorded lines get the id of
-- long ago, the sums are made anew. Needs the owner of the tables and nobody else at work.
CREATE FUNCTION ledger_rebase() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    moved bigint;
BEGIN
    LOCK TABLE ledger_journal, ledger_line, ledger_rollup, ledger_period_balance, ledger_horizon IN ACCESS EXCLUSIVE MODE;
    PERFORM set_config('ledger.folding', pg_current_xact_id()::text, true);
    DELETE FROM ledger_period_balance;
    DELETE FROM ledger_rollup;
    DELETE FROM ledger_horizon;
    ALTER TABLE ledger_journal DISABLE TRIGGER ledger_journal_is_append_only;
    ALTER TABLE ledger_line DISABLE TRIGGER ledger_line_is_append_only;
    UPDATE ledger_journal SET xid = '3';
    UPDATE ledger_line SET xid = '3';
    GET DIAGNOSTICS moved = ROW_COUNT;
    ALTER TABLE ledger_journal ENABLE TRIGGER ledger_journal_is_append_only;
    ALTER TABLE ledger_line ENABLE TRIGGER ledger_line_is_append_only;
    RETURN moved;
END $$;
