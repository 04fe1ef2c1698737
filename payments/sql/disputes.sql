-- A dispute's history, and what a lost one took of its order, are facts.
CREATE TRIGGER dispute_history_is_fact BEFORE UPDATE OR DELETE ON payments_disputeevent
    FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER dispute_history_is_not_emptied BEFORE TRUNCATE ON payments_disputeevent
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER dispute_line_is_fact BEFORE UPDATE OR DELETE ON payments_disputeline
    FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER dispute_lines_are_not_emptied BEFORE TRUNCATE ON payments_disputeline
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- Evidence may be encrypted anew; nothing else of it may change, and the digest says that its content did not.
CREATE FUNCTION payments_evidence_is_fact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (to_jsonb(NEW) - 'content') = (to_jsonb(OLD) - 'content') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'payments_disputeevidence is a fact: % refused', TG_OP USING ERRCODE = 'check_violation';
END;
$$;
CREATE TRIGGER evidence_is_fact BEFORE UPDATE OR DELETE ON payments_disputeevidence
    FOR EACH ROW EXECUTE FUNCTION payments_evidence_is_fact();
CREATE TRIGGER evidence_is_not_emptied BEFORE TRUNCATE ON payments_disputeevidence
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- A dispute is never deleted, and never becomes another one.
CREATE FUNCTION payments_dispute_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.account_id = OLD.account_id AND NEW.gateway_dispute_id = OLD.gateway_dispute_id
       AND NEW.currency = OLD.currency AND NEW.withdrawn_minor >= OLD.withdrawn_minor
       AND (OLD.payment_id IS NULL OR NEW.payment_id IS NOT DISTINCT FROM OLD.payment_id) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'payments_dispute keeps what it is: % refused', TG_OP USING ERRCODE = 'check_violation';
END;
$$;
CREATE TRIGGER dispute_stays BEFORE UPDATE OR DELETE ON payments_dispute
    FOR EACH ROW EXECUTE FUNCTION payments_dispute_stays();

CREATE VIEW audit_v1.dispute AS
SELECT d.id, d.payment_id, d.capture_id, g.gateway, d.gateway_dispute_id, d.amount_minor, d.withdrawn_minor, d.fee_minor,
       d.fee_currency, d.currency, d.reason, d.reason_class, d.status, d.is_inquiry, d.liability, d.booked, d.respond_by,
       d.opened_at, d.created_at, d.updated_at, d.closed_at
FROM payments_dispute d JOIN payments_gatewayaccount g ON g.id = d.account_id;
