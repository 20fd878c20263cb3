//! How an order comes about: what a customer asks for, what is offered, and what is agreed.

use std::collections::{BTreeSet, HashMap, HashSet};

use time::OffsetDateTime;
use tributary_chassis::validate::Violations;

use super::{MAX_LINES, Order, OrderLine, OrderState, Payment, Token, check_note};
use crate::error::Disagreement;

/// How many pieces a line has at most.
const MAX_QUANTITY: i64 = 1_000_000;

/// What a customer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Basket {
    /// Who asks.
    pub customer_id: String,
    /// 1 to 256; a sku may repeat.
    pub lines: Vec<BasketLine>,
    /// `None` is now.
    pub order_time: Option<OffsetDateTime>,
    /// At most 1,000 characters.
    pub note: String,
    /// Stands for a card; empty: by invoice.
    pub payment_token: String,
}

/// One line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BasketLine {
    /// Of the product.
    pub sku: String,
    /// 1 to 1,000,000.
    pub quantity: i64,
}

/// A product as it is offered now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Copied to the line.
    pub display_name: String,
    /// Copied to the line.
    pub category: String,
    /// Of the price.
    pub currency_code: String,
    /// Of one piece.
    pub unit_price_minor_units: i64,
}

/// What is offered for the skus of a basket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Quote {
    /// By sku.
    Offers(HashMap<String, Offer>),
    /// Products that do not exist: at least one, not necessarily all.
    Unknown(HashSet<String>),
}

impl Quote {
    fn offer(&self, sku: &str) -> Option<&Offer> {
        match self {
            Quote::Offers(offers) => offers.get(sku),
            Quote::Unknown(_) => None,
        }
    }

    fn is_unknown(&self, sku: &str) -> bool {
        match self {
            Quote::Offers(offers) => !offers.contains_key(sku),
            Quote::Unknown(skus) => skus.contains(sku),
        }
    }
}

impl Basket {
    /// Notes what is out of bounds, by the path that the field has in a request.
    pub(crate) fn check(&self, now: OffsetDateTime, violations: &mut Violations) {
        violations.id("customer_id", &self.customer_id);
        violations.count("lines", self.lines.len(), 1, MAX_LINES);
        for (i, line) in self.lines.iter().enumerate().take(MAX_LINES) {
            violations.id(format!("lines[{i}].sku"), &line.sku);
            violations.int(format!("lines[{i}].quantity"), line.quantity, 1, MAX_QUANTITY);
        }
        violations.check(
            self.order_time.is_none_or(|time| time <= now),
            "order_time",
            "is later than now: give a time in the past, or leave it out",
        );
        check_note("note", &self.note, violations);
        violations.optional_id("payment_token", &self.payment_token);
    }

    /// The skus in it, each once.
    pub(crate) fn skus(&self) -> Vec<String> {
        let skus: BTreeSet<&String> = self.lines.iter().map(|line| &line.sku).collect();
        skus.into_iter().cloned().collect()
    }

    /// The order, at the prices quoted.
    pub(crate) fn agree(
        self,
        customer_exists: bool,
        quote: &Quote,
        now: OffsetDateTime,
    ) -> Result<Order, Disagreement> {
        let unknown = self.unknown(customer_exists, quote);
        if !unknown.is_empty() {
            return Err(Disagreement::Unknown(unknown));
        }
        let (currency_code, lines) = agree_lines(&self.lines, quote)?;
        Ok(Order {
            customer_id: self.customer_id,
            state: OrderState::Placed,
            payment: payment(self.payment_token),
            confirm_time: None,
            order_time: self.order_time.unwrap_or(now),
            currency_code,
            total_minor_units: total(&lines).ok_or(Disagreement::TotalTooLarge)?,
            lines,
            note: self.note,
        })
    }

    /// The fields that name what does not exist.
    fn unknown(&self, customer_exists: bool, quote: &Quote) -> Vec<(String, String)> {
        let customer = (!customer_exists)
            .then(|| ("customer_id".to_owned(), format!("customer `{}` does not exist", self.customer_id)));
        let lines = self.lines.iter().enumerate();
        let products = lines.filter(|(_, line)| quote.is_unknown(&line.sku));
        customer.into_iter().chain(products.map(|(i, line)| no_product(i, line))).collect()
    }
}

fn payment(token: String) -> Payment {
    if token.is_empty() { Payment::Invoice } else { Payment::Card(Token(token)) }
}

fn no_product(i: usize, line: &BasketLine) -> (String, String) {
    (format!("lines[{i}].sku"), format!("product `{}` does not exist", line.sku))
}

/// The lines at the prices quoted, and the currency of them all.
fn agree_lines(asked: &[BasketLine], quote: &Quote) -> Result<(String, Vec<OrderLine>), Disagreement> {
    let mut currency: Option<&str> = None;
    let mut others = Vec::new();
    let mut lines = Vec::with_capacity(asked.len());
    for (i, line) in asked.iter().enumerate() {
        let Some(offer) = quote.offer(&line.sku) else {
            return Err(Disagreement::Unknown(vec![no_product(i, line)]));
        };
        let first = *currency.get_or_insert(&offer.currency_code);
        if offer.currency_code != first {
            let why = format!(
                "is priced in {}, but lines[0] in {first}: place an order for each currency",
                offer.currency_code
            );
            others.push((format!("lines[{i}].sku"), why));
        }
        lines.push(OrderLine {
            sku: line.sku.clone(),
            display_name: offer.display_name.clone(),
            category: offer.category.clone(),
            quantity: line.quantity,
            unit_price_minor_units: offer.unit_price_minor_units,
        });
    }
    if others.is_empty() {
        Ok((currency.unwrap_or_default().to_owned(), lines))
    } else {
        Err(Disagreement::MixedCurrencies(others))
    }
}

/// `None` if it does not fit into 64 bits.
fn total(lines: &[OrderLine]) -> Option<i64> {
    lines
        .iter()
        .try_fold(0_i64, |sum, line| sum.checked_add(line.quantity.checked_mul(line.unit_price_minor_units)?))
}

#[cfg(test)]
mod tests;
