-- One row for each customer, also for those without orders: how much they ordered, by currency, and when
-- last. Cancelled orders do not count.
CREATE MATERIALIZED VIEW customer_overview AS
SELECT
    c.customer_id AS customer_id,
    c.display_name AS display_name,
    c.region AS region,
    c.segment AS segment,
    COALESCE(o.orders, 0) AS orders,
    COALESCE(r.revenue, CAST('[]' AS JSONB)) AS revenue,
    o.last_order_time AS last_order_time
FROM customers AS c
LEFT JOIN (
    SELECT customer_id, COUNT(*) AS orders, MAX(order_time) AS last_order_time
    FROM orders
    WHERE state <> 'CANCELLED'
    GROUP BY customer_id
) AS o ON o.customer_id = c.customer_id
LEFT JOIN (
    SELECT
        customer_id,
        jsonb_agg(
            jsonb_build_object('currency_code', currency_code, 'revenue_minor', revenue_minor)
            ORDER BY currency_code
        ) AS revenue
    FROM (
        SELECT
            customer_id,
            total_currency_code AS currency_code,
            CAST(SUM(total_minor_units) AS BIGINT) AS revenue_minor
        FROM orders
        WHERE state <> 'CANCELLED'
        GROUP BY customer_id, total_currency_code
    ) AS by_currency
    GROUP BY customer_id
) AS r ON r.customer_id = c.customer_id;
