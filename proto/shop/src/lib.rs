//! The contracts of the shop: one package per service, and the questions asked across them.

#![allow(
    missing_docs,
    clippy::large_enum_variant,
    reason = "generated; the .proto files are the documentation"
)]

/// `shop.money.v1`: exact amounts.
pub mod money {
    pub mod v1 {
        tonic::include_proto!("shop.money.v1");
    }
}

/// `shop.customers.v1`: who buys.
pub mod customers {
    pub mod v1 {
        tonic::include_proto!("shop.customers.v1");

        /// An encoded `FileDescriptorSet` of this package and all that it imports, options included.
        pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/customers.bin"));
    }
}

/// `shop.catalog.v1`: what is sold.
pub mod catalog {
    pub mod v1 {
        tonic::include_proto!("shop.catalog.v1");

        /// An encoded `FileDescriptorSet` of this package and all that it imports, options included.
        pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/catalog.bin"));
    }
}

/// `shop.inventory.v1`: what is on the shelf.
pub mod inventory {
    pub mod v1 {
        tonic::include_proto!("shop.inventory.v1");

        /// An encoded `FileDescriptorSet` of this package and all that it imports, options included.
        pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/inventory.bin"));
    }
}

/// `shop.orders.v1`: what was bought.
pub mod orders {
    pub mod v1 {
        tonic::include_proto!("shop.orders.v1");

        /// An encoded `FileDescriptorSet` of this package and all that it imports, options included.
        pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/orders.bin"));
    }
}

/// `shop.payments.v1`: what was paid.
pub mod payments {
    pub mod v1 {
        tonic::include_proto!("shop.payments.v1");

        /// An encoded `FileDescriptorSet` of this package and all that it imports, options included.
        pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/payments.bin"));
    }
}

/// `shop.shipping.v1`: what is under way.
pub mod shipping {
    pub mod v1 {
        tonic::include_proto!("shop.shipping.v1");

        /// An encoded `FileDescriptorSet` of this package and all that it imports, options included.
        pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shipping.bin"));
    }
}

/// `shop.insights.v1`: questions across all services, answered by the query gateway.
pub mod insights {
    pub mod v1 {
        tonic::include_proto!("shop.insights.v1");
    }
}

/// An encoded `FileDescriptorSet` of the files of this crate and all that they import, options included.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
