-- %(count)s journals of two lines on the account %(code)s, spread over two years, and folded sums made from them afterwards.
INSERT INTO ledger_journal (booked_at, effective_on, lines, reference, request_hash, event, subject, order_ref, actor, reason)
SELECT now() - make_interval(secs => 63000000.0 * (%(count)s - n) / %(count)s),
    (now() - make_interval(secs => 63000000.0 * (%(count)s - n) / %(count)s))::date, 2, 'bench:line:' || n,
    sha256('bench'), 'bench', '', '', 'system', ''
FROM generate_series(1, %(count)s) AS n;

INSERT INTO ledger_line (journal_id, account_id, amount, booked_at, effective_on, line, currency, mode)
SELECT j.id, a.id, CASE WHEN a.code = %(code)s THEN 1000 ELSE -1000 END, j.booked_at, j.effective_on,
    CASE WHEN a.code = %(code)s THEN 1 ELSE 2 END, 'VND', 'H'
FROM ledger_journal j CROSS JOIN ledger_account a
WHERE j.event = 'bench' AND a.code IN (%(code)s, %(other)s) ORDER BY j.id, a.id;
