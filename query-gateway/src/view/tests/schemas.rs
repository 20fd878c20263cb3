//! The tables of a source get other columns, and materialized views go on.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use super::shelf::{BOOKS, Shelf};
use crate::store::tests::place::{Engine, in_each_store};
use crate::{schema::fixture::rounds, view::ViewState};

in_each_store! {
    views_go_on_exactly_when_a_source_adds_columns,
    views_are_filled_anew_when_what_they_read_changes_its_type,
    views_of_a_table_that_vanishes_wait_and_come_back_with_it,
    a_view_that_fails_in_a_snapshot_fails_alone,
}

const FILES: [(&str, &str); 4] = [
    (
        "pages.sql",
        "CREATE MATERIALIZED VIEW pages AS SELECT shelf, SUM(pages) AS pages FROM books GROUP BY shelf",
    ),
    (
        "lent.sql",
        "CREATE MATERIALIZED VIEW lent AS SELECT b.shelf, COUNT(*) AS loans, MIN(l.days) AS least \
         FROM loans l JOIN books b ON b.id = l.book GROUP BY b.shelf; CREATE INDEX ON books (pages)",
    ),
    ("most.sql", "CREATE MATERIALIZED VIEW most AS SELECT MAX(pages) AS pages FROM pages"),
    (
        "only_loans.sql",
        "CREATE MATERIALIZED VIEW only_loans AS SELECT book, COUNT(*) AS n FROM loans GROUP BY book",
    ),
];

const SELECTS: [(&str, &str); 4] = [
    ("pages", "SELECT shelf, SUM(pages) AS pages FROM books GROUP BY shelf"),
    (
        "lent",
        "SELECT b.shelf, COUNT(*) AS loans, MIN(l.days) AS least FROM loans l JOIN books b ON b.id = l.book GROUP BY b.shelf",
    ),
    ("most", "SELECT MAX(pages) AS pages FROM pages"),
    ("only_loans", "SELECT book, COUNT(*) AS n FROM loans GROUP BY book"),
];

const VERSIONS: &str = "SELECT name || ' ' || number FROM _versions ORDER BY number";

impl Shelf {
    async fn all_exact(&self) {
        for (name, select) in SELECTS {
            self.until(name, ViewState::Ready).await;
            self.exact(name, select).await;
        }
    }

    /// Some books and loans change, are new, or go.
    async fn live(&mut self, random: &mut StdRng, count: usize) {
        for _ in 0..count {
            let id = random.random_range(1..30);
            let number = random.random_range(0..50);
            match random.random_range(0..5) {
                0 => self.remove("books", id).await,
                1 => self.remove("loans", id).await,
                2 => self.books(id, [number]).await,
                _ => {
                    let book = random.random_range(1..30);
                    self.put("loans", [json!({"id": id, "book": book, "days": number})]).await;
                }
            }
        }
    }
}

async fn views_go_on_exactly_when_a_source_adds_columns(engine: Engine) {
    for seed in rounds(6) {
        let mut random = StdRng::seed_from_u64(seed);
        let place = engine.place().await;
        let mut shelf = Shelf::open(&place, &FILES).await;
        shelf.live(&mut random, 60).await;
        shelf.all_exact().await;
        let (versions, before) = (shelf.inside(VERSIONS).await, indexes(&shelf).await);
        assert!(before.iter().any(|index| index.starts_with("_i_")), "{before:?}");
        assert!(before.contains(&"_x_books_pages_idx on books".to_owned()), "{before:?}");
        let added = [
            BOOKS.replace("int64 pages = 3;", "int64 pages = 3; string title = 4;"),
            BOOKS
                .replace("int64 pages = 3;", "int64 pages = 3; string title = 4; optional int64 year = 5;")
                .replace("int64 days = 3;", "int64 days = 3; bool late = 4;"),
        ];
        for messages in added {
            shelf.publishes(&messages);
            // What changed between the last change and the snapshot comes with it.
            let book = json!({"id": 3, "shelf": "s3", "pages": random.random_range(0..50), "title": "t"});
            shelf.take_unseen("books", book);
            shelf.forget_unseen("loans", random.random_range(1..30));
            shelf.snapshot().await;
            shelf.all_exact().await;
            assert_eq!(shelf.inside(VERSIONS).await, versions, "SEED={seed}: nothing is filled again");
            assert_eq!(indexes(&shelf).await, before, "SEED={seed}");
            shelf.live(&mut random, 20).await;
            shelf.all_exact().await;
        }
        assert_eq!(shelf.ask("SELECT title FROM books WHERE title <> '' AND title <> 't'").await, [""; 0]);
        drop(shelf);
        let again = Shelf::reopen(&place, &FILES, BOOKS).await;
        again.all_exact().await;
        assert_eq!(again.inside(VERSIONS).await, versions, "SEED={seed}: after a restart");
    }
}

