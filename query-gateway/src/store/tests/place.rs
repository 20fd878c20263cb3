//! Where a store can be: each test of what a store does runs in every kind of place.

use std::path::Path;

use tempfile::TempDir;

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
            Place::Database(url) => Store::connect(&url.parse().unwrap()).await.unwrap(),
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
