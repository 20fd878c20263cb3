//! What is told of groups, of who waits, and of the disk, is what is there.

use std::{fs, path::Path};

use opentelemetry::metrics::MeterProvider as _;

use super::{
    eventually,
    fixture::{Fixture, deposit, open, queued, run},
    hooks::Hooks,
};
use crate::{outbox::hooks::Step, testing::Meters};

pub(super) async fn groups_and_who_waits_are_counted(fixture: Fixture) {
    let meters = Meters::new();
    let hooks = Hooks::measured(meters.provider().meter("test"));
    let outbox = fixture.open_with(&hooks).await;
    let told = |name: &str| meters.value(&format!("tributary_outbox_{name}"));
    assert_eq!((told("queue"), told("group_commands_count")), (Some(0.0), None));

    hooks.hold_at(Step::Begun);
    let command = |id: &str, command| {
        let (outbox, id) = (outbox.clone(), id.to_owned());
        tokio::spawn(async move { (id, run(&outbox, command).await.is_ok()) })
    };
    let mut commands = vec![command("first", open("first", 0))];
    hooks.held().await;
    // One of these is rejected, and was decided with the others all the same.
    commands.extend(["a", "b", "c"].map(|id| command(id, open(id, 0))));
    commands.push(command("nobody", deposit("nobody", 1)));
    queued(&outbox, 4).await;
    assert_eq!((told("queue"), told("group_commands_count")), (Some(4.0), None));

    hooks.release();
    for command in commands {
        let (id, done) = command.await.unwrap();
        assert_eq!(done, id != "nobody", "{id}");
    }
    // Callers are answered before their group is noted.
    eventually("two groups are told", || told("group_commands_count") == Some(2.0)).await;
    assert_eq!((told("queue"), told("group_commands_sum")), (Some(0.0), Some(5.0)));
    assert_eq!(told("commit_duration_seconds_count"), Some(2.0));
    assert_eq!(told("sync_duration_seconds_count"), Some(2.0));
    let (commit, sync) = (told("commit_duration_seconds_sum"), told("sync_duration_seconds_sum"));
    assert!(commit > sync && sync > Some(0.0), "{sync:?} of {commit:?}");
}

pub(super) async fn the_size_of_the_store_is_told_as_long_as_it_is_open(fixture: Fixture) {
    let meters = Meters::new();
    let hooks = Hooks::measured(meters.provider().meter("test"));
    let outbox = fixture.open_with(&hooks).await;
    let told = || meters.value("tributary_store_size_bytes");
    let empty = told();
    for number in 0..300 {
        run(&outbox, open(format!("account-{number}"), 0)).await.unwrap();
    }
    let (size, all) = (told().unwrap(), on_disk(fixture.data()) as f64);
    assert!(Some(size) > empty, "{size} after {empty:?}");
    // Beside it lie the lock, SQLite's shared memory, and what sled notes of itself.
    assert!(size <= all && size > all / 2.0, "{size} of {all}");
    // Who measures does not keep it open.
    drop(outbox);
    fixture.closed().await;
}

/// Asked for now and then by who watches the store.
pub(super) async fn the_size_of_the_database_is_told(fixture: Fixture) {
    let meters = Meters::new();
    let hooks = Hooks::measured(meters.provider().meter("test"));
    let outbox = fixture.open_with(&hooks).await;
    let told = || meters.value("tributary_store_size_bytes");
    eventually("the size is told", || told() > Some(0.0)).await;
    drop(outbox);
}

fn on_disk(directory: &Path) -> u64 {
    let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let sizes = files.map(|file| match file.metadata().unwrap() {
        found if found.is_dir() => on_disk(&file.path()),
        found => found.len(),
    });
    sizes.sum()
}
