//! The chassis' own tables, and how tables come to be.

use sqlx::{
    SqlSafeStr as _, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

/// Where the chassis keeps which of its migrations have run; the service's have the default table.
const MIGRATIONS_TABLE: &str = "tributary_migrations";

/// Numbers of 64 bits are kept as signed ones with the same bits.
pub(super) const MIGRATIONS: [(i64, &str, &str); 2] = [(1, "outbox", OUTBOX), (2, "followed", FOLLOWED)];

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

/// Brings the chassis' tables up to date.
pub(super) async fn migrate_chassis(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    let mut migrator = migrator(MIGRATIONS);
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator.run(connection).await
}

/// Brings the service's tables up to date.
pub(super) async fn migrate_service(
    connection: &mut SqliteConnection,
    migrations: Vec<(i64, &'static str, &'static str)>,
) -> Result<(), MigrateError> {
    migrator(migrations).run(connection).await
}

fn migrator(migrations: impl IntoIterator<Item = (i64, &'static str, &'static str)>) -> Migrator {
    Migrator::with_migrations(migrations.into_iter().map(migration).collect())
}

fn migration((version, name, sql): (i64, &'static str, &'static str)) -> Migration {
    Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
}
