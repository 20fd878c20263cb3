//! Changes into base tables.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    library::Library,
    place::{Engine, engines},
};
use crate::{
    error::StoreError,
    schema::fixture::rounds,
    source::SourceState,
    store::{Changes, Step, load},
};

#[tokio::test]
async fn every_prefix_of_the_history_is_exact() {
    for engine in engines("every_prefix_of_the_history_is_exact") {
        for seed in rounds(20) {
            let mut random = StdRng::seed_from_u64(seed);
            let mut library = Library::new();
            library.live(&mut random, 200);
            let place = engine.place().await;
            let mut bench = place.bench(&["library"]).await;
            bench.take(library.snapshot(0).into_iter().map(|step| ("library", step))).await;
            let mut position = 0;
            while position < library.head() {
                let mut frames = Vec::new();
                for _ in 0..random.random_range(1..4) {
                    let through = random.random_range(position..=library.head().min(position + 40));
                    frames.push(("library", library.frame(position, through)));
                    position = through;
                }
                bench.take(frames).await;
                assert_eq!(
                    bench.tables("library").await,
                    (position, library.tables(position)),
                    "SEED={seed}"
                );
                if random.random_range(0..4) == 0 {
                    // A crash between two commits, and the file as it is then.
                    let Some(copy) = place.crash() else { continue };
                    let again = copy.bench(&["library"]).await;
                    assert_eq!(
                        again.tables("library").await,
                        (position, library.tables(position)),
                        "SEED={seed}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_change_applied_twice_has_no_effect() {
    for engine in engines("a_change_applied_twice_has_no_effect") {
        let mut library = Library::new();
        library.live(&mut StdRng::seed_from_u64(1), 50);
        let place = engine.place().await;
        let mut bench = place.bench(&["library"]).await;
        bench.take(library.snapshot(0).into_iter().map(|step| ("library", step))).await;
        bench.take([("library", library.frame(0, 30)), ("library", library.frame(30, 50))]).await;
        let (before, commit) = (bench.tables("library").await, bench.commit());
        bench.take([("library", library.frame(0, 30)), ("library", library.frame(0, 50))]).await;
        bench.take([("library", library.frame(30, 50)), ("library", library.frame(50, 50))]).await;
        assert_eq!((bench.tables("library").await, bench.commit()), (before, commit));
        assert_ne!(bench.status("library").state, SourceState::Stopped);
    }
}

#[tokio::test]
async fn what_does_not_follow_stops_the_source_and_no_other() {
    for engine in engines("what_does_not_follow_stops_the_source_and_no_other") {
        let mut library = Library::new();
        library.live(&mut StdRng::seed_from_u64(2), 50);
        for (after, epoch) in [(20, "e1"), (5, "e1"), (10, "e2")] {
            let place = engine.place().await;
            let mut bench = place.bench(&["library", "other"]).await;
            bench.take(library.snapshot(10).into_iter().map(|step| ("library", step))).await;
            let mut frame = library.frame(after, 30);
            if let Step::Changes(Changes { after, .. }) = &mut frame {
                *after = library.at(epoch, after.sequence);
            }
            bench.take([("library", frame)]).await;
            bench.take([("library", library.frame(10, 50))]).await;
            assert_eq!(bench.tables("library").await, (10, library.tables(10)));
            let status = bench.status("library");
            assert_eq!(status.state, SourceState::Stopped);
            assert!(status.reason.contains("the stored position is library/e1/10"), "{}", status.reason);
            assert!(bench.stops["library"].is_cancelled() && !bench.stops["other"].is_cancelled());
        }
    }
}

#[tokio::test]
async fn sources_share_a_commit_and_not_a_failure() {
    for engine in engines("sources_share_a_commit_and_not_a_failure") {
        let (mut library, mut archive) = (Library::new(), Library::archive());
        library.live(&mut StdRng::seed_from_u64(6), 30);
        archive.live(&mut StdRng::seed_from_u64(7), 30);
        let place = engine.place().await;
        let mut bench = place.bench(&["archive", "library"]).await;
        bench.take(library.snapshot(0).into_iter().map(|step| ("library", step))).await;
        bench.take(archive.snapshot(0).into_iter().map(|step| ("archive", step))).await;
        let commit = bench.commit();
        bench.take([("library", library.frame(0, 10)), ("archive", archive.frame(0, 20))]).await;
        assert_eq!(bench.commit(), commit + 1);
        assert_eq!(bench.tables("library").await, (10, library.tables(10)));
        assert_eq!(bench.tables("archive").await, (20, archive.tables(20)));

        // The store refuses a row of one of them.
        let refuse = match engine {
            Engine::Sqlite => {
                "CREATE TRIGGER t BEFORE INSERT ON archive_books BEGIN SELECT RAISE(ABORT, 'refused'); END"
            }
            Engine::Postgres => "ALTER TABLE archive_books ADD CONSTRAINT refused CHECK (false) NOT VALID",
        };
        bench.gateway.store().write().await.script(refuse).await.unwrap();
        bench.take([("library", library.frame(10, 30)), ("archive", archive.frame(20, 30))]).await;
        assert_eq!(bench.tables("library").await, (30, library.tables(30)));
        assert_eq!(bench.tables("archive").await, (20, archive.tables(20)));
        assert_eq!(bench.status("archive").state, SourceState::Stopped);
        assert!(bench.status("archive").reason.contains("refused"), "{}", bench.status("archive").reason);
        assert_ne!(bench.status("library").state, SourceState::Stopped);
    }
}

#[tokio::test]
async fn a_writer_that_was_replaced_writes_nothing() {
    for engine in engines("a_writer_that_was_replaced_writes_nothing") {
        let mut library = Library::new();
        library.live(&mut StdRng::seed_from_u64(3), 50);
        let place = engine.place().await;
        let mut first = place.bench(&["library"]).await;
        first.take(library.snapshot(10).into_iter().map(|step| ("library", step))).await;
        let mut second = place.bench(&["library"]).await;
        // In a database it cannot even begin; in a file, where a lock keeps others out, the position has moved.
        let taken = first.try_take([("library", library.frame(10, 20))]).await;
        match engine {
            Engine::Sqlite => assert_eq!(first.status("library").state, SourceState::Stopped),
            Engine::Postgres => assert!(matches!(taken, Err(StoreError::Overtaken)), "{taken:?}"),
        }
        assert_eq!(second.tables("library").await, (10, library.tables(10)));
        second.take([("library", library.frame(10, 50))]).await;
        assert_eq!(second.tables("library").await, (50, library.tables(50)));
    }
}

#[tokio::test]
async fn a_source_that_is_no_longer_configured_leaves_nothing() {
    for engine in engines("a_source_that_is_no_longer_configured_leaves_nothing") {
        let mut library = Library::new();
        library.live(&mut StdRng::seed_from_u64(4), 50);
        let place = engine.place().await;
        let mut bench = place.bench(&["library"]).await;
        bench.take(library.snapshot(50).into_iter().map(|step| ("library", step))).await;
        drop(bench);
        let mut bench = place.bench(&["renamed"]).await;
        assert!(bench.gateway.catalog().relations.is_empty());
        bench.take(library.snapshot(50).into_iter().map(|step| ("renamed", step))).await;
        assert_eq!(bench.tables("renamed").await, (50, library.tables(50)));
    }
}

#[tokio::test]
async fn the_commit_sequence_goes_on_after_a_restart() {
    for engine in engines("the_commit_sequence_goes_on_after_a_restart") {
        let mut library = Library::new();
        library.live(&mut StdRng::seed_from_u64(5), 20);
        let place = engine.place().await;
        let mut bench = place.bench(&["library"]).await;
        bench.take(library.snapshot(0).into_iter().map(|step| ("library", step))).await;
        bench.take([("library", library.frame(0, 20))]).await;
        let (epoch, commit) = (bench.gateway.store().epoch().to_owned(), bench.commit());
        assert_eq!(commit, 2);
        drop(bench);
        let bench = place.bench(&["library"]).await;
        assert_eq!((bench.gateway.store().epoch(), bench.commit()), (&*epoch, commit));
    }
}

/// By which the age of what is applied is told while the source is silent.
#[tokio::test]
async fn the_commit_time_goes_with_the_position() {
    for engine in engines("the_commit_time_goes_with_the_position") {
        let mut library = Library::new();
        library.live(&mut StdRng::seed_from_u64(1), 30);
        let place = engine.place().await;
        let mut bench = place.bench(&["library"]).await;
        let frame = |after, through, commit_time| match library.frame(after, through) {
            Step::Changes(changes) => [("library", Step::Changes(Changes { commit_time, ..changes }))],
            step => panic!("{step:?}"),
        };
        bench.take(library.snapshot(0).into_iter().map(|step| ("library", step))).await;
        assert_eq!(bench.status("library").commit_time, None);
        bench.take(frame(0, 10, Some(7))).await;
        assert_eq!(bench.status("library").commit_time, Some(7));
        // What was filtered out leaves the time of the change before it.
        bench.take(frame(10, 20, None)).await;
        assert_eq!((bench.status("library").applied, bench.status("library").commit_time), (20, Some(7)));
        if let Some(copy) = place.crash() {
            let (filled, _) = load(&copy.store().await, &["library".to_owned()].into()).await.unwrap();
            assert_eq!(filled["library"].commit_time, Some(7));
        }
        // Of what a snapshot contains, no change tells when it was.
        bench.take(library.snapshot(30).into_iter().map(|step| ("library", step))).await;
        assert_eq!((bench.status("library").applied, bench.status("library").commit_time), (30, None));
    }
}
