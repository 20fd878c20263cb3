//! What is to be paid, and by which card.

use std::fmt;

use tributary_chassis::validate::Violations;

/// What is to be paid. It never changes once it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    /// What for; owned by another service.
    pub order_id: String,
    /// By whom; owned by another service.
    pub customer_id: String,
    /// How much.
    pub amount: Money,
    /// By which card.
    pub token: Token,
}

/// An amount in the smallest unit of its currency: 2500 is 25.00 EUR.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Money {
    /// Three capital letters of ISO 4217.
    pub currency_code: String,
    /// From 0.
    pub minor_units: i64,
}

/// Stands for a card. Whoever has it can charge, so that it is not even shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Charge {
    /// Notes what is out of bounds, by the path that the field has in a request.
    pub(crate) fn check(&self, violations: &mut Violations) {
        violations.id("order_id", &self.order_id);
        violations.id("customer_id", &self.customer_id);
        violations.currency("amount.currency_code", &self.amount.currency_code);
        violations.int("amount.minor_units", self.amount.minor_units, 0, i64::MAX);
        violations.id("token", &self.token.0);
    }
}
