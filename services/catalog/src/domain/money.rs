//! Exact amounts.

use tributary_chassis::validate::Violations;

/// The most that one piece may cost, in minor units.
const HIGHEST_PRICE: i64 = 1_000_000_000_000;

/// An amount in the smallest unit of its currency: 2500 is 25.00 EUR.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Money {
    /// Three capital letters of ISO 4217.
    pub currency_code: String,
    /// As a price 0 to 1,000,000,000,000.
    pub minor_units: i64,
}

impl Money {
    /// Notes what is out of bounds for a price at the path `at`.
    pub(crate) fn check(&self, at: &str, violations: &mut Violations) {
        violations.currency(format!("{at}.currency_code"), &self.currency_code);
        violations.int(format!("{at}.minor_units"), self.minor_units, 0, HIGHEST_PRICE);
    }
}
