//! From which changes rows follow, by hand: each construct kept, and computed when it is read.

use serde_json::json;
use tributary_chassis::fault::{Fault, Reason};

use super::shelf::Shelf;
use crate::{
    lineage::{self, Part},
    query::{
        Caps, Queries,
        explain::{Origins, Rows},
    },
    view::ViewState,
};

/// Books on two shelves, and loans, one of them of a book that nobody knows.
async fn shelf(files: &[(&str, &str)]) -> (tempfile::TempDir, Shelf) {
    let directory = tempfile::tempdir().unwrap();
    let mut shelf = Shelf::open(directory.path(), files).await;
    let books = [(1, "s1", 100), (2, "s1", 200), (3, "s2", 300), (4, "s2", 50)];
    shelf.put("books", books.map(|(id, on, pages)| json!({"id": id, "shelf": on, "pages": pages}))).await;
    let loans = [(1, 1, 7), (2, 1, 14), (3, 3, 7), (4, 9, 30)];
    shelf.put("loans", loans.map(|(id, book, days)| json!({"id": id, "book": book, "days": days}))).await;
    (directory, shelf)
}

fn rows(name: &str, key: &[(&str, Option<&str>)], limit: u32) -> Rows {
    let key = key
        .iter()
        .map(|(column, value)| Part { column: (*column).to_owned(), value: value.map(str::to_owned) });
    Rows { name: name.to_owned(), key: key.collect(), limit }
}

async fn explain(shelf: &Shelf, rows: Rows) -> Result<Origins, Fault> {
    Queries::new(shelf.bench.gateway.clone(), Caps::default()).explain(&shelf.views, rows).await
}

/// Entities and keys, `b1` and `l1`, in order.
async fn named(shelf: &Shelf, name: &str, key: &[(&str, Option<&str>)]) -> String {
    let origins = explain(shelf, rows(name, key, 1_000)).await;
    let explained = origins.unwrap_or_else(|error| panic!("{name}: {error}")).explained;
    let mut named: Vec<String> = explained
        .changes
        .iter()
        .map(|change| {
            let [crate::query::cell::Cell::Bigint(id)] = change.key[..] else { panic!("{change:?}") };
            format!("{}{id}", &change.entity[..1])
        })
        .collect();
    named.sort();
    assert_eq!(explained.total as usize, named.len());
    named.join(" ")
}

