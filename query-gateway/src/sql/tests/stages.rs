//! The stages one by one.

use insta::assert_snapshot;

use super::catalog;
use crate::sql::{
    compile,
    relational::{Body, ExprKind},
    types::Ty,
};

fn text(sql: &str) -> String {
    compile(sql, &catalog(), &[]).unwrap().text
}

#[test]
fn sqlite_text() {
    assert_snapshot!(text("SELECT title FROM books WHERE pages > 5 ORDER BY title DESC LIMIT 3"));
    assert_snapshot!(text(
        "SELECT r.city, SUM(l.fee * 2) AS total FROM loans l JOIN readers r USING (reader_id) GROUP BY r.city"
    ));
    assert_snapshot!(text("WITH a AS (SELECT 1.5 AS x) SELECT x FROM a UNION SELECT 2 ORDER BY x"));
}

#[test]
fn relational_form() {
    let compiled = compile("SELECT avg(fee) AS mean FROM loans WHERE fee > 1.5", &catalog(), &[]).unwrap();
    let Body::Select(select) = &compiled.query.body else { panic!("a SELECT") };
    assert!(matches!(select.projection[0].kind, ExprKind::Aggregate(_)));
    assert_eq!(select.projection[0].ty, Ty::Numeric);
    assert_eq!(select.group_by, Some(Vec::new()));
    assert_eq!(compiled.relations.into_iter().collect::<Vec<_>>(), ["loans"]);
}

/// Every conversion that resolves has a rendering.
#[test]
fn casts_are_rendered() {
    use Ty::{
        Bigint, Bool, Bytea, Date, Double, Integer, Interval, Jsonb, Numeric, Text, Timestamptz, Whole,
    };
    let types =
        [Bool, Integer, Bigint, Whole, Numeric, Double, Text, Bytea, Timestamptz, Date, Interval, Jsonb];
    for from in types {
        for to in types.into_iter().filter(|to| *to != from && *to != Integer && from.casts_to(*to)) {
            assert!(crate::sql::text::is_rendered(from, to), "{from:?} to {to:?}");
        }
    }
}

/// SUM of what is an integer in PostgreSQL is bigint there, and SUM of a bigint numeric.
#[test]
fn sums_have_the_types_of_postgres() {
    let table = [
        ("CASE WHEN pages > 1 THEN 1 ELSE 0 END", "bigint"),
        ("length(title) + 1", "bigint"),
        ("abs(-5)", "bigint"),
        ("pages", "numeric"),
        ("pages + 1", "numeric"),
        ("3000000000", "numeric"),
        ("1.5", "numeric"),
        ("weight", "double precision"),
    ];
    for (argument, ty) in table {
        let compiled = compile(&format!("SELECT sum({argument}) FROM books"), &catalog(), &[]).unwrap();
        assert_eq!(compiled.columns[0].ty.to_string(), ty, "sum({argument})");
    }
}
