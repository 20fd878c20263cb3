//! A service that a test plays: its messages are given as proto text or by their descriptors, its history is in memory, and
//! the feed in front of both is the real one.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use prost::{Message as _, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use prost_types::{Any, Timestamp};
use protox::{
    Compiler,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver},
};
use tokio::{net::TcpListener, sync::watch};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Server;
use tributary_chassis::{
    fault::{Fault, Reason},
    feed::{self, FeedOptions, Log, Mark, Record},
    position::Position,
};
use tributary_proto::{
    feed::v1::{Change, Operation},
    options::v1 as options,
};

use crate::rows::{Column, ColumnType, Datum, RowChange, Table};

/// A service whose every command is one change of one entity.
#[derive(Debug)]
pub struct Publisher {
    service: String,
    messages: BTreeMap<String, MessageDescriptor>,
    log: Arc<History>,
    address: SocketAddr,
    _serving: DropGuard,
}

#[derive(Debug)]
struct History {
    service: String,
    epoch: String,
    entities: &'static [&'static str],
    content: Mutex<Content>,
    head: watch::Sender<Mark>,
    /// Changes of one page, and so of one frame.
    frame: AtomicUsize,
}

#[derive(Debug, Default)]
struct Content {
    oldest: Mark,
    /// Those behind `oldest`.
    records: Vec<Record>,
    /// Of each entity, the last change of each key that is there.
    rows: BTreeMap<String, BTreeMap<String, Change>>,
}

/// The one file of the messages, and what it may import.
struct Messages(String);

impl FileResolver for Messages {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "messages.proto" => File::from_source(name, &self.0),
            options::PROTO_PATH => File::from_source(name, options::PROTO),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

impl Publisher {
    /// Serves `messages`, which are the text of a file behind its imports, as `service` on a free port of `host`.
    pub async fn serve(service: &str, messages: &str, host: &str) -> Self {
        Self::play(service, compile(service, messages), host).await
    }

    /// Serves the entities of an encoded `FileDescriptorSet` in the place of `service`, on a free port of `host`.
    pub async fn play(service: &str, descriptors: Vec<u8>, host: &str) -> Self {
        let pool = DescriptorPool::decode(descriptors.as_slice()).expect("what was compiled decodes");
        let option =
            pool.get_extension_by_name("tributary.options.v1.entity").expect("the option of entities");
        let published = pool.all_messages().filter_map(|message| {
            let options = message.options();
            let entity =
                options.has_extension(&option).then(|| options.get_extension(&option).into_owned())?;
            let table = entity.as_message()?.get_field_by_name("table")?.as_str()?.to_owned();
            Some((table, message))
        });
        let messages: BTreeMap<_, _> = published.collect();
        // The log of a service names entities for as long as its process lives, and so does this one.
        let entities: Vec<&str> = messages.keys().map(|name| &*name.clone().leak()).collect();
        let log = Arc::new(History {
            service: service.to_owned(),
            epoch: "e1".to_owned(),
            entities: entities.leak(),
            content: Mutex::default(),
            head: watch::Sender::default(),
            frame: AtomicUsize::new(usize::MAX),
        });
        let listener = TcpListener::bind(format!("{host}:0")).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shutdown = CancellationToken::new();
        let feed = feed::server(log.clone(), descriptors.leak(), FeedOptions::default(), shutdown.clone());
        let stopped = shutdown.clone().cancelled_owned();
        let server = Server::builder().add_service(feed);
        tokio::spawn(server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped));
        let service = service.to_owned();
        Self { service, messages, log, address, _serving: shutdown.drop_guard() }
    }

    /// As an argument of the gateway.
    pub fn source(&self) -> String {
        format!("--source={}=http://{}", self.service, self.address)
    }

    /// The tables of what it publishes, in order of name.
    pub fn tables(&self) -> Vec<Table> {
        let columns = |message: &MessageDescriptor| message.fields().map(|field| column(&field)).collect();
        self.messages.iter().map(|(name, m)| Table { name: name.clone(), columns: columns(m) }).collect()
    }

    /// A frame has at most so many changes from now on.
    pub fn set_frame(&self, changes: usize) {
        self.log.frame.store(changes, Ordering::Relaxed);
    }

