//! Validation of requests: every field that is wrong is told at once, each with what to change.

use crate::fault::Fault;

/// Longest id, in characters.
pub const MAX_ID: usize = 64;

/// Whether `id` is made of 1 to 64 of `[A-Za-z0-9._-]`.
pub fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// What is wrong with a request; empty is good.
///
/// Fields are named as in the proto, by path: `lines[2].quantity`.
#[derive(Debug, Default)]
#[must_use = "violations that are not finished are forgotten"]
pub struct Violations(Vec<(String, String)>);

impl Violations {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// A fault of `field` unless `ok`; `why` says what to change.
    pub fn check(&mut self, ok: bool, field: impl Into<String>, why: impl Into<String>) {
        if !ok {
            self.add(field, why);
        }
    }

    /// A fault of `field`; `why` says what to change.
    pub fn add(&mut self, field: impl Into<String>, why: impl Into<String>) {
        self.0.push((field.into(), why.into()));
    }

    /// An id: 1 to 64 of `[A-Za-z0-9._-]`.
    pub fn id(&mut self, field: impl Into<String>, id: &str) {
        let why = if id.is_empty() { "missing" } else { "malformed" };
        self.check(is_id(id), field, format!("{why}: give 1 to {MAX_ID} of A-Z a-z 0-9 . _ -"));
    }

    /// An id, or empty where the server may choose one.
    pub fn optional_id(&mut self, field: impl Into<String>, id: &str) {
        if !id.is_empty() {
            self.id(field, id);
        }
    }

    /// A text of `min` to `max` characters, without control characters and not blank.
    pub fn text(&mut self, field: impl Into<String>, text: &str, min: usize, max: usize) {
        let length = text.chars().count();
        if length == 0 && min > 0 {
            self.add(field, format!("missing: give {min} to {max} characters"));
        } else if !(min..=max).contains(&length) {
            self.add(field, format!("has {length} characters: give {min} to {max}"));
        } else if text.chars().any(char::is_control) {
            self.add(field, "holds a control character: remove it");
        } else if length > 0 && text.trim().is_empty() {
            self.add(field, format!("blank: give {min} to {max} characters that can be seen"));
        }
    }

    /// A number from `min` to `max`.
    pub fn int(&mut self, field: impl Into<String>, value: impl Into<i64>, min: i64, max: i64) {
        let value = value.into();
        self.check((min..=max).contains(&value), field, format!("is {value}: give {min} to {max}"));
    }

    /// A currency: three capital letters, as in ISO 4217. Which there are is not known here.
    pub fn currency(&mut self, field: impl Into<String>, code: &str) {
        let ok = code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
        self.check(ok, field, "must be the three capital letters of a currency, for example EUR");
    }

    /// How many elements a list has, from `min` to `max`.
    pub fn count(&mut self, field: impl Into<String>, count: usize, min: usize, max: usize) {
        self.check((min..=max).contains(&count), field, format!("has {count} elements: give {min} to {max}"));
    }

    /// Takes over the fields of another fault of the request, such as that of a page token.
    pub fn take<T>(&mut self, result: Result<T, Fault>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(fault) => {
                self.0.extend(fault.into_violations());
                None
            }
        }
    }

    /// Those of the fields that are `wanted`.
    pub(crate) fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|(field, _)| wanted(field));
        self
    }

    /// Takes over what another look at the request has found.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is wrong, as one fault.
    pub fn finish(self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::fields(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fill: impl FnOnce(&mut Violations)) -> Option<String> {
        let mut violations = Violations::new();
        fill(&mut violations);
        violations.finish().err().map(|fault| fault.message().to_owned())
    }

    #[test]
    fn every_violation_is_told_at_once() {
        let text = message(|v| {
            v.id("a_id", "");
            v.text("name", "ok", 1, 10);
            v.int("lines[0].quantity", 0, 1, 5);
        });
        let expected =
            "a_id: missing: give 1 to 64 of A-Z a-z 0-9 . _ -; lines[0].quantity: is 0: give 1 to 5";
        assert_eq!(text.as_deref(), Some(expected));
    }

    #[test]
    fn limits_are_inclusive() {
        for length in [1, MAX_ID] {
            assert_eq!(message(|v| v.id("id", &"x".repeat(length))), None);
        }
        assert!(message(|v| v.id("id", &"x".repeat(MAX_ID + 1))).is_some());
        assert!(message(|v| v.id("id", "a b")).is_some());
        assert!(message(|v| v.id("id", "ä")).is_some());
        assert_eq!(message(|v| v.optional_id("id", "")), None);
        // Characters count, not bytes.
        assert_eq!(message(|v| v.text("name", "ää", 1, 2)), None);
        assert!(message(|v| v.text("name", "äää", 1, 2)).is_some());
        assert!(message(|v| v.text("name", "a\nb", 1, 9)).is_some());
        assert!(message(|v| v.text("name", "   ", 1, 9)).is_some());
        for (value, ok) in [(0, false), (1, true), (5, true), (6, false)] {
            assert_eq!(message(|v| v.int("n", value, 1, 5)).is_none(), ok, "{value}");
            assert_eq!(message(|v| v.count("n", value as usize, 1, 5)).is_none(), ok, "{value}");
        }
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        for code in ["EUR", "ABC"] {
            assert_eq!(message(|v| v.currency("code", code)), None, "{code}");
        }
        for code in ["", "EU", "EURO", "eur", "E1R", "€", "ÄÖÜ"] {
            assert!(message(|v| v.currency("code", code)).is_some(), "{code}");
        }
    }
}
