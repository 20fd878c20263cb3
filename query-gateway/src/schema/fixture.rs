//! For tests: a source made of proto text, and changes made of JSON.

use std::collections::BTreeMap;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use protox::{
    Compiler,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver},
};
use serde_json::Value as Json;
use tributary_proto::{
    feed::v1::{Change, DescribeResponse, EntityDescription, Operation},
    options::v1 as options,
};

use super::{Schema, SchemaError};

const HEAD: &str = r#"
    syntax = "proto3";
    package library.v1;
    import "google/protobuf/any.proto";
    import "google/protobuf/duration.proto";
    import "google/protobuf/struct.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    import "tributary/options/v1/options.proto";
"#;

/// Books, and who has them: an entity with a child table, and one without.
pub(crate) const LIBRARY: &str = r#"
    message Book {
      option (tributary.options.v1.entity) = {table: "books"};
      string isbn = 1 [(tributary.options.v1.field).key = true];
      string title = 2;
      repeated Copy copies = 3;
    }
    message Copy { string shelf = 1; int64 number = 2; }
    message Loan {
      option (tributary.options.v1.entity) = {table: "loans"};
      string branch = 1 [(tributary.options.v1.field).key = true];
      int64 number = 2 [(tributary.options.v1.field).key = true];
      string isbn = 3;
      optional string reader = 4;
    }
"#;

/// What a service with these messages says of itself.
pub(crate) struct Published {
    pub(crate) described: DescribeResponse,
    messages: BTreeMap<String, MessageDescriptor>,
}

struct Memory(String);

impl FileResolver for Memory {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "library.proto" => File::from_source(name, &self.0),
            options::PROTO_PATH => File::from_source(name, options::PROTO),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// Compiles `messages`; each with the entity option is published.
pub(crate) fn publish(messages: &str) -> Published {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Memory(format!("{HEAD}{messages}")));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).open_file("library.proto").unwrap();
    let file_descriptor_set = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(file_descriptor_set.as_slice()).unwrap();
    let options = super::options::Options::of(&pool);
    let messages: BTreeMap<_, _> =
        pool.all_messages().filter_map(|message| Some((options.entity(&message)?.table, message))).collect();
    let entities = messages.iter().map(|(name, message)| EntityDescription {
        name: name.clone(),
        message: message.full_name().to_owned(),
    });
    let described = DescribeResponse {
        service: "library".to_owned(),
        epoch: "e1".to_owned(),
        entities: entities.collect(),
        file_descriptor_set,
        ..Default::default()
    };
    Published { described, messages }
}

impl Published {
    pub(crate) fn schema(&self) -> Result<Schema, SchemaError> {
        Schema::learn("library", &self.described)
    }

    pub(crate) fn message(&self, entity: &str) -> &MessageDescriptor {
        &self.messages[entity]
    }

    /// A change from the JSON form of the entity.
    pub(crate) fn upsert(&self, sequence: u64, entity: &str, json: &Json) -> Change {
        let message = DynamicMessage::deserialize(self.messages[entity].clone(), json).unwrap();
        self.change(sequence, entity, Operation::Upsert, message.encode_to_vec())
    }

    /// A deletion from the JSON form of the entity's key.
    pub(crate) fn delete(&self, sequence: u64, entity: &str, json: &Json) -> Change {
        let operation = Operation::Delete.into();
        Change { operation, ..self.upsert(sequence, entity, json) }
    }

    /// A change from the wire form of the entity.
    pub(crate) fn change(&self, sequence: u64, entity: &str, operation: Operation, value: Vec<u8>) -> Change {
        let type_url = format!("type.googleapis.com/{}", self.messages[entity].full_name());
        Change {
            sequence,
            entity: entity.to_owned(),
            key: format!("key of {sequence}"),
            operation: operation.into(),
            value: Some(prost_types::Any { type_url, value }),
            traceparent: format!("trace of {sequence}"),
            event: format!("event of {sequence}"),
            commit_time: Some(prost_types::Timestamp { seconds: sequence.cast_signed(), nanos: 0 }),
            last_in_command: true,
            ..Default::default()
        }
    }
}

/// How many rounds, and the seed of the first: `COUNT=` and `SEED=` or a few, always the same.
pub(crate) fn rounds(default: u64) -> impl Iterator<Item = u64> {
    let number = |name, default| std::env::var(name).map_or(default, |text: String| text.parse().unwrap());
    let seed = number("SEED", 1);
    seed..seed + number("COUNT", default)
}