    /// Writes these, each as a command of its own; nobody is told.
    pub fn write<'c>(&self, changes: impl IntoIterator<Item = &'c RowChange>) {
        for change in changes {
            let descriptor = self.messages.get(&change.table).expect("a published entity");
            let mut message = DynamicMessage::new(descriptor.clone());
            for (field, value) in descriptor.fields().zip(&change.values) {
                message.set_field(&field, field_value(&field, value));
            }
            let operation = if change.deleted { Operation::Delete } else { Operation::Upsert };
            let type_url = format!("type.googleapis.com/{}", descriptor.full_name());
            self.log.append(Change {
                entity: change.table.clone(),
                key: change.key.clone(),
                operation: operation.into(),
                value: Some(Any { type_url, value: message.encode_to_vec() }),
                last_in_command: true,
                ..Change::default()
            });
        }
    }

    /// Writes that an entity is as `message` from now on; nobody is told.
    pub fn upsert<M: Name>(&self, message: &M) {
        self.append_message::<M>(&message.encode_to_vec(), Operation::Upsert);
    }

    /// Writes that the entity with the key of `message` is gone; nobody is told.
    pub fn delete<M: Name>(&self, message: &M) {
        self.append_message::<M>(&message.encode_to_vec(), Operation::Delete);
    }

    fn append_message<M: Name>(&self, encoded: &[u8], operation: Operation) {
        let published = self.messages.iter().find(|(_, descriptor)| descriptor.full_name() == M::full_name());
        let (entity, descriptor) = published.expect("a published entity");
        let whole = DynamicMessage::decode(descriptor.clone(), encoded).expect("a message of its descriptor");
        let mut keys = DynamicMessage::new(descriptor.clone());
        for field in descriptor.fields().filter(is_key) {
            keys.set_field(&field, whole.get_field(&field).into_owned());
        }
        let key: Vec<String> = keys.fields().map(|(_, value)| value.to_string()).collect();
        let value = if operation == Operation::Delete { keys.encode_to_vec() } else { encoded.to_vec() };
        self.log.append(Change {
            entity: entity.clone(),
            key: key.join("/"),
            operation: operation.into(),
            value: Some(Any { type_url: M::type_url(), value }),
            last_in_command: true,
            ..Change::default()
        });
    }

    /// How many changes were written, shown or not.
    pub fn written(&self) -> u64 {
        self.log.content.lock().expect("no test panics meanwhile").last().sequence
    }

    /// Shows the changes through this one; those that were shown before are not taken back from who has them. Tells the
    /// position.
    pub fn show(&self, sequence: u64) -> Position {
        let content = self.log.content.lock().expect("no test panics meanwhile");
        let mark = content.mark(sequence).expect("a change that was written and is kept");
        drop(content);
        self.log.head.send_replace(mark);
        Position::from(&feed_position(&self.log, mark))
    }

    /// Shows everything that was written.
    pub fn show_all(&self) -> Position {
        self.show(self.written())
    }

    /// Forgets the changes through the last one; the rows that they left are kept for snapshots.
    pub fn prune(&self) {
        let mut content = self.log.content.lock().expect("no test panics meanwhile");
        content.oldest = content.last();
        content.records = Vec::new();
    }
}

/// As an encoded `FileDescriptorSet`, with all that is imported.
fn compile(service: &str, messages: &str) -> Vec<u8> {
    let text = format!(
        "syntax = \"proto3\";\npackage {service}.v1;\nimport \"google/protobuf/timestamp.proto\";\n\
         import \"{}\";\n{messages}",
        options::PROTO_PATH
    );
    let mut resolver = ChainFileResolver::new();
    resolver.add(Messages(text));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("messages.proto").expect("the messages compile");
    compiler.encode_file_descriptor_set()
}

/// The option's key decides, as it does for the gateway.
fn is_key(field: &FieldDescriptor) -> bool {
    let options = field.options();
    let key = || {
        let option = field.parent_pool().get_extension_by_name("tributary.options.v1.field")?;
        options.get_extension(&option).as_message()?.get_field_by_name("key")?.as_bool()
    };
    key().unwrap_or(false)
}

