//! The workload `shop-5`: five views over four tables, and changes to them by business operation.
//!
//! 70% of the operations are a new order of 1 to 5 lines, 19.5% another status of an order, 0.5% an order that is deleted
//! with its lines, 5% a change of a customer, and 5% one of a product. Who orders what is skewed (u squared). A row is a
//! change of one entity.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use crate::rows::{Datum, RowChange};

/// Customers that are there from the beginning.
pub const CUSTOMERS: i64 = 100_000;
/// Products that are there from the beginning.
pub const PRODUCTS: i64 = 10_000;

const REGIONS: i64 = 10;
const CATEGORIES: i64 = 20;
const DAYS: i64 = 90;
/// Midnight of 2026-01-01.
const BEGIN: i64 = 1_767_225_600;
const STATUSES: [&str; 5] = ["NEW", "PAID", "SHIPPED", "DELIVERED", "CANCELLED"];

/// The four tables as a service declares them.
pub const MESSAGES: &str = r#"
message Customer {
  option (tributary.options.v1.entity) = {table: "customers"};
  int64 customer_id = 1 [(tributary.options.v1.field).key = true];
  string name = 2;
  string region = 3;
}
message Product {
  option (tributary.options.v1.entity) = {table: "products"};
  int64 product_id = 1 [(tributary.options.v1.field).key = true];
  string name = 2;
  string category = 3;
}
message Order {
  option (tributary.options.v1.entity) = {table: "orders"};
  int64 order_id = 1 [(tributary.options.v1.field).key = true];
  int64 customer_id = 2;
  google.protobuf.Timestamp place_time = 3;
  string status = 4;
}
message OrderLine {
  option (tributary.options.v1.entity) = {table: "order_lines"};
  int64 line_id = 1 [(tributary.options.v1.field).key = true];
  int64 order_id = 2;
  int64 product_id = 3;
  int64 quantity = 4;
  int64 price = 5;
}
"#;

/// The wide row of each line, which is worth keeping only where it is filtered or sorted by what it is joined with.
pub const ORDER_DETAILS: &str = "order_details";

/// The views, by name.
pub const VIEWS: [(&str, &str); 5] = [
    (
        "revenue",
        "SELECT c.region, p.category, date_trunc('day', o.place_time) AS day,
                SUM(l.quantity * l.price) AS revenue, SUM(l.quantity) AS units, COUNT(*) AS lines
         FROM order_lines l
         JOIN orders o ON o.order_id = l.order_id
         JOIN customers c ON c.customer_id = o.customer_id
         JOIN products p ON p.product_id = l.product_id
         WHERE o.status <> 'CANCELLED'
         GROUP BY c.region, p.category, date_trunc('day', o.place_time)",
    ),
    (
        "customer_360",
        "SELECT c.customer_id, c.name, c.region, COALESCE(o.orders, 0) AS orders, o.last_order_time,
                COALESCE(s.spent, 0) AS spent
         FROM customers c
         LEFT JOIN (SELECT customer_id, COUNT(*) AS orders, MAX(place_time) AS last_order_time
                    FROM orders GROUP BY customer_id) o ON o.customer_id = c.customer_id
         LEFT JOIN (SELECT o.customer_id, SUM(l.quantity * l.price) AS spent
                    FROM orders o JOIN order_lines l ON l.order_id = o.order_id
                    GROUP BY o.customer_id) s ON s.customer_id = c.customer_id",
    ),
    (
        "product_sales",
        "SELECT p.product_id, p.name, SUM(l.quantity) AS units, SUM(l.quantity * l.price) AS revenue,
                COUNT(*) AS lines
         FROM order_lines l JOIN products p ON p.product_id = l.product_id
         GROUP BY p.product_id, p.name",
    ),
    (
        ORDER_DETAILS,
        "SELECT l.line_id, o.order_id, o.place_time, o.status, c.customer_id, c.name AS customer, c.region,
                p.product_id, p.name AS product, p.category, l.quantity, l.price
         FROM order_lines l
         JOIN orders o ON o.order_id = l.order_id
         JOIN customers c ON c.customer_id = o.customer_id
         JOIN products p ON p.product_id = l.product_id",
    ),
    (
        "status_by_region",
        "SELECT c.region, o.status, COUNT(*) AS orders
         FROM orders o JOIN customers c ON c.customer_id = o.customer_id
         GROUP BY c.region, o.status",
    ),
];

struct Order {
    row: RowChange,
    lines: Vec<RowChange>,
}

