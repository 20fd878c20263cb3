//! What SQLite does for a change: it reads what the change leads to, and no table from end to end.

use std::collections::{BTreeSet, HashMap};

use rand::{SeedableRng as _, rngs::StdRng};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::keeping::Keeping;

/// Tables that some statement reads from end to end, of those that are run for the changes of any table.
async fn scanned(views: &str) -> BTreeSet<String> {
    let mut keeping = Keeping::of(views).await;
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
        scanned.extend(rewound(&mut writing, &statement).await);
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

#[tokio::test]
async fn look() {
    for views in [
        "CREATE MATERIALIZED VIEW v AS SELECT b.title, l.days, r.name FROM loans l JOIN books b ON b.book_id = l.book_id \
        JOIN readers r ON r.reader_id = l.reader_id WHERE l.days > 3",
        "CREATE MATERIALIZED VIEW v AS SELECT b.title, l.days, c.height FROM loans l LEFT JOIN books b ON b.book_id = l.book_id LEFT JOIN covers c ON c.book_id = b.book_id",
        "CREATE MATERIALIZED VIEW f AS SELECT b.title, l.days FROM books b FULL JOIN loans l ON l.book_id = b.book_id",
        "CREATE MATERIALIZED VIEW f AS SELECT a.title, b.title AS other FROM books a JOIN books b ON a.pages = b.pages",
        "CREATE MATERIALIZED VIEW v AS SELECT title FROM books b WHERE EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id AND l.days > b.pages) AND book_id NOT IN (SELECT book_id FROM covers WHERE book_id IS NOT NULL)",
        "CREATE MATERIALIZED VIEW v AS SELECT title FROM books b WHERE book_id NOT IN (SELECT book_id FROM covers)",
        "CREATE MATERIALIZED VIEW v AS SELECT b.genre, count(*) AS n, sum(l.fee) AS fees, avg(l.days) AS days FROM books b LEFT JOIN loans l ON l.book_id = b.book_id GROUP BY b.genre HAVING count(*) > 1",
        "CREATE MATERIALIZED VIEW v AS SELECT genre, min(title) AS least, max(weight) AS most, sum(weight) AS total FROM books GROUP BY genre",
        "CREATE MATERIALIZED VIEW w AS SELECT b.genre, max(l.fee) AS fee FROM books b JOIN loans l ON l.book_id = b.book_id GROUP BY b.genre",
        "CREATE MATERIALIZED VIEW w AS SELECT genre, count(DISTINCT title) AS n FROM books b GROUP BY b.genre; CREATE MATERIALIZED VIEW x AS SELECT n, count(*) AS m FROM w GROUP BY n",
        "CREATE MATERIALIZED VIEW w AS SELECT DISTINCT card, town FROM readers",
        "CREATE MATERIALIZED VIEW v AS SELECT title, row_number() OVER (PARTITION BY genre ORDER BY pages, book_id) AS place FROM books; CREATE MATERIALIZED VIEW y AS SELECT title, place FROM v WHERE place = 1",
        "CREATE MATERIALIZED VIEW v AS SELECT number, rank() OVER (PARTITION BY days, fee ORDER BY taken) AS place FROM loans",
        "CREATE MATERIALIZED VIEW v AS SELECT r.name, s.n FROM readers r LEFT JOIN (SELECT reader_id, count(*) AS n FROM loans GROUP BY reader_id) AS s USING (reader_id)",
        "CREATE MATERIALIZED VIEW v AS SELECT r.name, s.n FROM readers r LEFT JOIN (SELECT reader_id, count(*) AS n FROM loans GROUP BY reader_id HAVING count(*) > 1) AS s ON s.n = r.reader_id",
        "CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n, sum(fee) AS fees FROM loans",
        "CREATE MATERIALIZED VIEW v AS SELECT max(days) AS n FROM loans",
        "CREATE MATERIALIZED VIEW v AS SELECT sum(weight) AS n FROM books",
        "CREATE MATERIALIZED VIEW v AS SELECT a.title, b.title AS other FROM books a JOIN books b ON lower(a.title) = lower(b.title)",
        "CREATE MATERIALIZED VIEW v AS SELECT a.title, b.title AS other FROM books a JOIN books b ON a.pages < b.pages",
        "CREATE MATERIALIZED VIEW v AS SELECT a.title, l.days FROM books a JOIN loans l ON date_trunc('day', a.added) = date_trunc('day', l.taken)",
        "CREATE MATERIALIZED VIEW v AS SELECT book_id AS k FROM books UNION ALL SELECT branch FROM loans; CREATE MATERIALIZED VIEW w AS SELECT a.k, b.title FROM v a LEFT JOIN books b ON b.book_id = a.k",
        "CREATE MATERIALIZED VIEW v AS SELECT pages / 2.0 AS half, count(*) AS n FROM books GROUP BY 1;CREATE MATERIALIZED VIEW x AS SELECT a.half, b.half AS other FROM v a LEFT JOIN v b ON a.half = b.half",
        "CREATE MATERIALIZED VIEW v AS SELECT b.genre, max(l.fee) AS fee FROM books b CROSS JOIN (SELECT max(fee) AS fee FROM loans) AS l GROUP BY b.genre",
        "CREATE MATERIALIZED VIEW v AS SELECT a.title, b.title AS other FROM books a JOIN loans l ON l.number = a.pages OR l.days = a.pages JOIN books b ON b.book_id = l.book_id",
        "CREATE MATERIALIZED VIEW v AS SELECT l.days, b.title FROM loans l JOIN books b ON b.book_id = l.book_id AND b.genre IS NOT DISTINCT FROM l.branch WHERE l.reader_id IN (1, 2)",
    ] {
        println!("=== {views}\n   {:?}", scanned(views).await);
    }
}
