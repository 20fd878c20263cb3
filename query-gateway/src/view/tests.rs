use tributary_chassis::fault::Reason;

use super::*;
use crate::query::library::Library;

fn files(files: &[(&str, &str)]) -> ViewFiles {
    ViewFiles::parse(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())))
}

async fn open(library: &Library, list: &[(&str, &str)]) -> (Views, Follower) {
    Views::open(library.gateway.clone(), files(list)).await.unwrap()
}

/// `name: STATE`, in order.
fn states(views: &Views) -> Vec<String> {
    views.list().iter().map(|view| format!("{}: {}", view.name, view.state.as_str_name())).collect()
}

fn reason(views: &Views, name: &str) -> String {
    views.list().iter().find(|view| view.name == name).unwrap().reason.clone()
}

/// The first column of every row, as text.
async fn rows(library: &Library, sql: &'static str) -> Vec<String> {
    let mut reader = library.gateway.store().read().await.unwrap();
    reader.query(sql).all().await.unwrap()
}

/// The views that the store has.
async fn stored(library: &Library) -> Vec<String> {
    let mut writer = library.gateway.store().write().await;
    let mut names: Vec<String> =
        objects::views(&mut writer).await.unwrap().into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}

const LENT: &str = "CREATE VIEW lent AS SELECT b.title, r.name FROM loans l \
    JOIN books b ON b.book_id = l.book_id JOIN readers r ON r.reader_id = l.reader_id";
const BUSY: &str = "CREATE VIEW busy (who, loans) AS SELECT name, count(*) AS n FROM lent GROUP BY name";

async fn a_view_can_be_queried_like_a_table(engine: Engine) {
    let library = Library::stocked(engine).await;
    let (views, _follower) = open(&library, &[("lent.sql", LENT)]).await;
    assert_eq!(states(&views), ["lent: READY"]);
    assert_eq!(rows(&library, "SELECT title FROM lent ORDER BY title, name").await, ["Dune", "Emma", "Emma"]);
    let catalog = library.gateway.catalog();
    let relation = catalog.get("lent").unwrap();
    let columns: Vec<_> =
        relation.columns.iter().map(|column| format!("{} {}", column.name, column.ty)).collect();
    assert_eq!(columns, ["title text", "name text"]);
}

async fn views_read_views_in_whatever_order_their_files_come(engine: Engine) {
    let library = Library::stocked(engine).await;
    let (views, _follower) = open(&library, &[("a_busy.sql", BUSY), ("b_lent.sql", LENT)]).await;
    assert_eq!(states(&views), ["busy: READY", "lent: READY"]);
    assert_eq!(rows(&library, "SELECT who FROM busy WHERE loans = 2").await, ["Ann"]);
}

async fn a_view_waits_for_its_tables_and_comes_with_them(engine: Engine) {
    let library = Library::closed(engine).await;
    library.shelve().await;
    let (views, follower) = open(&library, &[("busy.sql", BUSY), ("lent.sql", LENT)]).await;
    assert_eq!(states(&views), ["busy: PENDING", "lent: PENDING"]);
    assert_eq!(reason(&views, "lent"), "waits for the table readers, which no source has described yet");
    assert!(reason(&views, "busy").ends_with("through lent"), "{}", reason(&views, "busy"));
    let absent = views.absent("lent");
    assert_eq!(absent.reason(), Reason::Unavailable);
    for part in ["lent.sql", "the table readers", "members at http://127.0.0.1:1"] {
        assert!(absent.message().contains(part), "{absent}");
    }

    let following = tokio::spawn(follower.run());
    library.enrol().await;
    views.settled().await;
    assert_eq!(states(&views), ["busy: READY", "lent: READY"]);
    assert_eq!(rows(&library, "SELECT who FROM busy WHERE loans = 1").await, ["Bo"]);
    following.abort();
}

async fn a_view_that_fails_says_why_and_the_others_go_on(engine: Engine) {
    let library = Library::stocked(engine).await;
    let (views, _follower) = open(
        &library,
        &[
            ("broken.sql", "CREATE VIEW broken AS SELECT titel FROM books"),
            ("on_broken.sql", "CREATE VIEW on_broken AS SELECT titel FROM broken"),
            ("garbage.sql", "CREATE VIEW AS AS"),
            ("lent.sql", LENT),
            ("twins.sql", "CREATE VIEW twins AS SELECT title, title FROM books"),
        ],
    )
    .await;
    assert_eq!(
        states(&views),
        ["broken: FAILED", "garbage: FAILED", "lent: READY", "on_broken: FAILED", "twins: FAILED"]
    );
    let broken = reason(&views, "broken");
    assert!(broken.starts_with("broken.sql: ") && broken.contains("titel"), "{broken}");
    assert!(reason(&views, "on_broken").contains("broken, which failed"), "{}", reason(&views, "on_broken"));
    assert!(reason(&views, "garbage").starts_with("garbage.sql: "), "{}", reason(&views, "garbage"));
    assert!(reason(&views, "twins").contains("title"), "{}", reason(&views, "twins"));
    assert_eq!(views.absent("broken").reason(), Reason::WrongState);
}

