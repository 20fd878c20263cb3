//! TPC-H rows as the shop has them. Each scale is a data set of its own, with its own ids: the same order
//! is of another customer at another scale.

use std::{collections::BTreeMap, iter, sync::LazyLock};

use serde_json::{Map, Value, json};
use tpchgen::{
    distribution::Distributions,
    generators::{
        Customer, CustomerGenerator, LineItem, LineItemGenerator, NationGenerator, Order, OrderGenerator,
        Part, PartGenerator, RegionGenerator,
    },
    text::TextPool,
};

use super::scale::Scale;
use crate::command::load::collection::{Item, Kind};

/// TPC-H's customers.
pub(super) const CUSTOMERS: Kind = Kind {
    name: "customers",
    id: "customer_id",
    create: "shop.customers.v1.Customers/CreateCustomer",
    list: "shop.customers.v1.Customers/ListCustomers",
};

/// TPC-H's parts.
pub(super) const PRODUCTS: Kind = Kind {
    name: "products",
    id: "sku",
    create: "shop.catalog.v1.Catalog/CreateProduct",
    list: "shop.catalog.v1.Catalog/ListProducts",
};

/// TPC-H's orders, with their line items.
pub(super) const ORDERS: Kind = Kind {
    name: "orders",
    id: "order_id",
    create: "shop.orders.v1.Orders/PlaceOrder",
    list: "shop.orders.v1.Orders/ListOrders",
};

/// Prices of TPC-H are in dollars.
const CURRENCY: &str = "USD";

/// What comments are cut from. None is loaded, so a little will do instead of the 300 MB of the benchmark;
/// every other column draws from random numbers of its own.
static COMMENTS: LazyLock<TextPool> =
    LazyLock::new(|| TextPool::new(64 * 1024, Distributions::static_default()));

/// The rows of one scale, made anew whenever they are asked for. Each kind is in ascending order of its ids.
#[derive(Debug)]
pub(super) struct Rows {
    scale: Scale,
    /// By the key of the nation.
    regions: BTreeMap<i64, &'static str>,
}

impl Rows {
    /// Every row of the scale.
    pub(super) fn new(scale: Scale) -> Self {
        let distributions = Distributions::static_default();
        let regions: BTreeMap<_, _> =
            RegionGenerator::new_with_distributions_and_text_pool(distributions, &COMMENTS)
                .iter()
                .map(|region| (region.r_regionkey, region.r_name))
                .collect();
        let regions = NationGenerator::new_with_distributions_and_text_pool(distributions, &COMMENTS)
            .iter()
            .map(|nation| (nation.n_nationkey, regions[&nation.n_regionkey]))
            .collect();
        Self { scale, regions }
    }

    /// Every customer, of the region of its nation.
    pub(super) fn customers(&self) -> impl Iterator<Item = Item> {
        let generator = CustomerGenerator::new_with_distributions_and_text_pool(
            self.scale.factor(),
            1,
            1,
            Distributions::static_default(),
            &COMMENTS,
        );
        generator.into_iter().map(|row| self.customer(&row))
    }

    /// Every part.
    pub(super) fn products(&self) -> impl Iterator<Item = Item> {
        let generator = PartGenerator::new_with_distributions_and_text_pool(
            self.scale.factor(),
            1,
            1,
            Distributions::static_default(),
            &COMMENTS,
        );
        generator.into_iter().map(|row| self.product(&row))
    }

    /// Every order with its lines, which the generator makes in the same order.
    pub(super) fn orders(&self) -> impl Iterator<Item = Item> {
        let (factor, distributions) = (self.scale.factor(), Distributions::static_default());
        let orders =
            OrderGenerator::new_with_distributions_and_text_pool(factor, 1, 1, distributions, &COMMENTS);
        let lines =
            LineItemGenerator::new_with_distributions_and_text_pool(factor, 1, 1, distributions, &COMMENTS);
        let mut lines = lines.into_iter().peekable();
        orders.into_iter().map(move |row| {
            let of_order = iter::from_fn(|| lines.next_if(|line| line.l_orderkey == row.o_orderkey));
            self.order(&row, of_order.collect())
        })
    }

    /// How many customers there are.
    pub(super) fn customer_count(&self) -> u64 {
        CustomerGenerator::calculate_row_count(self.scale.factor(), 1, 1).unsigned_abs()
    }

    /// How many products there are.
    pub(super) fn product_count(&self) -> u64 {
        PartGenerator::calculate_row_count(self.scale.factor(), 1, 1).unsigned_abs()
    }

    /// How many orders there are.
    pub(super) fn order_count(&self) -> u64 {
        OrderGenerator::calculate_row_count(self.scale.factor(), 1, 1).unsigned_abs()
    }

    fn id(&self, kind: &str, key: i64) -> String {
        format!("tpch-{}-{kind}-{key:09}", self.scale)
    }

