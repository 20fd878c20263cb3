//! The chassis' own tables.

use crate::outbox::rows::Migration;

/// Numbers of 64 bits are kept as signed ones with the same bits.
pub(super) const MIGRATIONS: [Migration; 2] = [(1, "outbox", OUTBOX), (2, "followed", FOLLOWED)];

const OUTBOX: &str = "
    -- Where the log ends and begins: one row. `oldest` is the last change that was pruned.
    CREATE TABLE tributary_log (
        only_row        INTEGER PRIMARY KEY CHECK (only_row = 1),
        service         TEXT    NOT NULL,
        epoch           TEXT    NOT NULL,
        head_sequence   INTEGER NOT NULL,
        head_digest     INTEGER NOT NULL,
        oldest_sequence INTEGER NOT NULL,
        oldest_digest   INTEGER NOT NULL
    ) STRICT;

    -- Gapless from oldest_sequence + 1 to head_sequence.
    CREATE TABLE tributary_changes (
        sequence        INTEGER PRIMARY KEY,
        digest          INTEGER NOT NULL,
        last_in_command INTEGER NOT NULL,
        change          BLOB    NOT NULL   -- tributary.feed.v1.Change
    ) STRICT;

    CREATE TABLE tributary_replies (
        request_id  TEXT    PRIMARY KEY,
        digest      BLOB    NOT NULL,      -- SHA-256 of method and request
        body        BLOB    NOT NULL,      -- the method's reply message
        positions   TEXT    NOT NULL,      -- what the reply stands on
        commit_time INTEGER NOT NULL       -- microseconds since 1970
    ) STRICT;
    CREATE INDEX tributary_replies_by_time ON tributary_replies (commit_time);
    ";

const FOLLOWED: &str = "
    -- Through where the feeds of other services are followed: what came before has had its effects here.
    CREATE TABLE tributary_followed (
        source   TEXT    PRIMARY KEY,      -- as we call it
        service  TEXT    NOT NULL,         -- the position, as its feed gave it
        epoch    TEXT    NOT NULL,
        sequence INTEGER NOT NULL,
        digest   INTEGER NOT NULL
    ) STRICT;
    ";
