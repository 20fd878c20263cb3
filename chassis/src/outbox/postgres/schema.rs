//! The chassis' own tables.

use crate::outbox::rows::Migration;

/// Numbers of 64 bits are kept as signed ones with the same bits.
pub(super) const MIGRATIONS: [Migration; 1] = [(1, "outbox", OUTBOX)];

const OUTBOX: &str = "
    -- Where the log ends and begins: one row, whose lock is that of the store. `oldest` is the last change that was pruned.
    CREATE TABLE tributary_log (
        only_row        BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
        service         TEXT    NOT NULL,
        epoch           TEXT    NOT NULL,
        head_sequence   BIGINT  NOT NULL,
        head_digest     BIGINT  NOT NULL,
        head_time       BIGINT  NOT NULL,  -- microseconds since 1970 of the last commit: the next is not before it
        oldest_sequence BIGINT  NOT NULL,
        oldest_digest   BIGINT  NOT NULL
    ) WITH (fillfactor = 10);              -- it is written by every commit: room for that on its page

    -- Gapless from oldest_sequence + 1 to head_sequence.
    CREATE TABLE tributary_changes (
        sequence        BIGINT  PRIMARY KEY,
        digest          BIGINT  NOT NULL,
        last_in_command BOOLEAN NOT NULL,
        change          BYTEA   NOT NULL   -- tributary.feed.v1.Change
    );

    CREATE TABLE tributary_replies (
        request_id  TEXT COLLATE \"C\" PRIMARY KEY,
        digest      BYTEA   NOT NULL,      -- SHA-256 of method and request
        body        BYTEA   NOT NULL,      -- the method's reply message
        positions   TEXT    NOT NULL,      -- what the reply stands on
        commit_time BIGINT  NOT NULL       -- microseconds since 1970
    );
    CREATE INDEX tributary_replies_by_time ON tributary_replies (commit_time);

    -- Through where the feeds of other services are followed: what came before has had its effects here.
    CREATE TABLE tributary_followed (
        source   TEXT   COLLATE \"C\" PRIMARY KEY, -- as we call it
        service  TEXT   NOT NULL,          -- the position, as its feed gave it
        epoch    TEXT   NOT NULL,
        sequence BIGINT NOT NULL,
        digest   BIGINT NOT NULL
    );
    ";
