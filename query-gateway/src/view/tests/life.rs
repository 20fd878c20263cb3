//! From the first row to the last restart: views are filled and replaced while changes and questions go on, fail, are
//! mended, and are taken over by the next run.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use tokio::time::sleep;

use super::shelf::{BOOKS, Shelf};
use crate::store::tests::place::{Engine, in_each_store};
use crate::{
    query::{Asker, Caps, Part, Queries, Statement, cell::Cell},
    schema::fixture::rounds,
    sql,
    view::{ViewFiles, ViewState},
};

in_each_store! {
    changes_that_take_long_leave_as_long_for_filling,
    readers_see_old_or_new_rows_while_a_view_is_replaced,
    a_view_that_cannot_follow_fails_alone_and_is_mended_by_asking_again,
    a_restart_takes_complete_versions_over_and_fills_nothing_again,
    a_crash_at_any_moment_of_a_replacement_leaves_one_exact_view,
    an_explained_view_tells_its_plan_its_statements_and_how_long_they_take,
}

const SELECT: &str = "SELECT shelf, SUM(pages) AS pages, COUNT(*) AS books FROM books GROUP BY shelf";

fn view(extra: &str) -> String {
    format!(
        "CREATE MATERIALIZED VIEW pages AS SELECT shelf, SUM(pages) AS pages, {extra} FROM books GROUP BY shelf"
    )
}

/// Numbers of the versions in the store, with those of their tables.
const VERSIONS: &str = "SELECT CAST(number AS TEXT) FROM _versions ORDER BY number";

/// Asks as users do: there is an answer at every moment.
async fn ask(queries: &Queries, text: &str) -> Vec<Vec<Cell>> {
    let mut answer = loop {
        let catalog = queries.gateway().catalog();
        let compiled = Arc::new(sql::compile(text, &catalog, &[]).expect("the view is there"));
        let statement = Statement { compiled, catalog, arguments: Vec::new(), max_rows: 10_000 };
        if let Some(answer) = queries.start(Asker::AdHoc, statement).await.unwrap() {
            break answer;
        }
    };
    let mut rows = Vec::new();
    while let Some(part) = answer.next().await {
        match part.unwrap() {
            Part::Rows(more) => rows.extend(more),
            Part::Truncated(reason) => panic!("{reason}"),
        }
    }
    rows
}

async fn changes_that_take_long_leave_as_long_for_filling(engine: Engine) {
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, &[]).await;
    shelf.books(1, 1..2_000).await;
    let file = ("pages.sql".into(), view("COUNT(*) AS books"));
    let mut follower = shelf.put_files(ViewFiles::parse([file])).await;
    let store = shelf.bench.gateway.store().clone();
    let changes = store.write().await;
    let (turn, ()) = tokio::join!(follower.fill_on(), async {
        sleep(Duration::from_secs(1)).await;
        drop(changes);
    });
    assert!(turn.unwrap(), "there was something to fill");
    // The first step of those that fill it takes no row yet.
    let (pages, filling) = (shelf.view("pages"), shelf.views.filling());
    let has_rows = filling.as_ref().is_some_and(|filling| filling.rows > 0);
    assert!(pages.state == ViewState::Ready || has_rows, "one turn after a second: {pages:?}, {filling:?}");
}

