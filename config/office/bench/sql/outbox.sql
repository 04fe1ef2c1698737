-- %(count)s facts that wait to be told, two of each order; the last %(count)s positions.
INSERT INTO core_outboxevent (event_id, type, version, key, aggregate_type, aggregate_id, sequence, data, occurred_at,
                              trace_id, traceparent, request_id, created_at, attempts, error)
SELECT 'evt_' || %(word)s || lpad(to_hex(n), 12, '0'), 'transaction.created', 1, %(word)s || '-' || n / 2, 'payment',
    %(word)s || '-' || n, 1,
    jsonb_build_object('transaction_id', 'att_' || n, 'payment_id', 'pay_' || n, 'order_id', %(word)s || '-' || n / 2,
                       'amount', '960000', 'amount_minor', 960000, 'currency', 'VND', 'status', 'PENDING'),
    now(), md5(n::text), '', 'req_' || md5(n::text), now(), 0, ''
FROM generate_series(1, %(count)s) AS n;
