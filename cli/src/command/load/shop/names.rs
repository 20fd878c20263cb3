//! The names of a run: its ids, its request ids, its categories. They follow from seed and run id alone, so
//! that the same run asks the same again, and has no second effect.

use std::{fmt, str::FromStr};

/// What tells runs of one seed apart: 1 to 8 of a-z and 0-9.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunId(String);

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if (1..=8).contains(&text.len()) && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err("write 1 to 8 of a-z and 0-9".to_owned())
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives the names of one run.
#[derive(Clone, Debug)]
pub(super) struct Names(String);

impl Names {
    /// Of the run of that seed and id. None contains `-`, so no run's names begin as another's.
    pub(super) fn new(seed: u64, run: &RunId) -> Self {
        Self(format!("shop-{seed}-{}", run.0))
    }

    /// What all of them begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.0
    }

    /// The id of a customer.
    pub(super) fn customer(&self, number: usize) -> String {
        format!("{}-customer-{number:07}", self.0)
    }

    /// The sku of a product.
    pub(super) fn sku(&self, number: usize) -> String {
        format!("{}-product-{number:04}", self.0)
    }

    /// The id of an order.
    pub(super) fn order(&self, number: u64) -> String {
        format!("{}-order-{number:09}", self.0)
    }

    /// The request id of something that is done to no thing of its own, by its number.
    pub(super) fn request(&self, what: &str, number: u64) -> String {
        format!("{}-{what}-{number:09}", self.0)
    }

    /// A category of this run alone: so what insights say of it is of this run alone.
    pub(super) fn category(&self, kind: &str) -> String {
        format!("{kind} {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(u64::MAX, &"abcdefgh".parse().unwrap())
    }

    #[test]
    fn the_longest_names_are_ones_that_services_take() {
        let names = names();
        let ids = [
            format!("{}-create", names.customer(9_999_999)),
            format!("{}-create", names.sku(9_999)),
            format!("{}-dispatch", names.order(999_999_999)),
            names.request("receive", 999_999_999),
        ];
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        assert!(ids.iter().all(|id| id.len() <= 64 && id.bytes().all(fits)), "{ids:?}");
        assert!(names.category("HOUSEHOLD").len() <= 64);
    }

    #[test]
    fn ids_of_runs_are_short_and_plain() {
        for text in ["", "abcdefghi", "A", "a-b", "ü"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
        assert!("1".parse::<RunId>().is_ok());
    }
}
