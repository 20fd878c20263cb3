//! Points in time as the wire has them, to the microsecond, which is what stores keep.

use prost_types::Timestamp;
use time::{Duration, OffsetDateTime, macros::datetime};

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

#[cfg(test)]
mod tests {
    use super::*;

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
