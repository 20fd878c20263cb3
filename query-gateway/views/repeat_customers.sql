-- In which months (UTC) each customer ordered. Cancelled orders do not count. Those of customers who were
-- deleted since do.
CREATE MATERIALIZED VIEW customer_months AS
SELECT customer_id, date_trunc('month', order_time) AS month, COUNT(*) AS orders
FROM orders
WHERE state <> 'CANCELLED'
GROUP BY customer_id, date_trunc('month', order_time);

-- How many customers ordered in each month, and how many of them had in an earlier one. Another order of a
-- customer in the same month ends at customer_months, whose count is not read here.
CREATE MATERIALIZED VIEW repeat_customers AS
SELECT
    m.month AS month,
    COUNT(*) AS customers,
    COUNT(*) FILTER (WHERE f.first_month < m.month) AS repeat_customers
FROM customer_months AS m
JOIN (
    SELECT customer_id, MIN(month) AS first_month FROM customer_months GROUP BY customer_id
) AS f ON f.customer_id = m.customer_id
GROUP BY m.month;
