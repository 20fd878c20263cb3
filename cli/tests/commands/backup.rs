//! `tributary backup` and `tributary restore`, over a store that a gateway would have.

use std::{fs, path::Path};

use query_gateway::store::Store;
use tributary_chassis::lock;

use crate::program::{Run, tributary};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn backup(from: &Path, to: &Path) -> Run {
    tributary(&["backup", "--from", text(from), "--to", text(to)]).await
}

async fn restore(from: &Path, to: &Path, more: &[&str]) -> Run {
    tributary(&[&["restore", "--from", text(from), "--to", text(to)], more].concat()).await
}

fn refused(run: &Run, parts: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{run:?}");
    for part in parts {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_in_use_comes_back_from_its_backup_with_a_new_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let [data, file, other] = ["data", "file", "a/b"].map(|name| directory.path().join(name));
    fs::create_dir(&data).unwrap();
    let (lock, store) = (lock::acquire(&data).unwrap(), Store::open(&data).await.unwrap());
    let epoch = store.epoch().to_owned();

    let taken = backup(&data, &file).await;
    assert_eq!((taken.code, taken.stdout.as_str()), (Some(0), &*format!("query/{epoch}/0\n")), "{taken:?}");
    assert!(taken.stderr.starts_with("sqlite-read-model, ") && !taken.stderr.contains('\u{1b}'), "{taken:?}");
    let content = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
    let said: Vec<&str> = content.lines().take(2).collect();
    assert_eq!(said[0], "tributary-backup 1");
    assert!(said[1].contains(&format!("\"service\":\"query\",\"epoch\":\"{epoch}\"")), "{}", said[1]);
    refused(&backup(&data, &file).await, &["is there already"]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left beside them");

    // In the place of one that is in use, or that was not said to be given up.
    refused(&restore(&file, &data, &["--replace"]).await, &["is in use by commands"]);
    drop((store, lock));
    refused(&restore(&file, &data, &[]).await, &["is not empty, it has query.db", "--replace"]);
    for (to, more) in [(&data, &["--replace"][..]), (&other, &[])] {
        let restored = restore(&file, to, more).await;
        assert_eq!(restored.code, Some(0), "{restored:?}");
        let said = format!("as it was at query/{epoch}/0 (");
        assert!(restored.stderr.contains(&said), "{restored:?}");
        let store = Store::open(to).await.unwrap();
        assert_ne!(store.epoch(), epoch);
        assert_eq!(restored.stdout, format!("query/{}/0\n", store.epoch()));
    }
}

#[tokio::test]
async fn a_store_that_one_process_alone_can_read_is_to_be_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (directory.path().join("data"), directory.path().join("file"));
    let _lock = lock::acquire(&data).unwrap();
    fs::create_dir(data.join("store")).unwrap();
    let pid = std::process::id().to_string();
    refused(&backup(&data, &file).await, &["is in use by commands", &pid, "stop it, then back it up"]);
    assert!(!file.exists());
}

#[tokio::test]
async fn what_cannot_be_backed_up_or_restored_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let [data, file, missing] = ["data", "file", "missing"].map(|name| directory.path().join(name));
    refused(&backup(&missing, &file).await, &["opening data directory", "missing", "No such file"]);
    refused(
        &backup(directory.path(), &file).await,
        &["there is no store in", "query.db (sqlite-read-model)"],
    );
    refused(&restore(&missing, &data, &[]).await, &["missing cannot be read", "No such file"]);
    fs::write(&file, "SQLite format 3\0").unwrap();
    refused(
        &restore(&file, &data, &["--replace"]).await,
        &["is no backup that `tributary backup` has written"],
    );
    fs::write(&file, "tributary-backup 9\n{}\n").unwrap();
    refused(&restore(&file, &data, &[]).await, &["in layout 9, this program reads layout 1"]);
    fs::write(&file, "tributary-backup 1\n{").unwrap();
    refused(&restore(&file, &data, &[]).await, &["is torn: it ends after 20 bytes"]);
    assert!(!data.exists());

    for url in ["mysql://localhost/orders", "postgres://localhost"] {
        for arguments in
            [&["backup", "--from", url, "--to", "x"][..], &["restore", "--from", "x", "--to", url]]
        {
            let run = tributary(arguments).await;
            assert_eq!(run.code, Some(64), "{run:?}");
            assert!(run.stderr.contains("give postgres://USER@HOST:PORT/DATABASE"), "{run:?}");
        }
    }
    for arguments in [&["backup"][..], &["backup", "--from", "."], &["restore", "--to", "."]] {
        assert_eq!(tributary(arguments).await.code, Some(64), "{arguments:?}");
    }
}
