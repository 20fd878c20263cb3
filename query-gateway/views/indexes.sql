-- By which the typed queries find what belongs to one customer, the last first, and when the last order was.
CREATE INDEX ON orders (customer_id, order_time DESC, order_id);
CREATE INDEX ON orders (order_time);
CREATE INDEX ON payments (customer_id, state);
CREATE INDEX ON shipments (customer_id, state);
