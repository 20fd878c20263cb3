//! The expressions of the dialect, each with places for others. What can raise is guarded, except in [`RAISING`]; and
//! arithmetic of doubles stays exact, so that no sum depends on the order of its rows.

use super::super::query::{Result, Template};
use crate::sql::types::Ty;

const fn b(name: &'static str, text: &'static str) -> Template {
    Template { name, text, result: Result::Of(Ty::Bool) }
}

const fn widest(name: &'static str, text: &'static str) -> Template {
    Template { name, text, result: Result::Widest }
}

const fn of(name: &'static str, ty: Ty, text: &'static str) -> Template {
    Template { name, text, result: Result::Of(ty) }
}

/// What is drawn everywhere.
pub(in super::super) static TEMPLATES: &[Template] = &[
    // Conditions.
    b("comparison", "{i} = {i}"),
    b("comparison", "{t} = {t}"),
    b("comparison", "{y} = {y}"),
    b("comparison", "{v} = {v}"),
    b("comparison", "{t} <> {t}"),
    b("comparison", "{d} <> {d}"),
    b("comparison", "{i} < {n}"),
    b("comparison", "{t} < {t}"),
    b("comparison", "{z} <= {z}"),
    b("comparison", "{b} <= {b}"),
    b("comparison", "{i} > {i}"),
    b("comparison", "{z} > {z}"),
    b("comparison", "{d} >= {i}"),
    b("comparison", "{n} >= {n}"),
    b("AND", "{b} AND {b}"),
    b("OR", "{b} OR {b}"),
    b("NOT", "NOT {b}"),
    b("IS NULL", "{t} IS NULL"),
    b("IS NULL", "{z} IS NULL"),
    b("IS NOT NULL", "{i} IS NOT NULL"),
    b("IS NOT NULL", "{d} IS NOT NULL"),
    b("IS DISTINCT FROM", "{t} IS DISTINCT FROM {t}"),
    b("IS DISTINCT FROM", "{n} IS DISTINCT FROM {i}"),
    b("IS NOT DISTINCT FROM", "{i} IS NOT DISTINCT FROM {i}"),
    b("IS NOT DISTINCT FROM", "{z} IS NOT DISTINCT FROM {z}"),
    b("IS TRUE", "{b} IS TRUE"),
    b("IS TRUE", "{b} IS NOT TRUE"),
    b("IS TRUE", "{b} IS FALSE"),
    b("IS TRUE", "{b} IS NOT FALSE"),
    b("IS TRUE", "{b} IS UNKNOWN"),
    b("IN", "{i} IN (1, {i}, 3)"),
    b("IN", "{t} IN ('a', {t}, NULL)"),
    b("NOT IN", "{i} NOT IN (2, {i})"),
    b("NOT IN", "{t} NOT IN ('b', {t})"),
    b("BETWEEN", "{i} BETWEEN {i} AND {i}"),
    b("BETWEEN", "{z} BETWEEN {z} AND {z}"),
    b("BETWEEN", "{t} NOT BETWEEN {t} AND {t}"),
    b("LIKE", "{t} LIKE '%b%'"),
    b("LIKE", "{t} LIKE 'a_'"),
    b("LIKE", "{t} NOT LIKE {t}"),
    b("ILIKE", "{t} ILIKE 'A%'"),
    b("starts_with", "starts_with({t}, {t})"),
    b("CASE", "CASE WHEN {b} THEN {b} END"),
    b("COALESCE", "COALESCE({b}, {b})"),
    // Integers.
    widest("+", "{i} + {i}"),
    widest("-", "{i} - {i}"),
    widest("*", "({i} % 7) * {i}"),
    widest("/", "{i} / NULLIF({i}, 0)"),
    widest("%", "{i} % NULLIF({i}, 0)"),
    widest("- x", "-({i})"),
    widest("abs", "abs({i})"),
    widest("mod", "mod({i}, 5)"),
    widest("CASE", "CASE WHEN {b} THEN {i} ELSE {i} END"),
    widest("CASE", "CASE {t} WHEN 'a' THEN {i} WHEN {t} THEN {i} END"),
    widest("COALESCE", "COALESCE({i}, {i})"),
    Template { name: "NULLIF", text: "NULLIF({i}, {i})", result: Result::First },
    widest("GREATEST", "GREATEST({i}, {i})"),
    widest("LEAST", "LEAST({i}, {i}, {i})"),
    of("length", Ty::Integer, "length({t})"),
    of("strpos", Ty::Integer, "strpos({t}, {t})"),
    of("CAST", Ty::Bigint, "CAST({n} AS bigint)"),
    of("::", Ty::Bigint, "{d}::bigint"),
    of("extract", Ty::Bigint, "extract(month FROM {z})::bigint"),
    of("::", Ty::Integer, "{z}::date - {z}::date"),
    // Numerics.
    of("+", Ty::Numeric, "{n} + {i}"),
    of("-", Ty::Numeric, "{n} - {n}"),
    of("*", Ty::Numeric, "{n} * 1.5"),
    of("*", Ty::Numeric, "{i} * 0.25"),
    of("/", Ty::Numeric, "{n} / NULLIF({n}, 0)"),
    of("/", Ty::Numeric, "{n} / 4"),
    of("%", Ty::Numeric, "{n} % 2.5"),
    of("- x", Ty::Numeric, "-({n})"),
    of("abs", Ty::Numeric, "abs({n})"),
    of("round", Ty::Numeric, "round({n}, 2)"),
    of("round", Ty::Numeric, "round({n})"),
    of("trunc", Ty::Numeric, "trunc({n}, 1)"),
    of("floor", Ty::Numeric, "floor({n})"),
    of("ceil", Ty::Numeric, "ceil({n})"),
    of("::", Ty::Numeric, "{i}::numeric"),
    of("CAST", Ty::Numeric, "CAST({n} AS numeric(20, 3))"),
    of("extract", Ty::Numeric, "extract(year FROM {z})"),
    of("extract", Ty::Numeric, "extract(epoch FROM {z})"),
    of("CASE", Ty::Numeric, "CASE WHEN {b} THEN {i} ELSE {n} END"),
    of("COALESCE", Ty::Numeric, "COALESCE({n}, {i})"),
    of("NULLIF", Ty::Numeric, "NULLIF({n}, {n})"),
    of("GREATEST", Ty::Numeric, "GREATEST({n}, {i})"),
    // Doubles.
    of("+", Ty::Double, "{d} + {d}"),
    of("-", Ty::Double, "{d} - {i}"),
    of("*", Ty::Double, "{d} * 2"),
    of("/", Ty::Double, "{d} / 2"),
    of("- x", Ty::Double, "-({d})"),
    of("abs", Ty::Double, "abs({d})"),
    of("round", Ty::Double, "round({d})"),
    of("floor", Ty::Double, "floor({d})"),
    of("ceil", Ty::Double, "ceil({d})"),
    of("trunc", Ty::Double, "trunc({d})"),
    of("sqrt", Ty::Double, "round(sqrt(abs({d})))"),
    of("power", Ty::Double, "power(LEAST(GREATEST(round({d}), -9), 9), 2)"),
    of("::", Ty::Double, "{i}::double precision"),
    of("date_part", Ty::Double, "date_part('hour', {z})"),
    of("CASE", Ty::Double, "CASE WHEN {b} THEN {d} ELSE {i} END"),
    of("COALESCE", Ty::Double, "COALESCE({d}, {d})"),
    of("NULLIF", Ty::Double, "NULLIF({d}, {d})"),
    // Texts.
    of("||", Ty::Text, "{t} || {t}"),
    of("||", Ty::Text, "{t} || {i}"),
    of("lower", Ty::Text, "lower({t})"),
    of("upper", Ty::Text, "upper({t})"),
    of("trim", Ty::Text, "trim({t})"),
    of("trim", Ty::Text, "trim(leading 'a' FROM {t})"),
    of("btrim", Ty::Text, "btrim({t}, 'b ')"),
    of("ltrim", Ty::Text, "ltrim({t})"),
    of("rtrim", Ty::Text, "rtrim({t}, '0a')"),
    of("lpad", Ty::Text, "lpad({t}, 4, '*')"),
    of("rpad", Ty::Text, "rpad({t}, 3, '+-')"),
    of("substring", Ty::Text, "substring({t} FROM 2 FOR 2)"),
    of("substring", Ty::Text, "substring({t} FROM 2)"),
    of("left", Ty::Text, "left({t}, 2)"),
    of("right", Ty::Text, "right({t}, -1)"),
    of("replace", Ty::Text, "replace({t}, 'a', {t})"),
    of("reverse", Ty::Text, "reverse({t})"),
    of("repeat", Ty::Text, "repeat(left({t}, 3), 2)"),
    of("split_part", Ty::Text, "split_part({t}, 'b', 1)"),
    of("concat", Ty::Text, "concat({t}, {i}, {b})"),
    of("concat_ws", Ty::Text, "concat_ws('-', {t}, {t})"),
    of("::", Ty::Text, "{i}::text"),
    of("::", Ty::Text, "{b}::text"),
    of("CAST", Ty::Text, "CAST({z} AS text)"),
    of("round", Ty::Text, "round({n}, 2)::text"),
    of("to_char", Ty::Text, "to_char({z}, 'YYYY-MM-DD')"),
    of("->>", Ty::Text, "{j} ->> 'a'"),
    of("->>", Ty::Text, "{j} ->> 0"),
    of("CASE", Ty::Text, "CASE WHEN {b} THEN {t} WHEN {b} THEN {t} ELSE {t} END"),
    of("COALESCE", Ty::Text, "COALESCE({t}, {t})"),
    of("NULLIF", Ty::Text, "NULLIF({t}, {t})"),
    of("LEAST", Ty::Text, "LEAST({t}, {t})"),
    // Bytes.
    of("COALESCE", Ty::Bytea, "COALESCE({y}, {y})"),
    of("CASE", Ty::Bytea, "CASE WHEN {b} THEN {y} END"),
    // Times.
    of("date_trunc", Ty::Timestamptz, "date_trunc('month', {z})"),
    of("date_trunc", Ty::Timestamptz, "date_trunc('day', {z})"),
    of("date_trunc", Ty::Timestamptz, "date_trunc('week', {z})"),
    of("date_bin", Ty::Timestamptz, "date_bin('6 hours', {z}, timestamptz '2001-01-01 00:00:00+00')"),
    of("interval", Ty::Timestamptz, "{z} + interval '1 month'"),
    of("interval", Ty::Timestamptz, "{z} - interval '36 hours'"),
    of("interval", Ty::Timestamptz, "{z} + {v}"),
    of("to_timestamp", Ty::Timestamptz, "to_timestamp({i} % 1000)"),
    of("CASE", Ty::Timestamptz, "CASE WHEN {b} THEN {z} ELSE {z} END"),
    of("COALESCE", Ty::Timestamptz, "COALESCE({z}, {z})"),
    of("GREATEST", Ty::Timestamptz, "GREATEST({z}, {z})"),
    // Intervals: the same length is always the same text.
    of("interval", Ty::Interval, "{z} - {z}"),
    of("CASE", Ty::Interval, "CASE WHEN {b} THEN {v} END"),
    // Documents.
    of("jsonb_build_object", Ty::Jsonb, "jsonb_build_object('a', {i}, 'b', {t}, 'c', {b})"),
    of("jsonb_build_array", Ty::Jsonb, "jsonb_build_array({t}, {z}, {n})"),
    of("->", Ty::Jsonb, "{j} -> 'b'"),
    of("->", Ty::Jsonb, "{j} -> 1"),
];

