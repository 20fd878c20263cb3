-- How much of each product was sold, by currency. Cancelled orders do not count.
--
-- One row for a product and currency, whatever the product was called when it was ordered: name and
-- category are those of the catalog now, and of a product that was deleted since those on its lines (of
-- several the greatest, so that the answer does not depend on chance).
CREATE MATERIALIZED VIEW product_sales AS
SELECT
    l.sku AS sku,
    COALESCE(p.display_name, MAX(l.display_name)) AS display_name,
    COALESCE(p.category, MAX(l.category)) AS category,
    l.unit_price_currency_code AS currency_code,
    COUNT(DISTINCT l.order_id) AS orders,
    CAST(SUM(l.quantity) AS BIGINT) AS units,
    CAST(SUM(l.quantity * l.unit_price_minor_units) AS BIGINT) AS revenue_minor
FROM orders AS o
JOIN order_lines AS l ON l.order_id = o.order_id
LEFT JOIN products AS p ON p.sku = l.sku
WHERE o.state <> 'CANCELLED'
GROUP BY l.sku, l.unit_price_currency_code, p.display_name, p.category;
