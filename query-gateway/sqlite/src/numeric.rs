//! `numeric`: exact decimals with PostgreSQL's scales.

use std::{cmp::Ordering, fmt, str::FromStr};

use bigdecimal::{
    BigDecimal, RoundingMode, ToPrimitive, Zero,
    num_bigint::{BigInt, Sign},
};

use crate::value::{Failure, Value};

/// PostgreSQL's bounds on the digits before and after the point.
const MAX_INTEGER_DIGITS: i64 = 131_072;
const MAX_SCALE: i64 = 16_383;
/// A quotient has at least so many significant digits, and at most so many after the point.
const MIN_SIGNIFICANT_DIGITS: i64 = 16;
const MAX_DISPLAY_SCALE: i64 = 1_000;
/// PostgreSQL computes in groups of four digits; the scale of a quotient depends on it.
const DIGITS_PER_GROUP: i64 = 4;

/// An exact decimal. Its scale (digits after the point) is shown but does not count in comparisons: 1.50 = 1.5.
/// The scale is never negative.
#[derive(Clone, Debug)]
pub struct Numeric(BigDecimal);

impl Numeric {
    /// Reads what PostgreSQL reads, save `NaN` and `Infinity`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let invalid = || Failure::invalid("numeric", text);
        let trimmed = text.trim_ascii();
        let (mantissa, exponent) = match trimmed.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().map_err(|_| invalid())?),
            None => (trimmed, 0),
        };
        let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
            return Err(invalid());
        }
        // Before the exponent is expanded, or `1e999999999` would fill the memory.
        if exponent.abs() > MAX_INTEGER_DIGITS {
            return Err(overflow());
        }
        let value = BigDecimal::from_str(mantissa).map_err(|_| invalid())?;
        let (digits, scale) = value.into_bigint_and_scale();
        Self::bounded(BigDecimal::new(digits, scale - exponent))
    }

    /// The nearest decimal of 15 digits, as PostgreSQL converts.
    pub fn from_double(value: f64) -> Result<Self, Failure> {
        if !value.is_finite() {
            return Err(Failure(format!("cannot convert {value} to numeric")));
        }
        Self::parse(&format!("{value:.14e}")).map(|numeric| Self::at_least_integer(numeric.0.normalized()))
    }

    /// An argument of either form: INTEGER stands for a numeric of scale 0.
    pub(crate) fn from_value(value: Value<'_>) -> Result<Self, Failure> {
        match value {
            Value::Text(text) => Self::parse(text),
            other => other.integer().map(Self::from),
        }
    }

    /// Enforces the invariant on scales and PostgreSQL's bounds.
    fn bounded(value: BigDecimal) -> Result<Self, Failure> {
        let value = if value.fractional_digit_count() > MAX_SCALE {
            value.with_scale_round(MAX_SCALE, RoundingMode::HalfUp)
        } else {
            value
        };
        let integer_digits = value.digits() as i64 - value.fractional_digit_count();
        if !value.is_zero() && integer_digits > MAX_INTEGER_DIGITS {
            return Err(overflow());
        }
        Ok(Self::at_least_integer(value))
    }

    fn at_least_integer(value: BigDecimal) -> Self {
        if value.fractional_digit_count() < 0 { Self(value.with_scale(0)) } else { Self(value) }
    }

    /// Digits after the point.
    pub fn scale(&self) -> i64 {
        self.0.fractional_digit_count()
    }

    /// `self + other`.
    pub fn add(&self, other: &Self) -> Result<Self, Failure> {
        Self::bounded(&self.0 + &other.0)
    }

    /// `self - other`.
    pub fn sub(&self, other: &Self) -> Result<Self, Failure> {
        Self::bounded(&self.0 - &other.0)
    }

    /// `self * other`: the scales add up.
    pub fn mul(&self, other: &Self) -> Result<Self, Failure> {
        let (left, left_scale) = self.0.as_bigint_and_scale();
        let (right, right_scale) = other.0.as_bigint_and_scale();
        Self::bounded(BigDecimal::new(left.as_ref() * right.as_ref(), left_scale + right_scale))
    }

    /// `self / other`, rounded half away from zero at the scale that PostgreSQL picks.
    pub fn div(&self, other: &Self) -> Result<Self, Failure> {
        if other.0.is_zero() {
            return Err(Failure::division_by_zero());
        }
        let scale = quotient_scale(self, other);
        let (left, left_scale) = self.0.as_bigint_and_scale();
        let (right, right_scale) = other.0.as_bigint_and_scale();
        let shift = scale + right_scale - left_scale;
        let power = |exponent: i64| BigInt::from(10).pow(exponent.unsigned_abs() as u32);
        let (dividend, divisor) = if shift >= 0 {
            (left.as_ref() * power(shift), right.into_owned())
        } else {
            (left.into_owned(), right.as_ref() * power(shift))
        };
        Self::bounded(BigDecimal::new(divide_half_away(&dividend, &divisor), scale))
    }

    /// The remainder, with the sign of `self`.
    pub fn rem(&self, other: &Self) -> Result<Self, Failure> {
        if other.0.is_zero() {
            return Err(Failure::division_by_zero());
        }
        let scale = self.scale().max(other.scale());
        let (left, _) = self.0.with_scale(scale).into_bigint_and_scale();
        let (right, _) = other.0.with_scale(scale).into_bigint_and_scale();
        Self::bounded(BigDecimal::new(left % right, scale))
    }

    /// The same value without zeros behind its last digit.
    pub(crate) fn normalized(&self) -> Self {
        Self::at_least_integer(self.0.normalized())
    }

    /// `-self`.
    pub fn neg(&self) -> Self {
        Self(-self.0.clone())
    }

    /// The absolute value.
    pub fn abs(&self) -> Self {
        Self(self.0.abs())
    }

    /// Half away from zero at `scale` digits, which may be negative.
    pub fn round(&self, scale: i64) -> Self {
        self.with_rounding(scale, RoundingMode::HalfUp)
    }

    /// Towards zero at `scale` digits.
    pub fn trunc(&self, scale: i64) -> Self {
        self.with_rounding(scale, RoundingMode::Down)
    }

    /// The largest whole number not above.
    pub fn floor(&self) -> Self {
        self.with_rounding(0, RoundingMode::Floor)
    }

    /// The smallest whole number not below.
    pub fn ceil(&self) -> Self {
        self.with_rounding(0, RoundingMode::Ceiling)
    }

    fn with_rounding(&self, scale: i64, mode: RoundingMode) -> Self {
        let scale = scale.clamp(-MAX_INTEGER_DIGITS, MAX_SCALE);
        Self::at_least_integer(self.0.with_scale_round(scale, mode))
    }

    /// As a column of `numeric(precision, scale)` takes it.
    pub fn fit(&self, precision: i64, scale: i64) -> Result<Self, Failure> {
        let rounded = self.round(scale);
        let integer_digits = rounded.0.digits() as i64 - rounded.scale();
        if !rounded.0.is_zero() && integer_digits > precision - scale {
            return Err(Failure("numeric field overflow".to_owned()));
        }
        Ok(rounded)
    }

    /// The nearest bigint, half away from zero.
    pub fn to_bigint(&self) -> Result<i64, Failure> {
        self.round(0).0.to_i64().ok_or_else(|| Failure::out_of_range("bigint"))
    }

    /// The nearest double.
    pub fn to_double(&self) -> Result<f64, Failure> {
        let out_of_range = || Failure(format!("\"{self}\" is out of range for type double precision"));
        self.to_string().parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(out_of_range)
    }
}

