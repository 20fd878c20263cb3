//! The products in sled; nothing else in this service knows that.
//!
//! Key space: in the outbox's tree `state`, a product is kept under `products`, NUL and its sku. What the
//! outbox keeps beside a state (sequence, version, times) is its own affair. A value is a protobuf message,
//! [`Value`], which is neither the API's nor the feed's: fields may be added, and none may change its
//! number or type.
//!
//! Atomicity: the outbox writes the products of a group of commands, with their changes, positions and
//! replies, in one transaction over its trees.
//!
//! Crash: all of them are there afterwards, or none. Nothing is acknowledged or shown before it would
//! survive a loss of power.

use prost::Message as _;
use tributary_chassis::outbox::{BoxError, SledTables};

use crate::domain::{Catalog, Money, Product};

/// The one collection.
pub(crate) const PRODUCTS: &str = "products";

/// How the outbox finds and writes products.
#[derive(Debug)]
pub(crate) struct Tables;

/// A product at rest. At its largest some 1.2 KB, of the 16 KiB that sled can take at once.
#[derive(Clone, PartialEq, prost::Message)]
struct Value {
    #[prost(string, tag = "1")]
    display_name: String,
    #[prost(string, tag = "2")]
    category: String,
    #[prost(string, tag = "3")]
    currency_code: String,
    #[prost(int64, tag = "4")]
    price_minor_units: i64,
}

impl SledTables for Tables {
    type Model = Catalog;

    fn place(sku: &String) -> (&'static str, String) {
        (PRODUCTS, sku.clone())
    }

    fn key(_collection: &str, id: &str) -> String {
        id.to_owned()
    }

    fn encode(product: &Product) -> Vec<u8> {
        let Product { display_name, category, price } = product.clone();
        let Money { currency_code, minor_units } = price;
        Value { display_name, category, currency_code, price_minor_units: minor_units }.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<Product, BoxError> {
        let Value { display_name, category, currency_code, price_minor_units } = Value::decode(bytes)?;
        let price = Money { currency_code, minor_units: price_minor_units };
        Ok(Product { display_name, category, price })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written once must be read for ever.
    #[test]
    fn the_bytes_at_rest_stay_as_they_are() {
        let product = Product {
            display_name: "Teapot".to_owned(),
            category: "KITCHEN".to_owned(),
            price: Money { currency_code: "EUR".to_owned(), minor_units: 2500 },
        };
        let bytes = b"\x0a\x06Teapot\x12\x07KITCHEN\x1a\x03EUR\x20\xc4\x13";
        assert_eq!(Tables::encode(&product), bytes);
        assert_eq!(Tables::decode(bytes).unwrap(), product);
    }

    #[test]
    fn the_largest_product_is_far_below_the_limit() {
        let product = Product {
            display_name: "😀".repeat(200),
            category: "😀".repeat(64),
            price: Money { currency_code: "EUR".to_owned(), minor_units: 1_000_000_000_000 },
        };
        assert!(Tables::encode(&product).len() < 1_200);
    }
}
