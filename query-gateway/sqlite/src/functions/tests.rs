use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn call(name: &str, args: &[Value<'_>]) -> Result<Output, Failure> {
    let fits = |scalar: &&Scalar| scalar.arguments.is_none_or(|count| usize::from(count) == args.len());
    (scalars().filter(|scalar| scalar.name == name).find(fits).unwrap().body)(args)
}

#[test]
fn names_are_prefixed_and_unique() {
    let mut seen = BTreeSet::new();
    for scalar in scalars() {
        let prefixed = ["pg_", "tributary_"].iter().any(|prefix| scalar.name.starts_with(prefix));
        assert!(prefixed, "{}", scalar.name);
        assert!(seen.insert((scalar.name, scalar.arguments)), "{} is defined twice", scalar.name);
    }
}

#[test]
fn doubles_are_shown_as_in_postgres() {
    let table = [
        (0.1, "0.1"),
        (1.0, "1"),
        (-0.0, "-0"),
        (1e14, "100000000000000"),
        (1e15, "1e+15"),
        (123_456_789_012_345.6, "123456789012345.6"),
        (1.234e-5, "1.234e-05"),
        (0.0001, "0.0001"),
        (1e300, "1e+300"),
        (f64::INFINITY, "Infinity"),
    ];
    for (value, shown) in table {
        assert_eq!(cast::format_double(value), shown);
    }
}

#[test]
fn what_could_fill_the_memory_is_refused() {
    assert!(call("pg_repeat", &[Value::Text("abc"), Value::Integer(i64::MAX)]).is_err());
    assert!(call("pg_lpad", &[Value::Text("abc"), Value::Integer(i64::MAX), Value::Text("x")]).is_err());
}

/// LIKE by its definition, on small inputs.
fn like_by_definition(text: &[char], pattern: &[char]) -> bool {
    match (text, pattern) {
        (_, ['%', rest @ ..]) => (0..=text.len()).any(|skip| like_by_definition(&text[skip..], rest)),
        ([_, text @ ..], ['_', rest @ ..]) => like_by_definition(text, rest),
        ([c, text @ ..], [p, rest @ ..]) => c == p && like_by_definition(text, rest),
        ([], []) => true,
        _ => false,
    }
}

proptest! {
    #[test]
    fn like_is_what_it_is_defined_to_be(text in "[ab]{0,8}", pattern in "[ab%_]{0,6}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(like(&text, &pattern, Some('\\')), Ok(like_by_definition(&chars(&text), &chars(&pattern))));
    }

    #[test]
    fn doubles_read_back(bits in any::<u64>()) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite());
        prop_assert_eq!(parse_double(&cast::format_double(value)), Ok(value));
    }

    #[test]
    fn left_and_right_split(text in ".{0,12}", count in 1i64..15) {
        let halves = [("pg_left", count), ("pg_right", -count)].map(|(name, count)| {
            match call(name, &[Value::Text(&text), Value::Integer(count)]) {
                Ok(Output::Text(half)) => half,
                other => panic!("{other:?}"),
            }
        });
        prop_assert_eq!(halves.concat(), text);
    }

    /// No argument makes any function panic: a panic would be reported as a defect of ours.
    #[test]
    fn no_function_panics(text in "[0-9a-z:. %-]{0,12}", integer in any::<i64>(), real in any::<f64>()) {
        let values = [Value::Text(&text), Value::Integer(integer), Value::Real(real), Value::Text("day"), Value::Integer(0)];
        for scalar in scalars() {
            let count = usize::from(scalar.arguments.unwrap_or(2));
            for start in 0..values.len() {
                let args: Vec<_> = (0..count).map(|at| values[(start + at) % values.len()]).collect();
                let _ = (scalar.body)(&args);
            }
        }
    }
}
