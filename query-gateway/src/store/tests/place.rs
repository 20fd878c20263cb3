//! Where a store can be: each test of what a store does runs in every kind of place.

use std::{path::Path, time::Duration};

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::library::{Bench, crash};
use crate::store::Store;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// Where one store is.
pub(super) enum Place {
    Directory(TempDir),
    Database(String),
}

/// Every kind that there is on this machine.
pub(super) async fn engines(test: &str) -> Vec<Engine> {
    let postgres = test_prerequisites::postgres::database(test).await.map(|_| Engine::Postgres);
    [Some(Engine::Sqlite), postgres].into_iter().flatten().collect()
}

/// Tests say nothing for as long as they compute.
async fn undisturbed(store: &Store) {
    store.write().await.script("SET idle_session_timeout = 0").await.unwrap();
}

impl Engine {
    /// A place where there is nothing.
    pub(super) async fn place(self) -> Place {
        match self {
            Engine::Sqlite => Place::Directory(tempfile::tempdir().unwrap()),
            Engine::Postgres => {
                let url = test_prerequisites::postgres::database("a store").await;
                Place::Database(url.expect("PostgreSQL was there a moment ago"))
            }
        }
    }
}

impl Place {
    pub(super) async fn store(&self) -> Store {
        match self {
            Place::Directory(directory) => Store::open(directory.path()).await.unwrap(),
            Place::Database(url) => {
                let store = Store::connect(&url.parse().unwrap()).await.unwrap();
                let deadline = Instant::now() + Duration::from_secs(30);
                // Until the server has noticed that the one before is gone.
                while !store.lead().await.unwrap() {
                    assert!(Instant::now() < deadline, "another one leads");
                    sleep(Duration::from_millis(5)).await;
                }
                undisturbed(&store).await;
                store
            }
        }
    }

    /// That of one who takes the lead from whoever has it, which locks of sessions prevent where they hold.
    pub(super) async fn overtaking_store(&self) -> Store {
        match self {
            Place::Directory(directory) => Store::open(directory.path()).await.unwrap(),
            Place::Database(url) => {
                let store = Store::connect(&url.parse().unwrap()).await.unwrap();
                store.write().await.connection.succeed().await.unwrap();
                undisturbed(&store).await;
                store
            }
        }
    }

    pub(super) async fn bench(&self, sources: &[&str]) -> Bench {
        Bench::on(self.store().await, sources).await
    }

    /// Of a file.
    pub(super) fn directory(&self) -> Option<&Path> {
        match self {
            Place::Directory(directory) => Some(directory.path()),
            Place::Database(_) => None,
        }
    }

    /// What a crash right now would leave, of a file. A server that crashes is not ours to prove.
    pub(super) fn crash(&self) -> Option<Place> {
        self.directory().map(|directory| Place::Directory(crash(directory)))
    }
}
