//! A history of the shop that chance makes up: whatever a service may publish, in whatever order the feeds bring it.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};
use shop_proto::{
    catalog::v1::Product,
    customers::v1::Customer,
    inventory::v1::StockItem,
    money::v1::Money,
    orders::v1::{CancelCause, Order, OrderLine, OrderState, PaymentMethod},
    payments::v1::{Payment, PaymentState},
    shipping::v1::{Shipment, ShipmentState},
};

use super::{Cast, Entity};

const CUSTOMERS: usize = 12;
const PRODUCTS: usize = 9;
const ORDERS: usize = 60;
const CURRENCIES: [&str; 2] = ["EUR", "USD"];
/// 2026-01-01 00:00 UTC.
const BEGIN: i64 = 1_767_225_600;
const DAY: i64 = 24 * 60 * 60;
/// Days behind it on which something happens: few, so that much meets, and on both sides of where months begin.
const DAYS: [i64; 6] = [0, 30, 31, 58, 59, 99];

/// What happens next.
#[derive(Debug)]
pub struct History {
    random: StdRng,
    /// How much happened of each kind.
    pub made: BTreeMap<&'static str, u64>,
}

impl History {
    /// Drawn from `random`.
    pub fn new(random: StdRng) -> Self {
        Self { random, made: BTreeMap::new() }
    }

    /// One change of one entity.
    pub fn step(&mut self, shop: &mut Cast) {
        let name = match self.random.random_range(0..100) {
            0..7 => self.customer(shop),
            7..13 => self.product(shop),
            13..20 => self.stock_item(shop),
            20..44 => self.order(shop),
            44..64 => self.next_state(shop),
            64..78 => self.payment(shop),
            78..92 => self.shipment(shop),
            _ => self.removal(shop),
        };
        *self.made.entry(name).or_default() += 1;
    }

    fn one_of(&mut self, names: &[&str]) -> String {
        (*names.choose(&mut self.random).expect("a choice")).to_owned()
    }

    fn id(&mut self, kind: &str, most: usize) -> String {
        format!("{kind}-{}", self.random.random_range(0..most))
    }

    /// To the microsecond; now and then at midnight.
    fn time(&mut self) -> Timestamp {
        let midnight = BEGIN + DAYS.choose(&mut self.random).expect("a day") * DAY;
        let (seconds, micros) = (self.random.random_range(0..DAY), self.random.random_range(0..1_000_000));
        match self.random.random_range(0..10) {
            0 => Timestamp { seconds: midnight, nanos: 0 },
            _ => Timestamp { seconds: midnight + seconds, nanos: micros * 1000 },
        }
    }

    fn later(&mut self, time: Option<Timestamp>) -> Option<Timestamp> {
        let time = time.unwrap_or_default();
        // Whole hours too, where percentiles change.
        let seconds = match self.random.random_range(0..3) {
            0 => self.random.random_range(0..10) * 60 * 60,
            1 => self.random.random_range(0..600),
            _ => self.random.random_range(0..10 * DAY),
        };
        Some(Timestamp { seconds: time.seconds + seconds, nanos: time.nanos })
    }

    fn money(&mut self, currency_code: &str) -> Option<Money> {
        let minor_units = self.random.random_range(0..1_000_000);
        Some(Money { currency_code: currency_code.to_owned(), minor_units })
    }

