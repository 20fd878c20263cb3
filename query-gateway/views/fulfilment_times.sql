-- How long the steps of an order took, by region of the customer, day of the order (UTC) and hours until it
-- arrived. A step counts as soon as it is done, also for an order that is cancelled later.
--
-- Times run from when the shop wrote the order down: one that was taken elsewhere comes with an earlier
-- order_time. `hours` is the number of hours within which it arrived, NULL as long as it has not; with it each
-- group is one bar of a histogram, of which any percentile can be told by adding up. The state of an order
-- is not looked at: once it is confirmed, only its shipment, or a customer who moves, costs something here.
CREATE MATERIALIZED VIEW fulfilment_times AS
SELECT
    COALESCE(c.region, 'UNKNOWN') AS region,
    date_trunc('day', o.order_time) AS day,
    CAST(ceil(extract(epoch FROM s.deliver_time - o.create_time) / 3600) AS BIGINT) AS hours,
    COUNT(*) AS confirmed,
    COUNT(s.dispatch_time) AS dispatched,
    COUNT(s.deliver_time) AS delivered,
    CAST(SUM(CAST(extract(epoch FROM o.confirm_time - o.create_time) * 1000000 AS BIGINT)) AS BIGINT)
        AS confirm_micros,
    CAST(SUM(CAST(extract(epoch FROM s.dispatch_time - o.confirm_time) * 1000000 AS BIGINT)) AS BIGINT)
        AS dispatch_micros,
    CAST(SUM(CAST(extract(epoch FROM s.deliver_time - s.dispatch_time) * 1000000 AS BIGINT)) AS BIGINT)
        AS deliver_micros
FROM orders AS o
LEFT JOIN customers AS c ON c.customer_id = o.customer_id
LEFT JOIN shipments AS s ON s.shipment_id = o.order_id
WHERE o.confirm_time IS NOT NULL
GROUP BY
    COALESCE(c.region, 'UNKNOWN'),
    date_trunc('day', o.order_time),
    CAST(ceil(extract(epoch FROM s.deliver_time - o.create_time) / 3600) AS BIGINT);
