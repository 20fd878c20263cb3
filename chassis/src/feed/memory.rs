//! A log in memory, for tests: real digests, and a head that is announced only when the test says so.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use prost::Message as _;
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, File, FileResolver, GoogleFileResolver};
use tokio::sync::watch;
use tributary_proto::feed::v1 as proto;

use super::{Log, Mark, Record, admission, digest};
use crate::fault::Fault;

/// A published entity by name and key.
pub(super) type RowKey = (String, String);

pub(super) struct MemoryLog {
    epoch: String,
    content: Mutex<Content>,
    head: watch::Sender<Mark>,
    /// Encoded bytes of all pages that were read: what subscribers cost.
    pub(super) bytes_read: AtomicUsize,
}

#[derive(Default)]
struct Content {
    /// Those behind `oldest`.
    records: VecDeque<Record>,
    oldest: Mark,
    rows: BTreeMap<RowKey, proto::Change>,
}

impl Content {
    fn head(&self) -> Mark {
        self.records.back().map_or(self.oldest, mark)
    }
}

impl MemoryLog {
    pub(super) fn new(epoch: &str) -> Arc<Self> {
        Arc::new(Self {
            epoch: epoch.to_owned(),
            content: Mutex::default(),
            head: watch::channel(Mark::default()).0,
            bytes_read: AtomicUsize::default(),
        })
    }

    /// One command with these changes: entity, key, and the value, or none to delete. Durable, but nobody
    /// is told.
    pub(super) fn append(&self, changes: &[(&str, &str, Option<&str>)]) {
        let mut content = self.content.lock().unwrap();
        for (i, (entity, key, value)) in changes.iter().enumerate() {
            let before = content.head();
            let operation = if value.is_some() { proto::Operation::Upsert } else { proto::Operation::Delete };
            let change = proto::Change {
                sequence: before.sequence + 1,
                entity: (*entity).to_owned(),
                key: (*key).to_owned(),
                operation: operation.into(),
                value: Some(prost_types::Any {
                    type_url: "type.googleapis.com/bank.v1.Account".to_owned(),
                    value: value.unwrap_or_default().into(),
                }),
                last_in_command: i + 1 == changes.len(),
                commit_time: Some(SystemTime::now().into()),
                ..Default::default()
            };
            let row = ((*entity).to_owned(), (*key).to_owned());
            match value {
                Some(_) => content.rows.insert(row, change.clone()),
                None => content.rows.remove(&row),
            };
            let digest = digest(before.digest, &change);
            content.records.push_back(Record { change, digest });
        }
    }

    /// Tells the head, as it is now.
    pub(super) fn announce(&self) {
        let head = self.content.lock().unwrap().head();
        self.head.send_replace(head);
    }

    /// A command, durable and told.
    pub(super) fn write(&self, changes: &[(&str, &str, Option<&str>)]) {
        self.append(changes);
        self.announce();
    }

    /// Removes the commands that end at or before `through`.
    pub(super) fn prune(&self, through: u64) {
        let mut content = self.content.lock().unwrap();
        let kept = content.oldest.sequence;
        let mut ends = content.records.iter().filter(|record| record.change.last_in_command).map(mark);
        let Some(oldest) = ends.rfind(|mark| mark.sequence <= through) else { return };
        content.records.drain(..(oldest.sequence - kept) as usize);
        content.oldest = oldest;
    }

    pub(super) fn at(&self, sequence: u64) -> proto::Position {
        let content = self.content.lock().unwrap();
        let mut marks = std::iter::once(content.oldest).chain(content.records.iter().map(mark));
        super::server::position(self, marks.find(|mark| mark.sequence == sequence).unwrap())
    }

    pub(super) fn durable(&self) -> Mark {
        self.content.lock().unwrap().head()
    }

    pub(super) fn changes(&self) -> Vec<proto::Change> {
        self.content.lock().unwrap().records.iter().map(|record| record.change.clone()).collect()
    }

    /// The rows as they are now, with the sequences that wrote them.
    pub(super) fn rows(&self) -> BTreeMap<RowKey, proto::Change> {
        self.content.lock().unwrap().rows.clone()
    }
}

fn mark(record: &Record) -> Mark {
    Mark { sequence: record.change.sequence, digest: record.digest }
}

#[tonic::async_trait]
impl Log for MemoryLog {
    fn service(&self) -> &str {
        "bank"
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn entities(&self) -> &'static [&'static str] {
        &["accounts", "notes"]
    }

    fn head(&self) -> watch::Receiver<Mark> {
        self.head.subscribe()
    }

    async fn oldest(&self) -> Result<Mark, Fault> {
        Ok(self.content.lock().unwrap().oldest)
    }

    async fn digest(&self, sequence: u64) -> Result<Option<u64>, Fault> {
        let content = self.content.lock().unwrap();
        let mut marks = std::iter::once(content.oldest).chain(content.records.iter().map(mark));
        Ok(marks.find(|mark| mark.sequence == sequence).map(|mark| mark.digest))
    }

    async fn page(&self, after: u64, max_bytes: usize) -> Result<Vec<Record>, Fault> {
        let content = self.content.lock().unwrap();
        if after < content.oldest.sequence {
            return Err(admission::expired(self, content.oldest, after));
        }
        let mut page: Vec<Record> = Vec::new();
        let mut bytes = 0;
        for record in content.records.iter().skip((after - content.oldest.sequence) as usize) {
            if bytes > max_bytes && page.last().is_some_and(|last| last.change.last_in_command) {
                break;
            }
            bytes += record.change.encoded_len();
            page.push(record.clone());
        }
        self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
        Ok(page)
    }

    async fn scan(
        &self,
        entity: &str,
        after_key: Option<&str>,
        limit: usize,
    ) -> Result<Vec<proto::Change>, Fault> {
        // A step in which others may write: a snapshot is not of one moment.
        tokio::task::yield_now().await;
        let content = self.content.lock().unwrap();
        let rows = content
            .rows
            .iter()
            .filter(|((name, key), _)| name == entity && after_key.is_none_or(|after| key.as_str() > after));
        Ok(rows.take(limit).map(|(_, row)| row.clone()).collect())
    }
}

/// The descriptors of a service that publishes `accounts` and `notes`, with files that they do not need.
pub(crate) fn descriptors() -> &'static [u8] {
    static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut resolver = ChainFileResolver::new();
        resolver.add(Bank);
        resolver.add(DescriptorSetFileResolver::decode(tributary_proto::FILE_DESCRIPTOR_SET).unwrap());
        resolver.add(GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.include_imports(true).open_files([BANK, "tributary/feed/v1/feed.proto"]).unwrap();
        compiler.encode_file_descriptor_set()
    });
    &DESCRIPTORS
}

const BANK: &str = "bank/v1/bank.proto";

struct Bank;

impl FileResolver for Bank {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name != BANK {
            return Err(protox::Error::file_not_found(name));
        }
        File::from_source(
            name,
            r#"
            syntax = "proto3";
            package bank.v1;
            import "google/protobuf/timestamp.proto";
            import "tributary/options/v1/options.proto";
            message Account {
              option (tributary.options.v1.entity) = {table: "accounts"};
              string account_id = 1 [(tributary.options.v1.field).key = true];
              google.protobuf.Timestamp create_time = 2;
            }
            message Note {
              option (tributary.options.v1.entity) = {table: "notes"};
              string note_id = 1 [(tributary.options.v1.field).key = true];
            }
            message Unpublished {}
            "#,
        )
    }
}
