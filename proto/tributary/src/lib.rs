//! The contracts of Tributary: the change feed, the query gateway, and the options by which a service
//! describes what it publishes.

#![allow(
    missing_docs,
    clippy::large_enum_variant,
    reason = "generated; the .proto files are the documentation"
)]

/// `tributary.feed.v1`: how a service lets others follow what it owns.
pub mod feed {
    pub mod v1 {
        tonic::include_proto!("tributary.feed.v1");
    }
}

/// `tributary.query.v1`: one question across all services.
pub mod query {
    pub mod v1 {
        tonic::include_proto!("tributary.query.v1");
    }
}

/// `tributary.options.v1`: what the published messages say about themselves.
pub mod options {
    pub mod v1 {
        tonic::include_proto!("tributary.options.v1");

        /// The text of `tributary/options/v1/options.proto`, for compilers that meet an import of it.
        pub const PROTO: &str = include_str!("../tributary/options/v1/options.proto");
        /// The path by which it is imported.
        pub const PROTO_PATH: &str = "tributary/options/v1/options.proto";
    }
}

/// An encoded `FileDescriptorSet` of the files of this crate and all that they import, options included.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
