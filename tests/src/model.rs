//! The shop as it ought to be, in plain maps: what its insights must come to is computed from here, without
//! SQL and without anything of the gateway.

use std::collections::{BTreeMap, BTreeSet};

use crate::insights::{Customer as CustomerFigures, Insights, Product as ProductFigures, Revenue};

const DAY: i64 = 24 * 60 * 60;

/// All that the three services own, by id.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Those that were not deleted.
    pub customers: BTreeMap<String, Customer>,
    /// Those that were not deleted.
    pub products: BTreeMap<String, Product>,
    /// Those that were not deleted; also the cancelled.
    pub orders: BTreeMap<String, Order>,
}

/// Who buys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// As it is called.
    pub display_name: String,
    /// Where it lives.
    pub region: String,
    /// What kind it is.
    pub segment: String,
}

/// What is sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// As it is called.
    pub display_name: String,
    /// What kind it is.
    pub category: String,
    /// Of its price.
    pub currency: String,
    /// Of its price.
    pub cents: i64,
}

/// What was bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who bought it; may be deleted since.
    pub customer: String,
    /// When, in seconds since 1970, UTC.
    pub time: i64,
    /// At least one.
    pub lines: Vec<Line>,
    /// Then it does not count.
    pub cancelled: bool,
}

/// A part of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Of what; may be deleted since.
    pub sku: String,
    /// How many.
    pub quantity: i64,
    /// As it was when it was ordered.
    pub product: Product,
}

impl Line {
    fn revenue(&self) -> i64 {
        self.quantity * self.product.cents
    }
}

/// Orders that are counted once, however many of their lines count.
#[derive(Default)]
struct Sum<'a> {
    orders: BTreeSet<&'a str>,
    units: i64,
    revenue: i64,
    /// Of the lines: the greatest name and category.
    names: (&'a str, &'a str),
}

impl<'a> Sum<'a> {
    fn add(&mut self, order: &'a str, line: &'a Line) {
        self.orders.insert(order);
        self.units += line.quantity;
        self.revenue += line.revenue();
        let (name, category) = self.names;
        self.names = (name.max(&line.product.display_name), category.max(&line.product.category));
    }

    fn figures(&self) -> [i64; 3] {
        [i64::try_from(self.orders.len()).expect("a count"), self.units, self.revenue]
    }
}

impl Model {
    /// What the three questions must be answered with.
    pub fn insights(&self) -> Insights {
        Insights { revenue: self.revenue(), products: self.top_products(), customers: self.overview() }
    }

    /// Each line that counts, with its order.
    fn lines(&self) -> impl Iterator<Item = (&str, &Order, &Line)> {
        let counts = self.orders.iter().filter(|(_, order)| !order.cancelled);
        counts.flat_map(|(id, order)| order.lines.iter().map(move |line| (id.as_str(), order, line)))
    }

    fn revenue(&self) -> BTreeMap<Revenue, [i64; 3]> {
        let mut sums: BTreeMap<Revenue, Sum<'_>> = BTreeMap::new();
        for (id, order, line) in self.lines() {
            let region = self.customers.get(&order.customer).map_or("UNKNOWN", |customer| &customer.region);
            let key = Revenue {
                region: region.to_owned(),
                category: line.product.category.clone(),
                day: order.time.div_euclid(DAY) * DAY,
                currency: line.product.currency.clone(),
            };
            sums.entry(key).or_default().add(id, line);
        }
        sums.into_iter().map(|(key, sum)| (key, sum.figures())).collect()
    }

    fn top_products(&self) -> BTreeMap<(String, String), ProductFigures> {
        let mut sums: BTreeMap<(&str, &str), Sum<'_>> = BTreeMap::new();
        for (id, _, line) in self.lines() {
            sums.entry((&line.sku, &line.product.currency)).or_default().add(id, line);
        }
        let figures = |((sku, currency), sum): ((&str, &str), Sum<'_>)| {
            let now = self.products.get(sku).map(|now| (now.display_name.as_str(), now.category.as_str()));
            let (name, category) = now.unwrap_or(sum.names);
            let figures = ProductFigures {
                display_name: name.to_owned(),
                category: category.to_owned(),
                figures: sum.figures(),
            };
            ((sku.to_owned(), currency.to_owned()), figures)
        };
        sums.into_iter().map(figures).collect()
    }

    fn overview(&self) -> BTreeMap<String, CustomerFigures> {
        let begin = |(id, customer): (&String, &Customer)| {
            let Customer { display_name, region, segment } = customer.clone();
            let figures = CustomerFigures { display_name, region, segment, ..Default::default() };
            (id.clone(), figures)
        };
        let mut overview: BTreeMap<_, _> = self.customers.iter().map(begin).collect();
        for order in self.orders.values().filter(|order| !order.cancelled) {
            let Some(figures) = overview.get_mut(&order.customer) else { continue };
            figures.orders += 1;
            figures.last_order = figures.last_order.max(Some(order.time));
            for line in &order.lines {
                *figures.revenue.entry(line.product.currency.clone()).or_default() += line.revenue();
            }
        }
        overview
    }
}
