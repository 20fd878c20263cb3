-- What was sold, by region of the customer, category, day (UTC) and currency. Cancelled orders do not count.
--
-- Categories and prices are those on the lines, as agreed when the order was placed. Orders of a customer
-- who was deleted since count under the region UNKNOWN: money that was earned does not vanish.
CREATE MATERIALIZED VIEW revenue_by_region AS
SELECT
    COALESCE(c.region, 'UNKNOWN') AS region,
    l.category AS category,
    date_trunc('day', o.order_time) AS day,
    l.unit_price_currency_code AS currency_code,
    COUNT(DISTINCT o.order_id) AS orders,
    CAST(SUM(l.quantity) AS BIGINT) AS units,
    CAST(SUM(l.quantity * l.unit_price_minor_units) AS BIGINT) AS revenue_minor
FROM orders AS o
JOIN order_lines AS l ON l.order_id = o.order_id
LEFT JOIN customers AS c ON c.customer_id = o.customer_id
WHERE o.state <> 'CANCELLED'
GROUP BY
    COALESCE(c.region, 'UNKNOWN'),
    l.category,
    date_trunc('day', o.order_time),
    l.unit_price_currency_code;