async fn readers_see_old_or_new_rows_while_a_view_is_replaced(engine: Engine) {
    let place = engine.place().await;
    let mut shelf = Shelf::open(&place, &[]).await;
    for part in 0..10 {
        shelf.books(1 + part * 1_000, (0..1_000).map(|n| n % 97)).await;
    }
    shelf.create(&view("'0' AS which"), false).await.unwrap();
    shelf.until("pages", ViewState::Ready).await;
    let queries = Queries::new(shelf.bench.gateway.clone(), Caps::default());
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (queries, stop, asked) = (queries.clone(), stop.clone(), asked.clone());
            tokio::spawn(async move {
                let mut latest = 0;
                while !stop.load(Ordering::Relaxed) {
                    let rows = ask(&queries, "SELECT * FROM pages").await;
                    assert_eq!(rows.len(), 10, "every shelf, once: {rows:?}");
                    assert!(rows.iter().all(|row| row.last() == rows[0].last()), "of one version: {rows:?}");
                    // Of another type in each version.
                    let which: u64 = match rows[0].last().unwrap() {
                        Cell::Text(which) => which.parse().unwrap(),
                        Cell::Bigint(which) => which.cast_unsigned(),
                        other => panic!("{other:?}"),
                    };
                    assert!(which >= latest, "version {which} after {latest}");
                    latest = which;
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for which in 1..=6 {
        let column = if which % 2 == 0 {
            format!("'{which}' AS which")
        } else {
            format!("1 AS more, {which} AS which")
        };
        shelf.create(&view(&column), true).await.unwrap();
        // Changes go on while it is filled.
        let mut n = 0;
        while shelf.view("pages").state != ViewState::Ready {
            n += 1;
            shelf.books(1 + n % 10_000, [which]).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(asked.load(Ordering::Relaxed) > 20, "{asked:?}");
    assert_eq!(shelf.ask("SELECT DISTINCT which FROM pages").await, ["6"]);
    assert_eq!(shelf.inside(VERSIONS).await.len(), 1);
}

async fn a_view_that_cannot_follow_fails_alone_and_is_mended_by_asking_again(engine: Engine) {
    let place = engine.place().await;
    let ratio =
        "CREATE MATERIALIZED VIEW ratio AS SELECT shelf, SUM(60 / pages) AS n FROM books GROUP BY shelf";
    let sum = "CREATE MATERIALIZED VIEW total AS SELECT shelf, CAST(SUM(pages) AS BIGINT) AS n FROM books GROUP BY shelf";
    let files = [
        ("other.sql", "CREATE MATERIALIZED VIEW other AS SELECT id, pages FROM books"),
        ("on_ratio.sql", "CREATE MATERIALIZED VIEW on_ratio AS SELECT MAX(n) AS most FROM ratio"),
        ("plain.sql", "CREATE VIEW plain AS SELECT most FROM on_ratio"),
    ];
    let mut shelf = Shelf::open(&place, &files).await;
    shelf.books(1, [1, 2, 3]).await;
    shelf.create(&format!("{ratio}; {sum}"), false).await.unwrap();
    for name in ["ratio", "on_ratio", "total", "other"] {
        shelf.until(name, ViewState::Ready).await;
    }
    shelf.books(4, [0, 5]).await;
    let since = format!("library/e1/{}", shelf.position().sequence);
    let failed = shelf.until("ratio", ViewState::Failed).await;
    assert!(failed.reason.contains("division by zero") && failed.reason.contains(&since), "{failed:?}");
    assert_eq!(failed.failure.unwrap().position, since);
    for name in ["on_ratio", "plain"] {
        let failed = shelf.until(name, ViewState::Failed).await;
        assert!(failed.reason.contains("reads the view ratio, which failed"), "{failed:?}");
    }
    assert_eq!(shelf.exact("other", "SELECT id, pages FROM books").await, 5);
    assert_eq!(shelf.view("total").state, ViewState::Ready);
    // Integers that do not fit: that view alone.
    shelf.books(14, [i64::MAX]).await;
    shelf.books(24, [1]).await;
    match engine {
        Engine::Sqlite => {
            let failed = shelf.until("total", ViewState::Failed).await;
            assert!(failed.reason.contains("out of range"), "{failed:?}");
        }
        // PostgreSQL keeps any sum, and what does not fit is found by who reads it.
        Engine::Postgres => {
            let refused = shelf.refusal("SELECT n FROM total").await;
            assert!(refused.contains("out of range"), "{refused}");
        }
    }
    // It stays failed until somebody asks again, with rows that can be right.
    shelf.books(4, [4]).await;
    shelf.books(14, [14]).await;
    assert_eq!(shelf.view("ratio").state, ViewState::Failed);
    shelf.create(&format!("{ratio}; {sum}"), true).await.unwrap();
    for name in ["ratio", "on_ratio", "plain", "total"] {
        shelf.until(name, ViewState::Ready).await;
    }
    shelf.exact("ratio", "SELECT shelf, SUM(60 / pages) AS n FROM books GROUP BY shelf").await;
    shelf.exact("plain", "SELECT MAX(n) FROM ratio").await;
    assert_eq!(shelf.exact("other", "SELECT id, pages FROM books").await, 7);
}

async fn a_restart_takes_complete_versions_over_and_fills_nothing_again(engine: Engine) {
    let place = engine.place().await;
    let files = [
        ("pages.sql", &*view("COUNT(*) AS books")),
        ("most.sql", "CREATE MATERIALIZED VIEW most AS SELECT MAX(pages) AS pages FROM pages"),
    ];
    let mut shelf = Shelf::open(&place, &files).await;
    shelf.books(1, 1..500).await;
    shelf.until("pages", ViewState::Ready).await;
    shelf.until("most", ViewState::Ready).await;
    let (versions, objects) = (shelf.inside(VERSIONS).await, shelf.objects().await);
    drop(shelf);
    let shelf = Shelf::reopen(&place, &files, BOOKS).await;
    assert_eq!(shelf.view("most").state, ViewState::Ready, "at once");
    assert_eq!((shelf.inside(VERSIONS).await, shelf.objects().await), (versions, objects));
    assert_eq!(shelf.exact("pages", SELECT).await, 10);
    shelf.exact("most", "SELECT MAX(pages) FROM pages").await;
}

async fn a_crash_at_any_moment_of_a_replacement_leaves_one_exact_view(engine: Engine) {
    for seed in rounds(4) {
        let mut random = StdRng::seed_from_u64(seed);
        let place = engine.place().await;
        let mut shelf = Shelf::open(&place, &[]).await;
        for part in 0..4 {
            shelf.books(1 + part * 1_000, (0..1_000).map(|n| n % 97)).await;
        }
        shelf.create(&view("COUNT(*) AS books"), false).await.unwrap();
        shelf.until("pages", ViewState::Ready).await;
        shelf.create(&view("COUNT(*) + 0 AS books"), true).await.unwrap();
        shelf.books(1, [seed as i64]).await;
        sleep(Duration::from_micros(random.random_range(0..30_000))).await;
        let left = {
            // A copy of files that are not written to is what a crash at this moment leaves. A database is what it is.
            let _writer = shelf.bench.gateway.store().write().await;
            place.crash().unwrap_or(place)
        };
        drop(shelf);
        let shelf = Shelf::reopen(&left, &[], BOOKS).await;
        assert_eq!(shelf.exact("pages", SELECT).await, 10, "SEED={seed}: at once");
        shelf.until("pages", ViewState::Ready).await;
        assert_eq!(shelf.exact("pages", SELECT).await, 10, "SEED={seed}");
        assert_eq!(shelf.inside(VERSIONS).await.len(), 1, "SEED={seed}");
        let names = shelf.names().await;
        let of_version =
            |name: &String| name.strip_prefix("_v")?.split_once('_').map(|(number, _)| number.to_owned());
        let numbers: BTreeSet<String> =
            names.iter().filter_map(of_version).filter(|number| number.parse::<i64>().is_ok()).collect();
        assert_eq!(numbers.len(), 1, "SEED={seed}: {names:?}");
    }
}

async fn an_explained_view_tells_its_plan_its_statements_and_how_long_they_take(engine: Engine) {
    let place = engine.place().await;
    let text = "CREATE MATERIALIZED VIEW lent AS SELECT b.shelf, SUM(l.days) AS days, MAX(l.days) AS longest \
        FROM loans l JOIN books b ON b.id = l.book WHERE l.days > 0 GROUP BY b.shelf; CREATE INDEX ON lent (days)";
    let files = [("lent.sql", text), ("ids.sql", "CREATE VIEW ids AS SELECT id FROM books")];
    let mut shelf = Shelf::open(&place, &files).await;
    shelf.until("lent", ViewState::Ready).await;
    shelf.books(1, [1, 2]).await;
    shelf.put("loans", [json!({"id": 1, "book": 1, "days": 3})]).await;
    shelf.put("loans", [json!({"id": 1, "book": 1, "days": 4})]).await;
    let explained = shelf.views.explain("lent").await.unwrap();
    let programs: Vec<_> = explained
        .programs
        .iter()
        .map(|program| (program.table.as_str(), program.timing.runs, program.timing.changes))
        .collect();
    assert_eq!(programs, [("books", 1, 2), ("loans", 2, 3)]);
    assert!(explained.programs.iter().all(|program| !program.statements.is_empty()));
    assert!(explained.programs.iter().all(|program| program.timing.total >= program.timing.longest));
    assert!(explained.nodes.iter().all(|node| !node.key.is_empty() && !node.inputs.is_empty()));
    let asked: Vec<_> = explained.indexes.iter().filter(|(_, asked)| *asked).collect();
    assert!(asked.len() == 1 && asked[0].0.name.ends_with("_x_lent_days_idx"), "{asked:?}");
    let text = explained.to_string();
    for part in [
        "materialized view lent, defined by lent.sql, is READY",
        "from loans t",
        "a change of books",
        "ran 2 times",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let explained = shelf.views.explain("ids").await.unwrap();
    assert!(explained.nodes.is_empty() && explained.programs.is_empty());
    assert!(explained.to_string().contains("Nothing is kept of it"), "{explained}");
    let fault = shelf.views.explain("lend").await.unwrap_err();
    assert!(fault.message().contains("did you mean \"lent\""), "{fault}");
}
