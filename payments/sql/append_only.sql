-- An attempt's history is a fact, as core_refuse_change() of the floor says.
CREATE TRIGGER attempt_history_is_fact BEFORE UPDATE OR DELETE ON payments_attemptevent
    FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
CREATE TRIGGER attempt_history_is_not_emptied BEFORE TRUNCATE ON payments_attemptevent
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();

-- Money that came is a fact too: it may be applied later, by a decided case, and nothing else of it may change.
CREATE FUNCTION payments_capture_is_fact() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.disposition = 'held' AND NEW.disposition = 'applied'
       AND (to_jsonb(NEW) - 'disposition') = (to_jsonb(OLD) - 'disposition') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'payments_capture is a fact: % refused', TG_OP USING ERRCODE = 'check_violation';
END;
$$;
CREATE TRIGGER capture_is_fact BEFORE UPDATE OR DELETE ON payments_capture
    FOR EACH ROW EXECUTE FUNCTION payments_capture_is_fact();
CREATE TRIGGER captures_are_not_emptied BEFORE TRUNCATE ON payments_capture
    FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change();
