//! Indexes that view files and calls ask for.

use super::shelf::{BOOKS, Shelf};
use crate::store::tests::place::{Engine, in_each_store};
use crate::{sql, view::ViewState};

in_each_store! {
    an_index_is_used_and_moves_with_the_version_of_its_view,
    an_index_whose_view_is_no_more_waits_for_it,
}

impl Shelf {
    /// How the store runs a query, by what it knows of the tables.
    async fn plan(&self, text: &str) -> String {
        let compiled = sql::compile(text, &self.bench.gateway.catalog(), &[]).unwrap();
        self.bench.gateway.store().write().await.script("ANALYZE").await.unwrap();
        self.views.steps(&compiled.text, 0).await.unwrap().join("; ")
    }

    /// The indexes that were asked for, in order of name.
    async fn asked_for(&self) -> Vec<String> {
        self.names().await.into_iter().filter(|name| name.contains("_x_")).collect()
    }
}

async fn an_index_is_used_and_moves_with_the_version_of_its_view(engine: Engine) {
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, &[]).await;
    shelf.books(1, 1..3_000).await;
    let text = "CREATE MATERIALIZED VIEW by_pages AS SELECT pages, shelf, COUNT(*) AS n FROM books GROUP BY pages, shelf; \
        CREATE INDEX by_shelf ON by_pages (shelf, n DESC); CREATE INDEX ON books (pages)";
    shelf.create(text, false).await.unwrap();
    shelf.until("by_shelf", ViewState::Ready).await;
    let names = shelf.asked_for().await;
    assert!(
        names.len() == 2 && names[0].ends_with("_x_by_shelf") && names[1] == "_x_books_pages_idx",
        "{names:?}"
    );
    let plan = shelf.plan("SELECT n FROM by_pages WHERE shelf = 's3' ORDER BY n DESC").await;
    assert!(plan.contains(&names[0]), "{plan}");
    let plan = shelf.plan("SELECT id FROM books WHERE pages = 3").await;
    assert!(plan.contains("_x_books_pages_idx"), "{plan}");
    // A new version has it from the start; what the new text does not ask for is gone.
    let text = "CREATE MATERIALIZED VIEW by_pages AS SELECT pages, shelf, COUNT(*) + 0 AS n FROM books GROUP BY pages, shelf; \
        CREATE INDEX by_shelf ON by_pages (shelf)";
    shelf.create(text, true).await.unwrap();
    shelf.until("by_shelf", ViewState::Ready).await;
    let after = shelf.asked_for().await;
    assert!(after.len() == 2 && after[0] != names[0], "{after:?}");
    let plan = shelf.plan("SELECT pages FROM by_pages WHERE shelf = 's3'").await;
    assert!(plan.contains(&after[0]), "{plan}");
    shelf.drop_view("books_pages_idx").await.unwrap();
    shelf.drop_view("by_pages").await.unwrap();
    assert!(shelf.asked_for().await.is_empty());
}

async fn an_index_whose_view_is_no_more_waits_for_it(engine: Engine) {
    let place = engine.place().await;
    let files = [("i.sql", "CREATE INDEX by_shelf ON pages (shelf)")];
    let shelf = Shelf::open(&place, &files).await;
    let waits = shelf.until("by_shelf", ViewState::Pending).await;
    assert!(waits.reason.contains("pages"), "{waits:?}");
    shelf.create("CREATE MATERIALIZED VIEW pages AS SELECT id, shelf FROM books", false).await.unwrap();
    shelf.until("by_shelf", ViewState::Ready).await;
    shelf.create("CREATE MATERIALIZED VIEW pages AS SELECT id FROM books", true).await.unwrap_err();
    drop(shelf);
    let files = [("i.sql", "CREATE INDEX by_shelf ON pages (shef)")];
    let shelf = Shelf::reopen(&place, &files, BOOKS).await;
    let failed = shelf.until("by_shelf", ViewState::Failed).await;
    assert!(
        failed.reason.starts_with("i.sql: ") && failed.reason.contains("did you mean \"shelf\""),
        "{failed:?}"
    );
    assert_eq!(shelf.view("pages").state, ViewState::Ready);
}
