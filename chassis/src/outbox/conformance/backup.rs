//! Backup and restore: everything is there, under another epoch; whatever a restore dies of, the old store or the
//! new one is there; and what is not a whole backup, or is in the way, is refused before anything is touched.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};
use tributary_proto::feed::v1::Position;

use super::{
    bank::{Bank, Command},
    checker::check,
    fixture::{Fixture, Store, call, deposit, open, replay, run},
    followed::{at, step},
};
use crate::{
    backup::{
        self, BackupError, Manifest,
        restore::{self, Step},
    },
    feed::Record,
    outbox::{Outbox, STORES},
    trail,
};

const STEPS: [Step; 7] =
    [Step::Checked, Step::Admitted, Step::Built, Step::Synced, Step::Ready, Step::Cleared, Step::Placed];

fn file(fixture: &Fixture) -> PathBuf {
    fixture.image().with_extension("backup")
}

async fn take(fixture: &Fixture, to: &Path) -> Result<Manifest, BackupError> {
    let taken = backup::backup(&STORES, fixture.data().to_owned(), to.to_owned(), Arc::new(|_| {})).await?;
    let metadata = fs::metadata(to).unwrap();
    assert_eq!((taken.bytes, metadata.permissions().mode() & 0o777), (metadata.len(), 0o600));
    Ok(taken.manifest)
}

async fn restored(from: &Path, to: &Path, replace: bool) -> Result<backup::Restored, BackupError> {
    backup::restore(&STORES, from.to_owned(), to.to_owned(), replace, Arc::new(|_| {})).await
}

/// As far as a step.
async fn restore_until(from: &Path, to: &Path, last: Step) -> Result<(), BackupError> {
    let (from, to) = (from.to_owned(), to.to_owned());
    let steps = move |step| if step == last { Err(io::Error::other("it dies here")) } else { Ok(()) };
    let restoring = move || restore::restore_with(&STORES, (&from, &to), true, &|_| {}, &steps).map(drop);
    tokio::task::spawn_blocking(restoring).await.unwrap()
}

/// Commands with request ids, rows that vanish, and a position that is followed.
async fn write(outbox: &Outbox<Bank>, round: i64) {
    for n in 0..20 {
        let id = format!("{round}.{n}");
        call(outbox, &id, open(&id, n)).await.unwrap();
        call(outbox, &format!("{id}.d"), deposit(&id, 1)).await.unwrap();
    }
    run(outbox, Command::Close { id: format!("{round}.0") }).await.unwrap();
    // Of several parts on sled.
    run(outbox, Command::Touch { ids: vec!["large".to_owned()], memo: String::new(), padding: 100_000 })
        .await
        .unwrap();
    let before = outbox.followed("loans").await.unwrap();
    let after = before.as_ref().map_or(7, |before| before.sequence + 7);
    outbox.follow(step(before, after, &[deposit(&format!("{round}.1"), 5)])).await.unwrap();
}

/// Everything that a store has: its log with all digests, and with it every state, is checked by `check`.
async fn content(outbox: &Outbox<Bank>) -> (Vec<Record>, Option<Position>) {
    (check(outbox).await, outbox.followed("loans").await.unwrap())
}

/// A store that has been written to, and its backup.
async fn backed_up(fixture: &Fixture) -> (Manifest, (Vec<Record>, Option<Position>)) {
    let outbox = fixture.open().await;
    write(&outbox, 0).await;
    let content = content(&outbox).await;
    drop(outbox);
    fixture.closed().await;
    (take(fixture, &file(fixture)).await.unwrap(), content)
}

