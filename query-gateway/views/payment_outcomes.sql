-- How payments went, by segment of the customer and currency: those that were declined by the processor's code,
-- all others, whatever became of them, in one row with an empty code.
--
-- Payments of a customer who was deleted since count under the segment UNKNOWN.
CREATE MATERIALIZED VIEW payment_outcomes AS
SELECT
    COALESCE(c.segment, 'UNKNOWN') AS segment,
    p.amount_currency_code AS currency_code,
    p.state = 'DECLINED' AS declined,
    p.decline_code AS decline_code,
    COUNT(*) AS payments,
    CAST(SUM(p.amount_minor_units) AS BIGINT) AS amount_minor
FROM payments AS p
LEFT JOIN customers AS c ON c.customer_id = p.customer_id
GROUP BY COALESCE(c.segment, 'UNKNOWN'), p.amount_currency_code, p.state = 'DECLINED', p.decline_code;
