//! CreateView and DropView, as the gateway takes them.

use serde_json::json;
use tributary_chassis::fault::{Fault, Reason};

use super::shelf::Shelf;
use crate::store::tests::place::{Engine, in_each_store};
use crate::view::{ViewKind, ViewState};

in_each_store! {
    a_view_that_was_created_by_a_call_survives_a_restart,
    what_cannot_be_is_refused_with_what_to_write_and_nothing_of_it_is_created,
    a_name_is_taken_once_and_a_file_keeps_what_it_defines,
    a_view_may_be_asked_for_before_its_tables_are_known,
    what_others_read_is_not_dropped_and_what_nobody_knows_is_named,
    a_dropped_view_leaves_nothing,
    a_replacement_that_others_could_not_go_on_with_is_refused,
}

const PAGES: &str =
    "CREATE MATERIALIZED VIEW pages AS SELECT shelf, SUM(pages) AS pages FROM books GROUP BY shelf";
const PAGES_SELECT: &str = "SELECT shelf, SUM(pages) AS pages FROM books GROUP BY shelf";

impl Shelf {
    pub(super) async fn create(&self, sql: &str, replace: bool) -> Result<(), Fault> {
        self.views.create(sql, replace, &|_| Vec::new()).await.map(drop)
    }

    pub(super) async fn drop_view(&self, name: &str) -> Result<(), Fault> {
        self.views.drop(name, false, &|_| Vec::new()).await
    }

    async fn refused(&self, sql: &str, replace: bool) -> (Reason, String) {
        let before = self.views.list();
        let fault = self.create(sql, replace).await.unwrap_err();
        assert_eq!(before, self.views.list(), "nothing changes");
        (fault.reason(), format!("{fault} {fault:?}"))
    }
}

async fn a_view_that_was_created_by_a_call_survives_a_restart(engine: Engine) {
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, &[]).await;
    shelf.books(1, [10, 20, 30]).await;
    let text = format!(
        "-- by shelf\n{PAGES}; CREATE INDEX ON pages (shelf); CREATE VIEW ids AS SELECT id FROM books"
    );
    let created = shelf.views.create(&text, false, &|_| Vec::new()).await.unwrap();
    let states: Vec<_> =
        created.iter().map(|view| (view.name.as_str(), view.kind, view.file.as_str())).collect();
    assert_eq!(
        states,
        [
            ("ids", ViewKind::Computed, ""),
            ("pages", ViewKind::Materialized, ""),
            ("pages_shelf_idx", ViewKind::Index, "")
        ]
    );
    shelf.until("pages", ViewState::Ready).await;
    assert_eq!(shelf.exact("pages", PAGES_SELECT).await, 3);
    drop(shelf);
    let shelf = Shelf::reopen(&place, &[], super::shelf::BOOKS).await;
    for name in ["ids", "pages", "pages_shelf_idx"] {
        assert_eq!(shelf.view(name).state, ViewState::Ready, "{name}");
    }
    assert_eq!(shelf.exact("pages", PAGES_SELECT).await, 3);
}

async fn what_cannot_be_is_refused_with_what_to_write_and_nothing_of_it_is_created(engine: Engine) {
    let place = engine.place().await;
    let shelf = Shelf::open(&place, &[("taken.sql", "CREATE VIEW taken AS SELECT id FROM books")]).await;
    for (sql, said) in [
        ("", "defines nothing"),
        ("SELECT 1", "CREATE VIEW name AS SELECT"),
        ("CREATE VIEW x AS", "syntax error"),
        ("CREATE VIEW x AS SELECT shef FROM books", "did you mean"),
        ("CREATE MATERIALIZED VIEW x AS SELECT id FROM books LIMIT 3", "LIMIT"),
        ("CREATE VIEW books AS SELECT id FROM loans", "a table of source library"),
        ("CREATE VIEW good AS SELECT id FROM books; CREATE VIEW bad AS SELECT nothing FROM books", "bad"),
        ("CREATE VIEW a AS SELECT id FROM b; CREATE VIEW b AS SELECT id FROM a", "read each other"),
        ("CREATE UNIQUE INDEX ON books (shelf)", "UNIQUE"),
        ("CREATE INDEX ON books (shef)", "did you mean"),
        ("CREATE INDEX ON taken (id)", "computed when it is read"),
        (
            "CREATE MATERIALIZED VIEW x AS SELECT shelf, SUM(pages) + 1 AS n FROM books GROUP BY shelf; CREATE INDEX ON x (n)",
            "\"n\" is computed when it is read",
        ),
    ] {
        let (reason, text) = shelf.refused(sql, false).await;
        assert!(reason == Reason::InvalidRequest && text.contains(said), "{sql}: {reason:?} {text}");
        assert!(text.contains("sql"), "{sql}: names the field: {text}");
    }
    assert_eq!(shelf.views.list().len(), 1);
}

