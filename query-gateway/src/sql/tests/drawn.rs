//! Statements drawn at random over the whole grammar: what compiles runs, and fails for reasons of its values alone.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::Library;
use crate::schema::fixture::rounds;

/// The same seed, the same statement.
pub(super) struct Draw(pub(super) StdRng);

impl Draw {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    /// Fills the places in one of the templates: `{i}` stands for an expression of the type with that letter.
    fn fill(&mut self, templates: &[&str], depth: usize) -> String {
        let template = self.pick(templates);
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let (ty, after) = after.split_at(1);
            text.push_str(&self.expr(ty, depth));
            rest = &after[1..];
        }
        text + rest
    }

    fn expr(&mut self, ty: &str, depth: usize) -> String {
        let (leaves, compounds) = of_type(ty);
        if depth == 0 || self.below(4) == 0 {
            return self.pick(leaves).to_owned();
        }
        let general: &[&str] = match ty {
            "b" => &["CASE WHEN {b} THEN {b} END", "COALESCE({b}, {b})"],
            "i" => &[
                "CASE WHEN {b} THEN {i} ELSE {i} END",
                "COALESCE({i}, {i})",
                "NULLIF({i}, {i})",
                "greatest({i}, {i})",
            ],
            "n" => &[
                "CASE WHEN {b} THEN {i} ELSE {n} END",
                "COALESCE({n}, {i})",
                "NULLIF({n}, {n})",
                "least({n}, {i})",
            ],
            "d" => &["CASE WHEN {b} THEN {d} ELSE {i} END", "COALESCE({d}, {d})", "greatest({d}, {d})"],
            "t" => &[
                "CASE WHEN {b} THEN {t} ELSE {t} END",
                "COALESCE({t}, {t})",
                "NULLIF({t}, {t})",
                "least({t}, {t})",
            ],
            "z" => &["CASE WHEN {b} THEN {z} ELSE {z} END", "COALESCE({z}, {z})", "greatest({z}, {z})"],
            _ => &["COALESCE({v}, {v})", "greatest({v}, {v})"],
        };
        let templates = if self.below(4) == 0 { general } else { compounds };
        format!("({})", self.fill(templates, depth - 1))
    }

    pub(super) fn statement(&mut self) -> String {
        let ty = ["b", "i", "n", "d", "t", "z", "v"][self.below(7)];
        let from = "books b LEFT JOIN loans l ON l.book_id = b.book_id";
        let templates: &[&str] = match self.below(6) {
            0 => &[
                "SELECT {t} AS g, count(*), sum({i}), avg({i}), min({n}), max({t}), count(DISTINCT {n}), bool_or({b})",
            ],
            1 => &[
                "SELECT {n} AS g, sum({n}), avg({n}), max({z}), count({d}) FILTER (WHERE {b}), bool_and({b}), sum({i})",
            ],
            _ => &[],
        };
        if !templates.is_empty() {
            let select = self.fill(templates, 2);
            let filter = self.expr("b", 2);
            return format!("{select} FROM {from} WHERE {filter} GROUP BY 1 HAVING count(*) > 0 ORDER BY 1");
        }
        let (value, filter, second) = (self.expr(ty, 4), self.expr("b", 2), self.expr(ty, 2));
        match self.below(4) {
            0 => format!("SELECT DISTINCT {value} AS x FROM {from} WHERE {filter} ORDER BY 1 DESC"),
            1 => format!(
                "SELECT {value} AS x FROM {from} UNION ALL SELECT {second} FROM readers, loans l, books b ORDER BY 1"
            ),
            2 => format!(
                "SELECT b.book_id, l.loan_id, {value} AS x FROM {from} WHERE {filter} OR true ORDER BY 1, 2"
            ),
            _ => {
                let inner = self.expr(ty, 2);
                format!(
                    "SELECT count(*) FROM {from} WHERE {value} IN (SELECT {inner} FROM books b JOIN loans l USING (book_id))"
                )
            }
        }
    }
}

