-- Held money that nobody named may be named once: its payment and attempt, together, while it is still held.
CREATE OR REPLACE FUNCTION payments_capture_is_fact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.disposition = 'held' AND NEW.disposition = 'applied'
       AND (to_jsonb(NEW) - 'disposition') = (to_jsonb(OLD) - 'disposition') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.disposition = 'held' AND OLD.payment_id IS NULL AND OLD.attempt_id IS NULL
       AND NEW.payment_id IS NOT NULL AND NEW.attempt_id IS NOT NULL
       AND (to_jsonb(NEW) - '{payment_id,attempt_id}'::text[]) = (to_jsonb(OLD) - '{payment_id,attempt_id}'::text[]) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'payments_capture is a fact: % refused', TG_OP USING ERRCODE = 'check_violation';
END;
$$;