fn column(field: &FieldDescriptor) -> Column {
    let ty = match field.kind() {
        Kind::Int64 => ColumnType::Integer,
        Kind::String => ColumnType::Text,
        Kind::Message(_) => ColumnType::Time,
        other => panic!("{}: rows have no {other:?}", field.full_name()),
    };
    Column { name: field.name().to_owned(), ty, key: is_key(field) }
}

fn field_value(field: &FieldDescriptor, value: &Datum) -> Value {
    match (value, field.kind()) {
        (Datum::Integer(value), _) => Value::I64(*value),
        (Datum::Text(value), _) => Value::String(value.clone()),
        (Datum::Time(seconds), Kind::Message(descriptor)) => {
            let mut time = DynamicMessage::new(descriptor);
            let wire = Timestamp { seconds: *seconds, nanos: 0 }.encode_to_vec();
            time.merge(wire.as_slice()).expect("a timestamp");
            Value::Message(time)
        }
        (Datum::Time(_), other) => panic!("{}: a time is no {other:?}", field.full_name()),
    }
}

fn feed_position(log: &History, mark: Mark) -> tributary_proto::feed::v1::Position {
    tributary_proto::feed::v1::Position {
        service: log.service.clone(),
        epoch: log.epoch.clone(),
        sequence: mark.sequence,
        digest: mark.digest,
    }
}

fn mark(record: &Record) -> Mark {
    Mark { sequence: record.change.sequence, digest: record.digest }
}

impl Content {
    fn last(&self) -> Mark {
        self.records.last().map_or(self.oldest, mark)
    }

    fn mark(&self, sequence: u64) -> Option<Mark> {
        if sequence == self.oldest.sequence {
            return Some(self.oldest);
        }
        let place = sequence.checked_sub(self.oldest.sequence + 1)?;
        self.records.get(usize::try_from(place).ok()?).map(mark)
    }
}

impl History {
    fn append(&self, change: Change) {
        let mut content = self.content.lock().expect("no test panics meanwhile");
        let before = content.last();
        let commit_time = Some(Timestamp::from(std::time::SystemTime::now()));
        let change = Change { sequence: before.sequence + 1, commit_time, ..change };
        let rows = content.rows.entry(change.entity.clone()).or_default();
        match change.operation() {
            Operation::Delete => rows.remove(&change.key),
            _ => rows.insert(change.key.clone(), change.clone()),
        };
        let digest = feed::digest(before.digest, &change);
        content.records.push(Record { change, digest });
    }
}

#[tonic::async_trait]
impl Log for History {
    fn service(&self) -> &str {
        &self.service
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
        Ok(self.content.lock().expect("no test panics meanwhile").oldest)
    }

    async fn digest(&self, sequence: u64) -> Result<Option<u64>, Fault> {
        let content = self.content.lock().expect("no test panics meanwhile");
        Ok(content.mark(sequence).map(|mark| mark.digest))
    }

    async fn page(&self, after: u64, max_bytes: usize) -> Result<Vec<Record>, Fault> {
        let shown = self.head.borrow().sequence;
        let content = self.content.lock().expect("no test panics meanwhile");
        let Some(behind) = after.checked_sub(content.oldest.sequence) else {
            return Err(Fault::new(Reason::PositionExpired, format!("{after} is not kept any more")));
        };
        let (behind, shown) = (behind as usize, shown.saturating_sub(content.oldest.sequence) as usize);
        let records = content.records.get(behind..shown).unwrap_or_default();
        let mut bytes = 0;
        let fits = |record: &&Record| {
            bytes += record.change.encoded_len();
            bytes <= max_bytes
        };
        let page: Vec<_> =
            records.iter().take(self.frame.load(Ordering::Relaxed)).take_while(fits).cloned().collect();
        // A change that is larger than a page is one of its own.
        Ok(if page.is_empty() { records.iter().take(1).cloned().collect() } else { page })
    }

    async fn scan(&self, entity: &str, after_key: Option<&str>, limit: usize) -> Result<Vec<Change>, Fault> {
        use std::ops::Bound;
        let content = self.content.lock().expect("no test panics meanwhile");
        let Some(rows) = content.rows.get(entity) else { return Ok(Vec::new()) };
        let behind = after_key.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = rows.range::<str, _>((behind, Bound::Unbounded));
        Ok(rows.take(limit).map(|(_, row)| row.clone()).collect())
    }
}
