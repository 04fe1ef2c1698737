-- What happened to the payments of a word: nine in ten were paid, the rest failed, expired or still wait. Spread over time.
UPDATE payments_payment p SET
    status = CASE WHEN n %% 10 < 8 OR n %% 100 = 99 THEN 'succeeded' WHEN n %% 100 = 88 THEN 'failed'
                  WHEN n %% 100 = 89 THEN 'awaiting_payment' ELSE 'expired' END,
    captured_minor = CASE WHEN n %% 10 < 8 OR n %% 100 = 99 THEN amount_minor ELSE 0 END,
    refunded_minor = CASE WHEN n %% 200 = 99 THEN amount_minor / 2 ELSE 0 END,
    is_late = n %% 1000 = 199
FROM (SELECT o.id, substring(o.order_id FROM '[0-9]+$')::bigint AS n FROM payments_order o
      WHERE o.id LIKE 'ord\_' || %(word)s || '%%') o
WHERE p.order_id = o.id;

UPDATE payments_attempt a SET status = CASE p.status WHEN 'awaiting_payment' THEN 'requires_action' ELSE p.status END,
    gateway_transaction_id = CASE p.status WHEN 'succeeded' THEN (4000000000 + hashtext(p.id))::text ELSE '' END,
    next_query_at = CASE p.status WHEN 'awaiting_payment' THEN a.next_query_at END
FROM payments_payment p WHERE p.id = a.payment_id AND p.id LIKE 'pay\_' || %(word)s || '%%';

INSERT INTO payments_capture (id, account_id, gateway_transaction_id, attempt_id, payment_id, amount_minor, currency,
    disposition, journal_reference, occurred_at, created_at)
SELECT 'cap_' || substr(p.id, 5), %(account)s, substr(p.id, 5), 'att_' || substr(p.id, 5), p.id, p.amount_minor, p.currency,
    'applied', 'cap:' || p.id, p.created_at, p.created_at
FROM payments_payment p WHERE p.status = 'succeeded' AND p.id LIKE 'pay\_' || %(word)s || '%%' ORDER BY p.created_at;

INSERT INTO payments_notification (id, gateway, account_id, dedupe_key, method, path, query, headers, proof, body, status, outcome,
    error, attempt_id, payment_id, deliveries, tries, received_at, processed_at)
SELECT 'ntf_' || substr(c.payment_id, 5), 'momo', c.account_id, c.id, 'POST', '/v1/transaction/callback', '', '{}', '', '',
    'processed', 'applied', '', c.attempt_id, c.payment_id, 1, 0, c.created_at, c.created_at
FROM payments_capture c WHERE c.id LIKE 'cap\_' || %(word)s || '%%' ORDER BY c.created_at;

INSERT INTO core_auditentry (actor, action, object_type, object_id, reason, request_id, trace_id, created_at)
SELECT 'gateway:momo', 'payment.succeeded', 'payment', c.payment_id, '', '', '', c.created_at
FROM payments_capture c WHERE c.id LIKE 'cap\_' || %(word)s || '%%' ORDER BY c.created_at;

INSERT INTO core_outboxevent (event_id, type, version, key, aggregate_type, aggregate_id, sequence, data, occurred_at,
    trace_id, traceparent, request_id, created_at, attempts, error, published_at, fanned_out_at, partition, "offset")
SELECT 'evt_' || substr(c.payment_id, 5), 'payment.completed', 1, c.payment_id, 'payment', c.payment_id, 2, '{}', c.created_at,
    '', '', '', c.created_at, 0, '', c.created_at, c.created_at, 0, 0
FROM payments_capture c WHERE c.id LIKE 'cap\_' || %(word)s || '%%' ORDER BY c.created_at;
