-- %(count)s orders named %(word)s-1, -2, ...: each of one shop and with shipping, as the order service told them.
INSERT INTO payments_shop (id, name, email, is_active, created_at)
SELECT 'bench-shop-' || n, 'Shop ' || n, '', true, now() FROM generate_series(0, %(shops)s - 1) AS n
ON CONFLICT DO NOTHING;

INSERT INTO payments_order (id, order_id, customer, amount_minor, currency, status, source, description, locale,
                            buyer_name, buyer_email, buyer_phone, created_at)
SELECT 'ord_' || %(word)s || lpad(to_hex(n), 12, '0'), %(word)s || '-' || n, 'customer-' || n %% 50000, 100000 + n %% 9000 * 100,
    'VND', 'open', 'event', '', 'vi', '', '', '', now() - make_interval(secs => %(span)s * (%(count)s - n) / %(count)s::float8)
FROM generate_series(1, %(count)s) AS n;

INSERT INTO payments_shoporder (order_id, shop_id, shop_order_id, status, order_subtotal_minor,
    shop_funded_product_discount_minor, site_funded_product_discount_minor, shop_voucher_discount_minor,
    shipping_fee_minor, is_owed, is_shipping_invoiced)
SELECT 'ord_' || %(word)s || lpad(to_hex(n), 12, '0'), 'bench-shop-' || n %% %(shops)s, %(word)s || '-' || n || '-1', 'open',
    70000 + n %% 9000 * 100, 0, 0, 0, 30000, true, false
FROM generate_series(1, %(count)s) AS n;

INSERT INTO payments_orderplatformcost (order_id, site_order_voucher_discount_minor, site_promotion_discount_minor,
    site_shipping_discount_minor, total_site_funded_product_discount_minor)
SELECT 'ord_' || %(word)s || lpad(to_hex(n), 12, '0'), 0, 0, 0, 0 FROM generate_series(1, %(count)s) AS n;