async fn views_that_read_each_other_are_refused(engine: Engine) {
    let library = Library::stocked(engine).await;
    let (views, _follower) = open(
        &library,
        &[
            ("a.sql", "CREATE VIEW a AS SELECT title FROM b"),
            ("b.sql", "CREATE VIEW b AS SELECT title FROM a"),
            ("c.sql", "CREATE VIEW c AS SELECT title FROM c"),
        ],
    )
    .await;
    assert_eq!(states(&views), ["a: FAILED", "b: FAILED", "c: FAILED"]);
    assert!(reason(&views, "a").contains("a -> b -> a"), "{}", reason(&views, "a"));
    assert!(reason(&views, "c").contains("c -> c"), "{}", reason(&views, "c"));
}

async fn a_name_belongs_to_one(engine: Engine) {
    let library = Library::stocked(engine).await;
    let (views, _follower) = open(
        &library,
        &[
            ("one.sql", "CREATE VIEW titles AS SELECT title FROM books"),
            ("other.sql", "CREATE VIEW titles AS SELECT name FROM readers"),
            ("books.sql", "CREATE VIEW books AS SELECT name FROM readers"),
        ],
    )
    .await;
    assert_eq!(states(&views), ["books: FAILED", "titles: FAILED", "titles: FAILED"]);
    assert!(reason(&views, "titles").contains("one.sql, other.sql"), "{}", reason(&views, "titles"));
    assert!(reason(&views, "books").contains("source library"), "{}", reason(&views, "books"));
    assert_eq!(rows(&library, "SELECT title FROM books WHERE book_id = 'b1'").await, ["Emma"]);
}

async fn names_are_plain(engine: Engine) {
    let library = Library::stocked(engine).await;
    let long = format!("CREATE VIEW {} AS SELECT title FROM books", "n".repeat(64));
    let (views, _follower) = open(
        &library,
        &[
            ("a.sql", "CREATE VIEW _gateway AS SELECT title FROM books"),
            ("b.sql", "CREATE VIEW \"Titles\" AS SELECT title FROM books"),
            ("c.sql", &long),
            ("d.sql", "CREATE VIEW sqlite_titles AS SELECT title FROM books"),
            ("e.sql", "CREATE VIEW titles_2 AS SELECT title FROM books"),
        ],
    )
    .await;
    let states = states(&views);
    assert!(states[..4].iter().all(|state| state.ends_with(": FAILED")), "{states:?}");
    assert_eq!(states[4], "titles_2: READY");
    assert!(
        reason(&views, "_gateway").starts_with("a.sql: the name of a view"),
        "{}",
        reason(&views, "_gateway")
    );
}

async fn a_view_vanishes_with_its_file(engine: Engine) {
    let library = Library::stocked(engine).await;
    drop(open(&library, &[("lent.sql", LENT), ("busy.sql", BUSY)]).await);
    assert_eq!(stored(&library).await, ["busy", "lent"]);
    let (views, _follower) = open(&library, &[("lent.sql", LENT)]).await;
    assert_eq!(
        (states(&views), stored(&library).await),
        (vec!["lent: READY".to_owned()], vec!["lent".to_owned()])
    );
    assert!(library.gateway.catalog().get("busy").is_none());
}

async fn a_view_changes_with_its_file(engine: Engine) {
    let library = Library::stocked(engine).await;
    drop(open(&library, &[("titles.sql", "CREATE VIEW titles AS SELECT title FROM books")]).await);
    drop(open(&library, &[("titles.sql", "CREATE VIEW titles AS SELECT name FROM readers")]).await);
    assert_eq!(rows(&library, "SELECT name FROM titles WHERE name = 'Cy'").await, ["Cy"]);
}

#[test]
fn only_a_directory_that_cannot_be_read_keeps_the_gateway_from_starting() {
    let folder = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("b.sql", LENT);
    write("a.sql", BUSY);
    write("notes.txt", "no SQL");
    let files = ViewFiles::load(Some(folder.path())).unwrap();
    let names: Vec<_> = files.definitions.views.iter().map(|definition| definition.origin.file()).collect();
    assert_eq!(names, ["a.sql", "b.sql"]);
    let error = ViewFiles::load(Some(&folder.path().join("none"))).unwrap_err().to_string();
    assert!(error.contains("none"), "{error}");
}

mod calls;
mod indexes;
mod life;
mod rows;
mod schemas;
mod shelf;
mod stand_ins;
use crate::store::objects;
use crate::store::tests::place::{Engine, in_each_store};

in_each_store! {
    a_view_can_be_queried_like_a_table,
    views_read_views_in_whatever_order_their_files_come,
    a_view_waits_for_its_tables_and_comes_with_them,
    a_view_that_fails_says_why_and_the_others_go_on,
    views_that_read_each_other_are_refused,
    a_name_belongs_to_one,
    names_are_plain,
    a_view_vanishes_with_its_file,
    a_view_changes_with_its_file,
}
