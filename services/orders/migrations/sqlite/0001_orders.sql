-- The orders as they are now. What they were is in the outbox, for as long as its feed keeps it.
CREATE TABLE orders (
    order_id          TEXT    NOT NULL PRIMARY KEY, -- binary order is the order of lists and snapshots
    customer_id       TEXT    NOT NULL,             -- owned by another service: existed when the order was placed
    state             TEXT    NOT NULL CHECK (state IN ('PLACED', 'CANCELLED')),
    cancel_reason     TEXT    NOT NULL,             -- empty unless cancelled
    order_time        INTEGER NOT NULL,             -- microseconds since 1970, UTC; by the customer's account
    currency_code     TEXT    NOT NULL,             -- of all prices in the order
    total_minor_units INTEGER NOT NULL,             -- sum over the lines of quantity * unit price
    -- 1 to 256 lines as agreed: [{sku, display_name, category, quantity, unit_price_minor_units}, ...].
    -- Not a table of their own, since they are always read and written with their order; to look into them:
    -- SELECT order_id, line.value ->> 'sku' FROM orders, json_each(lines) AS line
    lines             TEXT    NOT NULL CHECK (json_array_length(lines) BETWEEN 1 AND 256),
    note              TEXT    NOT NULL,
    sequence          INTEGER NOT NULL,             -- of the change that wrote the row last
    version           INTEGER NOT NULL,             -- how often the row was written; with the sequence, the etag
    create_time       INTEGER NOT NULL,             -- microseconds since 1970, UTC
    update_time       INTEGER NOT NULL              -- microseconds since 1970, UTC
) STRICT; -- with a rowid: rows may be large, and the tree of keys stays small
