-- The orders as they are now, each with the log of its saga. What they were is in the outbox, for as long as its feed
-- keeps it.
CREATE TABLE orders (
    order_id           TEXT    COLLATE "C" PRIMARY KEY, -- binary order is the order of lists and snapshots
    customer_id        TEXT    NOT NULL,             -- owned by another service: existed when the order was placed
    state              TEXT    NOT NULL CHECK (state IN ('PLACED', 'CONFIRMED', 'CANCELLING', 'CANCELLED',
                                                         'DISPATCHED', 'DELIVERED')),
    cancel_cause       TEXT    NOT NULL CHECK (cancel_cause IN ('', 'REQUESTED', 'OUT_OF_STOCK',
                                                                'PAYMENT_DECLINED', 'ID_USED_BEFORE')),
    cancel_reason      TEXT    NOT NULL,             -- in words; may be empty
    confirm_time       BIGINT,                       -- microseconds since 1970, UTC; NULL if it never was
    shipment_cancelled BOOLEAN NOT NULL,             -- while CANCELLING what was confirmed
    payment_method     TEXT    NOT NULL CHECK (payment_method IN ('INVOICE', 'CARD')),
    payment_token      TEXT    NOT NULL,             -- stands for a card; empty for an invoice; never shown
    order_time         BIGINT  NOT NULL,             -- microseconds since 1970, UTC; by the customer's account
    currency_code      TEXT    NOT NULL,             -- of all prices in the order
    total_minor_units  BIGINT  NOT NULL,             -- sum over the lines of quantity * unit price
    -- 1 to 256 lines as agreed: [{sku, display_name, category, quantity, unit_price_minor_units}, ...].
    -- Not a table of their own, since they are always read and written with their order; to look into them:
    -- SELECT order_id, line ->> 'sku' FROM orders, jsonb_array_elements(lines) AS line
    lines              JSONB   NOT NULL CHECK (jsonb_array_length(lines) BETWEEN 1 AND 256),
    note               TEXT    NOT NULL,
    sequence           BIGINT  NOT NULL,             -- of the change that wrote the row last
    version            BIGINT  NOT NULL,             -- how often the row was written; with the sequence, the etag
    create_time        BIGINT  NOT NULL,             -- microseconds since 1970, UTC
    update_time        BIGINT  NOT NULL,             -- microseconds since 1970, UTC
    CHECK ((cancel_cause <> '') = (state IN ('CANCELLING', 'CANCELLED'))),
    CHECK ((payment_token <> '') = (payment_method = 'CARD'))
);

-- What a saga still has to bring to its end: few rows, found without reading all others.
CREATE INDEX orders_unfinished ON orders (order_id) WHERE state IN ('PLACED', 'CANCELLING');
