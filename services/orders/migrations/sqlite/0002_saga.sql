-- An order has more states, and its row is the log of its saga. SQLite cannot change a CHECK: the table is
-- made anew, and every row is taken over. What the version before left PLACED goes through the saga; what it
-- left CANCELLED was cancelled by a caller, since nobody else could.
CREATE TABLE orders_with_saga (
    order_id           TEXT    NOT NULL PRIMARY KEY, -- binary order is the order of lists and snapshots
    customer_id        TEXT    NOT NULL,             -- owned by another service: existed when the order was placed
    state              TEXT    NOT NULL CHECK (state IN ('PLACED', 'CONFIRMED', 'CANCELLING', 'CANCELLED',
                                                         'DISPATCHED', 'DELIVERED')),
    cancel_cause       TEXT    NOT NULL CHECK (cancel_cause IN ('', 'REQUESTED', 'OUT_OF_STOCK',
                                                                'PAYMENT_DECLINED', 'ID_USED_BEFORE')),
    cancel_reason      TEXT    NOT NULL,             -- in words; may be empty
    confirm_time       INTEGER,                      -- microseconds since 1970, UTC; NULL if it never was
    shipment_cancelled INTEGER NOT NULL CHECK (shipment_cancelled IN (0, 1)), -- while CANCELLING what was confirmed
    payment_method     TEXT    NOT NULL CHECK (payment_method IN ('INVOICE', 'CARD')),
    payment_token      TEXT    NOT NULL,             -- stands for a card; empty for an invoice; never shown
    order_time         INTEGER NOT NULL,             -- microseconds since 1970, UTC; by the customer's account
    currency_code      TEXT    NOT NULL,             -- of all prices in the order
    total_minor_units  INTEGER NOT NULL,             -- sum over the lines of quantity * unit price
    -- 1 to 256 lines as agreed: [{sku, display_name, category, quantity, unit_price_minor_units}, ...].
    -- Not a table of their own, since they are always read and written with their order; to look into them:
    -- SELECT order_id, line.value ->> 'sku' FROM orders, json_each(lines) AS line
    lines              TEXT    NOT NULL CHECK (json_array_length(lines) BETWEEN 1 AND 256),
    note               TEXT    NOT NULL,
    sequence           INTEGER NOT NULL,             -- of the change that wrote the row last
    version            INTEGER NOT NULL,             -- how often the row was written; with the sequence, the etag
    create_time        INTEGER NOT NULL,             -- microseconds since 1970, UTC
    update_time        INTEGER NOT NULL,             -- microseconds since 1970, UTC
    CHECK ((cancel_cause <> '') = (state IN ('CANCELLING', 'CANCELLED'))),
    CHECK ((payment_token <> '') = (payment_method = 'CARD'))
) STRICT; -- with a rowid: rows may be large, and the tree of keys stays small

INSERT INTO orders_with_saga
SELECT order_id, customer_id, state, CASE state WHEN 'CANCELLED' THEN 'REQUESTED' ELSE '' END, cancel_reason,
       NULL, 0, 'INVOICE', '', order_time, currency_code, total_minor_units, lines, note, sequence, version,
       create_time, update_time
FROM orders;

DROP TABLE orders;
ALTER TABLE orders_with_saga RENAME TO orders;

-- What a saga still has to bring to its end: few rows, found without reading all others.
CREATE INDEX orders_unfinished ON orders (order_id) WHERE state IN ('PLACED', 'CANCELLING');
