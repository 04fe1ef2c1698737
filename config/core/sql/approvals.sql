-- What two people agreed on stays what it was: the payload, who asked, and a decision once taken.
-- Without this, raw SQL could clear the maker and then approve one's own work.
CREATE OR REPLACE FUNCTION core_guard_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.action, NEW.object_type, NEW.object_id, NEW.payload, NEW.payload_hash, NEW.amount_minor,
        NEW.currency, NEW.maker_id, NEW.maker_name, NEW.created_at)
       IS DISTINCT FROM
       (OLD.id, OLD.action, OLD.object_type, OLD.object_id, OLD.payload, OLD.payload_hash, OLD.amount_minor,
        OLD.currency, OLD.maker_id, OLD.maker_name, OLD.created_at)
    THEN
        RAISE EXCEPTION 'approval %: what was asked for is never edited', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.status <> 'pending'
       AND (NEW.status, NEW.checker_id, NEW.decided_at) IS DISTINCT FROM (OLD.status, OLD.checker_id, OLD.decided_at)
    THEN
        RAISE EXCEPTION 'approval %: a decision is final', OLD.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER approvals_are_not_edited BEFORE UPDATE ON core_approval
    FOR EACH ROW EXECUTE FUNCTION core_guard_approval();
CREATE TRIGGER approvals_are_kept BEFORE DELETE ON core_approval
    FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER approvals_are_not_emptied BEFORE TRUNCATE ON core_approval
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
