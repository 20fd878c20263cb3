//! A store that was restored goes on from where its backup was.

use std::{fs, path::Path, sync::Arc, time::Duration};

use rand::{SeedableRng as _, rngs::StdRng};
use tributary_chassis::{
    backup::{self, BackupError},
    database::Database,
    lock,
};

use super::{
    library::{Bench, Library},
    server::place,
};
use crate::{
    store::{POSTGRES_STORES, STORES},
    view::{ViewFiles, ViewState, Views},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_has_all_tables_and_positions_and_a_new_epoch() {
    let mut library = Library::new();
    library.live(&mut StdRng::seed_from_u64(5), 60);
    let directory = tempfile::tempdir().unwrap();
    let [data, file, other] = ["data", "file", "other"].map(|name| directory.path().join(name));
    fs::create_dir(&data).unwrap();
    let lock = lock::acquire(&data).unwrap();
    let mut bench = Bench::open(&data, &["library"]).await;
    bench.take(library.snapshot(20).into_iter().map(|step| ("library", step))).await;
    // It cannot be read without what the gateway gives its connections.
    let index = "CREATE INDEX by_number ON books (pg_lower(title) COLLATE pg_numeric)";
    bench.gateway.store().write().await.query(index).execute().await.unwrap();
    bench.take([("library", library.frame(20, 40))]).await;

    // While it goes on.
    let taken = backup::backup(&STORES, data.clone(), file.clone(), Arc::new(|_| {})).await.unwrap();
    let epoch = bench.gateway.store().epoch().to_owned();
    let identity = taken.manifest.identity;
    assert_eq!((&*identity.service, &identity.epoch, identity.head), ("query", &epoch, bench.commit()));
    bench.take([("library", library.frame(40, 60))]).await;
    assert_eq!(bench.tables("library").await, (60, library.tables(60)));
    drop((bench, lock));

    // In its own place, and in another.
    for (to, replace) in [(&data, true), (&other, false)] {
        let restored =
            backup::restore(&STORES, file.clone(), to.clone(), replace, Arc::new(|_| {})).await.unwrap();
        let mut bench = Bench::open(to, &["library"]).await;
        assert_eq!(bench.gateway.store().epoch(), restored.epoch);
        assert_ne!(restored.epoch, epoch);
        assert_eq!(bench.gateway.applied().borrow().commit, identity.head);
        assert_eq!(bench.tables("library").await, (40, library.tables(40)));
        bench.take([("library", library.frame(40, 60))]).await;
        assert_eq!(bench.tables("library").await, (60, library.tables(60)));
    }
}

/// Waits for sessions to end that nobody needs any more.
async fn restored(file: &Path, to: &Database, replace: bool) -> backup::Restored {
    loop {
        match backup::restore_database(&POSTGRES_STORES, file, to, replace, &|_| {}).await {
            Err(BackupError::DatabaseInUse { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            restored => return restored.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_has_all_tables_and_views_and_a_new_epoch() {
    let test = "a_restored_database_has_all_tables_and_views_and_a_new_epoch";
    let (Some((own, url)), Some((another, other))) = (place(test).await, place(test).await) else { return };
    let mut library = Library::new();
    library.live(&mut StdRng::seed_from_u64(5), 60);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let text = "CREATE MATERIALIZED VIEW titles AS SELECT title, count(*) AS n FROM books GROUP BY title";
    let views = ViewFiles::parse([("titles.sql".to_owned(), text.to_owned())]);
    let mut bench = own.bench(&["library"]).await;
    bench.take(library.snapshot(20).into_iter().map(|step| ("library", step))).await;
    bench.take([("library", library.frame(20, 40))]).await;
    let (kept, follower) = Views::open(bench.gateway.clone(), views.clone()).await.unwrap();
    let follower = tokio::spawn(follower.run());
    while kept.list()[0].state != ViewState::Ready {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    // While it goes on.
    let from: Database = url.parse().unwrap();
    let taken = backup::backup_database(&POSTGRES_STORES, &from, &file, &|_| {}).await.unwrap();
    let epoch = bench.gateway.store().epoch().to_owned();
    let identity = taken.manifest.identity;
    assert_eq!((&*identity.service, &identity.epoch, identity.head), ("query", &epoch, bench.commit()));
    bench.take([("library", library.frame(40, 60))]).await;
    follower.abort();
    assert!(follower.await.unwrap_err().is_cancelled());
    drop((kept, bench));

    for (place, url, replace) in [(&own, url, true), (&another, other, false)] {
        let restored = restored(&file, &url.parse().unwrap(), replace).await;
        let mut bench = place.bench(&["library"]).await;
        assert_eq!(bench.gateway.store().epoch(), restored.epoch);
        assert_ne!(restored.epoch, epoch);
        assert_eq!(bench.gateway.applied().borrow().commit, identity.head);
        assert_eq!(bench.tables("library").await, (40, library.tables(40)));
        // What was kept is taken over, and follows.
        let (kept, _follower) = Views::open(bench.gateway.clone(), views.clone()).await.unwrap();
        assert_eq!(kept.list()[0].state, ViewState::Ready, "{:?}", kept.list());
        bench.take([("library", library.frame(40, 60))]).await;
        assert_eq!(bench.tables("library").await, (60, library.tables(60)));
        let differs = "SELECT count(*) FROM (SELECT title, n FROM titles EXCEPT SELECT title, count(*) FROM books GROUP BY title) d";
        let mut reader = bench.gateway.store().read().await.unwrap();
        assert_eq!(reader.query(differs).one::<i64>().await.unwrap(), 0);
    }
}
