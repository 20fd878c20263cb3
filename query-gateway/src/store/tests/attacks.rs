//! What statements of users may not do, tried twice: as what is asked of the gateway, where nothing of it has a form in which
//! it could reach the server; and straight at the database, by somebody who has a connection of the readers and lifts every
//! limit that a session may lift.

/// Refused by the compiler, and by the server for want of rights. `{owner}` is the gateway's user, `{writer}` the process of its
/// writer.
pub(crate) const REFUSED: &[&str] = &[
    // Files of the server.
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_read_binary_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_stat_file('PG_VERSION')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/exported')",
    "COPY (SELECT 1) TO '/tmp/copied'",
    "COPY books FROM '/etc/passwd'",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY books FROM PROGRAM 'cat /etc/passwd'",
    // What is kept outside of tables.
    "SELECT lo_from_bytea(0, 'kept')",
    "SELECT lo_create(0)",
    "SELECT nextval('_numbers')",
    "SELECT txid_current()",
    // Other databases and programs.
    "SELECT dblink_connect('dbname=postgres')",
    "CREATE EXTENSION pg_trgm",
    "CREATE FOREIGN DATA WRAPPER other",
    // Somebody else.
    "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}",
    "SELECT set_config('role', 'none', false)",
    "SELECT set_config('statement_timeout', '0', false)",
    "CREATE ROLE another SUPERUSER",
    "GRANT SELECT ON _definitions TO PUBLIC",
    "ALTER SYSTEM SET fsync = off",
    "SELECT pg_reload_conf()",
    // Code.
    "DO $$ BEGIN END $$",
    "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER t BEFORE INSERT ON books EXECUTE FUNCTION f()",
    "SELECT query_to_xml('DELETE FROM books', true, true, '')",
    "SELECT ts_stat('DELETE FROM books')",
    // Locks and other sessions.
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock(1)",
    "SELECT pg_advisory_xact_lock_shared(1, 2)",
    "BEGIN; LOCK TABLE books IN ACCESS EXCLUSIVE MODE",
    "SELECT title FROM books FOR UPDATE",
    "SELECT pg_sleep(60)",
    "SELECT pg_sleep_for('1 minute')",
    "SELECT pg_terminate_backend({writer})",
    "SELECT pg_cancel_backend({writer})",
    "SELECT pg_notify('channel', 'payload')",
    "CHECKPOINT",
    // Tables.
    "CREATE TEMP TABLE t (n bigint)",
    "CREATE TABLE t (n bigint)",
    "CREATE VIEW v AS SELECT 1",
    "SELECT 1 AS n INTO t",
    "INSERT INTO books (isbn) VALUES ('1')",
    "UPDATE books SET title = ''",
    "UPDATE _gateway SET commits = 0",
    "DELETE FROM _sources",
    "WITH gone AS (DELETE FROM books RETURNING 1) SELECT * FROM gone",
    "TRUNCATE books",
    "DROP TABLE books",
    "ALTER TABLE books ADD COLUMN n bigint",
    // What is not published.
    "SELECT * FROM _definitions",
    "SELECT * FROM _versions",
    "SELECT * FROM _tables",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_catalog.pg_shadow",
    "SELECT * FROM pg_largeobject",
    "SELECT * FROM pg_statistic",
];

/// Refused by the compiler. The server lets everybody, but nothing comes of it.
pub(crate) const IDLE: &[&str] = &[
    "SET ROLE NONE",
    "RESET ROLE",
    "RESET ALL",
    "RESET SESSION AUTHORIZATION",
    "NOTIFY channel, 'payload'",
    "LISTEN channel",
    "SET default_transaction_read_only = off",
    "SET search_path = pg_catalog",
    "BEGIN; SELECT 1; COMMIT",
    "VACUUM _sources",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE s AS SELECT 1",
];

/// What would not end, or not for long. Users have no word for some of it.
pub(crate) const ENDLESS: &[&str] = &[
    "SELECT count(*) FROM generate_series(1, 1000000000000) AS n",
    "SELECT n FROM generate_series(1, 1000000000000) AS n ORDER BY md5(n::text) LIMIT 1",
    "SELECT count(DISTINCT n) FROM generate_series(1, 1000000000000) AS n",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    "SELECT length(string_agg(repeat('x', 100000), '')) FROM generate_series(1, 1000000000) AS n",
];
