//! Points in time, to the microsecond: as the wire has them, and as the stores keep them.

use prost_types::Timestamp;
use time::{Duration, OffsetDateTime, PrimitiveDateTime, macros::datetime};

/// The first and last second that a `google.protobuf.Timestamp` may name.
const FIRST: OffsetDateTime = datetime!(0001-01-01 0:00 UTC);
const LAST: OffsetDateTime = datetime!(9999-12-31 23:59:59 UTC);

/// The clock of this machine.
pub fn now() -> OffsetDateTime {
    truncate(OffsetDateTime::now_utc())
}

/// Without what is below a microsecond.
pub fn truncate(time: OffsetDateTime) -> OffsetDateTime {
    time - Duration::nanoseconds(i64::from(time.nanosecond() % 1000))
}

/// For the wire.
pub fn to_proto(time: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: time.unix_timestamp(), nanos: time.nanosecond().cast_signed() }
}

/// From the wire, truncated. `None` outside of the years 1 to 9999, and for malformed nanoseconds.
pub fn from_proto(timestamp: &Timestamp) -> Option<OffsetDateTime> {
    let second = OffsetDateTime::from_unix_timestamp(timestamp.seconds).ok()?;
    let nanos = u32::try_from(timestamp.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    (FIRST..=LAST).contains(&second).then(|| truncate(second + Duration::nanoseconds(i64::from(nanos))))
}

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
        let time = now();
        assert_eq!(from_micros(micros(time)), time);
        assert_eq!(micros(from_micros(-1)), -1);
        assert_eq!(from_micros(i64::MAX).year(), 9999);
        assert_eq!(from_micros(i64::MIN).year(), -9999);
    }

    #[test]
    fn nothing_is_lost_above_a_microsecond() {
        for time in [FIRST, LAST, datetime!(1969-12-31 23:59:59.999_999 UTC), now()] {
            assert_eq!(from_proto(&to_proto(time)), Some(time));
        }
    }

    #[test]
    fn what_is_below_a_microsecond_is_cut_off() {
        for seconds in [-1, 0, 1] {
            let cut = from_proto(&Timestamp { seconds, nanos: 1_999 }).unwrap();
            assert_eq!(to_proto(cut), Timestamp { seconds, nanos: 1_000 });
        }
    }

    #[test]
    fn malformed_timestamps_are_none() {
        for (seconds, nanos) in [
            (0, -1),
            (0, 1_000_000_000),
            (i64::MAX, 0),
            (i64::MIN, 0),
            (253_402_300_800, 0),
            (-62_135_596_801, 0),
        ] {
            assert_eq!(from_proto(&Timestamp { seconds, nanos }), None, "{seconds} {nanos}");
        }
    }
}