/// One case: a SELECT, a key of one of its rows, and what that follows from.
type Case = (&'static str, &'static [(&'static str, Option<&'static str>)], &'static str);

const CASES: &[Case] = &[
    // Filters and projections.
    ("SELECT id, pages * 2 AS twice FROM books WHERE pages > 60", &[("id", Some("2"))], "b2"),
    ("SELECT id, pages * 2 AS twice FROM books WHERE pages > 60", &[("twice", Some("600"))], "b3"),
    ("SELECT shelf FROM books", &[("shelf", Some("s1"))], "b1 b2"),
    // Joins.
    ("SELECT l.id, b.shelf FROM loans l JOIN books b ON b.id = l.book", &[("id", Some("2"))], "b1 l2"),
    (
        "SELECT a.id AS a, b.id AS b FROM books a JOIN books b ON a.shelf = b.shelf AND a.id < b.id",
        &[("a", Some("1"))],
        "b1 b2",
    ),
    ("SELECT l.id, b.shelf FROM loans l LEFT JOIN books b ON b.id = l.book", &[("id", Some("3"))], "b3 l3"),
    ("SELECT l.id, b.shelf FROM loans l LEFT JOIN books b ON b.id = l.book", &[("shelf", None)], "l4"),
    (
        "SELECT b.id, l.id AS loan FROM loans l RIGHT JOIN books b ON b.id = l.book",
        &[("id", Some("2"))],
        "b2",
    ),
    (
        "SELECT b.id, l.id AS loan FROM loans l FULL JOIN books b ON b.id = l.book",
        &[("loan", Some("4"))],
        "l4",
    ),
    (
        "SELECT b.id, l.id AS loan FROM loans l FULL JOIN books b ON b.id = l.book",
        &[("id", Some("1"))],
        "b1 l1 l2",
    ),
    // Whether there is a partner.
    (
        "SELECT id FROM books b WHERE EXISTS (SELECT 1 FROM loans l WHERE l.book = b.id)",
        &[("id", Some("1"))],
        "b1 l1 l2",
    ),
    (
        "SELECT id FROM books WHERE id IN (SELECT book FROM loans WHERE days < 10)",
        &[("id", Some("1"))],
        "b1 l1",
    ),
    (
        "SELECT id FROM books b WHERE NOT EXISTS (SELECT 1 FROM loans l WHERE l.book = b.id)",
        &[("id", Some("4"))],
        "b4",
    ),
    // Groups.
    ("SELECT shelf, SUM(pages) AS pages FROM books GROUP BY shelf", &[("shelf", Some("s1"))], "b1 b2"),
    (
        "SELECT shelf, MIN(pages) AS least, AVG(pages) AS mean FROM books GROUP BY shelf",
        &[("shelf", Some("s2"))],
        "b3 b4",
    ),
    (
        "SELECT book, COUNT(DISTINCT days) AS n, MAX(days) AS most FROM loans GROUP BY book",
        &[("book", Some("1"))],
        "l1 l2",
    ),
    ("SELECT book, COUNT(*) AS n FROM loans GROUP BY book HAVING COUNT(*) > 1", &[("n", Some("2"))], "l1 l2"),
    (
        "SELECT COUNT(*) AS n, string_agg(shelf, ',' ORDER BY id) AS all_of FROM books WHERE pages < 250",
        &[],
        "b1 b2 b4",
    ),
    (
        "SELECT b.shelf, SUM(l.days) AS days FROM loans l JOIN books b ON b.id = l.book GROUP BY b.shelf",
        &[("shelf", Some("s1"))],
        "b1 l1 l2",
    ),
    (
        "SELECT b.shelf, MAX(l.days) AS days FROM loans l JOIN books b ON b.id = l.book GROUP BY b.shelf",
        &[("shelf", Some("s2"))],
        "b3 l3",
    ),
    ("SELECT DISTINCT days FROM loans", &[("days", Some("7"))], "l1 l3"),
    // Queries within.
    (
        "SELECT b.id, s.days FROM books b JOIN (SELECT book, SUM(days) AS days FROM loans GROUP BY book) s ON s.book = b.id",
        &[("id", Some("1"))],
        "b1 l1 l2",
    ),
    (
        "SELECT b.id, s.days FROM books b LEFT JOIN (SELECT book, SUM(days) AS days FROM loans GROUP BY book) s ON s.book = b.id",
        &[("id", Some("4"))],
        "b4",
    ),
    (
        "WITH s AS (SELECT shelf, COUNT(*) AS n FROM books GROUP BY shelf) SELECT b.id, s.n FROM books b JOIN s ON s.shelf = b.shelf",
        &[("id", Some("3"))],
        "b3 b4",
    ),
    // Unions.
    (
        "SELECT id, 'book' AS kind FROM books UNION ALL SELECT id, 'loan' FROM loans",
        &[("id", Some("2"))],
        "b2 l2",
    ),
    (
        "SELECT id, 'book' AS kind FROM books UNION ALL SELECT id, 'loan' FROM loans",
        &[("id", Some("2")), ("kind", Some("loan"))],
        "l2",
    ),
    ("SELECT id FROM books UNION SELECT book FROM loans", &[("id", Some("3"))], "b3 l3"),
    // Windows.
    (
        "SELECT id, RANK() OVER (PARTITION BY shelf ORDER BY pages) AS place FROM books",
        &[("id", Some("4"))],
        "b3 b4",
    ),
    (
        "SELECT l.id, COUNT(*) OVER (PARTITION BY b.shelf) AS n FROM loans l JOIN books b ON b.id = l.book",
        &[("id", Some("1"))],
        "b1 l1 l2",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_construct_names_the_rows_that_a_row_follows_from() {
    let texts: Vec<(String, String)> = CASES
        .iter()
        .enumerate()
        .flat_map(|(at, (select, ..))| {
            let view = |kind: &str, name: String| {
                (format!("{name}.sql"), format!("CREATE {kind} {name} AS {select}"))
            };
            [view("VIEW", format!("c{at}")), view("MATERIALIZED VIEW", format!("m{at}"))]
        })
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let (_directory, shelf) = shelf(&files).await;
    for (at, (select, key, expected)) in CASES.iter().enumerate() {
        for kind in ["c", "m"] {
            let name = format!("{kind}{at}");
            shelf.until(&name, ViewState::Ready).await;
            assert_eq!(named(&shelf, &name, key).await, *expected, "{name}: {select} {key:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_over_views_are_followed_to_the_tables() {
    let files = [
        (
            "a.sql",
            "CREATE MATERIALIZED VIEW lent AS SELECT l.id, l.days, b.shelf FROM loans l JOIN books b ON b.id = l.book",
        ),
        ("b.sql", "CREATE VIEW long_ones AS SELECT id, shelf, days FROM lent WHERE days > 10"),
        (
            "c.sql",
            "CREATE MATERIALIZED VIEW by_shelf AS SELECT shelf, SUM(days) AS days FROM lent GROUP BY shelf",
        ),
        (
            "d.sql",
            "CREATE MATERIALIZED VIEW both AS SELECT s.shelf, s.days, l.id FROM by_shelf s JOIN long_ones l ON l.shelf = s.shelf",
        ),
        ("e.sql", "CREATE VIEW top AS SELECT shelf, COUNT(*) AS n FROM both GROUP BY shelf ORDER BY n"),
    ];
    let (_directory, shelf) = shelf(&files).await;
    shelf.until("both", ViewState::Ready).await;
    shelf.until("top", ViewState::Ready).await;
    assert_eq!(named(&shelf, "long_ones", &[("id", Some("2"))]).await, "b1 l2");
    assert_eq!(named(&shelf, "by_shelf", &[("", Some("s1"))]).await, "b1 l1 l2");
    assert_eq!(named(&shelf, "both", &[("shelf", Some("s1"))]).await, "b1 l1 l2");
    assert_eq!(named(&shelf, "top", &[("shelf", Some("s1"))]).await, "b1 l1 l2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_changes_come_first_and_all_are_counted() {
    let file = (
        "a.sql",
        "CREATE MATERIALIZED VIEW long AS SELECT shelf, SUM(pages) AS pages FROM books GROUP BY shelf",
    );
    let (_directory, mut shelf) = shelf(&[file]).await;
    shelf.put("books", [json!({"id": 1, "shelf": "s1", "pages": 150})]).await;
    shelf.until("long", ViewState::Ready).await;
    let origins = explain(&shelf, rows("long", &[("shelf", Some("s1"))], 1)).await.unwrap();
    let explained = origins.explained;
    assert_eq!((explained.rows, explained.total, explained.tables), (1, 2, vec![("books".to_owned(), 2)]));
    let [change] = &explained.changes[..] else { panic!("{:?}", explained.changes) };
    assert_eq!((change.sequence, change.event.as_str()), (9, "event of 9"));
    assert_eq!((change.commit_time, change.trace.as_str()), (Some(9_000_000), "trace of 9"));
    assert_eq!((change.source.as_str(), &change.rows), ("library", &vec![("books".to_owned(), 1)]));
    assert!(origins.as_of.to_string().contains("library/e1/9"), "{}", origins.as_of);
}

/// What the store reads from the first row to the last of tables and of what is kept, when a row is explained.
async fn scans(shelf: &Shelf, name: &str, key: &[(&str, Option<&str>)]) -> Vec<String> {
    let (graph, settled) = shelf.views.graph(name).await.unwrap();
    drop(settled);
    let trace = lineage::trace(&graph, &rows(name, key, 1).key).unwrap();
    let text = lineage::text(&graph, &trace);
    let steps = shelf.views.steps(&text).await.unwrap();
    // Keys that were found are called `k` and `c`, or have a name of ours.
    let found = ["k", "c", "_sought", "\"_sought", "_changes", "every", "CONSTANT", "(subquery"];
    let is_read = |step: &&String| {
        let scanned = step.trim_start().strip_prefix("SCAN ");
        let own = |name: &str| found.iter().any(|own| name == *own || own.len() > 1 && name.starts_with(own));
        scanned.is_some_and(|name| !own(name))
    };
    steps.iter().filter(is_read).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_finds_is_found_by_indexes() {
    let mut texts: Vec<(String, String)> = CASES
        .iter()
        .enumerate()
        .map(|(at, (select, ..))| {
            (format!("m{at}.sql"), format!("CREATE MATERIALIZED VIEW m{at} AS {select}"))
        })
        .collect();
    // Rows of a group by a sum are never looked up when it is kept: who wants to explain it asks for an index.
    let asked = "CREATE INDEX by_shelf ON books (shelf); CREATE INDEX by_book ON loans (book);";
    texts.push(("indexes.sql".to_owned(), asked.to_owned()));
    let files: Vec<(&str, &str)> = texts.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let (_directory, shelf) = shelf(&files).await;
    let (mut scanned, mut found) = (Vec::new(), 0);
    for (at, (select, key, _)) in CASES.iter().enumerate() {
        let name = format!("m{at}");
        shelf.until(&name, ViewState::Ready).await;
        let known = shelf.bench.gateway.catalog().get(&name).unwrap().key.clone();
        // By any other column, a row of the view is looked for among all of them.
        if key.is_empty() || known != key.iter().map(|(column, _)| *column).collect::<Vec<_>>() {
            continue;
        }
        found += 1;
        let scans = scans(&shelf, &name, key).await;
        if !scans.is_empty() {
            scanned.push(format!("{select} {key:?}: {scans:?}"));
        }
    }
    assert!(scanned.is_empty() && found > 12, "{found} of {}: {}", CASES.len(), scanned.join("\n"));
}

async fn refusal(shelf: &Shelf, name: &str, key: &[(&str, Option<&str>)]) -> (Reason, String) {
    let fault = explain(shelf, rows(name, key, 10)).await.unwrap_err();
    (fault.reason(), fault.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_explained_is_refused_by_name() {
    let files = [
        ("a.sql", "CREATE VIEW first AS SELECT id FROM books ORDER BY pages LIMIT 1"),
        ("b.sql", "CREATE VIEW without AS SELECT id FROM books EXCEPT SELECT book FROM loans"),
        ("c.sql", "CREATE VIEW most AS SELECT id, (SELECT MAX(pages) FROM books) AS most FROM books"),
        ("d.sql", "CREATE MATERIALIZED VIEW total AS SELECT SUM(pages) AS pages FROM books"),
    ];
    let (_directory, shelf) = shelf(&files).await;
    shelf.until("total", ViewState::Ready).await;
    for (name, clause) in [("first", "LIMIT"), ("without", "EXCEPT"), ("most", "scalar sub-query")] {
        let (reason, text) = refusal(&shelf, name, &[]).await;
        assert_eq!(reason, Reason::Unimplemented);
        assert!(text.contains(&format!("rows of {name} cannot be explained: {clause}")), "{text}");
    }
    for (name, key, reason, part) in [
        ("boks", &[][..], Reason::NotFound, "did you mean \"books\"?"),
        ("books", &[("", Some("7"))], Reason::NotFound, "no row of books has that key"),
        ("books", &[("", Some("x"))], Reason::InvalidRequest, "bigint"),
        ("books", &[("pags", Some("7"))], Reason::InvalidRequest, "did you mean \"pages\"?"),
        ("books", &[("", Some("7")), ("", Some("7"))], Reason::InvalidRequest, "identified by id"),
        ("total", &[("", Some("7"))], Reason::InvalidRequest, "no column of total identifies its rows"),
        ("total", &[("pages", Some("1' OR '1'='1"))], Reason::InvalidRequest, "invalid input syntax"),
    ] {
        let (found, text) = refusal(&shelf, name, key).await;
        assert!(found == reason && text.contains(part), "{name} {key:?}: {found:?} {text}");
    }
    assert_eq!(named(&shelf, "total", &[]).await, "b1 b2 b3 b4");
}
