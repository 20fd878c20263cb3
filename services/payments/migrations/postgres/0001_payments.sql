-- The payments as they are now. What they were is in the outbox, for as long as its feed keeps it.
CREATE TABLE payments (
    payment_id    TEXT    COLLATE "C" PRIMARY KEY, -- binary order is the order of lists and snapshots
    state         TEXT    NOT NULL
                  CHECK (state IN ('PENDING', 'AUTHORIZED', 'DECLINED', 'CAPTURED', 'VOIDED', 'REFUNDED')),
    -- What the processor was asked for and is not known to have answered; empty: nothing.
    unanswered    TEXT    NOT NULL CHECK (unanswered IN ('', 'authorize', 'capture', 'void', 'refund')),
    decline_code  TEXT    NOT NULL,             -- empty unless declined
    -- The charge. All of it is NULL in a payment that was voided before it was authorized.
    order_id      TEXT,                         -- owned by another service
    customer_id   TEXT,                         -- owned by another service
    currency_code TEXT,
    minor_units   BIGINT  CHECK (minor_units >= 0),
    token         TEXT,                         -- whoever has it can charge: it never leaves this table
    sequence      BIGINT  NOT NULL,             -- of the change that wrote the row last
    version       BIGINT  NOT NULL,             -- how often the row was written; with the sequence, the etag
    create_time   BIGINT  NOT NULL,             -- microseconds since 1970, UTC
    update_time   BIGINT  NOT NULL,             -- microseconds since 1970, UTC
    CHECK ((unanswered = 'authorize') = (state = 'PENDING')),
    CHECK (unanswered NOT IN ('capture', 'void') OR state = 'AUTHORIZED'),
    CHECK (unanswered <> 'refund' OR state = 'CAPTURED'),
    CHECK (token IS NOT NULL OR state = 'VOIDED')
);

-- Few at any time, among however many payments: what has to be asked for again.
CREATE INDEX payments_unanswered ON payments (payment_id) WHERE unanswered <> '';
