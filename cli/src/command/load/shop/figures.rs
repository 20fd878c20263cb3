//! What is expected of the gateway, what it tells, and whether the two agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    ops::{AddAssign, RangeInclusive},
};

/// How many differences of a figure are listed.
const LISTED: usize = 10;

/// What a value has to be. Mostly one number; where replies do not tell for sure, no less and no more than.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    least: i64,
    most: i64,
}

impl Expected {
    /// This and nothing else.
    pub(super) fn exactly(value: i64) -> Self {
        Self { least: value, most: value }
    }

    /// From nothing to this.
    pub(super) fn at_most(value: i64) -> Self {
        Self { least: 0, most: value }
    }

    fn range(self) -> RangeInclusive<i64> {
        self.least..=self.most
    }

    fn in_words(self) -> String {
        if self.least == self.most {
            self.least.to_string()
        } else {
            format!("{} to {}", self.least, self.most)
        }
    }
}

impl AddAssign for Expected {
    fn add_assign(&mut self, other: Self) {
        self.least += other.least;
        self.most += other.most;
    }
}

/// Values by name. One that is not there is 0.
pub(super) type Expectation = BTreeMap<String, Expected>;
/// Values by name, as the gateway tells them. One that is not there is 0.
pub(super) type Told = BTreeMap<String, i64>;

/// Every value in which the two differ, in order of name.
pub(super) fn differences(expected: &Expectation, told: &Told) -> Vec<String> {
    let names: BTreeSet<_> = expected.keys().chain(told.keys()).collect();
    let differ = names.into_iter().filter_map(|name| {
        let expected = expected.get(name).copied().unwrap_or_default();
        let told = told.get(name).copied().unwrap_or_default();
        (!expected.range().contains(&told))
            .then(|| format!("{name}: the gateway tells {told}, the ledger {}", expected.in_words()))
    });
    differ.collect()
}

/// One line that says whether a figure agrees, and one for each of the first differences.
pub(super) fn verdict(title: &str, expected: &Expectation, told: &Told) -> (bool, String) {
    let differences = differences(expected, told);
    let mut text = match differences.len() {
        0 => format!("{title:32}  agrees, {} values\n", expected.len()),
        1 => format!("{title:32}  DIFFERS in 1 value of {}\n", expected.len()),
        n => format!("{title:32}  DIFFERS in {n} values of {}\n", expected.len()),
    };
    for difference in differences.iter().take(LISTED) {
        let _ = writeln!(text, "  {difference}");
    }
    if differences.len() > LISTED {
        let _ = writeln!(text, "  and {} more", differences.len() - LISTED);
    }
    (differences.is_empty(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(least: i64, most: i64) -> Expectation {
        Expectation::from([("a".to_owned(), Expected { least, most })])
    }

    fn told(value: i64) -> Told {
        Told::from([("a".to_owned(), value)])
    }

    #[test]
    fn one_more_or_less_differs() {
        for (value, agrees) in [(1, false), (2, true), (4, true), (5, false)] {
            let differences = differences(&expected(2, 4), &told(value));
            assert_eq!(differences.is_empty(), agrees, "{value}: {differences:?}");
        }
    }

    #[test]
    fn what_is_missing_on_either_side_is_nothing() {
        assert_eq!(differences(&expected(0, 0), &Told::new()), Vec::<String>::new());
        assert_eq!(differences(&expected(1, 1), &Told::new()).len(), 1);
        assert_eq!(differences(&Expectation::new(), &told(1)).len(), 1);
        assert_eq!(differences(&Expectation::new(), &told(0)).len(), 0);
    }

    #[test]
    fn a_verdict_lists_the_first_and_counts_the_rest() {
        let told: Told = (0..12).map(|n| (format!("sku-{n:02}"), 1)).collect();
        let (agrees, text) = verdict("units", &Expectation::new(), &told);
        assert!(
            !agrees && text.contains("DIFFERS in 12 values") && text.ends_with("  and 2 more\n"),
            "{text}"
        );
        assert!(
            text.contains("sku-09: the gateway tells 1, the ledger 0") && !text.contains("sku-10"),
            "{text}"
        );
    }
}
