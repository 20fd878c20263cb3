-- Units of each product sold on each day (UTC), whatever they cost. Cancelled orders do not count.
CREATE MATERIALIZED VIEW daily_sales AS
SELECT l.sku AS sku, date_trunc('day', o.order_time) AS day, CAST(SUM(l.quantity) AS BIGINT) AS units
FROM orders AS o
JOIN order_lines AS l ON l.order_id = o.order_id
WHERE o.state <> 'CANCELLED'
GROUP BY l.sku, date_trunc('day', o.order_time);

CREATE INDEX ON daily_sales (sku, day);
