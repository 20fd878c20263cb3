//! What a service says about its feed: which message each entity is, and the descriptors that it takes to
//! decode them.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_reflect::{DescriptorPool, FileDescriptor, Value};
use tributary_proto::feed::v1::EntityDescription;

/// The option by which a message says that it is published, and under which name.
const ENTITY_OPTION: &str = "tributary.options.v1.entity";

/// The constant part of a `DescribeResponse`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Description {
    pub(super) entities: Vec<EntityDescription>,
    /// Their messages and all they import, and nothing else of what the service was built with.
    pub(super) file_descriptor_set: Vec<u8>,
}

/// The descriptors of a service do not tell what it publishes.
#[derive(Debug, thiserror::Error)]
pub(super) enum DescribeError {
    #[error("cannot read the descriptors of the service")]
    Malformed(#[from] prost_reflect::DescriptorError),
    #[error("no message of the service has `option ({ENTITY_OPTION}) = {{table: \"{0}\"}}`")]
    Missing(String),
}

/// Finds the published messages among `descriptors`, an encoded `FileDescriptorSet`.
pub(super) fn describe(descriptors: &[u8], entities: &[&str]) -> Result<Description, DescribeError> {
    let pool = DescriptorPool::decode(descriptors)?;
    let messages = published(&pool);
    let mut found = Vec::new();
    let mut set = FileDescriptorSet::default();
    let mut seen = BTreeSet::new();
    for entity in entities {
        let name = messages.get(*entity).ok_or_else(|| DescribeError::Missing((*entity).to_owned()))?;
        if let Some(message) = pool.get_message_by_name(name) {
            add(&mut set, &mut seen, &message.parent_file());
        }
        found.push(EntityDescription { name: (*entity).to_owned(), message: name.clone() });
    }
    Ok(Description { entities: found, file_descriptor_set: set.encode_to_vec() })
}

/// Full names of messages by the name of their entity.
fn published(pool: &DescriptorPool) -> BTreeMap<String, String> {
    let Some(option) = pool.get_extension_by_name(ENTITY_OPTION) else {
        return BTreeMap::new();
    };
    pool.all_messages()
        .filter_map(|message| {
            let options = message.options();
            if !options.has_extension(&option) {
                return None;
            }
            let entity = options.get_extension(&option);
            let table = entity.as_message()?.get_field_by_name("table")?;
            let Value::String(table) = table.as_ref() else { return None };
            Some((table.clone(), message.full_name().to_owned()))
        })
        .collect()
}

/// A `google.protobuf.FileDescriptorSet` whose files are bytes, as they were compiled: decoded into prost's
/// structs, they would lose their custom options.
#[derive(Clone, PartialEq, prost::Message)]
struct FileDescriptorSet {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

/// Adds `file` behind all that it imports.
fn add(set: &mut FileDescriptorSet, seen: &mut BTreeSet<String>, file: &FileDescriptor) {
    if seen.insert(file.name().to_owned()) {
        file.dependencies().for_each(|import| add(set, seen, &import));
        set.files.push(file.encode_to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_found_with_all_they_import() {
        let description = describe(crate::feed::memory::descriptors(), &["accounts", "notes"]).unwrap();
        let messages: Vec<_> = description.entities.iter().map(|entity| entity.message.as_str()).collect();
        assert_eq!(messages, ["bank.v1.Account", "bank.v1.Note"]);
        let pool = DescriptorPool::decode(description.file_descriptor_set.as_slice()).unwrap();
        assert!(published(&pool).contains_key("accounts"), "options survive");
        assert!(pool.get_file_by_name("google/protobuf/timestamp.proto").is_some());
        assert!(pool.get_file_by_name("tributary/feed/v1/feed.proto").is_none(), "not imported");
    }

    #[test]
    fn a_missing_entity_is_named() {
        let error = describe(crate::feed::memory::descriptors(), &["ghosts"]).unwrap_err();
        assert!(error.to_string().contains("ghosts"), "{error}");
    }
}
