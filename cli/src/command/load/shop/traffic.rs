//! What happens in the shop, one thing after another: a function of the seed alone. A longer run begins as a
//! shorter one does.

mod mix;

use std::collections::VecDeque;

use super::dice::Dice;
pub(super) use mix::{CATEGORIES, Fate};
use mix::{CURRENCIES, FATES, Kind, LINES, REGIONS, SHARES, TOKENS};

/// One thing that somebody does. Customers and products are named by their number, in order of creation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    Customer {
        customer: usize,
        region: &'static str,
    },
    /// A customer moves, once at most: so it is certain where each lives in the end, in whatever order the
    /// calls are answered.
    Move {
        customer: usize,
        region: &'static str,
    },
    Product(Product),
    Price {
        product: usize,
        number: u64,
        currency: &'static str,
        minor_units: i64,
    },
    Receive {
        product: usize,
        number: u64,
        quantity: i64,
    },
    Order(Order),
}

/// Something new to sell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Product {
    pub(super) product: usize,
    pub(super) category: &'static str,
    pub(super) currency: &'static str,
    pub(super) minor_units: i64,
    /// What is on hand at first; none for a product that is not stock-managed.
    pub(super) stock: Option<i64>,
}

/// An order, and what becomes of it if it is confirmed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) customer: usize,
    /// Product and quantity; a product may repeat.
    pub(super) lines: Vec<(usize, i64)>,
    /// None is on invoice.
    pub(super) token: Option<&'static str>,
    pub(super) fate: Fate,
}

struct Customer {
    region: &'static str,
    has_moved: bool,
}

struct Shelved {
    currency: usize,
    kind: Kind,
}

/// The events of a seed, without end.
pub(super) struct Traffic {
    dice: Dice,
    customers: Vec<Customer>,
    products: Vec<Shelved>,
    orders: u64,
    prices: u64,
    deliveries: u64,
    next: VecDeque<Event>,
}

impl Traffic {
    /// The traffic, and what is there before it begins.
    pub(super) fn new(seed: u64) -> (Vec<Event>, Self) {
        let mut traffic = Self {
            dice: Dice::new(seed),
            customers: Vec::new(),
            products: Vec::new(),
            orders: 0,
            prices: 0,
            deliveries: 0,
            next: VecDeque::new(),
        };
        (0..mix::FIRST_CUSTOMERS).for_each(|_| traffic.new_customer());
        // Of each kind in each currency there are some, so an order finds what it looks for.
        for number in 0..mix::FIRST_PRODUCTS {
            let kind = Kind::ALL[number / CURRENCIES.len() % Kind::ALL.len()];
            traffic.new_product(number % CURRENCIES.len(), kind);
        }
        (traffic.next.drain(..).collect(), traffic)
    }

    /// Whatever comes with the next order, and the order.
    fn advance(&mut self) {
        if self.dice.percent(SHARES.customer) {
            self.new_customer();
        }
        if self.dice.percent(SHARES.product) && self.products.len() < mix::MOST_PRODUCTS {
            let (currency, kind) = (self.dice.below(CURRENCIES.len()), self.dice.below(Kind::ALL.len()));
            self.new_product(currency, Kind::ALL[kind]);
        }
        if self.dice.percent(SHARES.price) {
            self.price();
        }
        if self.dice.percent(SHARES.receive) {
            self.receive();
        }
        if self.dice.percent(SHARES.moves) {
            self.moves();
        }
        self.order();
    }

    fn new_customer(&mut self) {
        let region = self.dice.pick(REGIONS).unwrap_or_default();
        self.next.push_back(Event::Customer { customer: self.customers.len(), region });
        self.customers.push(Customer { region, has_moved: false });
    }

    fn moves(&mut self) {
        let number = self.dice.below(self.customers.len());
        let step = 1 + self.dice.below(REGIONS.len() - 1);
        let Some(customer) = self.customers.get_mut(number).filter(|customer| !customer.has_moved) else {
            return;
        };
        let here = REGIONS.iter().position(|region| *region == customer.region).unwrap_or_default();
        *customer = Customer { region: REGIONS[(here + step) % REGIONS.len()], has_moved: true };
        self.next.push_back(Event::Move { customer: number, region: customer.region });
    }

    fn new_product(&mut self, currency: usize, kind: Kind) {
        let product = Product {
            product: self.products.len(),
            category: self.dice.pick(CATEGORIES).unwrap_or_default(),
            currency: CURRENCIES[currency],
            minor_units: self.dice.between(1, 50_000),
            stock: kind.stock(&mut self.dice),
        };
        self.next.push_back(Event::Product(product));
        self.products.push(Shelved { currency, kind });
    }

    fn price(&mut self) {
        let product = self.dice.below(self.products.len());
        let minor_units = self.dice.between(1, 50_000);
        let currency = CURRENCIES[self.products[product].currency];
        self.prices += 1;
        self.next.push_back(Event::Price { product, number: self.prices, currency, minor_units });
    }

    fn receive(&mut self) {
        let product = self.dice.below(self.products.len());
        if let Some(quantity) = self.products[product].kind.delivery(&mut self.dice) {
            self.deliveries += 1;
            self.next.push_back(Event::Receive { product, number: self.deliveries, quantity });
        }
    }

    fn order(&mut self) {
        let currency = self.dice.below(CURRENCIES.len());
        let count = self.dice.weighted(LINES).unwrap_or(1);
        let lines = (0..count).filter_map(|_| self.line(currency)).collect();
        let customer = self.dice.below(self.customers.len());
        let token = self.dice.weighted(TOKENS).flatten();
        let fate = self.dice.weighted(FATES).unwrap_or(Fate::Rest);
        self.orders += 1;
        self.next.push_back(Event::Order(Order { number: self.orders, customer, lines, token, fate }));
    }

    fn line(&mut self, currency: usize) -> Option<(usize, i64)> {
        let kind = self.dice.weighted(Kind::DEMAND)?;
        let shelf: Vec<_> = (self.products.iter().enumerate())
            .filter(|(_, product)| product.currency == currency && product.kind == kind)
            .map(|(number, _)| number)
            .collect();
        Some((self.dice.pick(&shelf)?, self.dice.between(1, 5)))
    }
}

impl Iterator for Traffic {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if self.next.is_empty() {
            self.advance();
        }
        self.next.pop_front()
    }
}

#[cfg(test)]
mod tests;