/// What raises for some values: drawn rarely, and where PostgreSQL computes each row of the answer exactly once.
pub(in super::super) static RAISING: &[Template] = &[
    widest("something that raises", "12 / {i}"),
    of("something that raises", Ty::Bigint, "{t}::bigint"),
    of("something that raises", Ty::Bigint, "9223372036854775800 + {i}"),
];

/// Conditions over a query, whose column is compared with the argument if there is one.
pub(in super::super) static CONDITIONS: &[Template] = &[
    b("EXISTS", "EXISTS ({q})"),
    b("NOT EXISTS", "NOT EXISTS ({q})"),
    b("IN (SELECT ..)", "{x} IN ({q})"),
    b("NOT IN (SELECT ..)", "{x} NOT IN ({q})"),
];

/// Constants of a type.
pub(in super::super) fn literals(ty: Ty) -> &'static [(&'static str, Ty)] {
    match ty {
        Ty::Bool => &[("TRUE", Ty::Bool), ("FALSE", Ty::Bool), ("NULL::boolean", Ty::Bool)],
        Ty::Integer | Ty::Bigint => &[
            ("0", Ty::Integer),
            ("1", Ty::Integer),
            ("2", Ty::Integer),
            ("(-3)", Ty::Integer),
            ("3::bigint", Ty::Bigint),
            ("NULL::bigint", Ty::Bigint),
        ],
        Ty::Numeric | Ty::Whole => &[
            ("1.5", Ty::Numeric),
            ("0.0", Ty::Numeric),
            ("(-2.25)", Ty::Numeric),
            ("NULL::numeric", Ty::Numeric),
        ],
        Ty::Double => &[("0.5::double precision", Ty::Double), ("NULL::double precision", Ty::Double)],
        Ty::Text | Ty::Unknown => {
            &[("'a'", Ty::Text), ("'Ab'", Ty::Text), ("''", Ty::Text), ("NULL::text", Ty::Text)]
        }
        Ty::Bytea => &[("NULL::bytea", Ty::Bytea)],
        Ty::Timestamptz | Ty::Date => &[
            ("timestamptz '2024-02-29 12:30:00+00'", Ty::Timestamptz),
            ("NULL::timestamptz", Ty::Timestamptz),
        ],
        Ty::Interval => &[("interval '1 day'", Ty::Interval), ("interval '02:30:00'", Ty::Interval)],
        Ty::Jsonb => &[("NULL::jsonb", Ty::Jsonb)],
    }
}