/// States, log, digests, replies and followed positions; and then it can be written to.
pub(super) async fn a_restored_store_has_everything_and_a_new_epoch(mut fixture: Fixture) {
    let (manifest, before) = backed_up(&fixture).await;
    let outbox = fixture.open().await;
    let epoch = outbox.log().epoch().to_owned();
    let head = *outbox.log().head().borrow();
    assert_eq!((&*manifest.identity.service, &manifest.identity.epoch), ("bank", &epoch));
    assert_eq!(manifest.identity.head, head.sequence);
    write(&outbox, 1).await;
    drop(outbox);
    fixture.closed().await;

    fixture.options.data_dir = fixture.image().join("not/there/yet");
    let restored_as = restored(&file(&fixture), fixture.data(), false).await.unwrap();
    assert_eq!(restored_as.manifest, manifest);
    let outbox = fixture.open().await;
    assert_eq!(outbox.log().epoch(), restored_as.epoch);
    assert_ne!(restored_as.epoch, epoch);
    assert_eq!(*outbox.log().head().borrow(), head);
    assert_eq!(content(&outbox).await, before);
    // What was answered is answered so again, and stands on what it stood on: by a position of this history.
    let reply = trail::scope(async {
        let reply = replay(&outbox, "0.3.d", &deposit("0.3", 1)).await.unwrap().unwrap();
        (reply.balance, trail::current().to_string())
    });
    assert_eq!(reply.await, (4, format!("bank/{}/8", restored_as.epoch)));
    assert_eq!(replay(&outbox, "1.3.d", &deposit("1.3", 1)).await.unwrap(), None);
    write(&outbox, 2).await;
    check(&outbox).await;
    drop(outbox);
    fixture.closed().await;
    // A second restore is another history again.
    let again = restored(&file(&fixture), fixture.data(), true).await.unwrap();
    assert_ne!(again.epoch, restored_as.epoch);
    assert_eq!(content(&fixture.open().await).await, before);
}

/// Whatever step it dies behind, the next start, or the next restore, finds one whole store.
pub(super) async fn a_crash_within_a_restore_leaves_the_old_store_or_the_new(fixture: Fixture) {
    let (manifest, backed_up) = backed_up(&fixture).await;
    for again in [false, true] {
        let mut finished = 0;
        for last in STEPS {
            let outbox = fixture.open().await;
            run(&outbox, deposit("0.1", 1)).await.unwrap();
            let (old, epoch) = (content(&outbox).await, outbox.log().epoch().to_owned());
            drop(outbox);
            fixture.closed().await;
            // What a crash or a rewrite of the old store may have left beside it.
            let stray = match fixture.store {
                Store::Sqlite => "store.db.rewritten",
                Store::Sled => "store.rewritten",
            };
            fs::write(fixture.data().join(stray), "").unwrap();

            restore_until(&file(&fixture), fixture.data(), last).await.unwrap_err();
            if again {
                // As the operator will.
                restored(&file(&fixture), fixture.data(), true).await.unwrap();
            }
            let outbox = fixture.open().await;
            let found = content(&outbox).await;
            let is_new = outbox.log().epoch() != epoch;
            assert_eq!(is_new, again || last >= Step::Ready, "{last:?}");
            assert_eq!(found, if is_new { backed_up.clone() } else { old }, "{last:?}");
            assert!(!is_new || outbox.log().epoch() != manifest.identity.epoch, "{last:?}");
            finished += usize::from(is_new);
            drop(outbox);
            fixture.closed().await;
            let mut names: Vec<_> =
                fs::read_dir(fixture.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.retain(|name| !name.to_string_lossy().starts_with("store"));
            assert_eq!(names, ["lock"], "{last:?}");
        }
        assert_eq!(finished, if again { STEPS.len() } else { 3 });
    }
}

/// Nothing is touched, not even the directory made, for what is not a whole backup of a store that is known.
pub(super) async fn what_is_no_whole_backup_touches_nothing(fixture: Fixture) {
    backed_up(&fixture).await;
    let whole = fs::read(file(&fixture)).unwrap();
    let text = String::from_utf8_lossy(&whole[..1_000]).into_owned();
    let lines = text.lines().take(2).map(|line| line.len() + 1).sum::<usize>();
    let altered = |from: &str, to: &str| {
        let head = text[..lines].replace(from, to);
        assert_ne!(head, text[..lines]);
        [head.as_bytes(), &whole[lines..]].concat()
    };
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let format = format!("\"format\":{}", if fixture.store == Store::Sqlite { 2 } else { 1 });
    let cases = [
        (whole[..whole.len() - 1].to_vec(), "is torn: it ends after"),
        (whole[..lines + 100].to_vec(), "is torn: it ends after"),
        (flipped, "is damaged: "),
        (b"SQLite format 3\0".to_vec(), "is no backup that `tributary backup` has written"),
        (altered("tributary-backup 1", "tributary-backup 2"), "in layout 2, this program reads layout 1"),
        (altered("-outbox", "-cellar"), "-cellar`, which this program does not know"),
        (altered(&format, "\"format\":99"), "of format 99, this program uses formats up to"),
        (altered("\"bank\"", "\"rank\""), "its content is not what its checksum says"),
    ];
    let (bad, target) = (file(&fixture).with_extension("bad"), fixture.image());
    for (bytes, expected) in cases {
        fs::write(&bad, bytes).unwrap();
        let error = restored(&bad, &target, true).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(bad.to_str().unwrap()), "{error}");
        assert!(!target.exists(), "{error}");
    }
}

