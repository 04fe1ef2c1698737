-- A dispute that a settlement file told of gets its gateway's number when the gateway tells it; once, and no other.
CREATE OR REPLACE FUNCTION payments_dispute_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.account_id = OLD.account_id
       AND (NEW.gateway_dispute_id = OLD.gateway_dispute_id OR OLD.gateway_dispute_id LIKE 'file:%')
       AND NEW.currency = OLD.currency AND NEW.withdrawn_minor >= OLD.withdrawn_minor
       AND (OLD.payment_id IS NULL OR NEW.payment_id IS NOT DISTINCT FROM OLD.payment_id) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'payments_dispute keeps what it is: % refused', TG_OP USING ERRCODE = 'check_violation';
END;
$$;