/// Rounds the exact quotient half away from zero.
fn divide_half_away(dividend: &BigInt, divisor: &BigInt) -> BigInt {
    let quotient = (dividend.magnitude() * 2u8 + divisor.magnitude()) / (divisor.magnitude() * 2u8);
    let sign = if dividend.sign() == divisor.sign() { Sign::Plus } else { Sign::Minus };
    BigInt::from_biguint(sign, quotient)
}

/// PostgreSQL's `select_div_scale`: at least 16 significant digits, never less than the operands show.
fn quotient_scale(dividend: &Numeric, divisor: &Numeric) -> i64 {
    let (left_weight, left_first) = leading_group(dividend);
    let (right_weight, right_first) = leading_group(divisor);
    let weight = left_weight - right_weight - i64::from(left_first <= right_first);
    (MIN_SIGNIFICANT_DIGITS - weight * DIGITS_PER_GROUP)
        .max(dividend.scale())
        .max(divisor.scale())
        .clamp(0, MAX_DISPLAY_SCALE)
}

/// Weight (power of 10,000) and value of the first non-zero group of four digits; of zero both are 0.
fn leading_group(value: &Numeric) -> (i64, i64) {
    if value.0.is_zero() {
        return (0, 0);
    }
    let (digits, scale) = value.0.as_bigint_and_scale();
    let digits = digits.magnitude().to_string();
    let exponent = digits.len() as i64 - 1 - scale;
    let weight = exponent.div_euclid(DIGITS_PER_GROUP);
    let length = (exponent - weight * DIGITS_PER_GROUP + 1) as usize;
    let group = digits.bytes().chain(std::iter::repeat(b'0')).take(length);
    (weight, group.fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

fn overflow() -> Failure {
    Failure("value overflows numeric format".to_owned())
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Self {
        Self(BigDecimal::from(value))
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_plain_string(f)
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Numeric {}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

/// The collation `pg_numeric`. Text that is no number cannot occur in a numeric; it sorts last, so that the order is total.
pub(crate) fn collate(left: &str, right: &str) -> Ordering {
    match (Numeric::parse(left), Numeric::parse(right)) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        (left, right) => left.is_err().cmp(&right.is_err()),
    }
}

#[cfg(test)]
mod tests;
