//! What the mesh owes its callers: kept from replies alone, never from what the mesh says of itself later.

use std::collections::BTreeMap;

use tonic::Status;

/// What callers were told, by id.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Acknowledged customers with their region.
    pub customers: BTreeMap<String, String>,
    /// Acknowledged products with their price in cents, as last acknowledged.
    pub products: BTreeMap<String, i64>,
    /// Acknowledged orders.
    pub orders: BTreeMap<String, OrderEntry>,
    /// Request ids of acknowledged writes.
    pub acknowledged: Vec<String>,
    /// What attempts were told that failed; each was made again until it was acknowledged.
    pub failed: Vec<Status>,
    /// How often the one was made that was made most often.
    pub most_attempts: usize,
}

/// One acknowledged order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEntry {
    /// Who ordered.
    pub customer: String,
    /// In cents, as replied.
    pub total: i64,
    /// Whether its cancellation was acknowledged.
    pub cancelled: bool,
}

impl Ledger {
    /// Takes over another caller's entries; no two callers write the same id.
    pub fn absorb(&mut self, other: Ledger) {
        self.customers.extend(other.customers);
        self.products.extend(other.products);
        self.orders.extend(other.orders);
        self.acknowledged.extend(other.acknowledged);
        self.failed.extend(other.failed);
        self.most_attempts = self.most_attempts.max(other.most_attempts);
    }

    /// Revenue in cents by region, cancelled orders left out.
    pub fn revenue_by_region(&self) -> BTreeMap<String, i64> {
        let mut revenue = BTreeMap::new();
        for order in self.orders.values().filter(|order| !order.cancelled) {
            let region = self.customers.get(&order.customer).cloned().unwrap_or_else(|| "UNKNOWN".to_owned());
            *revenue.entry(region).or_default() += order.total;
        }
        revenue
    }
}
