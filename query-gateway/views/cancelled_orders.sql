-- Orders that came to nothing, by cause, day of the order (UTC) and currency. An order that is being cancelled
-- is none yet: until it is CANCELLED it counts as sold.
CREATE MATERIALIZED VIEW cancelled_orders AS
SELECT
    cancel_cause AS cause,
    date_trunc('day', order_time) AS day,
    total_currency_code AS currency_code,
    COUNT(*) AS orders,
    CAST(SUM(total_minor_units) AS BIGINT) AS total_minor
FROM orders
WHERE state = 'CANCELLED'
GROUP BY cancel_cause, date_trunc('day', order_time), total_currency_code;
