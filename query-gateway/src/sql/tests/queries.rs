//! Whole queries over the library.

use super::{
    Dialect, Library, compile, parameter,
    postgres::{Server, expected},
};
use crate::catalog::Type;

/// Asks each question of a table of (question, rows), of both stores.
async fn check(table: &[(&str, &str)]) {
    let mut library = Library::open().await;
    let mut server = Server::open("queries on PostgreSQL").await;
    let mut wrong = Vec::new();
    for (sql, rows) in table {
        let got = library.ask(sql).await;
        if got != *rows {
            let text = library.compile(sql).map(|compiled| compiled.text).unwrap_or_default();
            wrong.push(format!("{sql}\nexpected:\n{rows}\ngot:\n{got}\n{text}\n"));
        }
        if let (Some(server), Ok(compiled)) = (&mut server, library.compile(sql)) {
            let (got, text) = (server.ask(&compiled).await, Dialect::Postgres.query(&compiled.query));
            let rows = expected(sql, rows);
            if got != rows {
                wrong.push(format!("{sql}\nexpected:\n{rows}\ngot of PostgreSQL:\n{got}\n{text}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn joins() {
    check(&[
        (
            "SELECT r.city, SUM(l.fee * b.pages) AS total FROM loans l JOIN books b ON b.book_id = l.book_id \
             JOIN readers r ON r.reader_id = l.reader_id GROUP BY r.city ORDER BY r.city",
            "Oslo|4740\nRome|11850",
        ),
        (
            "SELECT b.book_id, l.loan_id FROM books b LEFT JOIN loans l ON l.book_id = b.book_id ORDER BY 1, 2",
            "b1|1\nb1|2\nb2|3\nb3|4\nb4|NULL",
        ),
        (
            "SELECT l.loan_id, r.reader_id FROM loans l RIGHT JOIN readers r USING (reader_id) ORDER BY 1, 2",
            "1|r1\n2|r2\n3|r1\nNULL|r3",
        ),
        (
            "SELECT reader_id, loan_id FROM loans FULL JOIN readers USING (reader_id) ORDER BY reader_id, loan_id",
            "r1|1\nr1|3\nr2|2\nr3|NULL\nr9|4",
        ),
        ("SELECT * FROM (SELECT 1 AS a, 2 AS b) x JOIN (SELECT 1 AS a, 3 AS c) y USING (a)", "1|2|3"),
        ("SELECT x.*, y.c FROM (SELECT 1 AS a, 2 AS b) x JOIN (SELECT 1 AS a, 3 AS c) y USING (a)", "1|2|3"),
        ("SELECT count(*) FROM books, readers", "12"),
        ("SELECT count(*) FROM books CROSS JOIN readers WHERE pages > 200", "9"),
        (
            "SELECT a.book_id, b.book_id FROM books a JOIN books b ON a.pages < b.pages AND b.pages < 300",
            "b3|b2",
        ),
        (
            "SELECT b.book_id, x.reader_id FROM books b LEFT JOIN (loans l JOIN readers x ON x.reader_id = l.reader_id) \
             ON l.book_id = b.book_id ORDER BY 1, 2",
            "b1|r1\nb1|r2\nb2|r1\nb3|NULL\nb4|NULL",
        ),
    ])
    .await;
}

#[tokio::test]
async fn groups() {
    check(&[
        ("SELECT count(*), count(genre), count(DISTINCT genre), sum(pages), min(title), max(weight) FROM books",
         "4|3|3|1514|Emma|1.5"),
        ("SELECT avg(pages), avg(weight) FROM books", "378.5000000000000000|0.75"),
        ("SELECT sum(pages), avg(pages), count(*), min(pages) FROM books WHERE false", "NULL|NULL|0|NULL"),
        ("SELECT genre, count(*) FROM books GROUP BY genre ORDER BY genre", "drama|1\nepic|1\nnovel|1\nNULL|1"),
        ("SELECT genre, count(*) FROM books GROUP BY 1 ORDER BY 1 DESC", "NULL|1\nnovel|1\nepic|1\ndrama|1"),
        ("SELECT upper(city) AS town, count(*) AS n FROM readers GROUP BY town HAVING count(*) > 1", "OSLO|2"),
        ("SELECT b.book_id, b.title, count(l.loan_id) FROM books b LEFT JOIN loans l USING (book_id) \
          GROUP BY b.book_id ORDER BY 3 DESC, 1",
         "b1|Emma|2\nb2|Faust|1\nb3|emma returns|1\nb4|Iliad|0"),
        ("SELECT pages / 200 AS band, sum(pages) FROM books GROUP BY pages / 200 ORDER BY band", "0|100\n1|240\n2|474\n3|700"),
        ("SELECT count(*) FILTER (WHERE returned IS NULL), sum(fee) FILTER (WHERE fee > 100) FROM loans", "2|NULL"),
        ("SELECT bool_and(active), bool_or(active), every(active) FROM readers", "f|t|f"),
        ("SELECT string_agg(name, ',' ORDER BY name DESC) FROM readers", "Cy,Ann"),
        ("SELECT jsonb_agg(jsonb_build_object('t', title, 'g', genre) ORDER BY pages) FROM books WHERE pages < 300",
         r#"[{"g": null, "t": "emma returns"}, {"g": "drama", "t": "Faust"}]"#),
        ("SELECT jsonb_agg(active ORDER BY reader_id), jsonb_agg(name ORDER BY reader_id) FROM readers",
         r#"[true, false, true]|["Ann", null, "Cy"]"#),
        ("SELECT count(*) FROM books HAVING count(*) > 100", ""),
        ("SELECT date_trunc('month', taken) AS month, sum(fee) FROM loans GROUP BY 1 ORDER BY 1",
         "2024-01-01 00:00:00+00|10\n2024-02-01 00:00:00+00|25\n2025-01-01 00:00:00+00|7"),
        // 1.0 and 1.00 are one group, and 10 comes after 9.
        ("SELECT count(DISTINCT v), max(v), min(v), sum(v) FROM (VALUES (1.0), (1.00), (10.5), (9)) AS t(v)", "3|10.5|1.0|21.50"),
        ("SELECT v, count(*) FROM (VALUES (1.0), (1.00), (10.5), (9)) AS t(v) GROUP BY v ORDER BY v DESC", "10.5|1\n9|1\n1.0|2"),
        ("SELECT sum(fee) + 0.5, sum(fee) * 2, sum(fee) / 4 FROM loans", "42.5|84|10.5000000000000000"),
        ("SELECT sum(s), avg(s) FROM (SELECT sum(fee) AS s FROM loans GROUP BY book_id) t", "42|14.0000000000000000"),
        ("SELECT sum(x) FROM (VALUES (9223372036854775807), (1)) AS t(x)", "error: integer overflow"),
        // A collation within an expression must not leak out of it.
        (
            "SELECT count(*) FROM books WHERE concat(title, pages = 240.0) IN (SELECT 'x' FROM readers)",
            "0",
        ),
        ("SELECT DISTINCT concat('a', pages < 300.5) FROM books ORDER BY 1 DESC", "at\naf"),
        ("SELECT 'a' = concat('b', 1.5 = 2), max(concat(title, 1.5 = 2)) FROM books", "f|emma returnsf"),
        ("SELECT bool_or(NOT EXISTS (SELECT 1 FROM readers r WHERE r.city > 'x')) FROM books", "t"),
        ("SELECT max(x) > 5 FROM (VALUES (3), (9)) AS t(x)", "t"),
    ])
    .await;
}

/// Found by the proof of the views.
#[tokio::test]
async fn an_outer_join_of_nothing_is_nothing_in_a_union() {
    let none = "(SELECT book_id FROM books WHERE false)";
    let union = |join: &str| {
        format!(
            "SELECT * FROM (SELECT book_id AS x FROM books WHERE title LIKE 'Z%' UNION ALL \
             SELECT a.book_id FROM loans a {join} JOIN {none} b ON true WHERE a.loan_id IS NULL) t"
        )
    };
    check(&[(&union("RIGHT"), ""), (&union("FULL"), "")]).await;
    check(&[
        (
            "SELECT * FROM (SELECT 'a' AS x UNION ALL SELECT l.loan_id::text FROM loans l RIGHT JOIN \
             (books b JOIN readers r ON r.name = 'Ann') ON l.book_id = b.book_id AND l.reader_id = r.reader_id) t ORDER BY x",
            "1\n3\na\nNULL\nNULL",
        ),
    ])
    .await;
}

/// Found by the proof of the views.
#[tokio::test]
async fn having_alone_makes_one_group() {
    check(&[
        ("SELECT 'x' AS x FROM books HAVING true", "x"),
        ("SELECT 'x' AS x, 1 AS y FROM books WHERE false HAVING sum(pages) IS NULL", "x|1"),
        ("SELECT 'x' AS x FROM books HAVING sum(pages) < 0", ""),
        ("SELECT DISTINCT 1.5 AS x FROM books HAVING max(title) > 'A' UNION SELECT 1.5", "1.5"),
        ("SELECT 1 AS x FROM books ORDER BY count(*)", "1"),
    ])
    .await;
}

#[tokio::test]
async fn sub_queries_and_sets() {
    check(&[
        ("SELECT title FROM books WHERE book_id IN (SELECT book_id FROM loans WHERE fee > 5) ORDER BY title", "Emma\nemma returns"),
        ("SELECT title FROM books b WHERE NOT EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id)", "Iliad"),
        ("SELECT title, (SELECT count(*) FROM loans l WHERE l.book_id = b.book_id) AS n FROM books b ORDER BY 2 DESC, 1 LIMIT 2",
         "Emma|2\nFaust|1"),
        ("SELECT (SELECT title FROM books WHERE pages = 240), (SELECT title FROM books WHERE false)", "Faust|NULL"),
        ("SELECT (SELECT title FROM books)", "error: more than one row returned by a subquery used as an expression"),
        ("SELECT b.title, (SELECT l.fee FROM loans l WHERE l.book_id = b.book_id AND l.fee > 20) FROM books b \
          WHERE b.pages > 450 ORDER BY 1", "Emma|25\nIliad|NULL"),
        ("SELECT count(*) FROM (SELECT 1 UNION SELECT 1.0 UNION ALL SELECT 2) t", "2"),
        ("SELECT 'a' AS x UNION ALL (SELECT title FROM books ORDER BY pages LIMIT 1)", "a\nemma returns"),
        ("SELECT city FROM readers INTERSECT SELECT 'Oslo'", "Oslo"),
        ("SELECT 1 UNION SELECT 2 INTERSECT SELECT 3", "1"),
        ("SELECT reader_id FROM readers EXCEPT SELECT reader_id FROM loans", "r3"),
        ("SELECT NULL UNION ALL SELECT 1 ORDER BY 1 NULLS FIRST", "NULL\n1"),
        ("WITH big AS (SELECT * FROM books WHERE pages > 300), n AS (SELECT count(*) AS c FROM big) SELECT title, c FROM big, n \
          ORDER BY title", "Emma|2\nIliad|2"),
        ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 4) SELECT sum(n), count(*) FROM t", "10|4"),
        ("WITH RECURSIVE books AS (SELECT 1 AS a) SELECT a FROM books", "1"),
        ("VALUES (1, 'a'), (2, NULL)", "1|a\n2|NULL"),
        ("SELECT DISTINCT city FROM readers ORDER BY city DESC", "Rome\nOslo"),
        ("SELECT DISTINCT v FROM (VALUES (1.0), (1.00)) AS t(v)", "1.0"),
        ("SELECT genre FROM books ORDER BY genre", "drama\nepic\nnovel\nNULL"),
        ("SELECT genre FROM books ORDER BY genre DESC LIMIT 1 OFFSET 1", "novel"),
        ("SELECT title FROM books ORDER BY length(title) DESC, title OFFSET 3", "Emma"),
        ("SELECT pages AS x FROM books ORDER BY -pages FETCH FIRST 1 ROW ONLY", "700"),
        ("SELECT title FROM books LIMIT NULL OFFSET 3", "Iliad"),
        ("SELECT title FROM books LIMIT 1 - 2", "error: LIMIT must not be negative"),
        ("SELECT 5 AS x GROUP BY 1", "5"),
        ("SELECT * FROM (SELECT 1 AS a, 2 AS \"A\", 3 AS a, 4 AS \"a:2\") t", "1|2|3|4"),
        ("SELECT x FROM (VALUES (10.0), (9)) t(x) WHERE x IN (SELECT v FROM (VALUES (9.00)) s(v))", "9"),
        ("SELECT loan_id, CASE WHEN fee = 0 THEN 0 ELSE 100 / fee END FROM loans ORDER BY 1", "1|10\n2|4\n3|0\n4|14"),
        ("SELECT count(*) FROM books b JOIN (SELECT 240.0 AS p) x ON b.pages = x.p", "1"),
        ("SELECT taken - returned FROM loans WHERE loan_id = 1", "-2 days"),
        ("SELECT l.loan_id FROM loans l WHERE l.fee = (SELECT max(m.fee) FROM loans m WHERE m.reader_id = l.reader_id) ORDER BY 1", "1\n2\n4"),
        ("SELECT r.reader_id, x.n FROM readers r LEFT JOIN (SELECT reader_id, count(*) AS n FROM loans GROUP BY reader_id) x \
          ON x.reader_id = r.reader_id ORDER BY x.n DESC NULLS LAST, 1", "r1|2\nr2|1\nr3|NULL"),
        ("SELECT tags ->> 'shelf', (tags -> 'list' ->> 0)::bigint FROM books ORDER BY book_id LIMIT 2", "A|NULL\nB|1"),
        ("SELECT count(*) FROM loans WHERE (book_id, fee) IS NULL", "refused: line 1, column 35: rows as values: they are not supported; compare the columns one by one"),
    ])
    .await;
}

#[tokio::test]
async fn windows() {
    check(&[
        ("SELECT loan_id, row_number() OVER (PARTITION BY book_id ORDER BY fee DESC) FROM loans ORDER BY 1", "1|2\n2|1\n3|1\n4|1"),
        ("SELECT fee, rank() OVER (ORDER BY fee), sum(fee) OVER (ORDER BY fee) FROM loans ORDER BY fee", "0|1|0\n7|2|7\n10|3|17\n25|4|42"),
        ("SELECT fee, avg(fee) OVER (ORDER BY fee ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM loans ORDER BY fee LIMIT 2",
         "0|0.00000000000000000000\n7|3.5000000000000000"),
        ("SELECT fee, lag(fee, 1, -1) OVER (ORDER BY fee), lead(fee) OVER (ORDER BY fee) FROM loans ORDER BY fee", "0|-1|7\n7|0|10\n10|7|25\n25|10|NULL"),
        ("SELECT book_id, sum(sum(fee)) OVER (ORDER BY book_id) FROM loans GROUP BY book_id ORDER BY 1", "b1|35\nb2|35\nb3|42"),
        ("SELECT v, sum(v) OVER (ORDER BY v ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM (VALUES (1.5), (2.25), (3.0)) t(v) ORDER BY 1",
         "1.5|1.5\n2.25|3.75\n3.0|5.25"),
        ("SELECT city, dense_rank() OVER (ORDER BY city DESC), first_value(reader_id) OVER (ORDER BY city DESC, reader_id) \
          FROM readers ORDER BY reader_id", "Oslo|2|r2\nRome|1|r2\nOslo|2|r2"),
    ])
    .await;
}

#[tokio::test]
async fn parameters_are_typed_and_may_be_null() {
    let mut library = Library::open().await;
    let parameters =
        [parameter("city", Type::Text), parameter("least", Type::Bigint), parameter("unused", Type::Bool)];
    let sql =
        "SELECT reader_id FROM readers WHERE (:city IS NULL OR city = :city) ORDER BY 1 LIMIT :least + 1";
    let compiled = compile(sql, &library.catalog, &parameters).unwrap();
    let names: Vec<&str> = compiled.parameters.iter().map(|parameter| &*parameter.name).collect();
    assert_eq!(names, ["city", "least"]);
    for (city, expected) in [(Some("Oslo"), vec!["r1", "r3"]), (None, vec!["r1", "r2"])] {
        let query =
            sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(compiled.text.clone())).bind(city).bind(1);
        assert_eq!(query.fetch_all(&mut library.conn).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn nullability_is_static() {
    let library = Library::open().await;
    let sql = "SELECT b.title, r.city, count(*) AS n, sum(b.pages) AS s, coalesce(b.genre, '-') AS g FROM books b \
               LEFT JOIN loans l USING (book_id) LEFT JOIN readers r USING (reader_id) GROUP BY 1, 2, 5";
    let columns = library.compile(sql).unwrap().columns;
    let nullable: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.nullable)).collect();
    assert_eq!(nullable, [("title", false), ("city", true), ("n", false), ("s", true), ("g", false)]);
}
