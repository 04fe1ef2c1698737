-- What the database refuses, whoever asks: nothing posted changes, and every statement leaves whole journals behind.
-- Refusals carry ERRCODE check_violation and a constraint name, so that callers can tell them apart.

CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: what is recorded stays, mistakes are reversed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_append_only', TABLE = TG_TABLE_NAME;
END $$;

DO $$
DECLARE
    guarded text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['ledger_journal', 'ledger_line', 'ledger_hold_event', 'ledger_seal', 'ledger_seal_leaf'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()',
                       guarded || '_is_append_only', guarded);
    END LOOP;
    FOREACH guarded IN ARRAY ARRAY['ledger_account', 'ledger_balance', 'ledger_hold', 'ledger_period'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE DELETE ON %I FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()',
                       guarded || '_is_not_deleted', guarded);
    END LOOP;
    FOREACH guarded IN ARRAY ARRAY['ledger_journal', 'ledger_line', 'ledger_hold_event', 'ledger_seal', 'ledger_seal_leaf',
                                   'ledger_account', 'ledger_balance', 'ledger_hold', 'ledger_period'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()',
                       guarded || '_is_not_truncated', guarded);
    END LOOP;
END $$;

-- An account keeps its identity for ever; it can only be closed, or opened again.
CREATE FUNCTION ledger_account_keeps_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'account % keeps its code, kind, currency, mode and owner', OLD.code
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_account_keeps_identity', TABLE = 'ledger_account';
END $$;
CREATE TRIGGER ledger_account_keeps_identity BEFORE UPDATE ON ledger_account FOR EACH ROW
    WHEN ((OLD.id, OLD.code, OLD.kind, OLD.currency, OLD.mode, OLD.owner_type, OLD.owner_id, OLD.opened_at)
          IS DISTINCT FROM (NEW.id, NEW.code, NEW.kind, NEW.currency, NEW.mode, NEW.owner_type, NEW.owner_id, NEW.opened_at))
    EXECUTE FUNCTION ledger_account_keeps_identity();

-- Runs once per INSERT on lines and looks at all of its lines together. A journal's lines come in one statement, so what is
-- true of the statement is true of the journal. References to journals and accounts are checked here as a set, not by
-- foreign keys row by row (docs/decisions/0002); neither can be deleted or changed, so what is true now stays true.
CREATE FUNCTION ledger_check_lines() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    this_xid xid8 := pg_current_xact_id();
    refusal text;
    culprit bigint;
    any_strict boolean;
    any_reversal boolean;
