-- The customers as they are now. What they were is in the outbox, for as long as its feed keeps it.
CREATE TABLE customers (
    customer_id  TEXT   COLLATE "C" PRIMARY KEY, -- binary order is the order of lists and snapshots
    display_name TEXT   NOT NULL,
    email        TEXT   NOT NULL,                -- empty: none
    region       TEXT   NOT NULL,
    segment      TEXT   NOT NULL,                -- empty: none
    sequence     BIGINT NOT NULL,                -- of the change that wrote the row last
    version      BIGINT NOT NULL,                -- how often the row was written; with the sequence, the etag
    create_time  BIGINT NOT NULL,                -- microseconds since 1970, UTC
    update_time  BIGINT NOT NULL                 -- microseconds since 1970, UTC
);