/// A store that is not the one that the file tells of is not put into its place, whoever made the file.
pub(super) async fn a_backup_that_says_what_it_is_not_is_refused(fixture: Fixture) {
    let (manifest, before) = backed_up(&fixture).await;
    let whole = fs::read(file(&fixture)).unwrap();
    let head = format!("\"head\":{},", manifest.identity.head);
    let at = whole.windows(head.len()).position(|window| window == head.as_bytes()).unwrap();
    let other = format!("\"head\":{},", manifest.identity.head + 1);
    let end = whole.len() - 32;
    let altered = [&whole[..at], other.as_bytes(), &whole[at + head.len()..end]].concat();
    let sum = Sha256::digest(&altered);
    let bad = file(&fixture).with_extension("bad");
    fs::write(&bad, [altered.as_slice(), &sum].concat()).unwrap();
    let error = restored(&bad, fixture.data(), true).await.unwrap_err();
    assert!(matches!(error, BackupError::Mismatch { .. }), "{error}");
    let left: Vec<_> =
        fs::read_dir(fixture.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("restore")), "{left:?}");
    let outbox = fixture.open().await;
    assert_eq!((outbox.log().epoch(), content(&outbox).await), (&*manifest.identity.epoch, before));
}

/// A directory that is in use, that is not empty, or that is another's.
pub(super) async fn what_is_in_the_way_is_refused_by_name(mut fixture: Fixture) {
    backed_up(&fixture).await;
    let backup = file(&fixture);
    assert!(matches!(take(&fixture, &backup).await, Err(BackupError::Exists(_))));
    let outbox = fixture.open().await;
    for replace in [false, true] {
        let error = restored(&backup, fixture.data(), replace).await.unwrap_err();
        assert!(matches!(error, BackupError::Lock(_)), "{error}");
    }
    drop(outbox);
    fixture.closed().await;
    let error = restored(&backup, fixture.data(), false).await.unwrap_err().to_string();
    assert!(error.contains("is not empty, it has store") && error.contains("--replace"), "{error}");

    // Another service's store, and another kind's.
    let other = if fixture.store == Store::Sqlite { Store::Sled } else { Store::Sqlite };
    for (store, service, expected) in [
        (fixture.store, "till", "-outbox of `till`, the backup is of the"),
        (other, "bank", "-outbox, the backup is of the"),
    ] {
        let mut another = Fixture::new(store, None);
        another.options.service = service.to_owned();
        let outbox = another.open().await;
        run(&outbox, open("a", 1)).await.unwrap();
        let before = check(&outbox).await;
        drop(outbox);
        another.closed().await;
        let error = restored(&backup, another.data(), true).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(check(&another.open().await).await, before);
    }

    // One that cannot be read any more is what a restore is for.
    let damaged = match fixture.store {
        Store::Sqlite => "store.db",
        Store::Sled => "store/conf",
    };
    fs::write(fixture.data().join(damaged), [0xff; 4_096]).unwrap();
    restored(&backup, fixture.data(), true).await.unwrap();
    check(&fixture.open().await).await;
    fixture.closed().await;

    // Nothing that could be backed up.
    fixture.options.data_dir = fixture.image();
    let error = take(&fixture, &backup.with_extension("2")).await.unwrap_err();
    assert!(matches!(error, BackupError::Failed { .. }), "{error}");
    assert!(!fixture.image().exists());
    fs::create_dir(fixture.image()).unwrap();
    let error = take(&fixture, &backup.with_extension("2")).await.unwrap_err().to_string();
    assert!(error.contains("there is no store in") && error.contains("store.db (sqlite-outbox)"), "{error}");
}