BEGIN
    SELECT min(g.refusal), min(g.journal_id) FILTER (WHERE g.refusal IS NOT NULL), bool_or(g.has_strict), bool_or(g.reverses_id IS NOT NULL)
    INTO refusal, culprit, any_strict, any_reversal
    FROM (
        SELECT c.journal_id, j.reverses_id, bool_or(c.has_strict) AS has_strict,
            CASE
                WHEN j.id IS NULL THEN 'ledger_line_is_of_a_journal'
                WHEN j.xid <> this_xid OR bool_or(c.foreign_xid) THEN 'ledger_line_is_of_this_transaction'
                WHEN bool_or(c.no_account) THEN 'ledger_line_fits_its_account'
                WHEN bool_or(c.closed) THEN 'ledger_account_is_open'
                WHEN sum(c.lines) <> j.lines OR min(c.first) <> 1 OR max(c.last) <> j.lines THEN 'ledger_journal_has_its_lines'
                WHEN bool_or(c.total <> 0) THEN 'ledger_journal_is_balanced'
                WHEN min(c.booked_min) <> j.booked_at OR max(c.booked_max) <> j.booked_at
                    OR min(c.effective_min) <> j.effective_on OR max(c.effective_max) <> j.effective_on
                    OR j.booked_at < now() OR j.booked_at > clock_timestamp() + interval '1 day' THEN 'ledger_line_has_its_journals_dates'
                WHEN EXISTS (SELECT FROM ledger_period p
                             WHERE p.state <> 'open' AND daterange(p.starts_on, p.ends_on, '[]') @> j.effective_on) THEN 'ledger_period_is_open'
            END AS refusal
        FROM (
            SELECT n.journal_id, n.currency, sum(n.amount) AS total, count(*) AS lines, min(n.line) AS first, max(n.line) AS last,
                bool_or(n.xid <> this_xid) AS foreign_xid, bool_or(a.id IS NULL) AS no_account,
                bool_or(a.closed_at IS NOT NULL) AS closed, bool_or(n.mode = 'S') AS has_strict,
                min(n.booked_at) AS booked_min, max(n.booked_at) AS booked_max,
                min(n.effective_on) AS effective_min, max(n.effective_on) AS effective_max
            FROM new_lines n
            LEFT JOIN ledger_account a ON a.id = n.account_id AND a.currency = n.currency AND a.mode = n.mode
            GROUP BY n.journal_id, n.currency
        ) c
        LEFT JOIN ledger_journal j ON j.id = c.journal_id
        GROUP BY c.journal_id, j.id
    ) g;
    IF refusal IS NULL AND current_setting('transaction_isolation') <> 'read committed' THEN
        refusal := 'ledger_posts_read_committed';
    END IF;
    -- After a restore into another cluster transaction ids start again, and folded balances would not see new lines.
    IF refusal IS NULL AND EXISTS (SELECT FROM ledger_horizon h WHERE h.id = 1 AND h.upto > this_xid) THEN
        refusal := 'ledger_is_based_on_this_cluster';
    END IF;

    IF refusal IS NULL AND any_strict THEN
        SELECT min(s.journal_id) INTO culprit
        FROM (
            SELECT n.journal_id,
                (n.prev_seq > 0 AND (p.id IS NULL OR p.bal_after <> n.prev_bal OR p.booked_at > n.booked_at)) AS forked,
                n.seq = max(n.seq) OVER (PARTITION BY n.account_id)
                    AND (b.seq, b.bal) IS DISTINCT FROM (n.seq, n.bal_after) AS unbalanced
            FROM new_lines n
            LEFT JOIN ledger_line p ON p.account_id = n.account_id AND p.seq = n.prev_seq
            LEFT JOIN ledger_balance b ON b.account_id = n.account_id
            WHERE n.mode = 'S'
        ) s
        WHERE s.forked OR s.unbalanced;
        IF culprit IS NOT NULL THEN
            refusal := 'ledger_line_continues_its_account';
        END IF;
    END IF;

    IF refusal IS NULL AND any_reversal THEN
        SELECT min(j.id) INTO culprit
        FROM ledger_journal j
        JOIN ledger_journal o ON o.id = j.reverses_id
        WHERE j.reverses_id IS NOT NULL AND j.id IN (SELECT n.journal_id FROM new_lines n)
            AND (j.lines <> o.lines OR EXISTS (
                SELECT FROM ledger_line m
                LEFT JOIN ledger_line n ON n.id = m.id - o.id * 32768 + j.id * 32768
                WHERE m.id BETWEEN o.id * 32768 + 1 AND o.id * 32768 + 32767
                    AND (n.account_id, n.amount) IS DISTINCT FROM (m.account_id, -m.amount)));
        IF culprit IS NOT NULL THEN
            refusal := 'ledger_reversal_is_exact';
        END IF;
    END IF;

    IF refusal IS NOT NULL THEN
        RAISE EXCEPTION 'journal % is refused: %', culprit, refusal
            USING ERRCODE = 'check_violation', CONSTRAINT = refusal, TABLE = 'ledger_line';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_check_lines AFTER INSERT ON ledger_line
    REFERENCING NEW TABLE AS new_lines FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_lines();

-- A balance row is the last line of its account, its reservations are the open holds, and its limits never move.
CREATE FUNCTION ledger_check_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    culprit bigint;
BEGIN
    SELECT min(n.account_id) INTO culprit
    FROM new_rows n
    LEFT JOIN ledger_line last ON last.account_id = n.account_id AND last.seq = n.seq
    WHERE (n.seq > 0 AND (last.bal_after IS DISTINCT FROM n.bal OR last.booked_at IS DISTINCT FROM n.last_at))
        OR (n.seq = 0 AND n.last_at <> '-infinity')
        OR EXISTS (SELECT FROM ledger_line next WHERE next.account_id = n.account_id AND next.seq = n.seq + 1)
        OR (n.hold_debit, n.hold_credit) <> (
            SELECT coalesce(sum(h.remaining) FILTER (WHERE h.side = 'D'), 0), coalesce(sum(h.remaining) FILTER (WHERE h.side = 'C'), 0)
            FROM ledger_hold h WHERE h.account_id = n.account_id AND h.remaining > 0);
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'balance of account % does not equal its last line and open holds', culprit
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balance_is_the_last_line', TABLE = 'ledger_balance';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_check_balances AFTER UPDATE ON ledger_balance
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_balances();

-- Limits follow from the kind of account: what we own or spend is never below zero, what we owe or earn never above.
CREATE FUNCTION ledger_check_limits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    account ledger_account;
    wide constant bigint := 4000000000000000000;
BEGIN
    SELECT * INTO account FROM ledger_account a WHERE a.id = NEW.account_id;
    IF TG_OP = 'UPDATE' OR account.mode IS DISTINCT FROM 'S'
        OR (NEW.seq, NEW.bal, NEW.last_at, NEW.hold_debit, NEW.hold_credit) <> (0, 0, '-infinity'::timestamptz, 0, 0)
        OR (NEW.min_bal, NEW.max_bal) <> (CASE WHEN account.kind IN ('A', 'E') THEN 0 ELSE -wide END,
                                          CASE WHEN account.kind IN ('A', 'E') THEN wide ELSE 0 END) THEN
        RAISE EXCEPTION 'limits of account % follow from its kind', account.code
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_balance_limits_follow_kind', TABLE = 'ledger_balance';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_balance_starts_with_its_limits BEFORE INSERT ON ledger_balance
    FOR EACH ROW EXECUTE FUNCTION ledger_check_limits();
