//! What the six services own, as they publish it.

use std::collections::BTreeMap;

use prost::Name;
use shop_proto::{
    catalog::v1::Product, customers::v1::Customer, inventory::v1::StockItem, orders::v1::Order,
    payments::v1::Payment, shipping::v1::Shipment,
};

/// Everything that was not deleted, by id.
#[derive(Clone, Debug, Default)]
pub struct Entities {
    /// Of customers.
    pub customers: BTreeMap<String, Customer>,
    /// Of catalog.
    pub products: BTreeMap<String, Product>,
    /// Of inventory.
    pub stock_items: BTreeMap<String, StockItem>,
    /// Of orders.
    pub orders: BTreeMap<String, Order>,
    /// Of payments.
    pub payments: BTreeMap<String, Payment>,
    /// Of shipping.
    pub shipments: BTreeMap<String, Shipment>,
}

/// A published message.
pub trait Entity: Name + Clone {
    /// Who publishes it, as a place in the list of services.
    const SERVICE: usize;

    /// Its key.
    fn id(&self) -> &str;

    /// Those of its kind.
    fn all(entities: &mut Entities) -> &mut BTreeMap<String, Self>;
}

/// Each service with its descriptors.
pub(super) const SERVICES: [(&str, &[u8]); 6] = [
    ("customers", shop_proto::customers::v1::FILE_DESCRIPTOR_SET),
    ("catalog", shop_proto::catalog::v1::FILE_DESCRIPTOR_SET),
    ("inventory", shop_proto::inventory::v1::FILE_DESCRIPTOR_SET),
    ("orders", shop_proto::orders::v1::FILE_DESCRIPTOR_SET),
    ("payments", shop_proto::payments::v1::FILE_DESCRIPTOR_SET),
    ("shipping", shop_proto::shipping::v1::FILE_DESCRIPTOR_SET),
];

macro_rules! entity {
    ($message:ty, $service:literal, $id:ident, $all:ident) => {
        impl Entity for $message {
            const SERVICE: usize = $service;

            fn id(&self) -> &str {
                &self.$id
            }

            fn all(entities: &mut Entities) -> &mut BTreeMap<String, Self> {
                &mut entities.$all
            }
        }
    };
}

entity!(Customer, 0, customer_id, customers);
entity!(Product, 1, sku, products);
entity!(StockItem, 2, sku, stock_items);
entity!(Order, 3, order_id, orders);
entity!(Payment, 4, payment_id, payments);
entity!(Shipment, 5, shipment_id, shipments);
