-- What auditors read of the books: every line signed (debit above zero), and what each account holds now.
CREATE VIEW audit_v1.ledger_entry AS
SELECT j.id AS journal_id, j.reference AS idem_key, j.event, a.code AS account, l.currency, l.amount AS amount_minor,
       split_part(j.subject, '_', 1) AS ref_type, j.subject AS ref_id, l.effective_on, l.booked_at
FROM ledger_line l
JOIN ledger_journal j ON j.id = l.journal_id
JOIN ledger_account a ON a.id = l.account_id;

CREATE VIEW audit_v1.account_balance AS
SELECT a.code AS account, a.currency, ledger_balance_now(a.id) AS balance_minor FROM ledger_account a;