/// A list after IN starts with a literal: sqlparser takes one that starts with a sub-query in parentheses for a sub-query.
///
/// Leaves and compounds of a type: b boolean, i bigint, n numeric, d double, t text, z timestamptz, v interval.
fn of_type(ty: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match ty {
        "b" => (
            &["true", "false", "NULL::boolean", "(l.fee > 8)", "(b.genre IS NULL)"],
            &[
                "{i} = {i}",
                "{n} < {n}",
                "{i} >= {n}",
                "{d} <> {d}",
                "{t} <= {t}",
                "{z} > {z}",
                "{v} = {v}",
                "{b} AND {b}",
                "{b} OR {b}",
                "NOT {b}",
                "{t} LIKE {t}",
                "{t} ILIKE '%A%'",
                "{i} IN (7, {i}, {n}, NULL)",
                "{t} NOT IN ('q', {t}, {t})",
                "{n} BETWEEN {i} AND {n}",
                "{b} IS NOT TRUE",
                "{b} IS FALSE",
                "{i} IS NULL",
                "{n} IS DISTINCT FROM {n}",
                "{t} IS NOT DISTINCT FROM {t}",
                "EXISTS (SELECT 1 FROM readers r WHERE r.city > {t})",
                "starts_with({t}, {t})",
            ],
        ),
        "i" => (
            &["0", "1", "(-7)", "3", "b.pages", "l.fee", "l.loan_id", "NULL::bigint", "9223372036854775807"],
            &[
                "{i} + {i}",
                "{i} - {i}",
                "{i} * {i}",
                "{i} / {i}",
                "{i} % {i}",
                "-({i})",
                "abs({i})",
                "length({t})",
                "strpos({t}, {t})",
                "mod({i}, 5)",
                "{n}::bigint",
                "{d}::bigint",
                "(SELECT count(*) FROM readers r WHERE r.name < {t})",
                "extract(month from {z})::bigint",
                "(SELECT max(x.fee) FROM loans x WHERE x.fee < {i})",
            ],
        ),
        "n" => (
            &["0.0", "1.50", "(-2.5)", "10.0", "0.001", "NULL::numeric", "12345.678901", "b.pages::numeric"],
            &[
                "{n} + {i}",
                "{n} - {n}",
                "{n} * {n}",
                "{n} / {n}",
                "{i} / {n}",
                "{n} % {n}",
                "round({n}, 2)",
                "round({n})",
                "trunc({n}, 1)",
                "floor({n})",
                "ceil({n})",
                "-({n})",
                "abs({n})",
                "{i}::numeric",
                "{n}::numeric(12, 3)",
                "extract(epoch from {z})",
                "extract(year from {z})",
                "(SELECT sum(x.fee) FROM loans x WHERE x.fee < {i})",
                "(SELECT avg(x.pages) FROM books x WHERE x.pages > {i})",
            ],
        ),
        "d" => (
            &["0::double precision", "b.weight", "2.5::double precision", "(-0.1::double precision)"],
            &[
                "{d} + {d}",
                "{d} - {i}",
                "{d} * {d}",
                "{d} / {d}",
                "round({d})",
                "floor({d})",
                "-({d})",
                "abs({d})",
                "{i}::double precision",
            ],
        ),
        "t" => (
            &["''", "'a'", "'Em%'", "b.title", "b.genre", "'x_y'", "NULL::text", "b.book_id", "'Äß'"],
            &[
                "{t} || {t}",
                "{t} || {i}",
                "{t} || {n}",
                "upper({t})",
                "lower({t})",
                "substring({t} from {i})",
                "substring({t} from 2 for 3)",
                "left({t}, 2)",
                "right({t}, -1)",
                "replace({t}, {t}, 'z')",
                "trim({t})",
                "trim(leading 'E' from {t})",
                "{i}::text",
                "{n}::text",
                "{b}::text",
                "{z}::text",
                "{d}::text",
                "{v}::text",
                "split_part({t}, 'a', 2)",
                "concat({t}, {i}, {b})",
                "lpad({t}, 4, '*')",
                "repeat({t}, 2)",
                "reverse({t})",
                "to_char({z}, 'YYYY-MM-DD')",
                "(b.tags ->> 'shelf')",
                "jsonb_build_object('a', {i}, 'b', {t}, 'c', {b})::text",
                "jsonb_build_array({n}, {z})::text",
                "(SELECT string_agg(r.name, {t} ORDER BY r.name DESC) FROM readers r)",
            ],
        ),
        "z" => (
            &["l.taken", "l.returned", "(timestamptz '2024-02-29 12:34:56.789')", "NULL::timestamptz"],
            &[
                "date_trunc('month', {z})",
                "date_trunc('week', {z})",
                "date_trunc('hour', {z})",
                "{z} + interval '1 month'",
                "{z} - interval '36 hours'",
                "date_bin('2 hours', {z}, timestamptz '2001-01-01')",
                "{z}::text::timestamptz",
            ],
        ),
        _ => (
            &[
                "(interval '1 day')",
                "(interval '-2 mons 3 days 04:05')",
                "NULL::interval",
                "(interval '36 hours')",
            ],
            &["{v} + {v}", "{v} - {v}", "{z} - {z}", "{v} * 2", "-({v})", "1.5 * {v}"],
        ),
    }
}

/// What a value can be blamed for.
const FAILURES: &[&str] = &[
    "division by zero",
    "out of range",
    "integer overflow",
    "numeric field overflow",
    "value overflows",
    "negative substring",
    "must not end with escape",
    "more than one row",
];

#[test]
fn what_compiles_runs() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut library = runtime.block_on(Library::open());
    for seed in rounds(600) {
        let sql = Draw(StdRng::seed_from_u64(seed)).statement();
        let answer = runtime.block_on(library.ask(&sql));
        let blamed = FAILURES.iter().any(|failure| answer.contains(failure));
        let runs = !answer.starts_with("refused") && (!answer.starts_with("error") || blamed);
        assert!(runs, "SEED={seed}\n{sql}\n{answer}");
    }
}
