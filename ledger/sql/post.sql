-- The one write path. Joins the caller's transaction; one call posts one journal or many.

CREATE FUNCTION ledger_open_account(
    p_code text, p_kind text, p_currency text, p_mode text, p_owner_type text, p_owner_id text
) RETURNS bigint LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    account ledger_account;
    wide constant bigint := 4000000000000000000;
BEGIN
    INSERT INTO ledger_account (code, kind, currency, mode, owner_type, owner_id)
    VALUES (p_code, p_kind, p_currency, p_mode, p_owner_type, p_owner_id)
    ON CONFLICT (code, currency) DO NOTHING;
    SELECT * INTO STRICT account FROM ledger_account a WHERE a.code = p_code AND a.currency = p_currency;
    IF (account.kind, account.mode) <> (p_kind, p_mode) THEN
        RAISE EXCEPTION 'account % is of kind % and mode %', p_code, account.kind, account.mode
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_account_keeps_identity', TABLE = 'ledger_account';
    END IF;
    IF p_mode = 'S' THEN
        INSERT INTO ledger_balance (account_id, min_bal, max_bal)
        VALUES (account.id, CASE WHEN p_kind IN ('A', 'E') THEN 0 ELSE -wide END, CASE WHEN p_kind IN ('A', 'E') THEN wide ELSE 0 END)
        ON CONFLICT (account_id) DO NOTHING;
    END IF;
    RETURN account.id;
END $$;

