//! `interval`: months, days and microseconds, which do not convert into one another.

use std::{cmp::Ordering, fmt};

use crate::{numeric::Numeric, value::Failure};

/// Microseconds of a second, a minute, an hour and a day.
pub const SECOND: i64 = 1_000_000;
/// See [`SECOND`].
pub const MINUTE: i64 = 60 * SECOND;
/// See [`SECOND`].
pub const HOUR: i64 = 60 * MINUTE;
/// See [`SECOND`].
pub const DAY: i64 = 24 * HOUR;

/// A span of time. Two are equal when they are as long, with months of 30 and days of 24 hours.
#[derive(Clone, Copy, Debug, Default)]
pub struct Interval {
    /// Years are 12 of them.
    pub months: i64,
    /// Weeks are 7 of them.
    pub days: i64,
    /// The part below a day, though it may be longer than one.
    pub micros: i64,
}

impl Interval {
    /// Reads `1 year 2 mons -3 days 04:05:06.7` and the like: what [`Display`](fmt::Display) writes and people type.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        Self::parse_parts(text).ok_or_else(|| Failure::invalid("interval", text))
    }

    fn parse_parts(text: &str) -> Option<Self> {
        let mut interval = Self::default();
        let mut words = split_words(text).into_iter().peekable();
        words.peek()?;
        let mut any = false;
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case("ago") && any && words.peek().is_none() {
                return interval.negated().ok();
            }
            if word.contains(':') {
                interval.micros = interval.micros.checked_add(parse_clock(&word)?)?;
            } else {
                let unit = words.next().unwrap_or_else(|| "second".to_owned());
                interval = interval.checked_add(Self::of(&word, &unit)?)?;
            }
            any = true;
        }
        Some(interval)
    }

    /// `amount` of one unit; a fraction goes into the smaller units.
    pub fn of(amount: &str, unit: &str) -> Option<Self> {
        let (months, days, micros) = unit_size(unit)?;
        let (negative, whole, fraction) = split_decimal(amount)?;
        let sign = if negative { -1 } else { 1 };
        let mut interval = Self {
            months: whole.checked_mul(months)?,
            days: whole.checked_mul(days)?,
            micros: whole.checked_mul(micros)?,
        };
        // Exact: a fraction is a whole number of millionths.
        if months > 0 {
            let months = fraction * months;
            interval.months += months / SECOND;
            // What is left of a month counts in days of 30, as in PostgreSQL; of a year nothing is left.
            if unit_size(unit)? == (1, 0, 0) {
                let days = (months % SECOND) * 30;
                interval.days += days / SECOND;
                interval.micros += days % SECOND * (DAY / SECOND);
            }
        } else if days > 0 {
            let days = fraction * days;
            interval.days += days / SECOND;
            interval.micros = interval.micros.checked_add(days % SECOND * (DAY / SECOND))?;
        } else {
            let micros = i128::from(fraction) * i128::from(micros) / i128::from(SECOND);
            interval.micros = interval.micros.checked_add(i64::try_from(micros).ok()?)?;
        }
        Some(Self {
            months: interval.months * sign,
            days: interval.days * sign,
            micros: interval.micros * sign,
        })
    }

    fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_add(other.months)?,
            days: self.days.checked_add(other.days)?,
            micros: self.micros.checked_add(other.micros)?,
        })
    }

    /// `self + other`, each part on its own.
    pub fn plus(self, other: Self) -> Result<Self, Failure> {
        self.checked_add(other).ok_or_else(|| Failure::out_of_range("interval"))
    }

    /// `-self`.
    pub fn negated(self) -> Result<Self, Failure> {
        let negate = |part: i64| part.checked_neg().ok_or_else(|| Failure::out_of_range("interval"));
        Ok(Self { months: negate(self.months)?, days: negate(self.days)?, micros: negate(self.micros)? })
    }

    /// `self * factor`: the fractions of months go into days, those of days into microseconds.
    #[expect(clippy::cast_precision_loss, reason = "PostgreSQL multiplies intervals as doubles")]
    pub fn times(self, factor: f64) -> Result<Self, Failure> {
        let months = self.months as f64 * factor;
        let days_of_months = round_to_micros(months.fract() * 30.0);
        let days = self.days as f64 * factor;
        let seconds_of_days = round_to_micros((days.fract() + days_of_months.fract()) * 86_400.0);
        let micros = (self.micros as f64 * factor + seconds_of_days * SECOND as f64).round_ties_even();
        Ok(Self {
            months: to_part(months.trunc())?,
            days: to_part(days.trunc() + days_of_months.trunc())?,
            micros: to_part(micros)?,
        })
    }

    /// `extract(field from ..)`: the fields are those of the parts, nothing carries over between them.
    pub fn extract(self, field: &str) -> Result<Numeric, Failure> {
        let micros = |micros: i64, scale: i64| -> Result<Numeric, Failure> {
            let unit = Numeric::from(10i64.pow(scale.unsigned_abs() as u32));
            Ok(Numeric::from(micros).div(&unit)?.round(scale))
        };
        let years = self.months / 12;
        Ok(Numeric::from(match field.to_ascii_lowercase().as_str() {
            "microsecond" | "microseconds" => self.micros % MINUTE,
            "millisecond" | "milliseconds" => return micros(self.micros % MINUTE, 3),
            "second" | "seconds" => return micros(self.micros % MINUTE, 6),
            "minute" | "minutes" => self.micros % HOUR / MINUTE,
            "hour" | "hours" => self.micros / HOUR,
            "day" | "days" => self.days,
            "month" | "months" => self.months % 12,
            "quarter" => self.months % 12 / 3 + 1,
            "year" | "years" => years,
            "decade" | "decades" => years / 10,
            "century" | "centuries" => years / 100,
            "millennium" | "millennia" => years / 1_000,
            // Years of 365.25 days, months of 30.
            "epoch" => {
                let days = Numeric::from(self.months % 12 * 30 + self.days + years * 365);
                let quarters = Numeric::from(years * (DAY / 4));
                let rest = Numeric::from(self.micros).add(&quarters)?;
                let total = days.mul(&Numeric::from(DAY))?.add(&rest)?;
                return Ok(total.div(&Numeric::from(SECOND))?.round(6));
            }
            _ => return Err(Failure(format!("unit \"{field}\" not recognized for type interval"))),
        }))
    }

    /// How long it is in microseconds, for comparisons.
    pub fn length(self) -> i128 {
        i128::from(self.months * 30 + self.days) * i128::from(DAY) + i128::from(self.micros)
    }
}

