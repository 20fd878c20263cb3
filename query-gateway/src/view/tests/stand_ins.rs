//! An earlier definition goes on where a later one cannot be.

use std::fs;

use super::shelf::{BOOKS, Shelf};
use crate::store::tests::place::{Engine, in_each_store};
use crate::view::ViewState;

in_each_store! {
    a_file_that_becomes_wrong_fails_and_what_it_defined_goes_on,
    a_directory_that_vanishes_drops_nothing,
    a_restart_with_a_wrong_file_goes_on_with_what_was_served,
    a_replacement_that_its_rows_make_fail_leaves_the_earlier_one,
    a_file_that_takes_the_name_of_a_call_waits_for_it,
}

const GOOD: &str =
    "CREATE MATERIALIZED VIEW pages AS SELECT shelf, SUM(pages) AS pages FROM books GROUP BY shelf";
const SELECT: &str = "SELECT shelf, SUM(pages) AS pages FROM books GROUP BY shelf";

/// The numbers of the versions in the store.
const VERSIONS: &str = "SELECT CAST(number AS TEXT) FROM _versions ORDER BY number";

async fn a_file_that_becomes_wrong_fails_and_what_it_defined_goes_on(engine: Engine) {
    let (place, files) = (engine.place().await, tempfile::tempdir().unwrap());
    let write = |name: &str, text: &str| fs::write(files.path().join(name), text).unwrap();
    write("a.sql", &format!("{GOOD}; CREATE VIEW ids AS SELECT id FROM books"));
    write("b.sql", "CREATE MATERIALIZED VIEW on_pages AS SELECT COUNT(*) AS n FROM pages");
    let mut shelf = Shelf::watching(&place, files.path()).await;
    shelf.books(1, [1, 2, 3]).await;
    shelf.until("on_pages", ViewState::Ready).await;
    let versions = shelf.inside(VERSIONS).await;
    for wrong in ["CREATE VIEW pages AS AS", "CREATE MATERIALIZED VIEW pages AS SELECT no FROM books"] {
        write("a.sql", wrong);
        let failed = shelf.until("pages", ViewState::Failed).await;
        assert!(failed.reason.starts_with("a.sql: "), "{failed:?}");
        assert!(failed.reason.contains("its earlier definition goes on"), "{failed:?}");
        assert!(failed.failure.is_some() && !failed.columns.is_empty(), "{failed:?}");
        assert_eq!(shelf.view("on_pages").state, ViewState::Ready);
        shelf.books(shelf.position().sequence as i64 + 1, [7]).await;
        shelf.exact("pages", SELECT).await;
        assert_eq!(shelf.inside(VERSIONS).await, versions, "nothing is filled again");
        write("a.sql", GOOD);
        let ready = shelf.until("pages", ViewState::Ready).await;
        assert_eq!((ready.reason.as_str(), ready.failure), ("", None));
        assert_eq!(shelf.inside(VERSIONS).await, versions, "nothing is filled again");
    }
    fs::remove_file(files.path().join("b.sql")).unwrap();
    shelf.wait(|shelf| shelf.views.list().iter().all(|view| view.name != "on_pages").then_some(())).await;
    assert_eq!(shelf.inside(VERSIONS).await.len(), 1);
}

async fn a_directory_that_vanishes_drops_nothing(engine: Engine) {
    let (place, root) = (engine.place().await, tempfile::tempdir().unwrap());
    let files = root.path().join("views");
    fs::create_dir(&files).unwrap();
    fs::write(files.join("a.sql"), GOOD).unwrap();
    let mut shelf = Shelf::watching(&place, &files).await;
    shelf.until("pages", ViewState::Ready).await;
    fs::rename(&files, root.path().join("elsewhere")).unwrap();
    let problem = shelf.wait(|shelf| shelf.views.problem()).await;
    assert!(problem.to_string().contains("views"), "{problem}");
    shelf.books(1, [5]).await;
    assert_eq!(shelf.exact("pages", SELECT).await, 1);
    fs::rename(root.path().join("elsewhere"), &files).unwrap();
    shelf.wait(|shelf| shelf.views.problem().is_none().then_some(())).await;
    assert_eq!(shelf.view("pages").state, ViewState::Ready);
}

async fn a_restart_with_a_wrong_file_goes_on_with_what_was_served(engine: Engine) {
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, &[("a.sql", GOOD)]).await;
    shelf.books(1, [1, 2, 3]).await;
    shelf.until("pages", ViewState::Ready).await;
    let versions = shelf.inside(VERSIONS).await;
    drop(shelf);
    for wrong in ["CREATE VIEW pages AS AS", "CREATE VIEW pages AS SELECT no FROM books"] {
        let shelf = Shelf::reopen(&place, &[("a.sql", wrong)], BOOKS).await;
        assert_eq!(shelf.view("pages").state, ViewState::Failed);
        assert_eq!(shelf.exact("pages", SELECT).await, 3);
        assert_eq!(shelf.inside(VERSIONS).await, versions);
    }
    let shelf = Shelf::reopen(&place, &[], BOOKS).await;
    assert!(shelf.views.list().is_empty() && shelf.inside(VERSIONS).await.is_empty());
}

async fn a_replacement_that_its_rows_make_fail_leaves_the_earlier_one(engine: Engine) {
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, &[]).await;
    shelf.books(1, [1, 0, 3]).await;
    shelf.create(GOOD, false).await.unwrap();
    shelf.until("pages", ViewState::Ready).await;
    let wrong =
        "CREATE MATERIALIZED VIEW pages AS SELECT shelf, SUM(60 / pages) AS pages FROM books GROUP BY shelf";
    shelf.create(wrong, true).await.unwrap();
    let failed = shelf.until("pages", ViewState::Failed).await;
    assert!(failed.reason.contains("division by zero") && failed.reason.contains("goes on"), "{failed:?}");
    shelf.books(4, [4]).await;
    assert_eq!(shelf.exact("pages", SELECT).await, 4);
    // Mended, and asked for again.
    shelf.books(2, [2]).await;
    shelf.create(wrong, true).await.unwrap();
    shelf.until("pages", ViewState::Ready).await;
    assert_eq!(shelf.ask("SELECT pages FROM pages WHERE shelf = 's2'").await, ["30"]);
}

async fn a_file_that_takes_the_name_of_a_call_waits_for_it(engine: Engine) {
    let (place, files) = (engine.place().await, tempfile::tempdir().unwrap());
    let mut shelf = Shelf::watching(&place, files.path()).await;
    shelf.books(1, [1]).await;
    shelf.create(GOOD, false).await.unwrap();
    shelf.until("pages", ViewState::Ready).await;
    fs::write(files.path().join("a.sql"), "CREATE VIEW pages AS SELECT id FROM books").unwrap();
    let of_file = |shelf: &Shelf| shelf.views.list().iter().find(|view| view.file == "a.sql").cloned();
    let failed = shelf.wait(of_file).await;
    assert!(failed.state == ViewState::Failed && failed.reason.contains("CreateView"), "{failed:?}");
    assert_eq!(shelf.exact("pages", SELECT).await, 1);
    shelf.drop_view("pages").await.unwrap();
    shelf.wait(|shelf| (shelf.view("pages").state == ViewState::Ready).then_some(())).await;
    assert_eq!(shelf.ask("SELECT id FROM pages").await, ["1"]);
}