-- Journals are parallel arrays; lines are parallel arrays that name their journal by its place (1..n) and their own number.
-- Where nothing has been written yet, a refusal is an answer (`status`, `detail`) and leaves the transaction usable:
-- unknown_account, account_closed, insufficient_funds, period_closed, reference_reused. Everything else raises.
CREATE FUNCTION ledger_post(
    p_references text[], p_hashes bytea[], p_events text[], p_subjects text[], p_order_refs text[], p_actors text[],
    p_reasons text[], p_metas jsonb[], p_effective date[], p_may_roll boolean[], p_reverses bigint[], p_counts smallint[],
    p_journals integer[], p_lines smallint[], p_codes text[], p_currencies text[], p_amounts bigint[],
    OUT status text, OUT detail text, OUT journal_ids bigint[], OUT are_new boolean[], OUT booked_at timestamptz,
    OUT strict_codes text[], OUT strict_currencies text[], OUT strict_balances bigint[]
) LANGUAGE plpgsql
-- Plans are made once per session, and made for tables that grow: by index, whatever the statistics say today. The settings
-- hold for the triggers that run inside, too. Without them every call plans anew (docs/decisions/0002).
SET lock_timeout = '2s' SET plan_cache_mode = force_generic_plan SET jit = off
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    account_ids bigint[];
    modes text[];
    has_strict boolean;
    unknown text;
    closed text;
    closed_to date;
    known text[];
    short bigint;
    blocker date;
    place integer;
    old record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'the ledger posts in READ COMMITTED only'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_posts_read_committed';
    END IF;

    SELECT array_agg(a.id ORDER BY l.n), array_agg(a.mode::text ORDER BY l.n), coalesce(bool_or(a.mode = 'S'), false),
        min(l.code) FILTER (WHERE a.id IS NULL), min(l.code) FILTER (WHERE a.closed_at IS NOT NULL)
    INTO account_ids, modes, has_strict, unknown, closed
    FROM unnest(p_codes, p_currencies) WITH ORDINALITY AS l (code, currency, n)
    LEFT JOIN ledger_account a ON a.code = l.code AND a.currency = l.currency;
    IF unknown IS NOT NULL THEN
        status := 'unknown_account';
        detail := unknown;
        RETURN;
    END IF;

    booked_at := greatest(clock_timestamp(), now());
    IF has_strict THEN
        -- Always in the order of account ids: whoever locks several balances locks them in the same order.
        SELECT greatest(clock_timestamp(), now(), max(b.last_at) + interval '1 microsecond'),
            min(b.account_id) FILTER (WHERE b.bal + c.change + b.hold_debit > b.max_bal OR b.bal + c.change - b.hold_credit < b.min_bal)
        INTO booked_at, short
        FROM (SELECT * FROM ledger_balance s WHERE s.account_id = ANY (account_ids) ORDER BY s.account_id FOR NO KEY UPDATE) b
        CROSS JOIN LATERAL (
            SELECT sum(l.amount) AS change FROM unnest(account_ids, p_amounts) AS l (account_id, amount)
            WHERE l.account_id = b.account_id
        ) c;
    END IF;

    IF closed IS NOT NULL OR short IS NOT NULL THEN
        -- What was posted before is answered as before, whatever has happened to the account since.
        known := ARRAY(SELECT j.reference FROM ledger_journal j WHERE j.reference = ANY (p_references));
        SELECT min(a.code) FILTER (WHERE a.closed_at IS NOT NULL),
            min(a.code) FILTER (WHERE b.bal + c.change + b.hold_debit > b.max_bal OR b.bal + c.change - b.hold_credit < b.min_bal)
        INTO closed, detail
        FROM (
            SELECT l.account_id, sum(l.amount) AS change
            FROM unnest(account_ids, p_journals, p_amounts) AS l (account_id, journal, amount)
            WHERE p_references[l.journal] <> ALL (known)
            GROUP BY l.account_id
        ) c
        JOIN ledger_account a ON a.id = c.account_id
        LEFT JOIN ledger_balance b ON b.account_id = c.account_id;
        IF closed IS NOT NULL THEN
            status := 'account_closed';
            detail := closed;
            RETURN;
        ELSIF detail IS NOT NULL THEN
            status := 'insufficient_funds';
            RETURN;
        END IF;
    END IF;

    SELECT max(p.ends_on) INTO closed_to FROM ledger_period p WHERE p.state <> 'open';
    IF closed_to IS NOT NULL THEN
        FOR place IN 1 .. cardinality(p_references) LOOP
            LOOP
                EXIT WHEN p_effective[place] > closed_to;
                SELECT p.ends_on INTO blocker FROM ledger_period p
                WHERE p.state <> 'open' AND daterange(p.starts_on, p.ends_on, '[]') @> p_effective[place];
                EXIT WHEN NOT FOUND OR EXISTS (SELECT FROM ledger_journal j WHERE j.reference = p_references[place]);
                IF NOT p_may_roll[place] THEN
                    status := 'period_closed';
                    detail := p_effective[place]::text;
                    RETURN;
                END IF;
                p_effective[place] := blocker + 1;
            END LOOP;
        END LOOP;
    END IF;

    IF has_strict THEN
        WITH j AS (
            INSERT INTO ledger_journal (booked_at, reverses_id, effective_on, lines, reference, request_hash, event, subject,
                                        order_ref, actor, reason, meta)
            SELECT ledger_post.booked_at, i.reverses, i.effective, i.lines, i.reference, i.hash, i.event, i.subject,
                i.order_ref, i.actor, i.reason, i.meta
            FROM unnest(p_reverses, p_effective, p_counts, p_references, p_hashes, p_events, p_subjects, p_order_refs, p_actors,
                        p_reasons, p_metas) WITH ORDINALITY
                AS i (reverses, effective, lines, reference, hash, event, subject, order_ref, actor, reason, meta, place)
            ORDER BY i.place
            ON CONFLICT (reference) DO NOTHING
            RETURNING id, reference, effective_on
        ), l AS (
            SELECT j.id AS journal_id, i.account_id, i.amount, j.effective_on, i.line, i.currency, i.mode, i.code,
                CASE WHEN i.mode = 'S' THEN b.seq + row_number() OVER account END AS seq,
                CASE WHEN i.mode = 'S' THEN b.bal + (sum(i.amount) OVER account)::bigint END AS bal_after,
                i.mode = 'S' AND row_number() OVER account = count(*) OVER (PARTITION BY i.account_id) AS is_last
            FROM unnest(p_journals, account_ids, p_amounts, p_lines, p_currencies, modes, p_codes)
                AS i (journal, account_id, amount, line, currency, mode, code)
            JOIN j ON j.reference = p_references[i.journal]
            LEFT JOIN ledger_balance b ON b.account_id = i.account_id
            WINDOW account AS (PARTITION BY i.account_id ORDER BY j.id, i.line)
        ), moved AS (
            UPDATE ledger_balance b SET seq = l.seq, bal = l.bal_after, last_at = ledger_post.booked_at
            FROM l WHERE l.is_last AND b.account_id = l.account_id
        ), inserted AS (
            INSERT INTO ledger_line (journal_id, account_id, amount, booked_at, effective_on, line, currency, mode,
                                     seq, prev_seq, prev_bal, bal_after)
            SELECT l.journal_id, l.account_id, l.amount, ledger_post.booked_at, l.effective_on, l.line, l.currency, l.mode,
                l.seq, l.seq - 1, l.bal_after - l.amount, l.bal_after
            FROM l
        )
        SELECT (SELECT array_agg(j.id ORDER BY r.place) FROM unnest(p_references) WITH ORDINALITY AS r (reference, place)
                LEFT JOIN j ON j.reference = r.reference),
            s.codes, s.currencies, s.balances
        INTO journal_ids, strict_codes, strict_currencies, strict_balances
        FROM (SELECT array_agg(l.code) AS codes, array_agg(l.currency) AS currencies, array_agg(l.bal_after) AS balances
              FROM l WHERE l.is_last) s;
    ELSE
        WITH j AS (
            INSERT INTO ledger_journal (booked_at, reverses_id, effective_on, lines, reference, request_hash, event, subject,
                                        order_ref, actor, reason, meta)
            SELECT ledger_post.booked_at, i.reverses, i.effective, i.lines, i.reference, i.hash, i.event, i.subject,
                i.order_ref, i.actor, i.reason, i.meta
            FROM unnest(p_reverses, p_effective, p_counts, p_references, p_hashes, p_events, p_subjects, p_order_refs, p_actors,
                        p_reasons, p_metas) WITH ORDINALITY
                AS i (reverses, effective, lines, reference, hash, event, subject, order_ref, actor, reason, meta, place)
            ORDER BY i.place
            ON CONFLICT (reference) DO NOTHING
            RETURNING id, reference, effective_on
        ), inserted AS (
            INSERT INTO ledger_line (journal_id, account_id, amount, booked_at, effective_on, line, currency, mode)
            SELECT j.id, i.account_id, i.amount, ledger_post.booked_at, j.effective_on, i.line, i.currency, i.mode
            FROM unnest(p_journals, account_ids, p_amounts, p_lines, p_currencies, modes)
                AS i (journal, account_id, amount, line, currency, mode)
            JOIN j ON j.reference = p_references[i.journal]
        )
        SELECT array_agg(j.id ORDER BY r.place) INTO journal_ids
        FROM unnest(p_references) WITH ORDINALITY AS r (reference, place)
        LEFT JOIN j ON j.reference = r.reference;
    END IF;

    status := 'ok';
    are_new := array_fill(true, ARRAY[cardinality(p_references)]);
    IF array_position(journal_ids, NULL) IS NULL THEN
        RETURN;
    END IF;
    FOR old IN
        SELECT r.place, j.id, j.request_hash, r.reference
        FROM unnest(p_references) WITH ORDINALITY AS r (reference, place)
        JOIN ledger_journal j ON j.reference = r.reference
        WHERE journal_ids[r.place] IS NULL
    LOOP
        IF old.request_hash <> p_hashes[old.place] THEN
            status := 'reference_reused';
            detail := old.reference;
            -- Alone it wrote nothing. In a batch others may stand already, so the whole statement must go.
            IF cardinality(p_references) > 1 THEN
                RAISE EXCEPTION 'reference % was used for other lines', old.reference
                    USING ERRCODE = 'unique_violation', CONSTRAINT = 'ledger_journal_reference_once';
            END IF;
            RETURN;
        END IF;
        journal_ids[old.place] := old.id;
        are_new[old.place] := false;
    END LOOP;
END $$;
