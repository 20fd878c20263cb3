use bigdecimal::num_bigint::BigInt;
use proptest::prelude::*;

use super::*;

fn numeric(text: &str) -> Numeric {
    Numeric::parse(text).unwrap()
}

#[test]
fn division_picks_the_scale_of_postgres() {
    let table = [
        ("1", "3", "0.33333333333333333333"),
        ("2", "3", "0.66666666666666666667"),
        ("10", "4", "2.5000000000000000"),
        ("1", "7000000", "0.000000142857142857142857"),
        ("100000", "7", "14285.714285714286"),
        ("12345678901234567890", "3", "4115226300411522630"),
        ("1.0000", "3", "0.33333333333333333333"),
        ("0", "5", "0.00000000000000000000"),
        ("-7", "2", "-3.5000000000000000"),
        ("1", "0.00003", "33333.333333333333"),
    ];
    for (left, right, quotient) in table {
        assert_eq!(numeric(left).div(&numeric(right)).unwrap().to_string(), quotient, "{left} / {right}");
    }
    assert_eq!(numeric("1").div(&numeric("0.00")), Err(Failure::division_by_zero()));
}

#[test]
fn what_is_no_number_is_refused() {
    for text in ["", " ", ".", "+", "1e", "1e1.5", "1.2.3", "0x10", "NaN", "Infinity", "1_000", "--1", "1 2"]
    {
        assert!(Numeric::parse(text).is_err(), "{text}");
    }
    for (text, shown) in
        [(" 1.50 ", "1.50"), ("+1", "1"), (".5", "0.5"), ("5.", "5"), ("1e3", "1000"), ("-1.5E-2", "-0.015")]
    {
        assert_eq!(numeric(text).to_string(), shown);
    }
}

#[test]
fn sizes_are_bounded() {
    assert!(Numeric::parse("1e999999999999").is_err());
    assert!(Numeric::parse("1e-999999999999").is_err());
    let large = numeric("1e131071");
    assert!(large.mul(&numeric("10")).is_err());
    assert_eq!(numeric("1e-16383").mul(&numeric("0.1")).unwrap().scale(), MAX_SCALE);
}

proptest! {
    #[test]
    fn sums_and_differences_cancel(a in any::<i64>(), b in any::<i64>(), scale in 0i64..20) {
        let a = Numeric(BigDecimal::new(BigInt::from(a), scale));
        let b = Numeric(BigDecimal::new(BigInt::from(b), 3));
        prop_assert_eq!(&a.add(&b).unwrap().sub(&b).unwrap(), &a);
        prop_assert_eq!(a.add(&b).unwrap(), b.add(&a).unwrap());
        prop_assert_eq!(a.neg().neg(), a);
    }

    #[test]
    fn a_quotient_is_off_by_half_a_digit_at_most(a in any::<i64>(), b in any::<i64>().prop_filter("not 0", |b| *b != 0)) {
        let (a, b) = (Numeric::from(a), Numeric::from(b));
        let quotient = a.div(&b).unwrap();
        let error = quotient.mul(&b).unwrap().sub(&a).unwrap().abs();
        let half = Numeric(BigDecimal::new(BigInt::from(5), quotient.scale() + 1));
        prop_assert!(error <= half.mul(&b.abs()).unwrap());
        prop_assert!(quotient.scale() >= 0);
    }

    #[test]
    fn a_remainder_completes_the_quotient(a in any::<i64>(), b in any::<i64>().prop_filter("not 0", |b| *b != 0)) {
        let expected = Numeric::from(a.wrapping_rem(b));
        prop_assert_eq!(Numeric::from(a).rem(&Numeric::from(b)).unwrap(), expected);
    }

    #[test]
    fn text_reads_back(digits in any::<i128>(), scale in 0i64..40) {
        let value = Numeric(BigDecimal::new(BigInt::from(digits), scale));
        let back = numeric(&value.to_string());
        prop_assert_eq!(back.scale(), value.scale());
        prop_assert_eq!(back, value);
    }

    #[test]
    fn the_collation_sorts_by_value(a in any::<i32>(), b in any::<i32>(), scale in 0i64..6) {
        let (left, right) = (BigDecimal::new(BigInt::from(a), scale), BigDecimal::new(BigInt::from(b), scale));
        prop_assert_eq!(collate(&left.to_plain_string(), &right.to_plain_string()), a.cmp(&b));
    }

    #[test]
    fn doubles_convert_to_15_digits(value in -1e15f64..1e15) {
        let expected: f64 = format!("{value:.14e}").parse().unwrap();
        prop_assert_eq!(Numeric::from_double(value).unwrap().to_double().unwrap(), expected);
    }
}
