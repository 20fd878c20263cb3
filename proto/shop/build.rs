//! Compiles the protos in-process, so that a build needs no protoc.

use std::error::Error;

const PROTOS: [&str; 7] = [
    "shop/customers/v1/customers.proto",
    "shop/catalog/v1/catalog.proto",
    "shop/inventory/v1/inventory.proto",
    "shop/orders/v1/orders.proto",
    "shop/payments/v1/payments.proto",
    "shop/shipping/v1/shipping.proto",
    "shop/insights/v1/insights.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    // Each service shows what its own package needs, and no more.
    PROTOS.iter().try_for_each(|proto| tributary_build::describe(".", proto))?;
    tributary_build::compile(".", &PROTOS)
}
