use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};

use super::*;

/// A file with a public and a hidden table, and a guarded connection to it.
async fn guarded(directory: &tempfile::TempDir) -> SqliteConnection {
    let options =
        SqliteConnectOptions::new().filename(directory.path().join("store.db")).create_if_missing(true);
    let mut owner = SqliteConnection::connect_with(&options).await.unwrap();
    let schema = "CREATE TABLE books (id INTEGER, title TEXT) STRICT; CREATE INDEX by_title ON books (title); INSERT INTO books VALUES (1, 'Emma'), (2, 'Faust');
                  CREATE TABLE hidden (id INTEGER) STRICT; INSERT INTO hidden VALUES (7);
                  CREATE VIEW upper_titles AS SELECT pg_upper(title) AS title FROM books;";
    sqlx::raw_sql(schema).execute(&mut owner).await.unwrap();
    owner.close().await.unwrap();
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    prepare(&mut conn).await.unwrap();
    guard_reader(&mut conn, |relation| relation != "hidden").await.unwrap();
    conn
}

async fn run(conn: &mut SqliteConnection, sql: &str) -> Result<usize, sqlx::Error> {
    sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false).fetch_all(conn).await.map(|rows| rows.len())
}

#[tokio::test]
async fn reads_are_let_through() {
    let directory = tempfile::tempdir().unwrap();
    let mut conn = guarded(&directory).await;
    for sql in [
        "SELECT * FROM books",
        "SELECT * FROM upper_titles",
        "SELECT count(*), max(title) FROM books",
        "SELECT pg_sum_numeric(id) FROM books",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT * FROM n",
        "SELECT row_number() OVER (ORDER BY id) FROM books",
        "SELECT string_agg(title, ',' ORDER BY id) FROM books",
        "SELECT CASE WHEN id = 1 THEN coalesce(NULL, 'x') END FROM books WHERE id IN (1, 2) AND title IS NOT NULL",
    ] {
        assert!(run(&mut conn, sql).await.is_ok(), "{sql}");
    }
}

#[tokio::test]
async fn all_else_is_refused_and_leaves_no_trace() {
    let directory = tempfile::tempdir().unwrap();
    let mut conn = guarded(&directory).await;
    let path = directory.path().join("other.db");
    let before = std::fs::read(directory.path().join("store.db")).unwrap();
    let corpus = [
        format!("ATTACH DATABASE '{}' AS other", path.display()),
        format!("VACUUM INTO '{}'", path.display()),
        "VACUUM".into(),
        "DETACH DATABASE main".into(),
        "PRAGMA user_version = 7".into(),
        "PRAGMA user_version".into(),
        "PRAGMA writable_schema = ON".into(),
        "PRAGMA query_only = OFF".into(),
        "PRAGMA journal_mode = OFF".into(),
        "SELECT * FROM pragma_table_info('books')".into(),
        "SELECT * FROM pragma_database_list".into(),
        "SELECT * FROM sqlite_master".into(),
        "SELECT * FROM sqlite_schema".into(),
        "SELECT * FROM main.sqlite_master".into(),
        "SELECT * FROM sqlite_temp_master".into(),
        "SELECT * FROM hidden".into(),
        "SELECT (SELECT id FROM hidden) FROM books".into(),
        "SELECT * FROM books WHERE EXISTS (SELECT 1 FROM hidden)".into(),
        "WITH x AS (SELECT * FROM hidden) SELECT * FROM x".into(),
        "SELECT count(*) FROM hidden".into(),
        "SELECT 1 FROM books, hidden".into(),
        "INSERT INTO books VALUES (3, 'x')".into(),
        "UPDATE books SET title = 'x'".into(),
        "DELETE FROM books".into(),
        "REPLACE INTO books VALUES (3, 'x')".into(),
        "WITH x AS (SELECT 1) INSERT INTO books SELECT 3, 'x' FROM x".into(),
        "INSERT INTO books VALUES (3, 'x') RETURNING *".into(),
        "CREATE TABLE t (a)".into(),
        "CREATE TEMP TABLE t (a)".into(),
        "CREATE TEMP VIEW v AS SELECT * FROM hidden".into(),
        "CREATE INDEX i ON books (id)".into(),
        "CREATE TRIGGER t AFTER INSERT ON books BEGIN SELECT 1; END".into(),
        "CREATE VIRTUAL TABLE t USING fts5(a)".into(),
        "DROP TABLE books".into(),
        "DROP VIEW upper_titles".into(),
        "ALTER TABLE books ADD COLUMN x".into(),
        "REINDEX".into(),
        "ANALYZE".into(),
        "SAVEPOINT s".into(),
        "SELECT load_extension('x')".into(),
        "SELECT readfile('/etc/passwd')".into(),
        "SELECT writefile('/tmp/x', 'y')".into(),
        "SELECT randomblob(1000000000)".into(),
        "SELECT zeroblob(1000000000)".into(),
        "SELECT random()".into(),
        "SELECT sqlite_version()".into(),
        "SELECT changes()".into(),
        "SELECT last_insert_rowid()".into(),
        "SELECT datetime('now')".into(),
        "SELECT printf('%*d', 1000000000, 1)".into(),
        "SELECT title LIKE 'e%' FROM books".into(),
        "SELECT title GLOB 'e*' FROM books".into(),
        "SELECT json_extract('{}', '$')".into(),
        "SELECT * FROM json_each('[1]')".into(),
        "SELECT * FROM generate_series(1, 10)".into(),
        "SELECT fts3_tokenizer('simple')".into(),
        "EXPLAIN SELECT * FROM hidden".into(),
    ];
    for sql in &corpus {
        assert!(run(&mut conn, sql).await.is_err(), "{sql}");
    }
    // Text after the first statement is a statement of its own, and asked for as one.
    let second = sqlx::raw_sql("SELECT 1; DELETE FROM books").execute(&mut conn).await;
    assert!(second.is_err());
    assert_eq!(run(&mut conn, "SELECT * FROM books").await.unwrap(), 2);
    conn.close().await.unwrap();
    assert_eq!(std::fs::read(directory.path().join("store.db")).unwrap(), before);
    assert!(!path.exists());
}