    fn customer(&mut self, shop: &mut Cast) -> &'static str {
        let customer_id = self.id("customer", CUSTOMERS);
        let now = Some(self.time());
        shop.put(Customer {
            display_name: format!("{customer_id} as {}", self.random.random_range(0..1000)),
            email: self.one_of(&["", "someone@example.com"]),
            region: self.one_of(&["EUROPE", "ASIA", "AFRICA"]),
            segment: self.one_of(&["", "BUILDING", "MACHINERY"]),
            customer_id,
            create_time: now,
            update_time: now,
            etag: String::new(),
        });
        "customer"
    }

    fn product(&mut self, shop: &mut Cast) -> &'static str {
        let sku = self.id("product", PRODUCTS);
        let currency = self.one_of(&CURRENCIES);
        let now = Some(self.time());
        shop.put(Product {
            display_name: format!("{sku} as {}", self.random.random_range(0..1000)),
            category: self.one_of(&["KITCHEN", "OFFICE", "GARDEN"]),
            price: self.money(&currency),
            sku,
            create_time: now,
            update_time: now,
            etag: String::new(),
        });
        "product"
    }

    fn stock_item(&mut self, shop: &mut Cast) -> &'static str {
        let sku = self.id("product", PRODUCTS);
        let on_hand = self.random.random_range(0..1000);
        let reserved = self.random.random_range(0..=on_hand);
        let now = Some(self.time());
        let available = on_hand - reserved;
        let etag = String::new();
        shop.put(StockItem { sku, on_hand, reserved, available, create_time: now, update_time: now, etag });
        "stock item"
    }

    /// Placed; now and then anew under an id that is there, so that everything of it may change.
    fn order(&mut self, shop: &mut Cast) -> &'static str {
        let order_id = self.id("order", ORDERS);
        if shop.entities.orders.contains_key(&order_id) && self.random.random_bool(0.8) {
            return self.next_state(shop);
        }
        let currency = self.one_of(&CURRENCIES);
        let count = self.random.random_range(1..=4);
        let lines: Vec<_> = (0..count).map(|_| self.line(&currency)).collect();
        let total = lines.iter().map(|line| line.quantity * super::expected::minor(&line.unit_price)).sum();
        let order_time = Some(self.time());
        let create_time = if self.random.random_bool(0.5) { order_time } else { self.later(order_time) };
        let method = [PaymentMethod::Invoice, PaymentMethod::Card];
        shop.put(Order {
            order_id,
            customer_id: self.id("customer", CUSTOMERS),
            state: OrderState::Placed.into(),
            order_time,
            lines,
            total: Some(Money { currency_code: currency, minor_units: total }),
            note: self.one_of(&["", "leave it with the neighbours, \"quoted\""]),
            create_time,
            update_time: create_time,
            payment_method: method[usize::from(self.random.random_bool(0.5))].into(),
            ..Order::default()
        });
        "order"
    }

    fn line(&mut self, currency: &str) -> OrderLine {
        OrderLine {
            sku: self.id("product", PRODUCTS),
            display_name: format!("once called {}", self.random.random_range(0..1000)),
            category: self.one_of(&["KITCHEN", "OFFICE", "CELLAR"]),
            quantity: self.random.random_range(1..50),
            unit_price: self.money(currency),
        }
    }

    /// PLACED => (CONFIRMED | CANCELLING); CONFIRMED => (DISPATCHED | CANCELLING); CANCELLING => (CANCELLED | DISPATCHED);
    /// DISPATCHED => DELIVERED.
    fn next_state(&mut self, shop: &mut Cast) -> &'static str {
        let Some(mut order) = self.pick(&shop.entities.orders) else { return "nothing" };
        let other = self.random.random_bool(0.5);
        let (state, name) = match order.state() {
            OrderState::Placed if other => (OrderState::Cancelling, "order cancelling"),
            OrderState::Placed => (OrderState::Confirmed, "order confirmed"),
            OrderState::Confirmed if other => (OrderState::Cancelling, "order cancelling"),
            OrderState::Cancelling if other => (OrderState::Cancelled, "order cancelled"),
            OrderState::Confirmed | OrderState::Cancelling => (OrderState::Dispatched, "order dispatched"),
            OrderState::Dispatched => (OrderState::Delivered, "order delivered"),
            OrderState::Delivered | OrderState::Cancelled | OrderState::Unspecified => return "nothing",
        };
        order.set_state(state);
        order.update_time = self.later(order.update_time);
        match state {
            OrderState::Confirmed => order.confirm_time = self.later(order.create_time),
            OrderState::Cancelling => {
                let causes = [CancelCause::Requested, CancelCause::OutOfStock, CancelCause::PaymentDeclined];
                order.set_cancel_cause(*causes.choose(&mut self.random).expect("a cause"));
                order.cancel_reason = self.one_of(&["", "changed her mind"]);
            }
            OrderState::Dispatched => {
                order.set_cancel_cause(CancelCause::Unspecified);
                order.cancel_reason.clear();
            }
            _ => {}
        }
        shop.put(order);
        name
    }

    /// Of an order that is there or not, in any state.
    fn payment(&mut self, shop: &mut Cast) -> &'static str {
        let states = [
            PaymentState::Pending,
            PaymentState::Authorized,
            PaymentState::Declined,
            PaymentState::Declined,
            PaymentState::Captured,
            PaymentState::Voided,
            PaymentState::Refunded,
        ];
        let id = self.id("order", ORDERS);
        let customer = shop.entities.orders.get(&id).map(|order| order.customer_id.clone());
        let customer_id = customer.unwrap_or_else(|| self.id("customer", CUSTOMERS));
        let currency = self.one_of(&CURRENCIES);
        let state = *states.choose(&mut self.random).expect("a state");
        let declined = state == PaymentState::Declined;
        let code = self.one_of(&["card_declined", "insufficient_funds"]);
        let now = Some(self.time());
        shop.put(Payment {
            payment_id: id.clone(),
            order_id: id,
            customer_id,
            state: state.into(),
            amount: self.money(&currency),
            decline_code: if declined { code } else { String::new() },
            create_time: now,
            update_time: self.later(now),
            etag: String::new(),
        });
        if declined { "payment declined" } else { "payment" }
    }

    /// Of an order that is there or not: the feed of one service may be ahead of that of another.
    fn shipment(&mut self, shop: &mut Cast) -> &'static str {
        let id = self.id("order", ORDERS);
        let order = shop.entities.orders.get(&id);
        let customer = order.map(|order| order.customer_id.clone());
        let confirmed = order.and_then(|order| order.confirm_time).unwrap_or_else(|| self.time());
        let created = self.later(Some(confirmed));
        let mut shipment = Shipment {
            shipment_id: id.clone(),
            order_id: id,
            customer_id: customer.unwrap_or_else(|| self.id("customer", CUSTOMERS)),
            state: ShipmentState::Pending.into(),
            create_time: created,
            update_time: created,
            ..Shipment::default()
        };
        let reached = self.random.random_range(0..5);
        if reached == 0 {
            shipment.set_state(ShipmentState::Cancelled);
        }
        if reached >= 2 {
            shipment.set_state(ShipmentState::Dispatched);
            shipment.carrier = self.one_of(&["ACME", "Post"]);
            shipment.tracking_code = self.one_of(&["", "T-1"]);
            shipment.dispatch_time = self.later(created);
        }
        if reached >= 3 {
            shipment.set_state(ShipmentState::Delivered);
            shipment.deliver_time = self.later(shipment.dispatch_time);
        }
        shop.put(shipment);
        "shipment"
    }

    fn removal(&mut self, shop: &mut Cast) -> &'static str {
        match self.random.random_range(0..8) {
            0..3 => self.remove::<Customer>(shop, "customer removed"),
            3 => self.remove::<Product>(shop, "product removed"),
            4 => self.remove::<StockItem>(shop, "stock item removed"),
            5 => self.remove::<Order>(shop, "order removed"),
            6 => self.remove::<Payment>(shop, "payment removed"),
            _ => self.remove::<Shipment>(shop, "shipment removed"),
        }
    }

    fn remove<E: Entity>(&mut self, shop: &mut Cast, name: &'static str) -> &'static str {
        let Some(entity) = self.pick(E::all(&mut shop.entities)) else { return "nothing" };
        shop.remove::<E>(entity.id());
        name
    }

    fn pick<E: Clone>(&mut self, entities: &BTreeMap<String, E>) -> Option<E> {
        entities.values().collect::<Vec<_>>().choose(&mut self.random).map(|entity| (*entity).clone())
    }
}
