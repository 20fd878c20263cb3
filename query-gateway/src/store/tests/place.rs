//! Where a store can be: each test of what a store does runs in every kind of place.

use std::{path::Path, sync::Mutex};

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tempfile::TempDir;
use test_prerequisites::postgres;

use super::library::{Bench, crash};
use crate::store::Store;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Where one store is.
#[derive(Debug)]
pub(crate) enum Place {
    Directory(TempDir),
    Database(Database),
}

/// A database that nobody else has. To make one takes longer than to clear one, so that it is left to the next test.
#[derive(Debug)]
pub(crate) struct Database {
    url: String,
    /// Not where more than tables and views are changed.
    is_left: bool,
}

static FREE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Whatever was left in it and by whom.
const CLEAR: &str = "
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    DROP SCHEMA public CASCADE;
    CREATE SCHEMA public;";

/// Every kind that there is on this machine.
pub(crate) fn engines(test: &str) -> Vec<Engine> {
    let postgres = postgres::is_available(test).then_some(Engine::Postgres);
    [Some(Engine::Sqlite), postgres].into_iter().flatten().collect()
}

impl Engine {
    /// A place where there is nothing.
    pub(crate) async fn place(self) -> Place {
        match self {
            Engine::Sqlite => Place::Directory(tempfile::tempdir().unwrap()),
            Engine::Postgres => Place::Database(Database::take().await),
        }
    }
}

impl Place {
    pub(crate) async fn store(&self) -> Store {
        match self {
            Place::Directory(directory) => Store::open(directory.path()).await.unwrap(),
            Place::Database(database) => {
                let store = Store::connect(&database.url().parse().unwrap()).await.unwrap();
                // Whoever had it before may still be there, and writes no more.
                let mut writing = store.write().await;
                writing.connection.succeed().await.unwrap();
                // Tests say nothing for as long as they compute.
                writing.script("SET idle_session_timeout = 0").await.unwrap();
                drop(writing);
                store
            }
        }
    }

    pub(crate) async fn bench(&self, sources: &[&str]) -> Bench {
        Bench::on(self.store().await, sources).await
    }

    /// Of a file.
    pub(crate) fn directory(&self) -> Option<&Path> {
        match self {
            Place::Directory(directory) => Some(directory.path()),
            Place::Database(_) => None,
        }
    }

    /// What a crash right now would leave, of a file. A server that crashes is not ours to prove.
    pub(crate) fn crash(&self) -> Option<Place> {
        self.directory().map(|directory| Place::Directory(crash(directory)))
    }
}

impl Database {
    async fn take() -> Self {
        let Some(url) = FREE.lock().unwrap().pop() else {
            let made = postgres::database("a store").await;
            return Self { url: made.expect("PostgreSQL was there a moment ago"), is_left: true };
        };
        let options: PgConnectOptions = url.parse().unwrap();
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(CLEAR).execute(&mut connection).await.unwrap();
        Self { url, is_left: true }
    }

    /// One that nobody had, nor will have.
    pub(super) async fn new(test: &str) -> Option<Self> {
        Some(Self { url: postgres::database(test).await?, is_left: false })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.is_left {
            FREE.lock().unwrap().push(std::mem::take(&mut self.url));
        }
    }
}

/// Runs tests in every kind of store that there is on this machine: each is a function of an [`Engine`].
macro_rules! in_each_store {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test($crate::store::tests::place::Engine::Sqlite).await;
                }
            )*
        }

        mod on_postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if test_prerequisites::postgres::is_available(stringify!($test)) {
                        super::$test($crate::store::tests::place::Engine::Postgres).await;
                    }
                }
            )*
        }
    };
}

pub(crate) use in_each_store;
