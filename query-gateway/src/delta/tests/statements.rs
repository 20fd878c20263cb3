//! What SQLite does for a change: it reads what the change leads to, and no table from end to end.

use std::collections::{BTreeSet, HashMap};

use rand::{SeedableRng as _, rngs::StdRng};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::keeping::Keeping;
use crate::store::tests::place::Engine;

/// Tables that some statement reads from end to end, of those that are run for the changes of any table.
async fn scanned(views: &str) -> BTreeSet<String> {
    let mut keeping = Keeping::of(Engine::Sqlite, views).await;
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..20 {
        keeping.change(&mut random).await;
    }
    while !keeping.fill(100).await {}
    let statements = keeping.statements().await;
    assert!(!statements.is_empty());
    let mut writing = keeping.store.write().await;
    let mut scanned = BTreeSet::new();
    for statement in statements {
        scanned.extend(rewound(writing.as_sqlite(), &statement).await);
    }
    scanned
}

/// The tables, indexes too, that the program of a statement goes through from their first row on. Changes are in another
/// database than what is kept: the temporary one.
async fn rewound(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    const MAIN: i64 = 0;
    let explain = AssertSqlSafe(format!("EXPLAIN {statement}"));
    let steps = sqlx::query(explain).persistent(false).fetch_all(&mut *connection).await.unwrap();
    let mut opened: HashMap<i64, i64> = HashMap::new();
    let mut rewound = Vec::new();
    for step in steps {
        let (cursor, page, database): (i64, i64, i64) = (step.get("p1"), step.get("p2"), step.get("p3"));
        match step.get::<String, _>("opcode").as_str() {
            "OpenRead" | "OpenWrite" | "ReopenIdx" if database == MAIN => {
                opened.insert(cursor, page);
            }
            "OpenRead" | "OpenEphemeral" | "OpenAutoindex" | "OpenPseudo" | "SorterOpen" => {
                opened.remove(&cursor);
            }
            "Rewind" | "Last" => rewound.extend(opened.get(&cursor).copied()),
            _ => {}
        }
    }
    let mut names = Vec::new();
    for page in rewound {
        let name = sqlx::query_scalar("SELECT tbl_name FROM sqlite_schema WHERE rootpage = ?1").bind(page);
        names.push(name.fetch_one(&mut *connection).await.unwrap());
    }
    names
}

/// Each of them is kept by what changed and what that leads to alone.
const BY_LOOK_UPS: &[&str] = &[
    "SELECT b.title, l.days, r.name FROM loans l JOIN books b ON b.book_id = l.book_id \
     JOIN readers r ON r.reader_id = l.reader_id WHERE l.days > 3",
    "SELECT b.title, l.days, c.height FROM loans l LEFT JOIN books b ON b.book_id = l.book_id \
     LEFT JOIN covers c ON c.book_id = b.book_id",
    "SELECT b.title, l.days FROM books b FULL JOIN loans l ON l.book_id = b.book_id",
    "SELECT a.title, b.title AS other FROM books a JOIN books b ON a.pages = b.pages",
    "SELECT l.days FROM loans l JOIN books b ON b.book_id = l.book_id AND b.genre IS NOT DISTINCT FROM l.branch",
    "SELECT title FROM books b WHERE EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id AND l.days > b.pages) \
     AND book_id NOT IN (SELECT book_id FROM covers WHERE book_id IS NOT NULL)",
    "SELECT b.genre, count(*) AS n, sum(l.fee) AS fees, avg(l.days) AS days FROM books b \
     LEFT JOIN loans l ON l.book_id = b.book_id GROUP BY b.genre HAVING count(*) > 1",
    "SELECT genre, min(title) AS least, max(weight) AS most, sum(weight) AS total FROM books GROUP BY genre",
    "SELECT b.genre, max(l.fee) AS fee FROM books b JOIN loans l ON l.book_id = b.book_id GROUP BY b.genre",
    "SELECT genre, count(DISTINCT title) AS titles FROM books GROUP BY genre",
    "SELECT DISTINCT card, town FROM readers",
    "SELECT book_id FROM books UNION ALL SELECT branch FROM loans",
    "SELECT title, row_number() OVER (PARTITION BY genre ORDER BY pages, book_id) AS place FROM books",
    "SELECT number, rank() OVER (PARTITION BY days, fee ORDER BY taken) AS place FROM loans",
    // By a key that can be NULL, and by what is computed of a group.
    "SELECT r.name, s.n FROM readers r LEFT JOIN \
     (SELECT reader_id, count(*) AS n FROM loans GROUP BY reader_id) AS s USING (reader_id)",
    "SELECT r.name, s.n FROM readers r LEFT JOIN \
     (SELECT reader_id, count(*) AS n FROM loans GROUP BY reader_id HAVING count(*) > 1) AS s ON s.n = r.reader_id",
];

#[tokio::test]
async fn a_change_reads_what_it_leads_to() {
    for select in BY_LOOK_UPS {
        let scanned = scanned(&format!("CREATE MATERIALIZED VIEW v AS {select}")).await;
        assert!(scanned.is_empty(), "{select}\n{scanned:?}");
    }
}

#[tokio::test]
async fn so_it_is_over_other_views() {
    let views = "CREATE MATERIALIZED VIEW u AS SELECT book_id AS k FROM books UNION ALL SELECT branch FROM loans; \
        CREATE MATERIALIZED VIEW v AS SELECT a.k, b.title FROM u a LEFT JOIN books b ON b.book_id = a.k; \
        CREATE MATERIALIZED VIEW g AS SELECT pages / 2.0 AS half, count(*) AS n FROM books GROUP BY 1; \
        CREATE MATERIALIZED VIEW h AS SELECT a.half, b.n FROM g a LEFT JOIN g b ON a.half = b.half; \
        CREATE MATERIALIZED VIEW n AS SELECT n, count(*) AS m FROM g GROUP BY n";
    assert_eq!(scanned(views).await, BTreeSet::new());
}

/// What docs/sql.md says of joins without an equality of a column, of NOT IN, and of groups of all rows.
const WHOLE: &[(&str, &[&str])] = &[
    ("SELECT a.title, b.title AS other FROM books a JOIN books b ON a.pages < b.pages", &["books"]),
    (
        "SELECT a.title, b.title AS other FROM books a JOIN books b ON lower(a.title) = lower(b.title)",
        &["books"],
    ),
    (
        "SELECT a.title FROM books a JOIN loans l ON l.number = a.pages OR l.days = a.pages",
        &["books", "loans"],
    ),
    ("SELECT a.title, r.name FROM books a CROSS JOIN readers r", &["books", "readers"]),
    // If there is a first or a last NULL in it.
    ("SELECT title FROM books WHERE book_id NOT IN (SELECT book_id FROM covers)", &["books"]),
    ("SELECT title FROM books WHERE genre NOT IN (SELECT branch FROM loans)", &["loans"]),
    // The one group is a table of one row.
    ("SELECT count(*) AS n, sum(fee) AS fees FROM loans", &["_v1_0"]),
    ("SELECT sum(weight) AS total FROM books", &["_v1_0", "books"]),
];

#[tokio::test]
async fn what_reads_a_whole_table_is_known() {
    for (select, tables) in WHOLE {
        let scanned = scanned(&format!("CREATE MATERIALIZED VIEW v AS {select}")).await;
        assert!(scanned.iter().eq(*tables), "{select}\n{scanned:?}");
    }
}
