//! Sums of numerics from which can be taken what was added.
//!
//! A sum shows as many digits as that of its terms which shows most, and the digits of a quotient depend on that. So a
//! sum alone cannot tell what it shows once a term is gone: a tally keeps beside it how many terms show how many digits.

use std::{collections::BTreeMap, fmt};

use crate::{
    numeric::Numeric,
    value::{Failure, Output, Value},
};

/// As text: the sum, then `digits:terms` for each number of digits. A tally in which nothing is left is the empty text.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    sum: Numeric,
    /// How many terms show so many digits behind the point; negative: so many more were taken out.
    terms: BTreeMap<i64, i64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { sum: Numeric::from(0), terms: BTreeMap::new() }
    }
}

impl Tally {
    /// A value that was added `weight` times; negative: taken out.
    pub(crate) fn of(value: Value<'_>, weight: i64) -> Result<Self, Failure> {
        if value == Value::Null || weight == 0 {
            return Ok(Self::default());
        }
        let value = Numeric::from_value(value)?;
        let terms = BTreeMap::from([(value.scale(), weight)]);
        let sum = match weight {
            1 => value,
            -1 => value.neg(),
            _ => value.mul(&Numeric::from(weight))?,
        };
        Ok(Self { sum, terms })
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let damaged = || Failure(format!("internal error: `{text}` is no tally"));
        let mut parts = text.split(' ');
        let sum = match parts.next() {
            None | Some("") => return Ok(Self::default()),
            Some(sum) => Numeric::parse(sum)?,
        };
        let terms = parts.map(|part| {
            let (digits, count) = part.split_once(':').ok_or_else(damaged)?;
            Ok((digits.parse().map_err(|_| damaged())?, count.parse().map_err(|_| damaged())?))
        });
        Ok(Self { sum, terms: terms.collect::<Result<_, _>>()? })
    }

    pub(crate) fn add(&mut self, other: &Self) -> Result<(), Failure> {
        self.sum = self.sum.add(&other.sum)?;
        for (digits, count) in &other.terms {
            let terms = self.terms.entry(*digits).or_default();
            *terms = terms.checked_add(*count).ok_or_else(|| Failure::out_of_range("bigint"))?;
        }
        self.terms.retain(|_, count| *count != 0);
        Ok(())
    }

    /// The sum, with the digits that it shows; 0 of no term.
    pub(crate) fn sum(&self) -> Numeric {
        self.sum.round(self.terms.keys().next_back().copied().unwrap_or_default())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() && self.sum == Numeric::from(0) {
            return Ok(());
        }
        // Of a change the terms may be even while the sum is not: so all of its digits, whatever it shows.
        write!(f, "{}", self.sum.normalized())?;
        self.terms.iter().try_for_each(|(digits, count)| write!(f, " {digits}:{count}"))
    }
}

impl From<&Tally> for Output {
    fn from(tally: &Tally) -> Self {
        Output::Text(tally.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(terms: &[(String, i64)]) -> Tally {
        let mut all = Tally::default();
        for (value, weight) in terms {
            let term = Tally::of(Value::Text(value), *weight).unwrap().to_string();
            all.add(&Tally::parse(&term).unwrap()).unwrap();
            all = Tally::parse(&all.to_string()).unwrap();
        }
        all
    }

    proptest! {
        #[test]
        fn what_is_left_is_as_if_the_rest_had_never_been(
            kept in prop::collection::vec(("-?[0-9]{1,12}(\\.[0-9]{1,6})?", 1..4_i64), 0..6),
            gone in prop::collection::vec(("-?[0-9]{1,12}(\\.[0-9]{1,20})?", 1..4_i64), 0..6),
        ) {
            let taken = gone.iter().map(|(value, weight)| (value.clone(), -weight));
            let all: Vec<_> = gone.iter().cloned().chain(kept.iter().cloned()).chain(taken).collect();
            prop_assert_eq!(tally(&all).to_string(), tally(&kept).to_string());
            let digits = kept.iter().map(|(value, _)| value.split_once('.').map_or(0, |(_, digits)| digits.len()));
            prop_assert_eq!(tally(&all).sum().scale(), digits.max().unwrap_or_default() as i64);
        }
    }

    #[test]
    fn nothing_left_is_the_empty_text() {
        let all =
            [("1.50".to_owned(), 2), ("-3".to_owned(), 1), ("1.50".to_owned(), -2), ("-3".to_owned(), -1)];
        assert_eq!(tally(&all).to_string(), "");
        assert_eq!(tally(&all[..2]).to_string(), "0 0:1 2:2");
        assert_eq!(tally(&all[..2]).sum().to_string(), "0.00");
    }

    #[test]
    fn a_change_of_as_many_terms_keeps_its_digits() {
        let change = tally(&[("1.25".to_owned(), -1), ("0.46".to_owned(), 1)]);
        assert_eq!(change.to_string(), "-0.79");
    }
}
