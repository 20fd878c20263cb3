//! Products, and the rules for creating, changing and deleting them. Pure: no clock, no store, no wire.

mod money;

use time::OffsetDateTime;
use tributary_chassis::{
    outbox::{Model, States, Write},
    resource::{self, Events, Kind},
    validate::Violations,
};

use crate::error::Rejection;

pub(crate) use money::Money;

/// As callers name it.
pub(crate) const PRODUCT: Kind = Kind("product");

/// The fields that a caller writes; all others are output only.
pub(crate) const WRITABLE: [&str; 3] = ["display_name", "category", "price"];

/// What is sold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Product {
    /// 1 to 200 characters.
    pub display_name: String,
    /// 1 to 64 characters.
    pub category: String,
    /// Of one piece.
    pub price: Money,
}

/// What a caller writes: a field that is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// See [`Product::display_name`].
    pub display_name: Option<String>,
    /// See [`Product::category`].
    pub category: Option<String>,
    /// See [`Product::price`].
    pub price: Option<Money>,
}

impl Changes {
    /// Notes what is out of bounds, by the path that the field has in a request.
    pub(crate) fn check(&self, violations: &mut Violations) {
        if let Some(name) = &self.display_name {
            violations.text("product.display_name", name, 1, 200);
        }
        if let Some(category) = &self.category {
            violations.text("product.category", category, 1, 64);
        }
        if let Some(price) = &self.price {
            price.check("product.price", violations);
        }
    }
}

impl resource::Changes<Product> for Changes {
    fn apply(self, to: Product) -> Product {
        Product {
            display_name: self.display_name.unwrap_or(to.display_name),
            category: self.category.unwrap_or(to.category),
            price: self.price.unwrap_or(to.price),
        }
    }
}

/// What a caller wants done.
pub(crate) type Command = resource::Command<Product, Changes>;

/// What has happened.
const EVENTS: Events =
    Events { created: "ProductCreated", updated: "ProductUpdated", deleted: "ProductDeleted" };

/// The products, by `sku`.
#[derive(Debug)]
pub(crate) struct Catalog;

impl Model for Catalog {
    type Key = String;
    type State = Product;
    type Command = Command;
    type Rejection = Rejection;

    fn reads(command: &Command) -> Vec<String> {
        vec![command.id().clone()]
    }

    fn decide(
        command: &Command,
        states: &States<Self>,
        _now: OffsetDateTime,
    ) -> Result<Vec<Write<Self>>, Rejection> {
        PRODUCT.decide(EVENTS, command, states)
    }
}

#[cfg(test)]
mod tests;