/// `NAME on TABLE`, of those that the store made by a statement.
async fn indexes(shelf: &Shelf) -> Vec<String> {
    let objects = shelf.objects().await.into_iter();
    let made = objects.filter(|object| object.kind == "index" && !object.text.is_empty());
    made.map(|index| format!("{} on {}", index.name, index.table)).collect()
}

async fn views_are_filled_anew_when_what_they_read_changes_its_type(engine: Engine) {
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, &FILES).await;
    shelf.live(&mut StdRng::seed_from_u64(1), 40).await;
    shelf.all_exact().await;
    let before = shelf.inside(VERSIONS).await;
    // A column that had a value in each row may be without one now.
    shelf.publishes(&BOOKS.replace("int64 pages = 3;", "optional int64 pages = 3;"));
    shelf.take_unseen("books", json!({"id": 3, "shelf": "s3"}));
    shelf.snapshot().await;
    shelf.all_exact().await;
    assert_eq!(shelf.ask("SELECT shelf FROM books WHERE pages IS NULL").await, ["s3"]);
    let after = shelf.inside(VERSIONS).await;
    let kept: Vec<_> = after.iter().filter(|version| before.contains(version)).collect();
    assert!(kept.len() == 1 && kept[0].starts_with("only_loans "), "of {before:?}, now {after:?}");
}

async fn views_of_a_table_that_vanishes_wait_and_come_back_with_it(engine: Engine) {
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, &FILES).await;
    shelf.live(&mut StdRng::seed_from_u64(2), 40).await;
    shelf.all_exact().await;
    let loans = BOOKS.find("message Loan").unwrap();
    shelf.forget_all("loans");
    shelf.publishes(&BOOKS[..loans]);
    shelf.snapshot().await;
    for name in ["lent", "only_loans"] {
        let waits = shelf.until(name, ViewState::Pending).await;
        assert!(waits.reason.contains("loans"), "{waits:?}");
    }
    shelf.exact("pages", SELECTS[0].1).await;
    shelf.books(1, [7]).await;
    shelf.exact("most", SELECTS[2].1).await;
    shelf.publishes(BOOKS);
    shelf.snapshot().await;
    shelf.live(&mut StdRng::seed_from_u64(3), 40).await;
    shelf.all_exact().await;
}

async fn a_view_that_fails_in_a_snapshot_fails_alone(engine: Engine) {
    let place = engine.place().await;
    let files =
        [("ratio.sql", "CREATE MATERIALIZED VIEW ratio AS SELECT id, 60 / pages AS n FROM books"), FILES[0]];
    let mut shelf = Shelf::open(&place, &files).await;
    shelf.books(1, [1, 2]).await;
    shelf.until("ratio", ViewState::Ready).await;
    shelf.publishes(&BOOKS.replace("int64 pages = 3;", "int64 pages = 3; string title = 4;"));
    shelf.take_unseen("books", json!({"id": 1, "shelf": "s1", "pages": 0, "title": "t"}));
    shelf.snapshot().await;
    let failed = shelf.until("ratio", ViewState::Failed).await;
    assert!(failed.reason.contains("division by zero") && failed.reason.contains("snapshot"), "{failed:?}");
    assert_eq!(failed.failure.unwrap().position, format!("library/e1/{}", shelf.position().sequence));
    shelf.exact("pages", SELECTS[0].1).await;
    assert_eq!(shelf.ask("SELECT title FROM books WHERE id = 1").await, ["t"]);
}
