-- What auditors read of payments.
CREATE VIEW audit_v1.payment AS
SELECT p.id, o.order_id, g.gateway, p.amount_minor, p.captured_minor, p.refunded_minor, p.currency, p.status,
       p.created_at, p.updated_at
FROM payments_payment p
JOIN payments_order o ON o.id = p.order_id
JOIN payments_paymentmethod m ON m.id = p.method_id
JOIN payments_gatewayaccount g ON g.id = m.account_id;

CREATE VIEW audit_v1.attempt AS
SELECT a.id, a.payment_id, g.gateway, a.gateway_transaction_id, a.status, a.amount_minor, a.currency, a.created_at,
       a.updated_at, a.gateway_reference
FROM payments_attempt a JOIN payments_gatewayaccount g ON g.id = a.account_id;

CREATE VIEW audit_v1.capture AS
SELECT c.id, c.payment_id, c.attempt_id, g.gateway, c.gateway_transaction_id, c.amount_minor, c.currency, c.disposition,
       c.journal_reference AS idem_key, c.occurred_at, c.created_at
FROM payments_capture c JOIN payments_gatewayaccount g ON g.id = c.account_id;

CREATE VIEW audit_v1.notification AS
SELECT id, gateway, dedupe_key, payment_id, outcome, received_at FROM payments_notification;

CREATE VIEW audit_v1.refund AS
SELECT r.id, r.payment_id, r.amount_minor, r.currency, r.status, r.requested_by AS maker, u.email AS checker, r.created_at
FROM payments_refund r
LEFT JOIN core_approval a ON a.id = r.approval_id
LEFT JOIN core_user u ON u.id = a.checker_id;

CREATE VIEW audit_v1.money_case AS
SELECT id, kind, payment_id, amount_minor, currency, status FROM payments_moneycase;
