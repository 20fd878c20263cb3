//! A store that was restored goes on from where its backup was.

use std::{fs, sync::Arc};

use rand::{SeedableRng as _, rngs::StdRng};
use tributary_chassis::{backup, lock};

use super::library::{Bench, Library};
use crate::store::STORES;

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
