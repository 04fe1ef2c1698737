-- For every text key Django adds a second index for LIKE 'prefix%'. Nothing here searches so, and on tables that take a
-- row per payment each index is paid for with every payment.
DO $$
DECLARE spare text;
BEGIN
    FOR spare IN SELECT indexname FROM pg_indexes WHERE tablename LIKE 'payments\_%' AND indexname LIKE '%\_like' LOOP
        EXECUTE format('DROP INDEX %I', spare);
    END LOOP;
END;
$$;
