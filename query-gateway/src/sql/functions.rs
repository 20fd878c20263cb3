//! The functions and operators of one row: one table with their types, how they treat NULL, and what they are called in
//! SQLite. All of them are deterministic; those that are not are refused by name, below.

use super::types::Ty::{
    self, Bigint, Bool, Bytea, Date, Double, Integer, Interval, Jsonb, Numeric, Text, Timestamptz, Whole,
};

/// One overload.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// As in PostgreSQL, in lower case; an operator by its sign. With a blank in it: not for users.
    pub name: &'static str,
    /// Types of the arguments; of a variadic function the last repeats.
    pub arguments: &'static [Ty],
    /// Whether the last argument repeats.
    pub variadic: bool,
    /// Type of the result.
    pub result: Ty,
    /// When the result is NULL.
    pub nulls: Nulls,
    /// How SQLite computes it.
    pub sqlite: Sqlite,
}

/// When the result is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// When an argument is.
    Strict,
    /// When all arguments are.
    WhenAll,
    /// Perhaps.
    Maybe,
    /// Never.
    Never,
}

/// How SQLite computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sqlite {
    /// By a function of that name.
    Call(&'static str),
    /// By an operator between the arguments.
    Infix(&'static str),
}

const fn f(name: &'static str, arguments: &'static [Ty], result: Ty, sqlite: &'static str) -> Function {
    Function { name, arguments, variadic: false, result, nulls: Nulls::Strict, sqlite: Sqlite::Call(sqlite) }
}

const fn variadic(
    name: &'static str,
    arguments: &'static [Ty],
    result: Ty,
    nulls: Nulls,
    sqlite: &'static str,
) -> Function {
    Function { name, arguments, variadic: true, result, nulls, sqlite: Sqlite::Call(sqlite) }
}

const fn maybe(name: &'static str, arguments: &'static [Ty], result: Ty, sqlite: &'static str) -> Function {
    Function { name, arguments, variadic: false, result, nulls: Nulls::Maybe, sqlite: Sqlite::Call(sqlite) }
}

/// Of a value for jsonb_build_object and jsonb_agg: NULL becomes null.
const fn to_jsonb(arguments: &'static [Ty], sqlite: &'static str) -> Function {
    Function {
        name: TO_JSONB,
        arguments,
        variadic: false,
        result: Jsonb,
        nulls: Nulls::Never,
        sqlite: Sqlite::Call(sqlite),
    }
}

/// Name of the conversion that jsonb_build_object and its kin apply to values.
pub(crate) const TO_JSONB: &str = "as jsonb";

/// Name of the sum in a tally, which a materialized view keeps of SUM(numeric).
pub(crate) const TALLY_SUM: &str = "tally sum";

/// Every overload.
pub static FUNCTIONS: &[Function] = &[
    // Operators. Arithmetic of integers is computed as bigint: what overflows an integer goes on.
    f("+", &[Integer, Integer], Integer, "pg_add_bigint"),
    f("+", &[Bigint, Bigint], Bigint, "pg_add_bigint"),
    f("+", &[Numeric, Numeric], Numeric, "pg_add_numeric"),
    f("+", &[Double, Double], Double, "pg_add_double"),
    f("+", &[Timestamptz, Interval], Timestamptz, "pg_add_timestamptz"),
    f("+", &[Date, Bigint], Date, "pg_add_date"),
    f("+", &[Interval, Interval], Interval, "pg_add_interval"),
    f("-", &[Integer, Integer], Integer, "pg_sub_bigint"),
    f("-", &[Bigint, Bigint], Bigint, "pg_sub_bigint"),
    f("-", &[Numeric, Numeric], Numeric, "pg_sub_numeric"),
    f("-", &[Double, Double], Double, "pg_sub_double"),
    f("-", &[Timestamptz, Timestamptz], Interval, "pg_diff_timestamptz"),
    f("-", &[Timestamptz, Interval], Timestamptz, "pg_sub_timestamptz"),
    f("-", &[Date, Date], Integer, "pg_diff_date"),
    f("-", &[Interval, Interval], Interval, "pg_sub_interval"),
    f("*", &[Integer, Integer], Integer, "pg_mul_bigint"),
    f("*", &[Bigint, Bigint], Bigint, "pg_mul_bigint"),
    f("*", &[Numeric, Numeric], Numeric, "pg_mul_numeric"),
    f("*", &[Double, Double], Double, "pg_mul_double"),
    f("*", &[Interval, Double], Interval, "pg_mul_interval"),
    f("/", &[Integer, Integer], Integer, "pg_div_bigint"),
    f("/", &[Bigint, Bigint], Bigint, "pg_div_bigint"),
    f("/", &[Numeric, Numeric], Numeric, "pg_div_numeric"),
    f("/", &[Double, Double], Double, "pg_div_double"),
    f("%", &[Integer, Integer], Integer, "pg_mod_bigint"),
    f("%", &[Bigint, Bigint], Bigint, "pg_mod_bigint"),
    f("%", &[Numeric, Numeric], Numeric, "pg_mod_numeric"),
    f("negate", &[Integer], Integer, "pg_neg_bigint"),
    f("negate", &[Bigint], Bigint, "pg_neg_bigint"),
    f("negate", &[Numeric], Numeric, "pg_neg_numeric"),
    // 0 - x would lose the sign of a zero.
    f("negate", &[Double], Double, "pg_neg_double"),
    f("negate", &[Interval], Interval, "pg_neg_interval"),
    Function {
        name: "||",
        arguments: &[Text, Text],
        variadic: false,
        result: Text,
        nulls: Nulls::Strict,
        sqlite: Sqlite::Infix("||"),
    },
    maybe("->", &[Jsonb, Text], Jsonb, "pg_jsonb_get"),
    maybe("->", &[Jsonb, Bigint], Jsonb, "pg_jsonb_get"),
    maybe("->>", &[Jsonb, Text], Text, "pg_jsonb_get_text"),
    maybe("->>", &[Jsonb, Bigint], Text, "pg_jsonb_get_text"),
    f("like", &[Text, Text, Text], Bool, "pg_like"),
    f("ilike", &[Text, Text, Text], Bool, "pg_ilike"),
    // Numbers.
    f("abs", &[Integer], Integer, "abs"),
    f("abs", &[Bigint], Bigint, "abs"),
    f("abs", &[Numeric], Numeric, "pg_abs_numeric"),
    f("abs", &[Double], Double, "abs"),
    f("mod", &[Integer, Integer], Integer, "pg_mod_bigint"),
    f("mod", &[Bigint, Bigint], Bigint, "pg_mod_bigint"),
    f("mod", &[Numeric, Numeric], Numeric, "pg_mod_numeric"),
    f("round", &[Numeric], Numeric, "pg_round_numeric"),
    f("round", &[Numeric, Bigint], Numeric, "pg_round_numeric"),
    f("round", &[Double], Double, "pg_round_double"),
    f("trunc", &[Numeric], Numeric, "pg_trunc_numeric"),
    f("trunc", &[Numeric, Bigint], Numeric, "pg_trunc_numeric"),
    f("trunc", &[Double], Double, "pg_trunc_double"),
    f("floor", &[Numeric], Numeric, "pg_floor_numeric"),
    f("floor", &[Double], Double, "pg_floor_double"),
    f("ceil", &[Numeric], Numeric, "pg_ceil_numeric"),
    f("ceil", &[Double], Double, "pg_ceil_double"),
    f("ceiling", &[Numeric], Numeric, "pg_ceil_numeric"),
    f("ceiling", &[Double], Double, "pg_ceil_double"),
    f("sqrt", &[Double], Double, "pg_sqrt_double"),
    f("power", &[Double, Double], Double, "pg_power_double"),
    f("numeric fit", &[Numeric, Bigint, Bigint], Numeric, "pg_numeric_fit"),
    f(TALLY_SUM, &[Text], Numeric, "tributary_tally_sum"),
    // Text.
    f("lower", &[Text], Text, "pg_lower"),
    f("upper", &[Text], Text, "pg_upper"),
    f("length", &[Text], Integer, "length"),
    f("length", &[Bytea], Integer, "length"),
    f("char_length", &[Text], Integer, "length"),
    f("character_length", &[Text], Integer, "length"),
    f("substring", &[Text, Bigint], Text, "pg_substring"),
    f("substring", &[Text, Bigint, Bigint], Text, "pg_substring"),
    f("substr", &[Text, Bigint], Text, "pg_substring"),
    f("substr", &[Text, Bigint, Bigint], Text, "pg_substring"),
    f("left", &[Text, Bigint], Text, "pg_left"),
    f("right", &[Text, Bigint], Text, "pg_right"),
    f("strpos", &[Text, Text], Integer, "pg_strpos"),
    f("starts_with", &[Text, Text], Bool, "pg_starts_with"),
    f("replace", &[Text, Text, Text], Text, "replace"),
    f("btrim", &[Text], Text, "trim"),
    f("btrim", &[Text, Text], Text, "trim"),
    f("ltrim", &[Text], Text, "ltrim"),
    f("ltrim", &[Text, Text], Text, "ltrim"),
    f("rtrim", &[Text], Text, "rtrim"),
    f("rtrim", &[Text, Text], Text, "rtrim"),
    f("split_part", &[Text, Text, Bigint], Text, "pg_split_part"),
    f("lpad", &[Text, Bigint, Text], Text, "pg_lpad"),
    f("rpad", &[Text, Bigint, Text], Text, "pg_rpad"),
    f("repeat", &[Text, Bigint], Text, "pg_repeat"),
    f("reverse", &[Text], Text, "pg_reverse"),
    variadic("concat", &[Text], Text, Nulls::Never, "pg_concat"),
    variadic("concat_ws", &[Text, Text], Text, Nulls::Maybe, "pg_concat_ws"),
    // Time.
    f("date_trunc", &[Text, Timestamptz], Timestamptz, "pg_date_trunc"),
    f("date_bin", &[Interval, Timestamptz, Timestamptz], Timestamptz, "pg_date_bin"),
    f("to_timestamp", &[Double], Timestamptz, "pg_timestamptz_from_epoch"),
    f("to_char", &[Timestamptz, Text], Text, "pg_to_char"),
    f("extract whole", &[Text, Timestamptz], Whole, "pg_extract_whole"),
    f("extract", &[Text, Timestamptz], Numeric, "pg_extract"),
    f("extract", &[Text, Interval], Numeric, "pg_extract_interval"),
    // Choices; all arguments are of one type.
    variadic("greatest", &[Numeric], Numeric, Nulls::WhenAll, "pg_greatest_numeric"),
    variadic("greatest", &[Interval], Interval, Nulls::WhenAll, "pg_greatest_interval"),
    variadic("greatest", &[Bool], Bool, Nulls::WhenAll, "pg_greatest"),
    variadic("greatest", &[Integer], Integer, Nulls::WhenAll, "pg_greatest"),
    variadic("greatest", &[Bigint], Bigint, Nulls::WhenAll, "pg_greatest"),
    variadic("greatest", &[Whole], Whole, Nulls::WhenAll, "pg_greatest"),
    variadic("greatest", &[Double], Double, Nulls::WhenAll, "pg_greatest"),
    variadic("greatest", &[Text], Text, Nulls::WhenAll, "pg_greatest"),
    variadic("greatest", &[Timestamptz], Timestamptz, Nulls::WhenAll, "pg_greatest"),
    variadic("greatest", &[Date], Date, Nulls::WhenAll, "pg_greatest"),
    variadic("least", &[Numeric], Numeric, Nulls::WhenAll, "pg_least_numeric"),
    variadic("least", &[Interval], Interval, Nulls::WhenAll, "pg_least_interval"),
    variadic("least", &[Bool], Bool, Nulls::WhenAll, "pg_least"),
    variadic("least", &[Integer], Integer, Nulls::WhenAll, "pg_least"),
    variadic("least", &[Bigint], Bigint, Nulls::WhenAll, "pg_least"),
    variadic("least", &[Whole], Whole, Nulls::WhenAll, "pg_least"),
    variadic("least", &[Double], Double, Nulls::WhenAll, "pg_least"),
    variadic("least", &[Text], Text, Nulls::WhenAll, "pg_least"),
    variadic("least", &[Timestamptz], Timestamptz, Nulls::WhenAll, "pg_least"),
    variadic("least", &[Date], Date, Nulls::WhenAll, "pg_least"),
    // Documents.
    to_jsonb(&[Bool], "pg_jsonb_of_bool"),
    to_jsonb(&[Bigint], "pg_jsonb_of_number"),
    to_jsonb(&[Whole], "pg_jsonb_of_number"),
    to_jsonb(&[Numeric], "pg_jsonb_of_number"),
    to_jsonb(&[Double], "pg_jsonb_of_number"),
    to_jsonb(&[Text], "pg_jsonb_of_text"),
    to_jsonb(&[Interval], "pg_jsonb_of_text"),
    to_jsonb(&[Timestamptz], "pg_jsonb_of_timestamptz"),
    to_jsonb(&[Jsonb], "pg_jsonb_of_jsonb"),
    variadic("jsonb_build_object", &[Jsonb], Jsonb, Nulls::Never, "pg_jsonb_build_object"),
    variadic("jsonb_build_array", &[Jsonb], Jsonb, Nulls::Never, "pg_jsonb_build_array"),
];

/// Functions that PostgreSQL has and this dialect refuses: names, reason, alternative.
pub(super) const REFUSED: &[(&[&str], &str, &str)] = &[
    (
        &[
            "now",
            "current_timestamp",
            "current_date",
            "current_time",
            "localtime",
            "localtimestamp",
            "clock_timestamp",
            "statement_timestamp",
            "transaction_timestamp",
            "timeofday",
            "age",
        ],
        "its value changes without any change of the data, so that an answer could not be checked or kept",
        "pass the time as a parameter, or write it as timestamptz '2024-01-31 12:00:00+00'",
    ),
    (
        &["random", "gen_random_uuid", "uuid_generate_v4", "setseed"],
        "it is not deterministic",
        "compute the value where the data is written",
    ),
    (
        &["array_agg", "unnest", "array_length", "string_to_array", "any_value"],
        "arrays are not supported",
        "use jsonb_agg or string_agg",
    ),
    (&["date"], "a result cannot be of type date", "use date_trunc('day', ..)"),
];

/// The overloads of a name.
pub(super) fn overloads(name: &str) -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().filter(move |function| function.name == name)
}

