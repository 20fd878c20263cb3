//! The `grpc-timeout` header: at most eight digits and a unit.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// How a caller says how long it will wait.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("grpc-timeout");
/// Most digits that the protocol allows.
const MAX_DIGITS: usize = 8;

/// A header that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The time that a request gives its receiver.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Duration>, Malformed> {
    let Some(value) = headers.get(&HEADER) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Malformed)?;
    let (digits, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(Malformed)?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Malformed);
    }
    let number: u64 = digits.parse().map_err(|_| Malformed)?;
    Ok(Some(match unit {
        "H" => Duration::from_secs(number * 60 * 60),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return Err(Malformed),
    }))
}

/// The header for a timeout, in the finest unit that holds it; rounded down.
pub(crate) fn header(timeout: Duration) -> HeaderValue {
    let most = 10_u128.pow(MAX_DIGITS as u32);
    let units = [(timeout.as_micros(), 'u'), (timeout.as_millis(), 'm'), (timeout.as_secs().into(), 'S')];
    let (number, unit) = units.into_iter().find(|(number, _)| *number < most).unwrap_or((most - 1, 'S'));
    // Digits and a letter are a header value; were they not, the caller's own clock would still hold.
    HeaderValue::try_from(format!("{number}{unit}")).unwrap_or(HeaderValue::from_static("1S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Option<Duration>, Malformed> {
        of(&HeaderMap::from_iter([(HEADER, HeaderValue::from_static(text))]))
    }

    #[test]
    fn every_unit_is_read() {
        let times = [
            ("2H", Duration::from_secs(7200)),
            ("2M", Duration::from_secs(120)),
            ("2S", Duration::from_secs(2)),
            ("2m", Duration::from_millis(2)),
            ("2u", Duration::from_micros(2)),
            ("99999999n", Duration::from_nanos(99_999_999)),
        ];
        for (text, time) in times {
            assert_eq!(parse(text), Ok(Some(time)), "{text}");
        }
        assert_eq!(of(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn anything_else_is_malformed() {
        for text in ["", "S", "5", "-1S", "+1S", "1.5S", "123456789m", "5s", "5 S"] {
            assert_eq!(parse(text), Err(Malformed), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for time in [Duration::ZERO, Duration::from_micros(1), Duration::from_millis(1500)] {
            assert_eq!(of(&HeaderMap::from_iter([(HEADER, header(time))])), Ok(Some(time)));
        }
        for (time, text) in
            [(99, "99000000u"), (100, "100000m"), (100_000, "100000S"), (u64::MAX, "99999999S")]
        {
            assert_eq!(header(Duration::from_secs(time)), text);
        }
    }
}
