//! The shop that `tributary load tpch` has to bring about, straight from the generator. Shares nothing with the
//! loader: how rows and ids look is written here once more, from what its help says.

use std::{collections::BTreeMap, sync::LazyLock};

use time::{Date, macros::format_description};
use tpchgen::{
    dates::TPCHDate,
    distribution::Distributions,
    generators::{
        CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, RegionGenerator,
    },
    text::TextPool,
};

use crate::model::{Customer, Line, Model, Order, Product};

/// Comments are not loaded: the 300 MB that they are cut from in the benchmark are not needed.
static COMMENTS: LazyLock<TextPool> =
    LazyLock::new(|| TextPool::new(1 << 20, Distributions::static_default()));

/// All customers, parts and orders of a scale, which is written as on the command line.
pub fn shop(scale: &str) -> Model {
    let rows =
        Rows { scale, factor: scale.parse().expect("a scale"), words: Distributions::static_default() };
    let products = rows.products();
    let orders = rows.orders(&products);
    Model { customers: rows.customers(), products, orders }
}

struct Rows<'a> {
    scale: &'a str,
    factor: f64,
    words: &'static Distributions,
}

impl Rows<'_> {
    fn id(&self, kind: &str, key: i64) -> String {
        format!("tpch-{}-{kind}-{key:09}", self.scale)
    }

    fn customers(&self) -> BTreeMap<String, Customer> {
        let (words, factor) = (self.words, self.factor);
        let nations: Vec<_> =
            NationGenerator::new_with_distributions_and_text_pool(words, &COMMENTS).iter().collect();
        let regions: Vec<_> =
            RegionGenerator::new_with_distributions_and_text_pool(words, &COMMENTS).iter().collect();
        let region = |nation| {
            let nation = nations.iter().find(|known| known.n_nationkey == nation).expect("a nation");
            let region = regions.iter().find(|known| known.r_regionkey == nation.n_regionkey);
            region.expect("a region").r_name.to_owned()
        };
        CustomerGenerator::new_with_distributions_and_text_pool(factor, 1, 1, words, &COMMENTS)
            .iter()
            .map(|row| {
                let customer = Customer {
                    display_name: row.c_name.to_string(),
                    region: region(row.c_nationkey),
                    segment: row.c_mktsegment.to_owned(),
                };
                (self.id("customer", row.c_custkey), customer)
            })
            .collect()
    }

    fn products(&self) -> BTreeMap<String, Product> {
        PartGenerator::new_with_distributions_and_text_pool(self.factor, 1, 1, self.words, &COMMENTS)
            .iter()
            .map(|row| {
                let product = Product {
                    display_name: row.p_name.to_string(),
                    category: row.p_mfgr.to_string(),
                    currency: "USD".to_owned(),
                    cents: cents(&row.p_retailprice.to_string()),
                };
                (self.id("part", row.p_partkey), product)
            })
            .collect()
    }

    fn orders(&self, products: &BTreeMap<String, Product>) -> BTreeMap<String, Order> {
        let (words, factor) = (self.words, self.factor);
        let mut orders: BTreeMap<_, _> =
            OrderGenerator::new_with_distributions_and_text_pool(factor, 1, 1, words, &COMMENTS)
                .iter()
                .map(|row| {
                    let (customer, time) = (self.id("customer", row.o_custkey), midnight(row.o_orderdate));
                    (row.o_orderkey, Order { customer, time, lines: Vec::new(), cancelled: false })
                })
                .collect();
        let lines = LineItemGenerator::new_with_distributions_and_text_pool(factor, 1, 1, words, &COMMENTS);
        for row in lines.iter() {
            let sku = self.id("part", row.l_partkey);
            let product = products[&sku].clone();
            // Before discount and tax: the price of the part, as the catalog has it.
            assert_eq!(row.l_quantity * product.cents, cents(&row.l_extendedprice.to_string()));
            let line = Line { sku, quantity: row.l_quantity, product };
            orders.get_mut(&row.l_orderkey).expect("a line of an order").lines.push(line);
        }
        orders.into_iter().map(|(key, order)| (self.id("order", key), order)).collect()
    }
}

/// `901.00` => 90100.
fn cents(decimal: &str) -> i64 {
    let (whole, cents) = decimal.split_once('.').expect("a decimal");
    assert_eq!(cents.len(), 2, "{decimal}");
    format!("{whole}{cents}").parse().expect("digits")
}

fn midnight(date: TPCHDate) -> i64 {
    let format = format_description!("[year]-[month]-[day]");
    Date::parse(&date.to_string(), format).expect("a date").midnight().assume_utc().unix_timestamp()
}