    fn customer(&self, row: &Customer<'_>) -> Item {
        let id = self.id("customer", row.c_custkey);
        let customer = json!({
            "display_name": row.c_name.to_string(),
            "region": self.regions[&row.c_nationkey],
            "segment": row.c_mktsegment,
        });
        let request = fields([("customer_id", json!(id)), ("customer", customer)]);
        Item { id, request }
    }

    fn product(&self, row: &Part<'_>) -> Item {
        let id = self.id("part", row.p_partkey);
        let product = json!({
            "display_name": row.p_name.to_string(),
            "category": row.p_mfgr.to_string(),
            "price": { "currency_code": CURRENCY, "minor_units": row.p_retailprice.into_inner() },
        });
        let request = fields([("sku", json!(id)), ("product", product)]);
        Item { id, request }
    }

    fn order(&self, row: &Order<'_>, lines: Vec<LineItem<'_>>) -> Item {
        let id = self.id("order", row.o_orderkey);
        let line = |line: LineItem<'_>| json!({ "sku": self.id("part", line.l_partkey), "quantity": line.l_quantity });
        let request = fields([
            ("order_id", json!(id)),
            ("customer_id", json!(self.id("customer", row.o_custkey))),
            ("order_time", json!(format!("{}T00:00:00Z", row.o_orderdate))),
            ("lines", lines.into_iter().map(line).collect()),
        ]);
        Item { id, request }
    }
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn rows(scale: &str) -> Rows {
        Rows::new(scale.parse().unwrap())
    }

    fn first(mut items: impl Iterator<Item = Item>) -> (String, Value) {
        let item = items.next().unwrap();
        (item.id, Value::Object(item.request))
    }

    /// The first rows of each table as TPC-H's own dbgen writes them at scale 0.001.
    #[test]
    fn rows_are_those_of_dbgen() {
        let rows = rows("0.001");
        let customer = json!({ "customer_id": "tpch-0.001-customer-000000001", "customer":
            { "display_name": "Customer#000000001", "region": "AFRICA", "segment": "BUILDING" } });
        assert_eq!(first(rows.customers()), ("tpch-0.001-customer-000000001".to_owned(), customer));
        let product = json!({ "sku": "tpch-0.001-part-000000001", "product": {
            "display_name": "goldenrod lavender spring chocolate lace", "category": "Manufacturer#1",
            "price": { "currency_code": "USD", "minor_units": 90_100 } } });
        assert_eq!(first(rows.products()), ("tpch-0.001-part-000000001".to_owned(), product));
        let line =
            |part, quantity| json!({ "sku": format!("tpch-0.001-part-{part:09}"), "quantity": quantity });
        let order = json!({
            "order_id": "tpch-0.001-order-000000001", "customer_id": "tpch-0.001-customer-000000037",
            "order_time": "1996-01-02T00:00:00Z",
            "lines": [line(156, 17), line(68, 36), line(64, 8), line(3, 28), line(25, 24), line(16, 32)],
        });
        assert_eq!(first(rows.orders()), ("tpch-0.001-order-000000001".to_owned(), order));
    }

    #[test]
    fn counts_are_true_and_ids_ascend() {
        for scale in ["0.0001", "0.001", "0.0123"] {
            let rows = rows(scale);
            for (count, items) in [
                (rows.customer_count(), rows.customers().collect::<Vec<_>>()),
                (rows.product_count(), rows.products().collect()),
                (rows.order_count(), rows.orders().collect()),
            ] {
                assert_eq!(count, items.len() as u64, "{scale}");
                assert!(items.is_sorted_by(|a, b| a.id < b.id), "{scale}");
                assert!(items.iter().all(|item| item.id.len() <= 64), "{scale}");
            }
        }
    }

    #[test]
    fn every_order_has_its_lines_and_names_what_is_loaded() {
        let rows = rows("0.001");
        let customers: BTreeSet<_> = rows.customers().map(|item| item.id).collect();
        let products: BTreeSet<_> = rows.products().map(|item| item.id).collect();
        let mut lines = 0;
        for order in rows.orders() {
            assert!(customers.contains(order.request["customer_id"].as_str().unwrap()), "{order:?}");
            let of_order = order.request["lines"].as_array().unwrap();
            assert!((1..=7).contains(&of_order.len()), "{order:?}");
            assert!(of_order.iter().all(|line| products.contains(line["sku"].as_str().unwrap())));
            lines += of_order.len();
        }
        assert_eq!(lines, 6_005);
    }

    #[test]
    fn scales_share_no_id() {
        let ids = |scale| rows(scale).orders().map(|item| item.id).collect::<BTreeSet<_>>();
        assert!(ids("0.001").is_disjoint(&ids("0.0011")));
    }
}
