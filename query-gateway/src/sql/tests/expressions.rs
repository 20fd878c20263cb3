//! Type and value of single expressions. The expected values are PostgreSQL 15's.

use super::{
    Library,
    postgres::{Server, expected},
};

/// Runs `SELECT expr` on both stores for each row of a table of (expression, type, value).
async fn check(table: &[(&str, &str, &str)]) {
    let mut library = Library::open().await;
    let mut server = Server::open("expressions on PostgreSQL").await;
    let mut wrong = Vec::new();
    for (expr, ty, value) in table {
        let sql = format!("SELECT {expr}");
        let (got_ty, got) = match library.compile(&sql) {
            Ok(compiled) => (compiled.columns[0].ty.to_string(), library.run(&compiled).await),
            Err(error) => ("".to_owned(), format!("refused: {error}")),
        };
        if (got_ty.as_str(), got.as_str()) != (*ty, *value) {
            wrong.push(format!("{expr}: expected {ty} {value}, got {got_ty} {got}"));
        }
        if let (Some(server), Ok(compiled)) = (&mut server, library.compile(&sql)) {
            let got = server.ask(&compiled).await;
            let value = expected(&sql, value);
            if got != value {
                wrong.push(format!("{expr}: expected {value}, got {got} of PostgreSQL"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

const BIGINT: &str = "bigint";
const NUMERIC: &str = "numeric";
const DOUBLE: &str = "double precision";
const TEXT: &str = "text";
const BOOL: &str = "boolean";
const TIME: &str = "timestamptz";
const INTERVAL: &str = "interval";
const JSONB: &str = "jsonb";

#[tokio::test]
async fn arithmetic() {
    check(&[
        ("1 + 2 * 3", BIGINT, "7"),
        ("7 / 2", BIGINT, "3"),
        ("-7 / 2", BIGINT, "-3"),
        ("-7 % 3", BIGINT, "-1"),
        ("mod(7, -3)", BIGINT, "1"),
        ("1 / 0", BIGINT, "error: division by zero"),
        ("1 % 0", BIGINT, "error: division by zero"),
        ("1.0 / 0", NUMERIC, "error: division by zero"),
        ("1::double precision / 0", DOUBLE, "error: division by zero"),
        ("9223372036854775807 + 1", BIGINT, "error: bigint out of range"),
        ("-9223372036854775808", BIGINT, "-9223372036854775808"),
        ("-('-9223372036854775808'::bigint)", BIGINT, "error: bigint out of range"),
        ("-9223372036854775808 / -1", BIGINT, "error: bigint out of range"),
        ("-9223372036854775808 % -1", BIGINT, "0"),
        ("9223372036854775808", NUMERIC, "9223372036854775808"),
        ("9223372036854775807 * 2", BIGINT, "error: bigint out of range"),
        ("9223372036854775807 * 2.0", NUMERIC, "18446744073709551614.0"),
        ("1.5 + 1", NUMERIC, "2.5"),
        ("1.50 + 1.5", NUMERIC, "3.00"),
        ("1.5 * 1.50", NUMERIC, "2.250"),
        ("1 / 3.0", NUMERIC, "0.33333333333333333333"),
        ("10.0 / 4", NUMERIC, "2.5000000000000000"),
        ("100000 / 7.0", NUMERIC, "14285.714285714286"),
        ("2.0 % 1.5", NUMERIC, "0.5"),
        ("1e3", NUMERIC, "1000"),
        ("1.5e-3", NUMERIC, "0.0015"),
        ("0.5 + 0.5::double precision", DOUBLE, "1"),
        ("1e308::double precision * 10", DOUBLE, "error: value out of range: overflow"),
        ("1 + NULL", BIGINT, "NULL"),
        ("'5' + 1", BIGINT, "6"),
        ("abs(-5)", BIGINT, "5"),
        ("abs(-5.50)", NUMERIC, "5.50"),
        ("round(2.5)", NUMERIC, "3"),
        ("round(-2.5)", NUMERIC, "-3"),
        ("round(2.5::double precision)", DOUBLE, "2"),
        ("round(2.345, 2)", NUMERIC, "2.35"),
        ("round(1234.5, -2)", NUMERIC, "1200"),
        ("trunc(-2.7)", NUMERIC, "-2"),
        ("floor(-2.5)", NUMERIC, "-3"),
        ("ceil(2.1)", NUMERIC, "3"),
        ("floor(7)", DOUBLE, "7"),
        ("sqrt(16)", DOUBLE, "4"),
        ("power(2, 10)", DOUBLE, "1024"),
        ("greatest(1, NULL, 3)", BIGINT, "3"),
        ("least(1.5, 2)", NUMERIC, "1.5"),
        ("greatest(10.0, 9)", NUMERIC, "10.0"),
        ("greatest(NULL, NULL)", TEXT, "NULL"),
    ])
    .await;
}

#[tokio::test]
async fn comparisons() {
    check(&[
        ("1.50 = 1.5", BOOL, "t"),
        ("10.0 > 9", BOOL, "t"),
        ("2 < 10.5", BOOL, "t"),
        ("1 = 1.0::double precision", BOOL, "t"),
        ("'a' < 'B'", BOOL, "f"),
        ("'Z' < 'a'", BOOL, "t"),
        ("'1' = 1", BOOL, "t"),
        ("NULL = NULL", BOOL, "NULL"),
        ("NULL IS NULL", BOOL, "t"),
        ("NULL IS NOT DISTINCT FROM NULL", BOOL, "t"),
        ("1 IS DISTINCT FROM NULL", BOOL, "t"),
        ("1.0 IS DISTINCT FROM 1.00", BOOL, "f"),
        ("true AND NULL", BOOL, "NULL"),
        ("false AND NULL", BOOL, "f"),
        ("true OR NULL", BOOL, "t"),
        ("NOT NULL", BOOL, "NULL"),
        ("(1 = 1) IS TRUE", BOOL, "t"),
        ("(NULL = 1) IS NOT TRUE", BOOL, "t"),
        ("(NULL = 1) IS UNKNOWN", BOOL, "t"),
        ("(1 = 2) IS FALSE", BOOL, "t"),
        ("1 IN (1, 2)", BOOL, "t"),
        ("3 IN (1, NULL)", BOOL, "NULL"),
        ("3 NOT IN (1, NULL)", BOOL, "NULL"),
        ("1.0 IN (1, 2)", BOOL, "t"),
        ("1 IN (1.00, 2.5)", BOOL, "t"),
        ("2 BETWEEN 1 AND 3", BOOL, "t"),
        ("2 NOT BETWEEN 1 AND NULL", BOOL, "NULL"),
        ("4 NOT BETWEEN 1 AND 3", BOOL, "t"),
        ("false < true", BOOL, "t"),
        ("'Emma' LIKE 'E%'", BOOL, "t"),
        ("'emma' LIKE 'E%'", BOOL, "f"),
        ("'emma' ILIKE 'E%'", BOOL, "t"),
        ("'a_c' LIKE 'a\\_c'", BOOL, "t"),
        ("'abc' LIKE 'a\\_c'", BOOL, "f"),
        ("'a%c' LIKE 'a#%c' ESCAPE '#'", BOOL, "t"),
        ("'abc' NOT LIKE '_b_'", BOOL, "f"),
        ("'abc' LIKE '%\\'", BOOL, "error: LIKE pattern must not end with escape character"),
        ("NULL LIKE 'a'", BOOL, "NULL"),
    ])
    .await;
}

#[tokio::test]
async fn choices() {
    check(&[
        ("CASE WHEN 1 = 2 THEN 1 ELSE 2.5 END", NUMERIC, "2.5"),
        ("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END", TEXT, "b"),
        ("CASE WHEN false THEN 1 END", BIGINT, "NULL"),
        ("CASE WHEN true THEN 1 ELSE 2.5 END", NUMERIC, "1"),
        ("COALESCE(NULL, 2)", BIGINT, "2"),
        ("COALESCE(NULL, 2, 3.5)", NUMERIC, "2"),
        ("NULLIF(1, 1)", BIGINT, "NULL"),
        ("NULLIF(1, 2.0)", NUMERIC, "1"),
        ("NULLIF('a', 'b')", TEXT, "a"),
    ])
    .await;
}

#[tokio::test]
async fn texts() {
    check(&[
        ("'a' || 'b'", TEXT, "ab"),
        ("'a' || 1", TEXT, "a1"),
        ("'a' || 1.50", TEXT, "a1.50"),
        ("'a' || true", TEXT, "atrue"),
        ("'a' || NULL", TEXT, "NULL"),
        ("'it''s'", TEXT, "it's"),
        ("upper('äß')", TEXT, "Äß"),
        ("lower('ÄB')", TEXT, "äb"),
        ("length('äbc')", BIGINT, "3"),
        ("substring('abcdef' from 2 for 3)", TEXT, "bcd"),
        ("substring('abcdef' from 0 for 3)", TEXT, "ab"),
        ("substring('abcdef' from -1)", TEXT, "abcdef"),
        ("substring('abc' for 2)", TEXT, "ab"),
        ("substr('abc', 2)", TEXT, "bc"),
        ("substring('abc' from 1 for -1)", TEXT, "error: negative substring length not allowed"),
        ("trim('  a ')", TEXT, "a"),
        ("trim(both 'x' from 'xxaxx')", TEXT, "a"),
        ("trim(leading 'x' from 'xxaxx')", TEXT, "axx"),
        ("rtrim('aab', 'b')", TEXT, "aa"),
        ("replace('abcabc', 'b', 'X')", TEXT, "aXcaXc"),
        ("replace('abc', '', 'X')", TEXT, "abc"),
        ("strpos('äbc', 'c')", BIGINT, "3"),
        ("strpos('abc', '')", BIGINT, "1"),
        ("position('z' in 'abc')", BIGINT, "0"),
        ("left('abc', 2)", TEXT, "ab"),
        ("left('abc', -1)", TEXT, "ab"),
        ("right('abc', 2)", TEXT, "bc"),
        ("right('abc', -1)", TEXT, "bc"),
        ("concat('a', NULL, 1, true)", TEXT, "a1t"),
        ("concat_ws(',', 'a', NULL, 'b')", TEXT, "a,b"),
        ("split_part('a,b,c', ',', 2)", TEXT, "b"),
        ("split_part('a,b,c', ',', -1)", TEXT, "c"),
        ("lpad('7', 3, '0')", TEXT, "007"),
        ("rpad('7', 3)", TEXT, "7  "),
        ("repeat('ab', 2)", TEXT, "abab"),
        ("reverse('abc')", TEXT, "cba"),
        ("starts_with('abc', 'ab')", BOOL, "t"),
        ("E'a\\nb'", TEXT, "a\nb"),
    ])
    .await;
}

#[tokio::test]
async fn casts() {
    check(&[
        ("'12'::bigint", BIGINT, "12"),
        ("' 12 '::text::bigint", BIGINT, "12"),
        ("('x' || '1')::bigint", BIGINT, "error: invalid input syntax for type bigint: \"x1\""),
        (
            "'9223372036854775808'::text::bigint",
            BIGINT,
            "error: value \"9223372036854775808\" is out of range for type bigint",
        ),
        ("2.5::bigint", BIGINT, "3"),
        ("-2.5::numeric::bigint", BIGINT, "-3"),
        ("2.5::double precision::bigint", BIGINT, "2"),
        ("1e30::bigint", BIGINT, "error: bigint out of range"),
        ("1::numeric", NUMERIC, "1"),
        ("0.1::double precision::numeric", NUMERIC, "0.1"),
        ("1.0::double precision::numeric", NUMERIC, "1"),
        ("12.345::numeric(5, 2)", NUMERIC, "12.35"),
        ("1234.5::numeric(5, 2)", NUMERIC, "error: numeric field overflow"),
        ("1::double precision", DOUBLE, "1"),
        ("'1.5'::double precision", DOUBLE, "1.5"),
        ("1.5::double precision::text", TEXT, "1.5"),
        ("100000::double precision::text", TEXT, "100000"),
        ("1e15::double precision::text", TEXT, "1e+15"),
        ("0.00001::double precision::text", TEXT, "1e-05"),
        ("true::text", TEXT, "true"),
        ("'yes'::boolean", BOOL, "t"),
        ("'off'::text::boolean", BOOL, "f"),
        ("'maybe'::text::boolean", BOOL, "error: invalid input syntax for type boolean: \"maybe\""),
        ("12::text", TEXT, "12"),
        ("1.50::text", TEXT, "1.50"),
        ("CAST('2024-02-29' AS timestamptz)", TIME, "2024-02-29 00:00:00+00"),
        ("'2024-02-29 12:34:56.789+02'::timestamptz::text", TEXT, "2024-02-29 10:34:56.789+00"),
        (
            "'2023-02-29'::text::timestamptz",
            TIME,
            "error: invalid input syntax for type timestamp with time zone: \"2023-02-29\"",
        ),
        ("('{\"b\": 1, \"a\": [1,  2.50]}'::jsonb)::text", TEXT, "{\"a\": [1, 2.50], \"b\": 1}"),
        ("NULL::bigint", BIGINT, "NULL"),
        ("'\\xDEAD'::bytea", "bytea", "\\xdead"),
        ("'\\xDEAD'::bytea::text", TEXT, "\\xdead"),
        ("length('\\xDEAD'::bytea)", BIGINT, "2"),
    ])
    .await;
}

#[tokio::test]
async fn times() {
    check(&[
        ("timestamptz '2024-01-31' + interval '1 month'", TIME, "2024-02-29 00:00:00+00"),
        ("timestamptz '2024-03-31' - interval '1 month'", TIME, "2024-02-29 00:00:00+00"),
        ("interval '1 day' + timestamptz '2024-01-31'", TIME, "2024-02-01 00:00:00+00"),
        ("timestamptz '2024-01-01 10:00' + interval '90' minute", TIME, "2024-01-01 11:30:00+00"),
        ("date '1998-12-01' - interval '90' day", TIME, "1998-09-02 00:00:00+00"),
        ("date '2024-03-01' - date '2024-02-01'", BIGINT, "29"),
        ("(date '2024-02-28' + 2)::text", TEXT, "2024-03-01"),
        ("timestamptz '2024-03-01 12:00' - timestamptz '2024-02-28'", INTERVAL, "2 days 12:00:00"),
        ("timestamptz '2024-02-28' - timestamptz '2024-03-01 12:00'", INTERVAL, "-2 days -12:00:00"),
        ("interval '1 year 2 mons 3 days 04:05:06.7'", INTERVAL, "1 year 2 mons 3 days 04:05:06.7"),
        ("interval '-1 day' + interval '2 hours'", INTERVAL, "-1 days +02:00:00"),
        ("interval '0'", INTERVAL, "00:00:00"),
        ("interval '1 day' * 1.5", INTERVAL, "1 day 12:00:00"),
        ("2 * interval '1 hour'", INTERVAL, "02:00:00"),
        ("interval '1 day' = interval '24 hours'", BOOL, "t"),
        ("interval '1 month' > interval '29 days'", BOOL, "t"),
        ("date_trunc('month', timestamptz '2024-02-29 12:34')", TIME, "2024-02-01 00:00:00+00"),
        ("date_trunc('week', timestamptz '2024-03-03 12:34')", TIME, "2024-02-26 00:00:00+00"),
        ("date_trunc('quarter', timestamptz '2024-06-30')", TIME, "2024-04-01 00:00:00+00"),
        ("date_trunc('century', timestamptz '2000-12-31')", TIME, "1901-01-01 00:00:00+00"),
        (
            "date_trunc('fortnight', timestamptz '2024-06-30')",
            TIME,
            "error: unit \"fortnight\" not recognized for type timestamp with time zone",
        ),
        ("extract(year from timestamptz '2024-02-29')", NUMERIC, "2024"),
        ("extract(dow from timestamptz '2024-03-03')", NUMERIC, "0"),
        ("extract(isodow from timestamptz '2024-03-03')", NUMERIC, "7"),
        ("extract(week from timestamptz '2021-01-03')", NUMERIC, "53"),
        ("extract(isoyear from timestamptz '2021-01-03')", NUMERIC, "2020"),
        ("extract(second from timestamptz '2024-01-01 00:00:05.5')", NUMERIC, "5.500000"),
        ("extract(epoch from timestamptz '1970-01-02')", NUMERIC, "86400.000000"),
        ("extract(epoch from interval '1 day 01:00')", NUMERIC, "90000.000000"),
        ("date_part('hour', timestamptz '2024-01-01 05:00')", DOUBLE, "5"),
        (
            "date_bin('15 minutes', timestamptz '2024-01-01 10:29', timestamptz '2001-01-01')",
            TIME,
            "2024-01-01 10:15:00+00",
        ),
        ("to_char(timestamptz '2024-01-05 07:00', 'YYYY-MM-DD HH24:MI')", TEXT, "2024-01-05 07:00"),
        ("to_timestamp(1.5)", TIME, "1970-01-01 00:00:01.5+00"),
        ("timestamptz '2024-01-01' < '2024-01-02'", BOOL, "t"),
        ("timestamptz '2024-01-01' BETWEEN date '2023-12-31' AND date '2024-01-01'", BOOL, "t"),
        ("timestamptz '9999-12-31' + interval '1 day'", TIME, "error: timestamp out of range"),
    ])
    .await;
}

/// Found by the proof of the views.
#[tokio::test]
async fn nullif_has_the_type_of_its_first_argument() {
    check(&[
        ("(SELECT sum(NULLIF(1, fee)) FROM loans)", BIGINT, "4"),
        ("(SELECT sum(NULLIF(fee, 1)) FROM loans)", NUMERIC, "42"),
        ("NULLIF(1, 2.5)", NUMERIC, "1"),
        ("NULLIF(timestamptz '2024-01-01'::date, timestamptz '2024-01-02')::text", TEXT, "2024-01-01"),
    ])
    .await;
}

/// Found by the proof of the views.
#[tokio::test]
async fn a_scalar_document_is_its_own_element() {
    check(&[
        ("'\"x\"'::jsonb -> 0", JSONB, "\"x\""),
        ("'\"x\"'::jsonb ->> -1", TEXT, "x"),
        ("'5'::jsonb ->> 1", TEXT, "NULL"),
        ("'null'::jsonb -> 0", JSONB, "null"),
        ("'{\"a\": 1}'::jsonb -> 0", JSONB, "NULL"),
    ])
    .await;
}

#[tokio::test]
async fn documents() {
    check(&[
        ("'{\"a\": {\"b\": 1}}'::jsonb -> 'a'", JSONB, "{\"b\": 1}"),
        ("'{\"a\": {\"b\": 1}}'::jsonb -> 'a' ->> 'b'", TEXT, "1"),
        ("'{\"a\": true}'::jsonb ->> 'a'", TEXT, "true"),
        ("'{\"a\": null}'::jsonb ->> 'a'", TEXT, "NULL"),
        ("'{\"a\": null}'::jsonb -> 'a'", JSONB, "null"),
        ("'{\"a\": \"x\"}'::jsonb -> 'a'", JSONB, "\"x\""),
        ("'[1, 2, 3]'::jsonb -> -1", JSONB, "3"),
        ("'[1, 2, 3]'::jsonb -> 7", JSONB, "NULL"),
        ("'[12345678901234567890.10, 1e3, -0]'::jsonb", JSONB, "[12345678901234567890.10, 1000, 0]"),
        ("'{\"bb\": 1, \"a\": 2, \"bb\": 3}'::jsonb", JSONB, "{\"a\": 2, \"bb\": 3}"),
        ("'[1] 2'::text::jsonb", JSONB, "error: invalid input syntax for type json"),
        ("jsonb_build_array(0.1::double precision, 1e20::double precision)", JSONB, "[0.1, 100000000000000000000]"),
        ("'{\"$.a\": 1}'::jsonb ->> '$.a'", TEXT, "1"),
        ("('{\"n\": 12}'::jsonb ->> 'n')::bigint + 1", BIGINT, "13"),
        (
            "jsonb_build_object('n', 1, 'd', 1.50, 't', 'x', 'b', true, 'z', NULL, 'at', timestamptz '2024-01-01')",
            JSONB,
            "{\"b\": true, \"d\": 1.50, \"n\": 1, \"t\": \"x\", \"z\": null, \"at\": \"2024-01-01T00:00:00+00:00\"}",
        ),
        ("jsonb_build_array(1, 'a', NULL)", JSONB, "[1, \"a\", null]"),
        ("jsonb_build_object('a', jsonb_build_object('b', '{\"c\":1}'::jsonb))", JSONB, "{\"a\": {\"b\": {\"c\": 1}}}"),
    ])
    .await;
}
