//! The three questions of `shop.insights.v1` with all of their answers, in a form that can be compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use shop_proto::insights::v1::{
    CustomerOverviewRequest, ProductRow, RevenueByRegionRequest, TopProductsRequest,
    insights_client::InsightsClient,
};
use tonic::{Request, transport::Channel};
use tributary_chassis::position::{AFTER, Positions};

use crate::clients::{Clients, metadata};

/// Rows of a typed answer at most: an answer of this length may be cut short.
const CAP: usize = 10_000;

/// Everything that the gateway tells of the shop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Insights {
    /// Orders, units and revenue.
    pub revenue: BTreeMap<Revenue, [i64; 3]>,
    /// By sku and currency.
    pub products: BTreeMap<(String, String), Product>,
    /// By id.
    pub customers: BTreeMap<String, Customer>,
}

/// What revenue is told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revenue {
    /// Of the customer now.
    pub region: String,
    /// Of the product when it was ordered.
    pub category: String,
    /// Its first second since 1970, UTC.
    pub day: i64,
    /// Of the price.
    pub currency: String,
}

/// How a product sold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// Now, or as it was ordered.
    pub display_name: String,
    /// Now, or as it was ordered.
    pub category: String,
    /// Orders, units and revenue.
    pub figures: [i64; 3],
}

/// What a customer bought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Customer {
    /// Now.
    pub display_name: String,
    /// Now.
    pub region: String,
    /// Now.
    pub segment: String,
    /// How many.
    pub orders: i64,
    /// By currency.
    pub revenue: BTreeMap<String, i64>,
    /// In seconds since 1970, UTC.
    pub last_order: Option<i64>,
}

/// Asks the gateway behind `after`.
#[derive(Debug)]
pub struct Inquiry<'a> {
    clients: &'a Clients,
    insights: InsightsClient<Channel>,
    after: Positions,
}

impl<'a> Inquiry<'a> {
    /// Answers contain what is behind `after`.
    pub fn new(clients: &'a Clients, channel: Channel, after: Positions) -> Self {
        Self { clients, insights: InsightsClient::new(channel), after }
    }

    /// All answers. They are asked for in pieces, since a typed answer has a largest size: by the regions and categories
    /// of what is `expected`. That there is nothing beside those is asked with SQL.
    pub async fn all(&self, expected: &Insights) -> Insights {
        let categories: BTreeSet<_> = expected.products.values().map(|product| &product.category).collect();
        let pieces: BTreeSet<_> = expected.revenue.keys().map(|key| (&key.region, &key.category)).collect();
        let mut found = Insights { customers: self.customers().await, ..Insights::default() };
        for (region, category) in pieces {
            self.revenue(region, category, &mut found.revenue).await;
        }
        for category in categories {
            self.products(category, &mut found.products).await;
        }
        let revenue = totals(found.revenue.values());
        assert_eq!(self.totals("revenue_by_region").await, revenue, "rows, orders, units, revenue in all");
        let products = totals(found.products.values().map(|product| &product.figures));
        assert_eq!(self.totals("product_sales").await, products, "rows, orders, units, revenue in all");
        found
    }

    async fn revenue(&self, region: &str, category: &str, found: &mut BTreeMap<Revenue, [i64; 3]>) {
        let request = RevenueByRegionRequest { region: region.to_owned(), category: category.to_owned() };
        let reply = self.insights.clone().revenue_by_region(self.behind(request)).await.expect("an answer");
        let rows = whole(reply.into_inner().rows);
        for row in rows {
            let key = Revenue {
                region: row.region,
                category: row.category,
                day: row.day.expect("a day").seconds,
                currency: row.currency_code,
            };
            let figures = [row.orders, row.units, row.revenue_minor];
            assert_eq!(found.insert(key, figures), None, "a row for each key");
        }
    }

    async fn products(&self, category: &str, found: &mut BTreeMap<(String, String), Product>) {
        let limit = i64::try_from(CAP).expect("a limit");
        let request = TopProductsRequest { category: category.to_owned(), limit };
        let reply = self.insights.clone().top_products(self.behind(request)).await.expect("an answer");
        let rows = whole(reply.into_inner().rows);
        assert!(rows.is_sorted_by(|a, b| rank(a) < rank(b)), "the best first: {rows:?}");
        for row in rows {
            let figures = [row.orders, row.units, row.revenue_minor];
            let product = Product { display_name: row.display_name, category: row.category, figures };
            assert_eq!(found.insert((row.sku, row.currency_code), product), None, "a row for each key");
        }
    }

    async fn customers(&self) -> BTreeMap<String, Customer> {
        let request = self.behind(CustomerOverviewRequest::default());
        let reply = self.insights.clone().customer_overview(request).await.expect("an answer");
        let rows = whole(reply.into_inner().rows);
        let count = rows.len();
        let customers: BTreeMap<_, _> = rows
            .into_iter()
            .map(|row| {
                let customer = Customer {
                    display_name: row.display_name,
                    region: row.region,
                    segment: row.segment,
                    orders: row.orders,
                    revenue: row.revenue.into_iter().map(|r| (r.currency_code, r.revenue_minor)).collect(),
                    last_order: row.last_order_time.map(|time| time.seconds),
                };
                (row.customer_id, customer)
            })
            .collect();
        assert_eq!(customers.len(), count, "a row for each customer");
        customers
    }

    /// Rows of a view, and the sums of its figures.
    async fn totals(&self, view: &str) -> Vec<String> {
        let sums = ["orders", "units", "revenue_minor"].map(|column| format!("SUM({column})")).join(", ");
        let sql = format!("SELECT COUNT(*), {sums} FROM {view}");
        let answer = self.clients.query_after(&sql, &self.after).await.expect("an answer");
        answer.rows.into_iter().next().expect("a row")
    }

    fn behind<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert(AFTER, metadata(&self.after.to_string()));
        request
    }
}

/// What products are in order of: much revenue is a small rank.
fn rank(row: &ProductRow) -> (i64, &str, &str) {
    (-row.revenue_minor, &row.sku, &row.currency_code)
}

fn totals<'a>(rows: impl ExactSizeIterator<Item = &'a [i64; 3]>) -> Vec<String> {
    let count = rows.len().to_string();
    let sums = rows.fold([0; 3], |sums, row| [0, 1, 2].map(|i| sums[i] + row[i]));
    std::iter::once(count).chain(sums.map(|sum: i64| sum.to_string())).collect()
}

fn whole<T>(rows: Vec<T>) -> Vec<T> {
    assert!(rows.len() < CAP, "the answer may be cut short: ask for less at once");
    rows
}

/// Panics with the first rows that differ.
pub fn assert_same(found: &Insights, expected: &Insights) {
    assert_rows("RevenueByRegion", &found.revenue, &expected.revenue);
    assert_rows("TopProducts", &found.products, &expected.products);
    assert_rows("CustomerOverview", &found.customers, &expected.customers);
}

fn assert_rows<K: Ord + Debug, V: PartialEq + Debug>(
    name: &str,
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) {
    let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
    let differ: Vec<_> = keys.into_iter().filter(|key| found.get(key) != expected.get(key)).collect();
    let shown: Vec<_> = differ
        .iter()
        .take(5)
        .map(|key| format!("{key:?}\n  found    {:?}\n  expected {:?}", found.get(key), expected.get(key)))
        .collect();
    assert!(differ.is_empty(), "{name}: {} rows differ, the first are\n{}", differ.len(), shown.join("\n"));
}
