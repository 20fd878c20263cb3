-- The customers as they are now. What they were is in the outbox, for as long as its feed keeps it.
CREATE TABLE customers (
    customer_id  TEXT    NOT NULL PRIMARY KEY, -- binary order is the order of lists and snapshots
    display_name TEXT    NOT NULL,
    email        TEXT    NOT NULL,             -- empty: none
    region       TEXT    NOT NULL,
    segment      TEXT    NOT NULL,             -- empty: none
    sequence     INTEGER NOT NULL,             -- of the change that wrote the row last
    version      INTEGER NOT NULL,             -- how often the row was written; with the sequence, the etag
    create_time  INTEGER NOT NULL,             -- microseconds since 1970, UTC
    update_time  INTEGER NOT NULL              -- microseconds since 1970, UTC
) STRICT, WITHOUT ROWID;
