use proptest::prelude::*;

use super::*;

#[test]
fn intervals_are_read_as_in_postgres() {
    let table = [
        ("1 day", "1 day"),
        ("90 days", "90 days"),
        ("1 year 2 months", "1 year 2 mons"),
        ("14 mons", "1 year 2 mons"),
        ("1.5 hours", "01:30:00"),
        ("1.5 days", "1 day 12:00:00"),
        ("1.5 months", "1 mon 15 days"),
        ("1.5 years", "1 year 6 mons"),
        ("2 weeks", "14 days"),
        ("-1 day 02:00", "-1 days +02:00:00"),
        ("1 day -02:00", "1 day -02:00:00"),
        ("1 day ago", "-1 days"),
        ("100:00:00", "100:00:00"),
        ("5", "00:00:05"),
        ("90days", "90 days"),
        ("0.000001 seconds", "00:00:00.000001"),
        ("1 decade 1 century", "110 years"),
    ];
    for (text, shown) in table {
        assert_eq!(
            Interval::parse(text).map(|interval| interval.to_string()),
            Ok(shown.to_owned()),
            "{text}"
        );
    }
    for text in ["", "day", "1 fortnight", "1:2:3:4", "12:60", "x days", "1 day ago 2 days"] {
        assert!(Interval::parse(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn text_reads_back(months in -1_000i64..1_000, days in -10_000i64..10_000, micros in -DAY * 3..DAY * 3) {
        let interval = Interval { months, days, micros };
        let back = Interval::parse(&interval.to_string()).unwrap();
        prop_assert_eq!((back.months, back.days, back.micros), (months, days, micros));
    }

    #[test]
    fn a_negation_cancels(months in -1_000i64..1_000, days in -10_000i64..10_000, micros in any::<i32>()) {
        let interval = Interval { months, days, micros: i64::from(micros) };
        prop_assert_eq!(interval.plus(interval.negated().unwrap()).unwrap().length(), 0);
    }
}