#[tokio::test]
async fn sizes_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let mut conn = guarded(&directory).await;
    let compound = vec!["SELECT 1"; 1_000].join(" UNION ALL ");
    let deep = format!("SELECT {}1{}", "(1 + ".repeat(2_000), ")".repeat(2_000));
    let wide = format!("SELECT {}", vec!["1"; 2_001].join(", "));
    let long = format!("SELECT '{}'", "x".repeat(2 << 20));
    for sql in [compound, deep, wide, long] {
        assert!(run(&mut conn, &sql).await.is_err());
    }
    let doubling = "WITH RECURSIVE n(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM n WHERE length(s) < 1000000000) \
                    SELECT max(length(s)) FROM n";
    assert!(run(&mut conn, doubling).await.is_err());
}

async fn ends_at_its_deadline(sql: &str) {
    let directory = tempfile::tempdir().unwrap();
    let mut conn = guarded(&directory).await;
    let started = Instant::now();
    with_deadline(&mut conn, started + Duration::from_millis(200)).await.unwrap();
    let error = run(&mut conn, sql).await.unwrap_err();
    assert!(error.to_string().contains("interrupted"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    // The connection is as good as new.
    without_deadline(&mut conn).await.unwrap();
    assert_eq!(run(&mut conn, "SELECT * FROM books").await.unwrap(), 2);
}

#[tokio::test]
async fn a_recursive_bomb_ends_at_its_deadline() {
    ends_at_its_deadline(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    )
    .await;
}

#[tokio::test]
async fn a_cross_join_ends_at_its_deadline() {
    let ten = "(SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5)";
    let tables: Vec<String> = (0..12).map(|at| format!("{ten} AS t{at}")).collect();
    ends_at_its_deadline(&format!("SELECT count(*) FROM {}", tables.join(", "))).await;
}

#[tokio::test]
async fn failures_and_nulls_cross_the_border() {
    let directory = tempfile::tempdir().unwrap();
    let mut conn = guarded(&directory).await;
    let error = run(&mut conn, "SELECT pg_div_bigint(id, 0) FROM books").await.unwrap_err();
    assert!(error.to_string().ends_with("division by zero"), "{error}");
    let row = sqlx::query("SELECT pg_add_bigint(1, NULL), pg_add_numeric(1, '1.50'), pg_sum_numeric(NULL)");
    let row = row.fetch_one(&mut conn).await.unwrap();
    assert_eq!(
        (row.get::<Option<i64>, _>(0), row.get::<String, _>(1), row.get::<Option<String>, _>(2)),
        (None, "2.50".into(), None)
    );
    // An aggregate that is given up in the middle.
    let failing =
        "SELECT pg_sum_numeric(pg_numeric_from_text(x)) FROM (SELECT '1' AS x UNION ALL SELECT 'y')";
    assert!(
        run(&mut conn, failing)
            .await
            .unwrap_err()
            .to_string()
            .contains("invalid input syntax for type numeric")
    );
    let moving =
        "SELECT pg_sum_numeric(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM books";
    assert_eq!(run(&mut conn, moving).await.unwrap(), 2);
}

#[tokio::test]
async fn guards_may_be_set_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut conn = guarded(&directory).await;
    guard_reader(&mut conn, |relation| relation == "hidden").await.unwrap();
    assert_eq!(run(&mut conn, "SELECT * FROM hidden").await.unwrap(), 1);
    assert!(run(&mut conn, "SELECT * FROM books").await.is_err());
}