async fn a_name_is_taken_once_and_a_file_keeps_what_it_defines(engine: Engine) {
    let place = engine.place().await;
    let files =
        [("taken.sql", "CREATE VIEW taken AS SELECT id FROM books; CREATE INDEX taken_idx ON books (shelf)")];
    let shelf = Shelf::open(&place, &files).await;
    shelf
        .create("CREATE VIEW mine AS SELECT id FROM books; CREATE INDEX mine_idx ON books (pages)", false)
        .await
        .unwrap();
    for name in ["mine", "taken", "taken_idx", "mine_idx"] {
        let (reason, text) =
            shelf.refused(&format!("CREATE VIEW {name} AS SELECT id FROM loans"), false).await;
        assert!(reason == Reason::AlreadyExists && text.contains(name), "{text}");
    }
    let (reason, text) = shelf.refused("CREATE VIEW taken AS SELECT id FROM loans", true).await;
    assert!(reason == Reason::WrongState && text.contains("taken.sql"), "{text}");
    for name in ["taken", "taken_idx"] {
        let fault = shelf.drop_view(name).await.unwrap_err();
        assert!(fault.reason() == Reason::WrongState && fault.message().contains("taken.sql"), "{fault}");
    }
    shelf.create("CREATE VIEW mine AS SELECT id + 1 AS id FROM loans", true).await.unwrap();
    assert!(shelf.view("mine").sql.contains("loans"));
}

async fn a_view_may_be_asked_for_before_its_tables_are_known(engine: Engine) {
    let place = engine.place().await;
    let mut shelf = Shelf::reopen(&place, &[], super::shelf::BOOKS).await;
    shelf.create(&format!("{PAGES}; CREATE INDEX by_pages ON pages (shelf)"), false).await.unwrap();
    assert_eq!(shelf.view("pages").state, ViewState::Pending);
    assert_eq!(shelf.view("by_pages").state, ViewState::Pending);
    shelf.snapshot().await;
    shelf.books(1, [1, 2]).await;
    shelf.until("pages", ViewState::Ready).await;
    shelf.until("by_pages", ViewState::Ready).await;
    assert_eq!(shelf.exact("pages", PAGES_SELECT).await, 2);
}

async fn what_others_read_is_not_dropped_and_what_nobody_knows_is_named(engine: Engine) {
    let place = engine.place().await;
    let files = [("reader.sql", "CREATE VIEW reader AS SELECT shelf FROM pages")];
    let shelf = Shelf::open(&place, &files).await;
    shelf.create(&format!("{PAGES}; CREATE INDEX by_shelf ON pages (shelf)"), false).await.unwrap();
    shelf.create("CREATE VIEW waits AS SELECT a FROM pages JOIN nowhere ON TRUE", false).await.unwrap();
    let fault = shelf.drop_view("pages").await.unwrap_err();
    assert_eq!(fault.reason(), Reason::WrongState);
    assert!(fault.message().contains("reader") && fault.message().contains("waits"), "{fault}");
    let typed = |_: &crate::catalog::Catalog| vec!["the typed query a.B/C".to_owned()];
    shelf.drop_view("waits").await.unwrap();
    let fault = shelf.views.drop("pages", false, &typed).await.unwrap_err();
    assert!(fault.message().contains("a.B/C"), "{fault}");
    let fault = shelf.drop_view("pagse").await.unwrap_err();
    assert!(
        fault.reason() == Reason::NotFound && fault.message().contains("did you mean \"pages\""),
        "{fault}"
    );
    shelf.views.drop("pagse", true, &|_| Vec::new()).await.unwrap();
    shelf.drop_view("by_shelf").await.unwrap();
    assert!(shelf.views.list().iter().all(|view| view.name != "by_shelf"));
}

async fn a_dropped_view_leaves_nothing(engine: Engine) {
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, &[]).await;
    shelf.books(1, [1, 2]).await;
    let before = shelf.names().await;
    let text = "CREATE MATERIALIZED VIEW lent AS SELECT b.shelf, COUNT(*) AS n FROM loans l JOIN books b ON b.id = l.book \
        GROUP BY b.shelf; CREATE INDEX ON lent (n DESC)";
    shelf.create(text, false).await.unwrap();
    shelf.until("lent", ViewState::Ready).await;
    assert!(shelf.names().await.len() > before.len());
    shelf.drop_view("lent").await.unwrap();
    assert_eq!(shelf.names().await, before);
    shelf.put("loans", [json!({"id": 1, "book": 1, "days": 3})]).await;
}

async fn a_replacement_that_others_could_not_go_on_with_is_refused(engine: Engine) {
    let place = engine.place().await;
    let shelf = Shelf::open(&place, &[("r.sql", "CREATE VIEW reader AS SELECT pages FROM pages")]).await;
    shelf.create(PAGES, false).await.unwrap();
    shelf.until("pages", ViewState::Ready).await;
    shelf.until("reader", ViewState::Ready).await;
    let (reason, text) = shelf.refused("CREATE VIEW pages AS SELECT shelf FROM books", true).await;
    assert!(reason == Reason::WrongState && text.contains("reader"), "{text}");
    let fault = shelf
        .views
        .create("CREATE VIEW pages AS SELECT shelf, pages FROM books", true, &|_| {
            vec!["the typed query".to_owned()]
        })
        .await
        .unwrap_err();
    assert!(fault.message().contains("the typed query"), "{fault}");
    shelf.create("CREATE VIEW pages AS SELECT shelf, pages FROM books", true).await.unwrap();
    assert_eq!(shelf.view("reader").state, ViewState::Ready);
}
