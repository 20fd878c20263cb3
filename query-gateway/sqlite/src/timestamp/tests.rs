use proptest::prelude::*;
use time::{Duration, OffsetDateTime, macros::datetime};

use super::*;

fn at(text: &str) -> i64 {
    parse(text).unwrap()
}

#[test]
fn timestamps_are_read_as_in_postgres() {
    let table = [
        ("2024-02-29", "2024-02-29 00:00:00+00"),
        ("2024-02-29 12:34", "2024-02-29 12:34:00+00"),
        ("2024-02-29T12:34:56.789Z", "2024-02-29 12:34:56.789+00"),
        ("2024-02-29 12:34:56.7891235", "2024-02-29 12:34:56.789124+00"),
        ("2024-02-29 00:30+02", "2024-02-28 22:30:00+00"),
        ("2024-02-29 00:30 -0230", "2024-02-29 03:00:00+00"),
        (" 2024-02-29 00:30:00 UTC ", "2024-02-29 00:30:00+00"),
        ("0001-01-01", "0001-01-01 00:00:00+00"),
        ("9999-12-31 23:59:59.999999", "9999-12-31 23:59:59.999999+00"),
    ];
    for (text, shown) in table {
        assert_eq!(parse(text).and_then(format), Ok(shown.to_owned()), "{text}");
    }
    let bad = [
        "",
        "now",
        "2023-02-29",
        "2024-13-01",
        "2024-1-1",
        "2024-01-01 25:00",
        "2024-01-01 10:60",
        "2024-01-01 x",
        "ä024-01-01",
    ];
    for text in bad {
        assert!(parse(text).is_err(), "{text}");
    }
}

#[test]
fn an_instant_beyond_the_calendar_is_an_error() {
    for micros in [i64::MIN, i64::MAX, at("9999-12-31 23:59:59.999999") + 1, at("0001-01-01") - 1] {
        assert!(
            format(micros).is_err() && truncate("day", micros).is_err() && extract("year", micros).is_err()
        );
        assert!(add(micros, Interval::default()).is_err());
    }
}

#[test]
fn the_day_is_cut_to_the_month() {
    let month = |months| Interval { months, ..Interval::default() };
    assert_eq!(add(at("2024-01-31"), month(1)), Ok(at("2024-02-29")));
    assert_eq!(add(at("2024-01-31"), month(13)), Ok(at("2025-02-28")));
    assert_eq!(add(at("2024-03-31"), month(-1)), Ok(at("2024-02-29")));
}

/// Any instant of the supported years.
fn instants() -> impl Strategy<Value = i64> {
    let (first, last) = (datetime!(0001-01-01 0:00 UTC), datetime!(9999-12-31 23:59:59 UTC));
    (first.unix_timestamp() * SECOND..last.unix_timestamp() * SECOND).prop_map(|micros| micros)
}

fn reference(micros: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::microseconds(micros)
}

proptest! {
    #[test]
    fn text_reads_back(micros in instants()) {
        prop_assert_eq!(parse(&format(micros).unwrap()), Ok(micros));
        prop_assert_eq!(parse(&format_iso(micros).unwrap()), Ok(micros));
    }

    #[test]
    fn fields_are_those_of_the_calendar(micros in instants()) {
        let at = reference(micros);
        let field = |name: &str| extract(name, micros).unwrap().to_bigint().unwrap();
        prop_assert_eq!(field("year"), i64::from(at.year()));
        prop_assert_eq!(field("month"), i64::from(u8::from(at.month())));
        prop_assert_eq!(field("day"), i64::from(at.day()));
        prop_assert_eq!(field("hour"), i64::from(at.hour()));
        prop_assert_eq!(field("minute"), i64::from(at.minute()));
        prop_assert_eq!(field("doy"), i64::from(at.ordinal()));
        prop_assert_eq!(field("week"), i64::from(at.iso_week()));
        prop_assert_eq!(field("isodow") % 7, field("dow"));
        prop_assert_eq!(field("microseconds"), i64::from(at.second()) * SECOND + i64::from(at.microsecond()));
        let epoch = extract("epoch", micros).unwrap().mul(&Numeric::from(SECOND)).unwrap();
        prop_assert_eq!(epoch.to_bigint().unwrap(), micros);
    }

    /// A truncated instant is not later, is a fixed point, and starts a new unit: the microsecond before is in another.
    #[test]
    fn truncation_finds_the_start(micros in instants(), unit in prop::sample::select(vec![
        "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year",
    ])) {
        prop_assume!(micros > at("0002-01-01"));
        let start = truncate(unit, micros).unwrap();
        prop_assert!(start <= micros);
        prop_assert_eq!(truncate(unit, start).unwrap(), start);
        prop_assert!(truncate(unit, start - 1).unwrap() < start);
        let same = match unit {
            "month" => (reference(start).month(), reference(start).day()) == (reference(micros).month(), 1),
            "year" => reference(start).date() == reference(micros).date().replace_ordinal(1).unwrap(),
            "week" => reference(start).to_iso_week_date().1 == reference(micros).iso_week(),
            "day" => reference(start).date() == reference(micros).date(),
            _ => true,
        };
        prop_assert!(same);
    }

    #[test]
    fn a_difference_adds_up(left in instants(), right in instants()) {
        prop_assert_eq!(add(right, difference(left, right).unwrap()), Ok(left));
    }

    #[test]
    fn a_bin_holds_its_instant(micros in instants(), minutes in 1i64..10_000) {
        let stride = Interval { micros: minutes * MINUTE, ..Interval::default() };
        let start = bin(stride, micros, at("2001-01-01")).unwrap();
        prop_assert!(start <= micros && micros < start + minutes * MINUTE);
        prop_assert_eq!((start - at("2001-01-01")).rem_euclid(minutes * MINUTE), 0);
    }
}
