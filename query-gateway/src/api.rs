//! Typed queries: the methods of `.proto` files that no service implements, each answered by the SQL in its
//! option. What the files say is checked when the gateway starts; what the SQL gives, as soon as its
//! tables are known, and again whenever those change.

mod files;
mod method;
mod request;
mod response;
mod service;

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use prost_reflect::{FieldDescriptor, MessageDescriptor};

pub use self::{
    files::ApiError,
    method::{Method, State},
    service::TypedQueries,
};

/// The methods of all API files.
#[derive(Clone, Debug, Default)]
pub struct Api {
    methods: Vec<Arc<Method>>,
    descriptors: Vec<u8>,
}

impl Api {
    /// Compiles `files`. Without `proto_path` the root of the imports of each is found by taking its
    /// package off its path.
    pub fn load(files: &[PathBuf], proto_path: Option<&Path>) -> Result<Self, ApiError> {
        if files.is_empty() {
            return Ok(Self::default());
        }
        let files::Compiled { methods, descriptors } = files::compile(files, proto_path)?;
        let methods = methods.into_iter().map(|(method, sql)| Method::new(method, sql).map(Arc::new));
        Ok(Self { methods: methods.collect::<Result<_, _>>()?, descriptors })
    }

    /// In the order of their files.
    pub fn methods(&self) -> &[Arc<Method>] {
        &self.methods
    }

    /// The full name of each service that has methods here.
    pub fn services(&self) -> BTreeSet<&str> {
        self.methods.iter().map(|method| method.service()).collect()
    }

    /// An encoded `FileDescriptorSet` of the files and all that they import, options included; empty
    /// without files.
    pub fn descriptors(&self) -> &[u8] {
        &self.descriptors
    }

    /// By the path of an HTTP request.
    fn routes(&self) -> HashMap<String, Arc<Method>> {
        self.methods.iter().map(|method| (format!("/{}", method.name()), method.clone())).collect()
    }
}

/// The field of a message like `google.protobuf.Int64Value`, which stands for a scalar that can be unset.
fn wrapped(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    let name = message.full_name().strip_prefix("google.protobuf.")?;
    let wrapper = matches!(
        name,
        "DoubleValue"
            | "FloatValue"
            | "Int64Value"
            | "UInt64Value"
            | "Int32Value"
            | "UInt32Value"
            | "BoolValue"
            | "StringValue"
            | "BytesValue"
    );
    wrapper.then(|| message.get_field(1))?
}

#[cfg(test)]
mod tests;