CREATE TRIGGER ledger_balance_keeps_its_limits BEFORE UPDATE ON ledger_balance FOR EACH ROW
    WHEN ((OLD.account_id, OLD.min_bal, OLD.max_bal) IS DISTINCT FROM (NEW.account_id, NEW.min_bal, NEW.max_bal))
    EXECUTE FUNCTION ledger_check_limits();

-- A hold is what its events say, and its account's balance row reserves it.
CREATE FUNCTION ledger_check_holds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    culprit bigint;
BEGIN
    SELECT min(n.id) INTO culprit
    FROM new_holds n
    JOIN ledger_balance b ON b.account_id = n.account_id
    WHERE n.remaining <> (
            SELECT coalesce(sum(CASE e.kind WHEN 'placed' THEN e.amount ELSE -e.amount END), -1)
            FROM ledger_hold_event e WHERE e.hold_id = n.id)
        OR n.amount <> (SELECT coalesce(sum(e.amount), 0) FROM ledger_hold_event e WHERE e.hold_id = n.id AND e.kind = 'placed')
        OR (b.hold_debit, b.hold_credit) <> (
            SELECT coalesce(sum(h.remaining) FILTER (WHERE h.side = 'D'), 0), coalesce(sum(h.remaining) FILTER (WHERE h.side = 'C'), 0)
            FROM ledger_hold h WHERE h.account_id = n.account_id AND h.remaining > 0);
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'hold % does not equal its events and its reservation', culprit
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_hold_equals_its_events', TABLE = 'ledger_hold';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_check_new_holds AFTER INSERT ON ledger_hold
    REFERENCING NEW TABLE AS new_holds FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_holds();
CREATE TRIGGER ledger_check_changed_holds AFTER UPDATE ON ledger_hold
    REFERENCING NEW TABLE AS new_holds FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_holds();

CREATE FUNCTION ledger_check_hold_events() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    culprit bigint;
BEGIN
    SELECT min(h.id) INTO culprit
    FROM ledger_hold h
    WHERE h.id IN (SELECT n.hold_id FROM new_events n)
        AND h.remaining <> (SELECT sum(CASE e.kind WHEN 'placed' THEN e.amount ELSE -e.amount END)
                            FROM ledger_hold_event e WHERE e.hold_id = h.id);
    IF culprit IS NOT NULL THEN
        RAISE EXCEPTION 'hold % does not equal its events', culprit
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_hold_equals_its_events', TABLE = 'ledger_hold_event';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_check_hold_events AFTER INSERT ON ledger_hold_event
    REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION ledger_check_hold_events();

CREATE FUNCTION ledger_hold_keeps_identity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'hold % keeps its account, side and amount, and only shrinks', OLD.reference
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_hold_keeps_identity', TABLE = 'ledger_hold';
END $$;
CREATE TRIGGER ledger_hold_keeps_identity BEFORE UPDATE ON ledger_hold FOR EACH ROW
    WHEN ((OLD.id, OLD.reference, OLD.account_id, OLD.side, OLD.amount, OLD.placed_at)
          IS DISTINCT FROM (NEW.id, NEW.reference, NEW.account_id, NEW.side, NEW.amount, NEW.placed_at)
          OR NEW.remaining > OLD.remaining)
    EXECUTE FUNCTION ledger_hold_keeps_identity();

-- A closed period stays closed and keeps its days.
CREATE FUNCTION ledger_period_moves_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'period % to % cannot go from % to %', OLD.starts_on, OLD.ends_on, OLD.state, NEW.state
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_period_moves_forward', TABLE = 'ledger_period';
END $$;
CREATE TRIGGER ledger_period_moves_forward BEFORE UPDATE ON ledger_period FOR EACH ROW
    WHEN ((OLD.id, OLD.starts_on, OLD.ends_on) IS DISTINCT FROM (NEW.id, NEW.starts_on, NEW.ends_on)
          OR OLD.state = 'closed' OR (OLD.state = 'open' AND NEW.state = 'closed'))
    EXECUTE FUNCTION ledger_period_moves_forward();

-- Derived sums are written by the fold alone. This stops accidents; verify_ledger finds what was done on purpose.
CREATE FUNCTION ledger_only_the_fold_writes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('ledger.folding', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
        RAISE EXCEPTION '% on % is refused: only the fold writes it', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_only_the_fold_writes', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
DO $$
DECLARE
    folded text;
BEGIN
    FOREACH folded IN ARRAY ARRAY['ledger_rollup', 'ledger_period_balance', 'ledger_horizon'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION ledger_only_the_fold_writes()', folded || '_is_folded', folded);
    END LOOP;
END $$;