fn round_to_micros(seconds: f64) -> f64 {
    (seconds * 1e6).round_ties_even() / 1e6
}

#[expect(clippy::cast_possible_truncation, reason = "checked in the line before")]
fn to_part(value: f64) -> Result<i64, Failure> {
    if value.abs() < 9.0e18 { Ok(value as i64) } else { Err(Failure::out_of_range("interval")) }
}

/// Splits at blanks, and `90days` into number and unit.
fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.split_ascii_whitespace() {
        match word.find(|c: char| c.is_ascii_alphabetic()) {
            Some(at) if at > 0 => words.extend([word[..at].to_owned(), word[at..].to_owned()]),
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// Months, days, microseconds.
fn unit_size(unit: &str) -> Option<(i64, i64, i64)> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "millennium" | "millennia" | "millenniums" => (12_000, 0, 0),
        "century" | "centuries" => (1_200, 0, 0),
        "decade" | "decades" => (120, 0, 0),
        "year" | "years" | "y" | "yr" | "yrs" => (12, 0, 0),
        "month" | "months" | "mon" | "mons" => (1, 0, 0),
        "week" | "weeks" | "w" => (0, 7, 0),
        "day" | "days" | "d" => (0, 1, 0),
        "hour" | "hours" | "h" | "hr" | "hrs" => (0, 0, HOUR),
        "minute" | "minutes" | "m" | "min" | "mins" => (0, 0, MINUTE),
        "second" | "seconds" | "s" | "sec" | "secs" => (0, 0, SECOND),
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => (0, 0, 1_000),
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => (0, 0, 1),
        _ => return None,
    })
}

/// Sign, whole part, millionths.
fn split_decimal(text: &str) -> Option<(bool, i64, i64)> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some((negative, whole, millionths(fraction)))
}

/// Digits after the point as millionths, rounded at the seventh.
pub(crate) fn millionths(digits: &str) -> i64 {
    let digit = |at: usize| digits.as_bytes().get(at).map_or(0, |byte| i64::from(byte - b'0'));
    (0..6).fold(0, |value, at| value * 10 + digit(at)) + i64::from(digit(6) >= 5)
}

/// `[+-]HH:MM[:SS[.ffffff]]`.
fn parse_clock(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let parts: Vec<&str> = unsigned.split(':').collect();
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes] => (*hours, *minutes, "0"),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return None,
    };
    let small = |part: &str| part.parse::<u32>().ok().filter(|value| *value < 60).map(i64::from);
    let (_, seconds, fraction) = split_decimal(seconds)?;
    let hours = hours.parse::<u32>().ok()?;
    if seconds >= 60 {
        return None;
    }
    Some(sign * (i64::from(hours) * HOUR + small(minutes)? * MINUTE + seconds * SECOND + fraction))
}

impl fmt::Display for Interval {
    /// PostgreSQL's default style: `1 year 2 mons -3 days +04:05:06.7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut after_negative = false;
        for (value, unit) in [(self.months / 12, "year"), (self.months % 12, "mon"), (self.days, "day")] {
            if value == 0 {
                continue;
            }
            let blank = if first { "" } else { " " };
            let plus = if after_negative && value > 0 { "+" } else { "" };
            let plural = if value == 1 { "" } else { "s" };
            write!(f, "{blank}{plus}{value} {unit}{plural}")?;
            first = false;
            after_negative = value < 0;
        }
        if self.micros != 0 || first {
            let blank = if first { "" } else { " " };
            let sign = match self.micros < 0 {
                true => "-",
                false if after_negative => "+",
                false => "",
            };
            let micros = self.micros.unsigned_abs();
            let (hour, minute, second) = (HOUR as u64, MINUTE as u64, SECOND as u64);
            let (hours, minutes, seconds) = (micros / hour, micros % hour / minute, micros % minute / second);
            write!(f, "{blank}{sign}{hours:02}:{minutes:02}:{seconds:02}{}", fraction(micros % second))?;
        }
        Ok(())
    }
}

/// `.25` of 250,000 microseconds, nothing of 0.
pub(crate) fn fraction(micros: u64) -> String {
    if micros == 0 { String::new() } else { format!(".{micros:06}").trim_end_matches('0').to_owned() }
}

impl PartialEq for Interval {
    fn eq(&self, other: &Self) -> bool {
        self.length() == other.length()
    }
}

impl Eq for Interval {}

/// The collation `pg_interval`; what is no interval cannot occur, and sorts last.
pub(crate) fn collate(left: &str, right: &str) -> Ordering {
    match (Interval::parse(left), Interval::parse(right)) {
        (Ok(left), Ok(right)) => left.length().cmp(&right.length()),
        (left, right) => left.is_err().cmp(&right.is_err()),
    }
}

#[cfg(test)]
mod tests;
