//! Times as the stores keep them: whole microseconds since 1970, UTC.

use time::{OffsetDateTime, PrimitiveDateTime};

/// Microseconds since 1970, as the stores keep them; rounds down.
pub fn micros(time: OffsetDateTime) -> i64 {
    // The years -9999 to 9999 that the type holds fit by a factor of 29.
    time.unix_timestamp_nanos().div_euclid(1_000) as i64
}

/// The reverse of [`micros`]. A number out of the range of years is taken as its nearest end.
pub fn from_micros(micros: i64) -> OffsetDateTime {
    let end = if micros < 0 { PrimitiveDateTime::MIN } else { PrimitiveDateTime::MAX };
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000);
    time.unwrap_or(end.assume_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_storage() {
        let time = crate::timestamp::now();
        assert_eq!(from_micros(micros(time)), time);
        assert_eq!(micros(from_micros(-1)), -1);
        assert_eq!(from_micros(i64::MAX).year(), 9999);
        assert_eq!(from_micros(i64::MIN).year(), -9999);
    }
}
