//! What is kept of the changes that wrote the rows.

use std::path::Path;

use rand::{SeedableRng as _, rngs::StdRng};
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};

use super::{
    library::{Bench, Library},
    place::{Engine, engines},
};

/// Sequence, event, commit time in seconds, trace.
type Written = (i64, String, Option<i64>, String);

async fn written(bench: &Bench, table: &str) -> Vec<Written> {
    let text =
        format!("SELECT _sequence, _event, _commit_time / 1000000, _trace FROM {table} ORDER BY _sequence");
    bench.gateway.store().write().await.composed(text).all().await.unwrap()
}

/// What was told of the changes behind `told`, and of those before it what a snapshot tells.
fn expected(library: &Library, entity: &str, told: u64) -> Vec<Written> {
    let state = library.state(library.head());
    let rows = state.iter().filter(|((of, _), _)| *of == entity);
    let mut written: Vec<Written> = rows
        .map(|(_, (_, sequence))| {
            let text =
                |what: &str| if *sequence > told { format!("{what} of {sequence}") } else { String::new() };
            let number = sequence.cast_signed();
            (number, text("event"), Some(number), text("trace"))
        })
        .collect();
    written.sort();
    written
}

#[tokio::test]
async fn a_row_tells_what_is_known_of_its_change_also_after_a_snapshot() {
    for engine in engines("a_row_tells_what_is_known_of_its_change_also_after_a_snapshot") {
        let mut library = Library::new();
        library.live(&mut StdRng::seed_from_u64(3), 20);
        let place = engine.place().await;
        let mut bench = place.bench(&["library"]).await;
        bench.take(library.snapshot(20).into_iter().map(|step| ("library", step))).await;
        library.live(&mut StdRng::seed_from_u64(4), 15);
        bench.take([("library", library.frame(20, 35))]).await;
        for entity in ["books", "loans"] {
            let expected = expected(&library, entity, 20);
            assert!(
                expected.iter().any(|row| row.1.is_empty()) && expected.iter().any(|row| !row.1.is_empty())
            );
            assert_eq!(written(&bench, entity).await, expected, "{entity} as they came");
        }
        bench.take(library.snapshot(35).into_iter().map(|step| ("library", step))).await;
        for entity in ["books", "loans"] {
            assert_eq!(
                written(&bench, entity).await,
                expected(&library, entity, 20),
                "{entity} after a snapshot"
            );
        }
    }
}

/// Makes of the store what format 2 was: without what is told of changes.
async fn downgrade(directory: &Path) {
    let options = SqliteConnectOptions::new().filename(directory.join("query.db"));
    let mut connection = options.connect().await.unwrap();
    let text = "ALTER TABLE books DROP COLUMN _event; ALTER TABLE books DROP COLUMN _commit_time;
        ALTER TABLE loans DROP COLUMN _event; ALTER TABLE loans DROP COLUMN _commit_time;
        PRAGMA user_version = 2";
    sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_store_of_the_format_before_is_migrated_and_goes_on() {
    let mut library = Library::new();
    library.live(&mut StdRng::seed_from_u64(5), 40);
    let place = Engine::Sqlite.place().await;
    let mut bench = place.bench(&["library"]).await;
    bench.take(library.snapshot(0).into_iter().map(|step| ("library", step))).await;
    bench.take([("library", library.frame(0, 20))]).await;
    drop(bench);
    downgrade(place.directory().unwrap()).await;
    let mut bench = place.bench(&["library"]).await;
    assert_eq!(bench.tables("library").await, (20, library.tables(20)));
    bench.take([("library", library.frame(20, 40))]).await;
    assert_eq!(bench.tables("library").await, (40, library.tables(40)));
    let told: Vec<_> = written(&bench, "books").await;
    for (sequence, event, time, trace) in told {
        // Of what came before it is known what format 2 kept.
        let known = sequence > 20;
        assert_eq!(event, if known { format!("event of {sequence}") } else { String::new() });
        assert_eq!((time, trace), (known.then_some(sequence), format!("trace of {sequence}")));
    }
    bench.take(library.snapshot(40).into_iter().map(|step| ("library", step))).await;
    assert_eq!(bench.tables("library").await, (40, library.tables(40)));
}
