//! What SQLite does for a change: it reads as much as what changed leads to, and no table from end to end.

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::keeping::Keeping;

/// Steps of the statements of a view, for the changes of each table, in which anything but changes is read from end to
/// end; each with its statement.
async fn scans(views: &str) -> Vec<(String, String)> {
    let mut keeping = Keeping::of(views).await;
    keeping.fill(1_000).await;
    let programs = keeping.programs().await;
    let mut store = keeping.store.write().await;
    let mut scans = Vec::new();
    for statement in programs.iter().flat_map(|program| program.split(";\n")) {
        for step in explained(&mut store, statement).await {
            if step.starts_with("SCAN") && !is_of_changes(&step) {
                scans.push((step, statement.to_owned()));
            }
        }
    }
    scans
}

async fn explained(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let steps: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(explain).persistent(false).fetch_all(connection).await.unwrap();
    steps.into_iter().map(|step| step.3).collect()
}

/// Tables of changes have names of their own; what is made of them within a statement is `(subquery-1)`, or goes by the
/// name that a leaf, a group or a partition has there.
fn is_of_changes(step: &str) -> bool {
    let name = step.split(' ').nth(1).unwrap();
    let is_changes = name.starts_with("_d") || name.starts_with("_g") || name.starts_with("_p");
    is_changes || name.starts_with("(subquery") || name == "CONSTANT"
}

macro_rules! scan_nothing {
    ($($name:ident: $views:expr;)*) => { $(
        #[tokio::test]
        async fn $name() {
            let scans = scans($views).await;
            assert!(scans.is_empty(), "{scans:#?}");
        }
    )* };
}

scan_nothing! {
    joins: "CREATE MATERIALIZED VIEW v AS SELECT b.title, l.days, r.name FROM loans l JOIN books b ON b.book_id = l.book_id \
        JOIN readers r ON r.reader_id = l.reader_id WHERE l.days > 3";
}
