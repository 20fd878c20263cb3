use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::sql::Dialect;

/// Endless, and computed row by row.
const ENDLESS: &str =
    "WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 1000000000)
    SELECT count(*) FROM up";

#[tokio::test]
async fn rows_come_as_they_are_asked_for() {
    for place in both("rows_come_as_they_are_asked_for").await {
        let mut connection = place.connect().await;
        let text = "WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 1000) SELECT n FROM up";
        let mut rows = connection.query(text).stream().await.unwrap();
        for expected in 1..=3 {
            let row = rows.try_next().await.unwrap().unwrap();
            assert_eq!(row.value(0).unwrap(), Value::Integer(expected));
        }
        // Who has seen enough goes away, and the next finds the connection as if nothing had been.
        drop(rows);
        assert_eq!(connection.query("SELECT 'next'").one::<String>().await.unwrap(), "next");
        let rows: Vec<Row> = connection.query(text).stream().await.unwrap().try_collect().await.unwrap();
        assert_eq!(rows.len(), 1000);
    }
}

#[tokio::test]
async fn errors_keep_what_the_database_says() {
    for place in both("errors_keep_what_the_database_says").await {
        let mut connection = place.connect().await;
        let dialect = connection.dialect();
        let either = |sqlite: &'static str, postgres: &'static str| {
            if dialect == Dialect::Sqlite { sqlite } else { postgres }
        };
        connection.script(NUMBERS).await.unwrap();
        let twice = "INSERT INTO numbers (n) VALUES (1), (1)";
        let error = connection.query(twice).execute().await.unwrap_err();
        assert_eq!(error.class(), Class::Constraint);
        let said =
            either("UNIQUE constraint failed: numbers.n", "duplicate key value violates unique constraint");
        assert!(error.message().unwrap().starts_with(said), "{error}");
        assert!(error.is_of_statement());

        let raises = either("SELECT abs(-9223372036854775808)", "SELECT 1 / 0");
        let error = connection.query(raises).execute().await.unwrap_err();
        assert_eq!(error.class(), Class::Raised);
        assert_eq!(error.message().unwrap(), either("integer overflow", "division by zero"));

        let error = connection.query("SELECT * FROM nothing").execute().await.unwrap_err();
        assert_eq!(error.class(), if dialect == Dialect::Sqlite { Class::Raised } else { Class::Refused });
        assert!(error.message().unwrap().contains("nothing"), "{error}");

        let error = connection.query("SELECT n FROM numbers").one::<i64>().await.unwrap_err();
        assert_eq!((error.class(), error.message()), (Class::Other, None));
        assert!(!error.is_of_statement());
    }
}

#[tokio::test]
async fn what_takes_too_long_is_stopped() {
    for place in both("what_takes_too_long_is_stopped").await {
        let mut connection = place.connect().await;
        let mut snapshot = connection.snapshot().await.unwrap();
        let deadline = Instant::now() + Duration::from_millis(50);
        snapshot.bound(deadline, CancellationToken::new()).await.unwrap();
        let error = snapshot.query(ENDLESS).one::<i64>().await.unwrap_err();
        assert_eq!(error.class(), Class::Interrupted, "{error}");
        snapshot.unbound().await.unwrap();
        snapshot.rollback().await.unwrap();
        assert_eq!(connection.query("SELECT 'next'").one::<String>().await.unwrap(), "next");
    }
}

#[tokio::test]
async fn a_batch_is_run_whole_and_again() {
    for place in both("a_batch_is_run_whole_and_again").await {
        let mut connection = place.connect().await;
        connection.script(format!("{NUMBERS}; CREATE TABLE sums (n BIGINT)")).await.unwrap();
        let statements = [
            "INSERT INTO numbers (n) SELECT count(*) FROM numbers",
            "DELETE FROM sums",
            "INSERT INTO sums SELECT sum(n) FROM numbers",
        ];
        let batch = Batch::new(connection.dialect(), statements.map(str::to_owned).into());
        for expected in [0, 1, 3, 6] {
            connection.run(&batch).await.unwrap();
            assert_eq!(connection.query("SELECT n FROM sums").all::<i64>().await.unwrap(), [expected]);
        }
        let nothing = Batch::new(connection.dialect(), Vec::new());
        assert!(nothing.is_empty());
        connection.run(&nothing).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_is_gone_is_told_from_a_statement_that_fails() {
    let test = "a_connection_that_is_gone_is_told_from_a_statement_that_fails";
    let Some(place) = Place::postgres(test).await else { return };
    let (mut connection, mut other) = (place.connect().await, place.connect().await);
    let process: i32 =
        match connection.query("SELECT pg_backend_pid()").one::<Row>().await.unwrap().value(0).unwrap() {
            Value::Integer(process) => process.try_into().unwrap(),
            other => panic!("{other:?}"),
        };
    let killed = other.query("SELECT pg_terminate_backend($1::int)").bind(i64::from(process));
    assert!(killed.one::<bool>().await.unwrap());
    let error = loop {
        match connection.query("SELECT 1").execute().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.class(), Class::Lost, "{error}");
}
