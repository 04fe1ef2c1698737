-- Holds: what is reserved on a strict account. A hold, its event and the balance row move in one statement.

-- Locks the balances of strict accounts in the one order everybody keeps, and says what is free on each.
CREATE FUNCTION ledger_lock_balances(p_codes text[], p_currencies text[])
RETURNS TABLE (code text, currency text, free_to_debit bigint, free_to_credit bigint)
LANGUAGE sql SET lock_timeout = '2s' AS $$
    SELECT a.code, a.currency, b.max_bal - b.bal - b.hold_debit, b.bal - b.hold_credit - b.min_bal
    FROM (
        SELECT * FROM ledger_balance s
        WHERE s.account_id IN (
            SELECT a.id FROM unnest(p_codes, p_currencies) AS w (code, currency)
            JOIN ledger_account a ON a.code = w.code AND a.currency = w.currency)
        ORDER BY s.account_id FOR NO KEY UPDATE
    ) b
    JOIN ledger_account a ON a.id = b.account_id
$$;

CREATE FUNCTION ledger_place_hold(
    p_reference text, p_code text, p_currency text, p_side text, p_amount bigint, p_actor text, p_reason text, p_at timestamptz,
    OUT status text, OUT hold_id bigint
) LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    account bigint;
    free bigint;
    old ledger_hold;
BEGIN
    SELECT a.id INTO account FROM ledger_account a WHERE a.code = p_code AND a.currency = p_currency;
    SELECT CASE p_side WHEN 'D' THEN l.free_to_debit ELSE l.free_to_credit END INTO free
    FROM ledger_lock_balances(ARRAY[p_code], ARRAY[p_currency]) l;
    IF account IS NULL OR free IS NULL THEN
        status := 'unknown_account';
        RETURN;
    END IF;
    SELECT * INTO old FROM ledger_hold h WHERE h.reference = p_reference;
    IF FOUND THEN
        hold_id := old.id;
        status := CASE WHEN (old.account_id, old.side, old.amount) = (account, p_side, p_amount) THEN 'replayed' ELSE 'reference_reused' END;
        RETURN;
    END IF;
    IF free < p_amount THEN
        status := 'insufficient_funds';
        RETURN;
    END IF;
    WITH h AS (
        INSERT INTO ledger_hold (reference, account_id, side, amount, remaining, placed_at)
        VALUES (p_reference, account, p_side, p_amount, p_amount, p_at) RETURNING id
    ), e AS (
        INSERT INTO ledger_hold_event (hold_id, kind, amount, actor, reason, at)
        SELECT h.id, 'placed', p_amount, p_actor, p_reason, p_at FROM h
    ), b AS (
        UPDATE ledger_balance s SET
            hold_debit = s.hold_debit + CASE p_side WHEN 'D' THEN p_amount ELSE 0 END,
            hold_credit = s.hold_credit + CASE p_side WHEN 'C' THEN p_amount ELSE 0 END
        WHERE s.account_id = account
    )
    SELECT h.id INTO hold_id FROM h;
    status := 'placed';
END $$;

-- Ends a hold, whole (p_amount NULL) or in part: released, or consumed by a journal that is posted next.
CREATE FUNCTION ledger_end_hold(
    p_reference text, p_kind text, p_amount bigint, p_journal_reference text, p_actor text, p_reason text, p_at timestamptz,
    OUT status text, OUT ended bigint
) LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    hold ledger_hold;
BEGIN
    ended := 0;
    -- The balance is locked before the hold is read: whoever changes either has the lock of the balance.
    PERFORM FROM ledger_balance b
    WHERE b.account_id = (SELECT h.account_id FROM ledger_hold h WHERE h.reference = p_reference) FOR NO KEY UPDATE;
    SELECT * INTO hold FROM ledger_hold h WHERE h.reference = p_reference;
    IF NOT FOUND THEN
        status := 'unknown_hold';
        RETURN;
    END IF;
    IF p_kind = 'consumed' AND EXISTS (
        SELECT FROM ledger_hold_event e
        WHERE e.hold_id = hold.id AND e.kind = 'consumed' AND e.journal_reference = p_journal_reference
    ) THEN
        status := 'replayed';
        RETURN;
    END IF;
    ended := coalesce(p_amount, hold.remaining);
    IF ended > hold.remaining THEN
        status := 'exhausted';
        RETURN;
    END IF;
    status := 'ended';
    IF ended = 0 THEN
        RETURN;
    END IF;
    WITH e AS (
        INSERT INTO ledger_hold_event (hold_id, kind, amount, journal_reference, actor, reason, at)
        VALUES (hold.id, p_kind, ended, p_journal_reference, p_actor, p_reason, p_at)
    ), b AS (
        UPDATE ledger_balance s SET
            hold_debit = s.hold_debit - CASE hold.side WHEN 'D' THEN ended ELSE 0 END,
            hold_credit = s.hold_credit - CASE hold.side WHEN 'C' THEN ended ELSE 0 END
        WHERE s.account_id = hold.account_id
    )
    UPDATE ledger_hold h SET remaining = h.remaining - ended WHERE h.id = hold.id;
END $$;
