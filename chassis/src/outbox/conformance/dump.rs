//! Backup and restore of a database: everything is there, under another epoch, and what is refused touches nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::{
    backup::{content, write},
    checker::check,
    eventually_async,
    fixture::{Fixture, Store, deposit, open, replay, run},
};
use crate::{
    backup::{self, BackupError, Restored, Taken},
    database::Database,
    outbox::{POSTGRES_STORES, STORES},
};

fn file(fixture: &Fixture) -> PathBuf {
    fixture.aside().with_extension("backup")
}

async fn take(fixture: &Fixture) -> Result<Taken, BackupError> {
    backup::backup_database(&POSTGRES_STORES, fixture.database().await, &file(fixture), &|_| {}).await
}

/// Waits for sessions to end that nobody needs any more.
async fn restored(from: &Path, to: &Database, replace: bool) -> Result<Restored, BackupError> {
    eventually_async("the database is not in use", async || {
        match backup::restore_database(&POSTGRES_STORES, from, to, replace, &|_| {}).await {
            Err(BackupError::DatabaseInUse { .. }) => None,
            restored => Some(restored),
        }
    })
    .await
}

/// States, log, digests, replies and followed positions, as of the moment of the backup; in its own place, and in another.
pub(super) async fn a_restored_database_has_everything_and_a_new_epoch(fixture: Fixture) {
    let outbox = fixture.open().await;
    write(&outbox, 0).await;
    let (before, epoch) = (content(&outbox).await, outbox.log().epoch().to_owned());
    let taken = take(&fixture).await.unwrap();
    assert_eq!(taken.bytes, fs::metadata(file(&fixture)).unwrap().len());
    let identity = &taken.manifest.identity;
    assert_eq!((&*identity.service, &identity.epoch), ("bank", &epoch));
    assert_eq!(identity.head, before.0.last().unwrap().change.sequence);
    write(&outbox, 1).await;
    let in_use =
        backup::restore_database(&POSTGRES_STORES, &file(&fixture), fixture.database().await, true, &|_| {})
            .await;
    assert!(matches!(in_use, Err(BackupError::DatabaseInUse { .. })), "{in_use:?}");
    drop(outbox);

    let another = fixture.another();
    for (place, replace) in [(&fixture, true), (&another, false)] {
        let restored = restored(&file(&fixture), place.database().await, replace).await.unwrap();
        assert_eq!(restored.manifest, taken.manifest);
        let outbox = place.open().await;
        assert_eq!(outbox.log().epoch(), restored.epoch);
        assert_ne!(restored.epoch, epoch);
        assert_eq!(content(&outbox).await, before);
        let reply = replay(&outbox, "0.3.d", &deposit("0.3", 1)).await.unwrap().unwrap();
        assert_eq!(reply.balance, 4);
        assert_eq!(replay(&outbox, "1.3.d", &deposit("1.3", 1)).await.unwrap(), None);
        write(&outbox, 2).await;
        check(&outbox).await;
    }
}

/// As of one moment, whatever is committed meanwhile.
pub(super) async fn a_database_that_is_written_to_is_backed_up_as_of_one_moment(fixture: Fixture) {
    let outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    let writing = tokio::spawn(async move {
        loop {
            run(&outbox, deposit("a", 1)).await.unwrap();
        }
    });
    let taken = take(&fixture).await.unwrap();
    writing.abort();
    assert!(writing.await.unwrap_err().is_cancelled());
    let another = fixture.another();
    restored(&file(&fixture), another.database().await, false).await.unwrap();
    let outbox = another.open().await;
    check(&outbox).await;
    let (head, a) = (taken.manifest.identity.head, outbox.get(&"a".to_owned()).await.unwrap().unwrap());
    assert_eq!((outbox.log().head().borrow().sequence, a.state.balance), (head, head as i64 - 1));
}

/// What cannot be the backup of the store that is there, or is none at all, leaves it as it is.
pub(super) async fn what_does_not_belong_there_is_refused(fixture: Fixture) {
    let outbox = fixture.open().await;
    write(&outbox, 0).await;
    let (before, epoch) = (content(&outbox).await, outbox.log().epoch().to_owned());
    let taken = take(&fixture).await.unwrap();
    drop(outbox);
    let database = fixture.database().await;
    let (whole, bad) = (fs::read(file(&fixture)).unwrap(), file(&fixture).with_extension("bad"));

    let exists = take(&fixture).await.unwrap_err();
    assert!(matches!(exists, BackupError::Exists(_)), "{exists}");
    let occupied = restored(&file(&fixture), database, false).await.unwrap_err().to_string();
    assert!(occupied.contains("tributary_log") && occupied.contains("--replace"), "{occupied}");
    fs::write(&bad, &whole[..whole.len() / 2]).unwrap();
    let torn = restored(&bad, database, true).await.unwrap_err().to_string();
    assert!(torn.contains("is torn"), "{torn}");
    // Found only once all of it is in the transaction.
    let head = |head: u64| format!("\"head\":{head},").into_bytes();
    let (said, other) = (head(taken.manifest.identity.head), head(taken.manifest.identity.head + 1));
    let at = whole.windows(said.len()).position(|window| window == said).unwrap();
    let altered = [&whole[..at], &other, &whole[at + said.len()..whole.len() - 32]].concat();
    fs::write(&bad, [altered.as_slice(), &Sha256::digest(&altered)].concat()).unwrap();
    let error = restored(&bad, database, true).await.unwrap_err();
    let said = crate::fault::causes(&error);
    assert!(said.contains("not what the backup says that it is"), "{said}");

    // Files into a database, and the other way round.
    let files = Fixture::new(Store::Sqlite, None);
    drop(files.open().await);
    files.closed().await;
    let of_files = file(&files);
    backup::backup(&STORES, files.data().to_owned(), of_files.clone(), std::sync::Arc::new(|_| {}))
        .await
        .unwrap();
    let elsewhere = restored(&of_files, database, true).await.unwrap_err().to_string();
    assert!(elsewhere.contains("restore it into a data directory"), "{elsewhere}");
    let (from, to) = (file(&fixture), files.data().to_owned());
    let elsewhere = backup::restore(&STORES, from, to, true, std::sync::Arc::new(|_| {})).await;
    let elsewhere = elsewhere.unwrap_err().to_string();
    assert!(elsewhere.contains("restore it into a database"), "{elsewhere}");

    let mut another = fixture.another();
    another.options.service = "others".to_owned();
    drop(another.open().await);
    let foreign = restored(&file(&fixture), another.database().await, true).await.unwrap_err().to_string();
    assert!(foreign.contains("the store of `others`"), "{foreign}");

    let outbox = fixture.open().await;
    assert_eq!((outbox.log().epoch(), content(&outbox).await), (&*epoch, before));
}
