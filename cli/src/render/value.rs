//! One value as text, as PostgreSQL's clients show it.

use tributary_proto::query::v1::{Value, value::Kind};

/// The text of a value; `None` is NULL.
pub(super) fn text(value: Value) -> Option<String> {
    Some(match value.kind? {
        Kind::Null(_) => return None,
        Kind::Bool(value) => value.to_string(),
        Kind::Int64(value) => value.to_string(),
        Kind::Double(value) => double(value),
        Kind::Text(text) | Kind::Decimal(text) | Kind::Json(text) => text,
        Kind::Bytes(bytes) => hexadecimal(&bytes),
        Kind::Timestamp(time) => time.to_string(),
    })
}

/// The shortest text that gives the same double again.
pub(super) fn double(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        // Positional up to where it would be all zeros.
        value if value == 0.0 || (1e-5..1e15).contains(&value.abs()) => format!("{value}"),
        value => format!("{value:e}"),
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(nibble.into(), 16));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_survive() {
        for value in [0.1, -0.0, 1e300, 5e-324, 123456.75, f64::MAX] {
            assert_eq!(double(value).parse::<f64>().unwrap().to_bits(), value.to_bits(), "{}", double(value));
        }
        assert_eq!(double(f64::NAN), "NaN");
    }

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(hexadecimal(&[0x0a, 0xff]), "\\x0aff");
    }
}
