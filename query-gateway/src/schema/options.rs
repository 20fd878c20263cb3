//! The options of `tributary.options.v1`, as the descriptors of a source carry them.

use prost_reflect::{
    DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, MessageDescriptor,
};
use tributary_proto::options::v1 as proto;

/// Reads options; a set of descriptors that never imports them has none.
#[derive(Debug)]
pub(super) struct Options {
    entity: Option<ExtensionDescriptor>,
    field: Option<ExtensionDescriptor>,
}

impl Options {
    pub(super) fn of(pool: &DescriptorPool) -> Self {
        Self {
            entity: pool.get_extension_by_name("tributary.options.v1.entity"),
            field: pool.get_extension_by_name("tributary.options.v1.field"),
        }
    }

    pub(super) fn entity(&self, message: &MessageDescriptor) -> Option<proto::Entity> {
        read(self.entity.as_ref()?, &message.options())
    }

    pub(super) fn field(&self, field: &FieldDescriptor) -> proto::Field {
        self.field.as_ref().and_then(|extension| read(extension, &field.options())).unwrap_or_default()
    }
}

/// An option that is not set would read as its default.
fn read<T: prost::Message + Default>(extension: &ExtensionDescriptor, options: &DynamicMessage) -> Option<T> {
    if !options.has_extension(extension) {
        return None;
    }
    options.get_extension(extension).as_message()?.transcode_to().ok()
}
