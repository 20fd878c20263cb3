//! What the shop must have come to, added up from the replies of its services alone: the figures that the
//! gateway's are held against.

use std::collections::BTreeMap;

use super::{
    figures::{Expectation, Expected},
    reply::{Customer, Order, OrderState, StockItem},
};

/// Units and money.
#[derive(Clone, Copy, Debug, Default)]
struct Sold {
    units: i64,
    minor_units: i64,
}

/// Sums over orders that are settled.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By customer.
    regions: BTreeMap<String, String>,
    /// What was put on the shelf, by sku; a product that is not stock-managed has none.
    received: BTreeMap<String, i64>,
    orders: Expectation,
    payments: Expectation,
    shipments: Expectation,
    /// By customer and currency.
    revenue: BTreeMap<(String, String), Sold>,
    /// By sku and currency.
    sold: BTreeMap<(String, String), Sold>,
}

impl Ledger {
    /// A customer was created or has moved.
    pub(super) fn customer(&mut self, customer: Customer) {
        self.regions.insert(customer.customer_id, customer.region);
    }

    /// A product became stock-managed.
    pub(super) fn stocked(&mut self, item: &StockItem) {
        *self.received.entry(item.sku.clone()).or_default() += item.on_hand;
    }

    /// Goods have arrived.
    pub(super) fn received(&mut self, sku: &str, quantity: i64) {
        *self.received.entry(sku.to_owned()).or_default() += quantity;
    }

    /// An order of which nothing more is expected: CONFIRMED, DELIVERED or CANCELLED.
    pub(super) fn settled(&mut self, order: &Order) {
        add(&mut self.orders, format!("{} orders", order.state.name()), Expected::exactly(1));
        if order.payment_method == "CARD" {
            self.payment(order);
        }
        if let Some(state) = shipment(order) {
            add(&mut self.shipments, format!("{state} shipments"), Expected::exactly(1));
        }
        if order.state != OrderState::Cancelled {
            self.sale(order);
        }
    }

    fn sale(&mut self, order: &Order) {
        for line in &order.lines {
            let currency = &line.unit_price.currency_code;
            let earned = line.quantity * line.unit_price.minor_units;
            let of_customer = self.revenue.entry((order.customer_id.clone(), currency.clone()));
            let of_product = self.sold.entry((line.sku.clone(), currency.clone()));
            for sold in [of_customer.or_default(), of_product.or_default()] {
                sold.units += line.quantity;
                sold.minor_units += earned;
            }
        }
    }

    /// What became of the money. An order that was cancelled before it was confirmed does not tell how far its
    /// payment had come; but nothing can be left of it that was taken or set aside.
    fn payment(&mut self, order: &Order) {
        let certain = |state| (state, Expected::exactly(1), Expected::exactly(order.total.minor_units));
        let possible = |state| (state, Expected::at_most(1), Expected::at_most(order.total.minor_units));
        let ends = match (order.state, order.cancel_cause.as_str()) {
            (OrderState::Cancelled, _) if order.confirm_time.is_some() => vec![certain("REFUNDED")],
            (OrderState::Cancelled, "PAYMENT_DECLINED") => vec![certain("DECLINED")],
            (OrderState::Cancelled, "OUT_OF_STOCK") => vec![possible("VOIDED")],
            (OrderState::Cancelled, _) => ["DECLINED", "REFUNDED", "VOIDED"].map(possible).to_vec(),
            _ => vec![certain("CAPTURED")],
        };
        let currency = &order.total.currency_code;
        for (state, count, amount) in ends {
            add(&mut self.payments, format!("{state} {currency} payments"), count);
            add(&mut self.payments, format!("{state} {currency} minor_units"), amount);
        }
    }

    /// Orders by state.
    pub(super) fn orders(&self) -> Expectation {
        self.orders.clone()
    }

    /// Payments and what they come to, by state and currency.
    pub(super) fn payments(&self) -> Expectation {
        self.payments.clone()
    }

    /// Shipments by state.
    pub(super) fn shipments(&self) -> Expectation {
        self.shipments.clone()
    }

    /// Units and money by region of the customer, where they live now, and currency.
    pub(super) fn revenue(&self) -> Expectation {
        let mut figure = Expectation::new();
        for ((customer, currency), sold) in &self.revenue {
            let region = self.regions.get(customer).map_or("UNKNOWN", String::as_str);
            add(&mut figure, format!("{region} {currency} units"), Expected::exactly(sold.units));
            add(
                &mut figure,
                format!("{region} {currency} revenue_minor"),
                Expected::exactly(sold.minor_units),
            );
        }
        figure
    }

    /// Units and money by product and currency.
    pub(super) fn sold(&self) -> Expectation {
        let mut figure = Expectation::new();
        for ((sku, currency), sold) in &self.sold {
            add(&mut figure, format!("{sku} {currency} units"), Expected::exactly(sold.units));
            add(&mut figure, format!("{sku} {currency} revenue_minor"), Expected::exactly(sold.minor_units));
        }
        figure
    }

    /// What is left of each stock-managed product: received less sold, and nothing is held any more.
    pub(super) fn stock(&self) -> Expectation {
        let mut figure = Expectation::new();
        for (sku, received) in &self.received {
            let of_sku = self.sold.iter().filter(|((sold, _), _)| sold == sku);
            let sold: i64 = of_sku.map(|(_, sold)| sold.units).sum();
            add(&mut figure, format!("{sku} on_hand"), Expected::exactly(received - sold));
            add(&mut figure, format!("{sku} reserved"), Expected::exactly(0));
        }
        figure
    }
}

/// The state of the order's shipment; an order that was never confirmed has none.
fn shipment(order: &Order) -> Option<&'static str> {
    match order.state {
        OrderState::Confirmed => Some("PENDING"),
        OrderState::Delivered => Some("DELIVERED"),
        OrderState::Cancelled => order.confirm_time.as_ref().map(|_| "CANCELLED"),
        // Not settled.
        OrderState::Dispatched => Some("DISPATCHED"),
        OrderState::Placed | OrderState::Cancelling => None,
    }
}

fn add(figure: &mut Expectation, name: String, value: Expected) {
    *figure.entry(name).or_default() += value;
}

#[cfg(test)]
mod tests;
