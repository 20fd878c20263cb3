//! A store in a directory of its own, and how the suite talks to it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use test_prerequisites::postgres;
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep},
};

use super::{
    bank::{Bank, Command, PublishedAccount, respond},
    hooks::Hooks,
};
use crate::{
    database::Database,
    fault::Fault,
    lock::{self, LockError},
    outbox::{Call, OpenError, Outbox, OutboxOptions, hooks::Mutant},
};

/// The method that every command of the suite is called by.
const METHOD: &str = "bank.v1.Bank/Do";

/// Every kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    Sqlite,
    Sled,
    Postgres,
}

impl Store {
    /// Whether a check of it can run on this machine; says so if not.
    pub(super) fn is_available(self, check: &str) -> bool {
        self != Store::Postgres || postgres::is_available(check)
    }
}

/// What a check starts from: a kind of store, perhaps with a defect, and a directory.
pub(super) struct Fixture {
    pub(super) store: Store,
    mutant: Option<Mutant>,
    directory: TempDir,
    database: OnceCell<Database>,
    pub(super) options: OutboxOptions,
}

impl Fixture {
    pub(super) fn new(store: Store, mutant: Option<Mutant>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = OutboxOptions::new("bank", directory.path().join("data"));
        Self { store, mutant, directory, database: OnceCell::new(), options }
    }

    /// A store like this one, apart from it.
    pub(super) fn another(&self) -> Self {
        Self::new(self.store, self.mutant)
    }

    /// The same store in this database.
    pub(super) fn in_database(mut self, url: &str) -> Self {
        self.database = OnceCell::new_with(Some(url.parse().unwrap()));
        self
    }

    /// The database, which is made when it is asked for first.
    pub(super) async fn database(&self) -> &Database {
        let make = || async {
            let database: Database = postgres::database("conformance").await.unwrap().parse().unwrap();
            if self.mutant == Some(Mutant::PlainSequence) {
                let sequence = "CREATE SEQUENCE plain";
                database.connect(sequence).await.unwrap();
            }
            database
        };
        self.database.get_or_init(make).await
    }

    pub(super) fn hooks(&self) -> Hooks {
        Hooks::with(self.mutant)
    }

    /// From now on a loss of power can be simulated. What a database loses then is not ours to prove.
    pub(super) fn take_images(&self, hooks: &Hooks, round: u64) {
        if self.store != Store::Postgres {
            hooks.image(self.data(), &self.image(round));
        }
    }

    /// The power was lost: only what was synced in this round is there.
    pub(super) fn lose_power(&mut self, round: u64) {
        if self.store != Store::Postgres {
            self.options.data_dir = self.image(round);
        }
    }

    /// A place beside the store, where nothing is.
    pub(super) fn aside(&self) -> PathBuf {
        self.directory.path().join("aside")
    }

    fn image(&self, round: u64) -> PathBuf {
        self.directory.path().join(format!("image{round}"))
    }

    pub(super) fn data(&self) -> &Path {
        &self.options.data_dir
    }

    pub(super) async fn open(&self) -> Outbox<Bank> {
        self.open_with(&self.hooks()).await
    }

    pub(super) async fn open_with(&self, hooks: &Hooks) -> Outbox<Bank> {
        self.try_open(hooks).await.unwrap()
    }

    /// Waits for a predecessor that is just going.
    pub(super) async fn try_open(&self, hooks: &Hooks) -> Result<Outbox<Bank>, OpenError> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.open_once(hooks).await {
                Err(OpenError::Lock(LockError::Held { .. })) if Instant::now() < deadline => {
                    sleep(Duration::from_millis(1)).await;
                }
                opened => return opened,
            }
        }
    }

    pub(super) async fn open_once(&self, hooks: &Hooks) -> Result<Outbox<Bank>, OpenError> {
        let (mut options, hooks) = (self.options.clone(), hooks.clone());
        match self.store {
            Store::Postgres => {
                options.database = Some(self.database().await.clone());
                Outbox::open_postgres_with::<Bank>(options, hooks).await
            }
            Store::Sqlite => Outbox::open_sqlite_with::<Bank>(options, hooks).await,
            Store::Sled => Outbox::open_sled_with::<Bank>(options, hooks).await,
        }
    }

    /// Returns once nobody has the store open, where that can be only one.
    pub(super) async fn closed(&self) {
        super::eventually("the store is closed", || lock::holder(self.data()).is_none()).await;
    }
}

/// Does a command under a request id; empty is none.
pub(super) async fn call(
    outbox: &Outbox<Bank>,
    request_id: &str,
    command: Command,
) -> Result<PublishedAccount, Fault> {
    let call = Call::new(METHOD, request_id, &command.request()).unwrap();
    outbox.execute(call, command.clone(), respond(&command)).await
}

/// Does a command that is one of a kind.
pub(super) async fn run(outbox: &Outbox<Bank>, command: Command) -> Result<PublishedAccount, Fault> {
    call(outbox, "", command).await
}

/// The stored reply to a command under a request id.
pub(super) async fn replay(
    outbox: &Outbox<Bank>,
    request_id: &str,
    command: &Command,
) -> Result<Option<PublishedAccount>, Fault> {
    outbox.replay(&Call::new(METHOD, request_id, &command.request()).unwrap()).await
}

pub(super) fn open(id: impl Into<String>, balance: i64) -> Command {
    Command::Open { id: id.into(), balance }
}

pub(super) fn deposit(id: &str, amount: i64) -> Command {
    Command::Deposit { id: id.to_owned(), amount }
}

pub(super) fn touch(ids: impl IntoIterator<Item = String>) -> Command {
    Command::Touch { ids: ids.into_iter().collect(), memo: String::new(), padding: 0 }
}

/// Returns once so many commands wait for the writer.
pub(super) async fn queued(outbox: &Outbox<Bank>, commands: usize) {
    let queue = &outbox.shared.queue;
    super::eventually("commands are queued", || queue.max_capacity() - queue.capacity() == commands).await;
}

/// A number from the environment: how much a randomised check does, and from which seed.
pub(super) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}