/// The changes, without end.
pub struct Workload {
    random: StdRng,
    orders: Vec<Order>,
    customers: Vec<RowChange>,
    products: Vec<RowChange>,
    next_order: i64,
    next_line: i64,
}

impl std::fmt::Debug for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workload").field("orders", &self.orders.len()).finish_non_exhaustive()
    }
}

impl Workload {
    /// With customers and products, and no order.
    pub fn new(seed: u64) -> Self {
        let customer = |id: i64| {
            let values = vec![id.into(), format!("customer {id}").into(), region(id).into()];
            RowChange::upsert("customers", 1, values)
        };
        let product = |id: i64| {
            let values = vec![id.into(), format!("product {id}").into(), category(id).into()];
            RowChange::upsert("products", 1, values)
        };
        Self {
            random: StdRng::seed_from_u64(seed),
            orders: Vec::new(),
            customers: (0..CUSTOMERS).map(customer).collect(),
            products: (0..PRODUCTS).map(product).collect(),
            next_order: 0,
            next_line: 0,
        }
    }

    /// The rows of customers and products as they are.
    pub fn references(&self) -> impl Iterator<Item = &RowChange> {
        self.customers.iter().chain(&self.products)
    }

    /// At least `count` rows: whole operations.
    pub fn rows(&mut self, count: usize) -> Vec<RowChange> {
        let mut rows = Vec::with_capacity(count + 8);
        while rows.len() < count {
            match self.random.random_range(0..1000) {
                0..700 => self.place(&mut rows),
                700..895 if !self.orders.is_empty() => rows.push(self.new_status()),
                895..900 if !self.orders.is_empty() => self.delete(&mut rows),
                900..950 => {
                    let at = self.random.random_range(0..self.customers.len());
                    let region = region(self.random.random_range(0..REGIONS));
                    rows.push(self.rename(|workload| &mut workload.customers[at], &region));
                }
                950.. => {
                    let at = self.random.random_range(0..self.products.len());
                    let category = category(self.random.random_range(0..CATEGORIES));
                    rows.push(self.rename(|workload| &mut workload.products[at], &category));
                }
                _ => {}
            }
        }
        rows
    }

    fn place(&mut self, rows: &mut Vec<RowChange>) {
        let order = self.next_order;
        self.next_order += 1;
        let customer = self.skewed(CUSTOMERS);
        let time = BEGIN + self.random.random_range(0..DAYS) * 86_400 + order % 86_400;
        let values = vec![order.into(), customer.into(), Datum::Time(time), STATUSES[0].into()];
        let row = RowChange::upsert("orders", 1, values);
        let lines = (0..self.random.random_range(1..=5)).map(|_| self.line(order)).collect::<Vec<_>>();
        rows.push(row.clone());
        rows.extend(lines.iter().cloned());
        self.orders.push(Order { row, lines });
    }

    fn line(&mut self, order: i64) -> RowChange {
        let line = self.next_line;
        self.next_line += 1;
        let product = self.skewed(PRODUCTS);
        let quantity: i64 = self.random.random_range(1..=9);
        let price = 100 + product * 7 % 9_900;
        let values = vec![line.into(), order.into(), product.into(), quantity.into(), price.into()];
        RowChange::upsert("order_lines", 1, values)
    }

    fn new_status(&mut self) -> RowChange {
        let at = self.random.random_range(0..self.orders.len());
        let status = STATUSES[self.random.random_range(1..STATUSES.len())];
        let order = &mut self.orders[at];
        order.row.values[3] = status.into();
        order.row.clone()
    }

    fn delete(&mut self, rows: &mut Vec<RowChange>) {
        let at = self.random.random_range(0..self.orders.len());
        let order = self.orders.swap_remove(at);
        rows.extend(order.lines.iter().map(|line| line.removed(1)));
        rows.push(order.row.removed(1));
    }

    /// Another name, and one time in ten another place.
    fn rename(&mut self, row: impl Fn(&mut Self) -> &mut RowChange, place: &str) -> RowChange {
        let (number, moves) = (self.random.random_range(0..1_000_000), self.random.random_range(0..10) == 0);
        let row = row(self);
        row.values[1] = format!("renamed {number}").into();
        if moves {
            row.values[2] = place.into();
        }
        row.clone()
    }

    fn skewed(&mut self, below: i64) -> i64 {
        let u: f64 = self.random.random();
        (u * u * below as f64) as i64
    }
}

fn region(number: i64) -> String {
    format!("REGION {}", number % REGIONS)
}

fn category(number: i64) -> String {
    format!("CATEGORY {}", number % CATEGORIES)
}
