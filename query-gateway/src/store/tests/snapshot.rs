//! Snapshots: exact whatever happened meanwhile, and not seen before they are.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    library::Library,
    place::{Engine, engines},
};
use crate::{
    schema::fixture::rounds,
    source::SourceState,
    store::{Step, objects},
};

/// A snapshot as a store gives it while it is written to: every row as it is when the scan gets there.
fn fuzzy(library: &mut Library, random: &mut StdRng) -> (Vec<Step>, u64, u64) {
    let low = library.head();
    let mut steps = vec![library.begin(low)];
    let mut last = None;
    loop {
        let meanwhile = random.random_range(0..6);
        library.live(random, meanwhile);
        let state = library.state(library.head());
        let next = state.iter().filter(|(key, _)| last.as_ref().is_none_or(|last| *key > last));
        let page: Vec<_> = next.take(random.random_range(1..5)).collect();
        let Some((key, _)) = page.last() else { break };
        last = Some((*key).clone());
        steps.push(Step::Rows(page.iter().map(|((entity, _), row)| library.row(entity, row)).collect()));
    }
    let high = library.head();
    steps.push(Step::End { high: library.position(high) });
    let afterwards = random.random_range(0..20);
    library.live(random, afterwards);
    (steps, low, high)
}

#[tokio::test]
async fn a_snapshot_under_load_is_exact_and_atomic() {
    for engine in engines("a_snapshot_under_load_is_exact_and_atomic") {
        for seed in rounds(30) {
            let mut random = StdRng::seed_from_u64(seed);
            let mut library = Library::new();
            library.live(&mut random, 60);
            let place = engine.place().await;
            let mut bench = place.bench(&["library"]).await;
            let old = random.random_range(0..=60);
            let mut expected = (0, Default::default());
            if random.random() {
                bench.take(library.snapshot(old).into_iter().map(|step| ("library", step))).await;
                expected = (old, library.tables(old));
            }
            let (steps, low, high) = fuzzy(&mut library, &mut random);
            for step in steps {
                bench.take([("library", step)]).await;
                if low == high {
                    continue;
                }
                assert_eq!(bench.tables("library").await, expected, "SEED={seed}: seen before it is exact");
                if random.random_range(0..8) == 0 {
                    let Some(copy) = place.crash() else { continue };
                    let again = copy.bench(&["library"]).await;
                    assert_eq!(again.tables("library").await, expected, "SEED={seed}: after a crash");
                }
            }
            let mut position = low;
            while position < library.head() {
                let through = random.random_range(position + 1..=library.head().min(position + 7));
                bench.take([("library", library.frame(position, through))]).await;
                position = through;
                if position >= high {
                    expected = (position, library.tables(position));
                }
                assert_eq!(
                    bench.tables("library").await,
                    expected,
                    "SEED={seed}: at {position} of {low} to {high}"
                );
            }
            assert_ne!(bench.status("library").state, SourceState::Stopped, "SEED={seed}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_that_begins_again_starts_from_nothing() {
    for engine in engines("a_snapshot_that_begins_again_starts_from_nothing") {
        let mut random = StdRng::seed_from_u64(7);
        let mut library = Library::new();
        library.live(&mut random, 40);
        let place = engine.place().await;
        let mut bench = place.bench(&["library"]).await;
        let mut first = library.snapshot(20);
        first.pop();
        bench.take(first.into_iter().chain(library.snapshot(40)).map(|step| ("library", step))).await;
        assert_eq!(bench.tables("library").await, (40, library.tables(40)));
        // Nothing of it is left behind.
        let mut connection = bench.gateway.store().write().await;
        assert!(objects::tables(&mut connection, "_staging_").await.unwrap().is_empty());
    }
}

/// So many rows at once as PostgreSQL takes by COPY; and again, when some of them are there and newer.
#[tokio::test]
async fn a_snapshot_in_large_parts_is_exact() {
    let mut library = Library::new();
    library.stock(1_000);
    let rows = |library: &Library, head: u64| {
        let state = library.state(head).iter();
        Step::Rows(state.map(|((entity, _), row)| library.row(entity, row)).collect())
    };
    for engine in engines("a_snapshot_in_large_parts_is_exact") {
        let place = engine.place().await;
        let mut bench = place.bench(&["library"]).await;
        bench.take(library.snapshot(1_000).into_iter().map(|step| ("library", step))).await;
        assert_eq!(bench.tables("library").await, (1_000, library.tables(1_000)));
        let end = Step::End { high: library.position(1_000) };
        let steps = [library.begin(1_000), rows(&library, 700), rows(&library, 1_000), end];
        bench.take(steps.map(|step| ("library", step))).await;
        assert_eq!(bench.tables("library").await, (1_000, library.tables(1_000)));
    }
}

#[tokio::test]
async fn a_snapshot_writes_only_what_is_not_there() {
    for engine in engines("a_snapshot_writes_only_what_is_not_there") {
        let mut library = Library::new();
        library.live(&mut StdRng::seed_from_u64(8), 60);
        let place = engine.place().await;
        let mut bench = place.bench(&["library"]).await;
        bench.take(library.snapshot(60).into_iter().map(|step| ("library", step))).await;
        let triggers = match engine {
            Engine::Postgres => {
                "CREATE TABLE written (n INTEGER);
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO written VALUES (1); RETURN NULL; END $$;
            CREATE TRIGGER n AFTER INSERT OR UPDATE OR DELETE ON books FOR EACH ROW EXECUTE FUNCTION note();"
            }
            Engine::Sqlite => {
                "CREATE TABLE written (n INTEGER);
        CREATE TRIGGER i AFTER INSERT ON books BEGIN INSERT INTO written VALUES (1); END;
        CREATE TRIGGER u AFTER UPDATE ON books BEGIN INSERT INTO written VALUES (1); END;
        CREATE TRIGGER d AFTER DELETE ON books BEGIN INSERT INTO written VALUES (1); END;"
            }
        };
        bench.gateway.store().write().await.script(triggers).await.unwrap();
        bench.take(library.snapshot(60).into_iter().map(|step| ("library", step))).await;
        let mut connection = bench.gateway.store().write().await;
        let written: i64 = connection.query("SELECT COUNT(*) FROM written").one().await.unwrap();
        assert_eq!(written, 0);
    }
}

#[tokio::test]
async fn two_sources_cannot_be_one_service_or_have_one_table() {
    for engine in engines("two_sources_cannot_be_one_service_or_have_one_table") {
        let mut library = Library::new();
        library.live(&mut StdRng::seed_from_u64(9), 10);
        let place = engine.place().await;
        let mut bench = place.bench(&["first", "second"]).await;
        bench.take(library.snapshot(10).into_iter().map(|step| ("first", step))).await;
        bench.take(library.snapshot(10).into_iter().map(|step| ("second", step))).await;
        let status = bench.status("second");
        assert_eq!(status.state, SourceState::Stopped);
        assert!(status.reason.contains("source `first`"), "{}", status.reason);
        assert_eq!(bench.tables("first").await, (10, library.tables(10)));
    }
}
