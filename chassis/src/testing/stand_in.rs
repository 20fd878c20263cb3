//! The feed of a service that is not there, for the tests of who follows it.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prost::{Message as _, Name};
use prost_types::Any;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Error, Server, server::TcpIncoming};
use tributary_proto::feed::v1::{Change, Operation};

use crate::{
    fault::{Fault, Reason},
    feed::{self, ChangeFeed, ChangeFeedServer, FeedOptions, Log, Mark, Record},
    timestamp,
};

/// So often that no test waits for it.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

/// Who stands in for whom.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// Name of the service.
    pub service: &'static str,
    /// What it publishes.
    pub entities: &'static [&'static str],
    /// The encoded `FileDescriptorSet` of what it publishes.
    pub descriptors: fn() -> &'static [u8],
}

/// Publishes what a test says, over a real connection, until it is dropped. Each change is a command of its own.
#[derive(Debug)]
pub struct StandIn {
    role: Role,
    log: Arc<PretendedLog>,
    address: SocketAddr,
    /// Those of its subscribers.
    places: Arc<Semaphore>,
    shutdown: DropGuard,
    serving: JoinHandle<Result<(), Error>>,
}

impl StandIn {
    /// Serves an empty feed on any free port.
    pub async fn start(role: Role) -> Self {
        Self::serve(role, PretendedLog::new(role, "e1"), (Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Publishes an entity as it is now; tells the position of that.
    pub fn put<T: Name>(&self, entity: &str, key: &str, message: &T) -> u64 {
        self.log.append(entity, key, Operation::Upsert, message)
    }

    /// Publishes that an entity is gone; `message` has its key fields alone.
    pub fn delete<T: Name>(&self, entity: &str, key: &str, message: &T) -> u64 {
        self.log.append(entity, key, Operation::Delete, message)
    }

    /// Keeps no change up to now: who is behind takes a snapshot.
    pub fn forget(&self) {
        let mut content = self.log.content();
        content.oldest = content.head();
        content.records.clear();
    }

    /// How many follow it now.
    pub fn followers(&self) -> usize {
        FeedOptions::default().max_subscribers - self.places.available_permits()
    }

    /// Is gone until [`Away::back`].
    pub async fn stop(self) -> Away {
        drop(self.shutdown);
        match self.serving.await {
            Ok(Ok(())) => Away { role: self.role, log: self.log, address: self.address },
            other => panic!("{} did not end well: {other:?}", self.role.service),
        }
    }

    async fn serve(role: Role, log: Arc<PretendedLog>, address: SocketAddr) -> Self {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => panic!("{address}: {error}"),
        };
        let address = listener.local_addr().unwrap_or(address);
        let shutdown = CancellationToken::new();
        let options = FeedOptions { progress_interval: PROGRESS_INTERVAL, ..FeedOptions::default() };
        let feed = ChangeFeed::new(log.clone(), (role.descriptors)(), options, shutdown.clone());
        let places = feed.places();
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let end = shutdown.clone().cancelled_owned();
        let server = Server::builder()
            .add_service(ChangeFeedServer::new(feed))
            .serve_with_incoming_shutdown(incoming, end);
        Self { role, log, address, places, shutdown: shutdown.drop_guard(), serving: tokio::spawn(server) }
    }
}

/// A stand-in that does not serve.
#[derive(Debug)]
pub struct Away {
    role: Role,
    log: Arc<PretendedLog>,
    address: SocketAddr,
}

impl Away {
    /// Serves again what it had, where it was.
    pub async fn back(self) -> StandIn {
        StandIn::serve(self.role, self.log, self.address).await
    }

    /// Somebody else serves where it was, until it is back.
    pub async fn meanwhile(&self, role: Role) -> StandIn {
        StandIn::serve(role, PretendedLog::new(role, "e2"), self.address).await
    }

    /// Serves where it was, from another store, which is empty.
    pub async fn back_with_another_history(self) -> StandIn {
        let epoch = format!("{}x", self.log.epoch);
        StandIn::serve(self.role, PretendedLog::new(self.role, &epoch), self.address).await
    }
}

/// A log that a test writes.
#[derive(Debug)]
struct PretendedLog {
    role: Role,
    epoch: String,
    content: Mutex<Content>,
    head: watch::Sender<Mark>,
}

#[derive(Debug, Default)]
struct Content {
    oldest: Mark,
    /// Those behind `oldest`.
    records: Vec<Record>,
    /// By entity and key.
    rows: BTreeMap<(String, String), Change>,
}

impl Content {
    fn head(&self) -> Mark {
        self.records.last().map_or(self.oldest, mark)
    }
}

fn mark(record: &Record) -> Mark {
    Mark { sequence: record.change.sequence, digest: record.digest }
}

impl PretendedLog {
    fn new(role: Role, epoch: &str) -> Arc<Self> {
        let (head, _) = watch::channel(Mark::default());
        Arc::new(Self { role, epoch: epoch.to_owned(), content: Mutex::default(), head })
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append<T: Name>(&self, entity: &str, key: &str, operation: Operation, message: &T) -> u64 {
        let mut content = self.content();
        let before = content.head();
        let change = Change {
            sequence: before.sequence + 1,
            entity: entity.to_owned(),
            key: key.to_owned(),
            operation: operation.into(),
            value: Some(Any { type_url: T::type_url(), value: message.encode_to_vec() }),
            commit_time: Some(timestamp::to_proto(timestamp::now())),
            last_in_command: true,
            ..Change::default()
        };
        let row = (entity.to_owned(), key.to_owned());
        match operation {
            Operation::Delete => content.rows.remove(&row),
            _ => content.rows.insert(row, change.clone()),
        };
        let digest = feed::digest(before.digest, &change);
        content.records.push(Record { change, digest });
        let head = content.head();
        drop(content);
        self.head.send_replace(head);
        head.sequence
    }
}

#[tonic::async_trait]
impl Log for PretendedLog {
    fn service(&self) -> &str {
        self.role.service
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn entities(&self) -> &'static [&'static str] {
        self.role.entities
    }

    fn head(&self) -> watch::Receiver<Mark> {
        self.head.subscribe()
    }

    async fn oldest(&self) -> Result<Mark, Fault> {
        Ok(self.content().oldest)
    }

    async fn digest(&self, sequence: u64) -> Result<Option<u64>, Fault> {
        let content = self.content();
        let mut marks = std::iter::once(content.oldest).chain(content.records.iter().map(mark));
        Ok(marks.find(|mark| mark.sequence == sequence).map(|mark| mark.digest))
    }

    async fn page(&self, after: u64, max_bytes: usize) -> Result<Vec<Record>, Fault> {
        let content = self.content();
        if after < content.oldest.sequence {
            return Err(Fault::new(Reason::PositionExpired, "not kept any more: take a snapshot"));
        }
        let mut bytes = 0;
        let behind = content.records.iter().filter(|record| record.change.sequence > after);
        let page = behind.take_while(|record| {
            let first = bytes == 0;
            bytes += record.change.encoded_len();
            first || bytes <= max_bytes
        });
        Ok(page.cloned().collect())
    }

    async fn scan(&self, entity: &str, after_key: Option<&str>, limit: usize) -> Result<Vec<Change>, Fault> {
        let content = self.content();
        let rows = content
            .rows
            .iter()
            .filter(|((name, key), _)| name == entity && after_key.is_none_or(|after| key.as_str() > after));
        Ok(rows.take(limit).map(|(_, row)| row.clone()).collect())
    }
}
