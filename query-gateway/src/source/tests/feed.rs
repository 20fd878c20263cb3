//! A service with a log in memory, behind the real feed.

use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tributary_chassis::{
    fault::{Fault, Reason},
    feed::{self, FeedOptions, Log, Mark, Record},
};
use tributary_proto::feed::v1::{Change, Operation};

use crate::schema::fixture::{LIBRARY, Published, publish};

/// What the service calls itself.
const NAME: &str = "library";

/// A library that is open: it can be written to, closed, and opened again with other messages.
pub(crate) struct Service {
    published: Published,
    log: Arc<Memory>,
    address: String,
    close: CancellationToken,
    server: JoinHandle<()>,
}

/// Changes from the first on, with the current row of each key.
pub(crate) struct Memory {
    service: &'static str,
    epoch: String,
    entities: &'static [&'static str],
    records: Mutex<Vec<Record>>,
    head: watch::Sender<Mark>,
}

impl Service {
    pub(crate) async fn open(messages: &str, epoch: &str) -> Self {
        Self::serve(messages, (NAME, epoch), Vec::new(), "127.0.0.1:0").await
    }

    /// At the same address, with the same history, and other messages.
    pub(crate) async fn reopen(self, messages: &str) -> Self {
        let (epoch, records) = (self.log.epoch.clone(), self.log.records.lock().unwrap().clone());
        let address = self.close().await;
        Self::serve(messages, (NAME, &epoch), records, &address).await
    }

    /// At the same address, with another history.
    pub(crate) async fn replace(self, epoch: &str) -> Self {
        let address = self.close().await;
        Self::serve(LIBRARY, (NAME, epoch), Vec::new(), &address).await
    }

    /// At the same address, a service that calls itself otherwise.
    pub(crate) async fn replace_service(self, name: &'static str) -> Self {
        let address = self.close().await;
        Self::serve(LIBRARY, (name, "e1"), Vec::new(), &address).await
    }

    pub(crate) async fn close(self) -> String {
        self.close.cancel();
        self.server.await.unwrap();
        self.address
    }

    async fn serve(
        messages: &str,
        (service, epoch): (&'static str, &str),
        records: Vec<Record>,
        address: &str,
    ) -> Self {
        let published = publish(messages);
        let names = published.described.entities.iter().map(|entity| &*entity.name.clone().leak());
        let head = records.last().map_or(Mark::default(), mark);
        let log = Arc::new(Memory {
            service,
            epoch: epoch.to_owned(),
            entities: names.collect::<Vec<_>>().leak(),
            records: Mutex::new(records),
            head: watch::Sender::new(head),
        });
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let close = CancellationToken::new();
        let descriptors = published.described.file_descriptor_set.clone().leak();
        let feed = feed::server(log.clone(), descriptors, FeedOptions::default(), close.clone());
        let closed = close.clone().cancelled_owned();
        let serving = Server::builder()
            .add_service(feed)
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), closed);
        let server = tokio::spawn(async move { serving.await.unwrap() });
        Self { published, log, address, close, server }
    }

    /// As an argument of the gateway.
    pub(crate) fn source(&self) -> String {
        format!("--source=library=http://{}", self.address)
    }

    /// One command that writes these; tells the position.
    pub(crate) fn write(&self, entity: &str, rows: &[Json]) -> u64 {
        let changes = rows.iter().map(|json| self.published.upsert(0, entity, json));
        self.log.append(changes.collect())
    }

    pub(crate) fn delete(&self, entity: &str, key: &Json) -> u64 {
        self.log.append(vec![self.published.delete(0, entity, key)])
    }

    /// A command whose only change has this wire form.
    pub(crate) fn garbage(&self, entity: &str, wire: &[u8]) -> u64 {
        self.log.append(vec![self.published.change(0, entity, Operation::Upsert, wire.to_vec())])
    }
}

fn mark(record: &Record) -> Mark {
    Mark { sequence: record.change.sequence, digest: record.digest }
}

impl Memory {
    fn append(&self, changes: Vec<Change>) -> u64 {
        let mut records = self.records.lock().unwrap();
        let count = changes.len();
        for (n, change) in (1..).zip(changes) {
            let before = records.last().map_or(Mark::default(), mark);
            let (sequence, last_in_command) = (before.sequence + 1, n == count);
            // The key as text, so that rows have an order and replace each other.
            let key = change.value.as_ref().map(|value| key(&value.value)).unwrap_or_default();
            let commit_time = Some(std::time::SystemTime::now().into());
            let change = Change { sequence, key, last_in_command, commit_time, ..change };
            let digest = feed::digest(before.digest, &change);
            records.push(Record { change, digest });
        }
        let head = records.last().map_or(Mark::default(), mark);
        drop(records);
        self.head.send_replace(head);
        head.sequence
    }
}

/// The first field, which is the key of a book.
fn key(wire: &[u8]) -> String {
    match wire {
        [0x0a, length, rest @ ..] => String::from_utf8_lossy(&rest[..usize::from(*length)]).into_owned(),
        _ => String::new(),
    }
}

#[tonic::async_trait]
impl Log for Memory {
    fn service(&self) -> &str {
        self.service
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn entities(&self) -> &'static [&'static str] {
        self.entities
    }

    fn head(&self) -> watch::Receiver<Mark> {
        self.head.subscribe()
    }

    async fn oldest(&self) -> Result<Mark, Fault> {
        Ok(Mark::default())
    }

    async fn digest(&self, sequence: u64) -> Result<Option<u64>, Fault> {
        let records = self.records.lock().unwrap();
        Ok(match sequence {
            0 => Some(0),
            n => records.get(n as usize - 1).map(|record| record.digest),
        })
    }

    async fn page(&self, after: u64, _: usize) -> Result<Vec<Record>, Fault> {
        let records = self.records.lock().unwrap();
        let behind = records.get(after as usize..);
        Ok(behind.ok_or_else(|| Fault::new(Reason::PositionExpired, "not there"))?.to_vec())
    }

    async fn scan(&self, entity: &str, after_key: Option<&str>, limit: usize) -> Result<Vec<Change>, Fault> {
        let records = self.records.lock().unwrap();
        let mut rows = std::collections::BTreeMap::new();
        for Record { change, .. } in records.iter().filter(|record| record.change.entity == entity) {
            match change.operation() {
                Operation::Delete => rows.remove(&change.key),
                _ => rows.insert(change.key.clone(), change.clone()),
            };
        }
        let rows = rows.into_values().filter(|row| after_key.is_none_or(|after| &*row.key > after));
        Ok(rows.take(limit).collect())
    }
}
