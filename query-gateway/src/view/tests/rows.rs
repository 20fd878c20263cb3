//! From which changes rows follow, by hand: each construct kept, and computed when it is read.

mod cases;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;
use tributary_chassis::fault::{Fault, Reason};

use self::cases::CASES;
use super::shelf::Shelf;
use crate::store::tests::place::{Engine, Place, in_each_store};
use crate::{
    lineage::{self, Explained, Part},
    query::{
        Caps, Queries,
        explain::{Origins, Rows},
    },
    view::ViewState,
};

in_each_store! {
    each_construct_names_the_rows_that_a_row_follows_from,
    views_over_views_are_followed_to_the_tables,
    the_newest_changes_come_first_and_all_are_counted,
    an_explanation_is_of_one_commit_while_changes_go_on,
    what_a_key_finds_is_found_by_indexes,
    what_cannot_be_explained_is_refused_by_name,
}

/// Books on two shelves, and loans, one of them of a book that nobody knows.
async fn shelf(engine: Engine, files: &[(&str, &str)]) -> (Place, Shelf) {
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, files).await;
    let books = [(1, "s1", 100), (2, "s1", 200), (3, "s2", 300), (4, "s2", 50)];
    shelf.put("books", books.map(|(id, on, pages)| json!({"id": id, "shelf": on, "pages": pages}))).await;
    let loans = [(1, 1, 7), (2, 1, 14), (3, 3, 7), (4, 9, 30)];
    shelf.put("loans", loans.map(|(id, book, days)| json!({"id": id, "book": book, "days": days}))).await;
    (place, shelf)
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

async fn each_construct_names_the_rows_that_a_row_follows_from(engine: Engine) {
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
    let (_place, shelf) = shelf(engine, &files).await;
    for (at, (select, key, expected)) in CASES.iter().enumerate() {
        for kind in ["c", "m"] {
            let name = format!("{kind}{at}");
            shelf.until(&name, ViewState::Ready).await;
            assert_eq!(named(&shelf, &name, key).await, *expected, "{name}: {select} {key:?}");
        }
    }
}

async fn views_over_views_are_followed_to_the_tables(engine: Engine) {
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
    let (_place, shelf) = shelf(engine, &files).await;
    shelf.until("both", ViewState::Ready).await;
    shelf.until("top", ViewState::Ready).await;
    assert_eq!(named(&shelf, "long_ones", &[("id", Some("2"))]).await, "b1 l2");
    assert_eq!(named(&shelf, "by_shelf", &[("", Some("s1"))]).await, "b1 l1 l2");
    assert_eq!(named(&shelf, "both", &[("shelf", Some("s1"))]).await, "b1 l1 l2");
    assert_eq!(named(&shelf, "top", &[("shelf", Some("s1"))]).await, "b1 l1 l2");
}

async fn the_newest_changes_come_first_and_all_are_counted(engine: Engine) {
    let file = (
        "a.sql",
        "CREATE MATERIALIZED VIEW long AS SELECT shelf, SUM(pages) AS pages FROM books GROUP BY shelf",
    );
    let (_place, mut shelf) = shelf(engine, &[file]).await;
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

async fn an_explanation_is_of_one_commit_while_changes_go_on(engine: Engine) {
    let text = "CREATE MATERIALIZED VIEW held AS SELECT shelf, COUNT(*) AS books FROM books GROUP BY shelf";
    let computed = "CREATE VIEW shown AS SELECT h.shelf, b.id FROM held h JOIN books b ON b.shelf = h.shelf";
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, &[("a.sql", text), ("b.sql", computed)]).await;
    // From here on each change is one more book on the shelf.
    shelf.put("books", [json!({"id": 1, "shelf": "s", "pages": 1})]).await;
    shelf.until("shown", ViewState::Ready).await;
    let (views, gateway) = (shelf.views.clone(), shelf.bench.gateway.clone());
    let (seen, enough) = (Arc::new(AtomicUsize::new(0)), 30);
    let counted = seen.clone();
    let asking = tokio::spawn(async move {
        let (queries, mut seen) = (Queries::new(gateway, Caps::default()), BTreeSet::new());
        while seen.len() < enough {
            for name in ["held", "shown", "books"] {
                let origins = queries.explain(&views, rows(name, &[("shelf", Some("s"))], 5)).await.unwrap();
                let sequence = origins.as_of.sources[0].position.sequence;
                let Explained { total, changes, tables, .. } = origins.explained;
                assert_eq!((total, tables), (sequence, vec![("books".to_owned(), sequence)]), "{name}");
                assert_eq!(changes[0].sequence, sequence, "{name}: the newest is the first");
                seen.insert(sequence);
            }
            counted.store(seen.len(), Ordering::Relaxed);
        }
    });
    let mut id = 2;
    while seen.load(Ordering::Relaxed) < enough && !asking.is_finished() {
        shelf.put("books", [json!({"id": id, "shelf": "s", "pages": 1})]).await;
        id += 1;
    }
    asking.await.unwrap();
}

/// What the store reads from the first row to the last of tables and of what is kept, when a row is explained.
async fn scans(shelf: &Shelf, name: &str, key: &[(&str, Option<&str>)]) -> Vec<String> {
    let (graph, settled) = shelf.views.graph(name).await.unwrap();
    drop(settled);
    let trace = lineage::trace(&graph, &rows(name, key, 1).key).unwrap();
    let text = lineage::text(&graph, &trace);
    let steps = shelf.views.steps(&text, 1).await.unwrap();
    // Keys that were found are called `k` and `c`, or have a name of ours.
    let found = ["k", "c", "_sought", "\"_sought", "_changes", "every", "CONSTANT", "(subquery"];
    let is_read = |step: &&String| {
        let scanned = step.trim_start().strip_prefix("SCAN ");
        let own = |name: &str| found.iter().any(|own| name == *own || own.len() > 1 && name.starts_with(own));
        scanned.is_some_and(|name| !own(name))
    };
    steps.iter().filter(is_read).cloned().collect()
}

async fn what_a_key_finds_is_found_by_indexes(engine: Engine) {
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
    let (_place, shelf) = shelf(engine, &files).await;
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

async fn what_cannot_be_explained_is_refused_by_name(engine: Engine) {
    let files = [
        ("a.sql", "CREATE VIEW first AS SELECT id FROM books ORDER BY pages LIMIT 1"),
        ("b.sql", "CREATE VIEW without AS SELECT id FROM books EXCEPT SELECT book FROM loans"),
        ("c.sql", "CREATE VIEW most AS SELECT id, (SELECT MAX(pages) FROM books) AS most FROM books"),
        ("d.sql", "CREATE MATERIALIZED VIEW total AS SELECT SUM(pages) AS pages FROM books"),
    ];
    let (_place, shelf) = shelf(engine, &files).await;
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
