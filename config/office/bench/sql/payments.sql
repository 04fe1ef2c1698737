-- A payment by MoMo for each order of the word, sent to the gateway and waiting for its notification.
INSERT INTO payments_payment (id, order_id, method_id, customer, amount_minor, currency, captured_minor, refunding_minor,
    refunded_minor, disputed_minor, status, failure_code, is_late, events_count, client, idempotency_key, fingerprint,
    return_url, notify_url, locale, traceparent, expires_at, created_at, updated_at)
SELECT 'pay_' || substr(o.id, 5), o.id, %(method)s, o.customer, o.amount_minor, o.currency, 0, 0, 0, 0, 'awaiting_payment', '',
    false, 1, 'bench', NULL, '', '', '', 'vi', '', o.created_at + interval '90 minutes', o.created_at, o.created_at
FROM payments_order o WHERE o.id LIKE 'ord\_' || %(word)s || '%%' ORDER BY o.created_at;

INSERT INTO payments_attempt (id, payment_id, account_id, method_id, number, gateway_reference, gateway_transaction_id,
    amount_minor, currency, status, failure_code, failure_message, request, response, pay_url, qr_text, deeplink,
    expires_at, next_query_at, queries, created_at, updated_at)
SELECT 'att_' || substr(o.id, 5), 'pay_' || substr(o.id, 5), %(account)s, %(method)s, 1, upper(substr(o.id, 5)), '',
    o.amount_minor, o.currency, 'requires_action', '', '', '{}', '{}', 'http://127.0.0.1/pay', '', '',
    o.created_at + interval '90 minutes', o.created_at + interval '30 seconds', 0, o.created_at, o.created_at
FROM payments_order o WHERE o.id LIKE 'ord\_' || %(word)s || '%%' ORDER BY o.created_at;