impl Function {
    /// Type of the argument at a place.
    pub(super) fn argument(&self, at: usize) -> Ty {
        self.arguments[at.min(self.arguments.len() - 1)]
    }

    fn accepts(&self, count: usize) -> bool {
        if self.variadic { count >= self.arguments.len() } else { count == self.arguments.len() }
    }
}

/// The overload for arguments of these types, by PostgreSQL's rules: most exact matches, then most preferred types; a
/// quoted literal goes with the other operand if it can.
pub(crate) fn choose(name: &str, types: &[Ty]) -> Option<&'static Function> {
    let literal_like_other = |function: &Function| {
        let known = types.iter().find(|ty| **ty != Ty::Unknown);
        known.is_some_and(|known| (0..types.len()).all(|at| is_exact(*known, function.argument(at))))
    };
    let score = |function: &'static Function| {
        let pairs = || types.iter().enumerate().map(|(at, ty)| (*ty, function.argument(at)));
        if !function.accepts(types.len()) || !pairs().all(|(from, to)| from.implicit_cost(to).is_some()) {
            return None;
        }
        let exact = pairs().filter(|(from, to)| is_exact(*from, *to)).count();
        let preferred = pairs().filter(|(from, to)| is_exact(*from, *to) || is_preferred(*to)).count();
        let unknown = types.contains(&Ty::Unknown) && literal_like_other(function);
        Some(((unknown, exact, preferred), function))
    };
    let scored: Vec<_> = overloads(name).filter_map(score).collect();
    let best = scored.iter().map(|(score, _)| *score).max()?;
    scored.into_iter().find(|(score, _)| *score == best).map(|(_, function)| function)
}

/// To PostgreSQL a whole number of this dialect is a numeric like any other; and what takes bigint takes integer there.
fn is_exact(from: Ty, to: Ty) -> bool {
    from == to || matches!((from, to), (Whole, Numeric) | (Integer, Bigint))
}

fn is_preferred(ty: Ty) -> bool {
    matches!(ty, Bool | Double | Text | Timestamptz | Interval)
}