/// On SQLite it is the store of one moment, and the service does not wait; on sled it has to be stopped.
pub(super) async fn a_store_that_is_written_to_is_backed_up_as_of_one_moment(mut fixture: Fixture) {
    let outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    if fixture.store == Store::Sled {
        let error = take(&fixture, &file(&fixture)).await.unwrap_err().to_string();
        assert!(error.contains("is in use by ") && error.contains("stop it, then back it up"), "{error}");
        assert!(!file(&fixture).exists());
        return;
    }
    let writing = tokio::spawn({
        let outbox = outbox.clone();
        async move {
            for n in 0.. {
                let moved = outbox.follow(step(at(n), n + 1, &[deposit("a", 1)])).await;
                if moved.is_err() || n > 100_000 {
                    return;
                }
            }
        }
    });
    let mut manifests = Vec::new();
    for n in 0..3 {
        let path = file(&fixture).with_extension(n.to_string());
        let low = outbox.log().head().borrow().sequence;
        let manifest = take(&fixture, &path).await.unwrap();
        let high = outbox.log().head().borrow().sequence;
        assert!((low..=high).contains(&manifest.identity.head), "{low} {} {high}", manifest.identity.head);
        manifests.push((path, manifest));
    }
    writing.abort();
    drop((writing.await, outbox));
    fixture.closed().await;
    for (n, (path, manifest)) in manifests.into_iter().enumerate() {
        fixture.options.data_dir = fixture.image_of_round(n as u64);
        restored(&path, fixture.data(), false).await.unwrap();
        let outbox = fixture.open().await;
        check(&outbox).await;
        let head = manifest.identity.head;
        let balance = outbox.get(&"a".to_owned()).await.unwrap().unwrap().state.balance;
        assert_eq!(balance.cast_unsigned(), head - 1);
        assert_eq!(outbox.followed("loans").await.unwrap(), at(head - 1));
        drop(outbox);
        fixture.closed().await;
    }
}

/// What can be read of a store whose sync failed is no proof of what is there.
pub(super) async fn a_store_that_has_to_be_rewritten_is_rewritten_first(fixture: Fixture) {
    let (_, before) = backed_up(&fixture).await;
    fs::write(fixture.data().join("unsynced"), "").unwrap();
    let again = file(&fixture).with_extension("again");
    let error = take(&fixture, &again).await.unwrap_err();
    assert!(matches!(error, BackupError::Unsynced(_)), "{error}");
    // The mark is the old store's: nothing is left of it behind a restore.
    restored(&file(&fixture), fixture.data(), true).await.unwrap();
    assert!(!fixture.data().join("unsynced").exists());
    take(&fixture, &again).await.unwrap();
    assert_eq!(content(&fixture.open().await).await, before);
}
