//! What cannot be kept, with the exact words.

use insta::assert_snapshot;

use super::library::{compiled, kinds};

/// Two lines for each SELECT: what it is refused with.
fn refusals(selects: &[&str]) -> String {
    let line = |select: &&str| match compiled(select) {
        Ok(plan) => format!("{select}\n  ACCEPTED {:?}", kinds(&plan)),
        Err(error) => format!("{select}\n  {error}"),
    };
    selects.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_for_those_who_read() {
    assert_snapshot!(refusals(&[
        "SELECT title FROM books ORDER BY pages",
        "SELECT title FROM books LIMIT 10",
        "SELECT title FROM books OFFSET 10",
        "SELECT title FROM (SELECT title FROM books ORDER BY pages LIMIT 3) AS longest",
        "SELECT title FROM (SELECT title FROM books ORDER BY pages) AS longest",
    ]));
}

#[test]
fn what_no_change_tells_of() {
    assert_snapshot!(refusals(&[
        "WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 9) SELECT n FROM n",
        "SELECT title FROM books INTERSECT SELECT name FROM readers",
        "SELECT title FROM books EXCEPT SELECT name FROM readers",
        "SELECT title, row_number() OVER (ORDER BY pages) AS place FROM books",
        "SELECT rank() OVER (PARTITION BY genre ORDER BY pages) AS a, rank() OVER (PARTITION BY rare ORDER BY pages) AS b \
         FROM books",
        "SELECT now() AS at, title FROM books",
    ]));
}

#[test]
fn sub_queries() {
    assert_snapshot!(refusals(&[
        "SELECT title, (SELECT max(days) FROM loans) AS longest FROM books",
        "SELECT title FROM books WHERE pages > (SELECT avg(pages) FROM books)",
        "SELECT title FROM books WHERE rare OR EXISTS (SELECT 1 FROM loans)",
        "SELECT title, book_id IN (SELECT book_id FROM loans) AS lent FROM books",
        "SELECT count(*) AS n FROM books GROUP BY book_id IN (SELECT book_id FROM loans)",
        "SELECT count(*) FILTER (WHERE book_id IN (SELECT book_id FROM loans)) AS n FROM books",
        "SELECT count(DISTINCT (SELECT max(days) FROM loans)) AS n FROM books",
        "SELECT b.title FROM books b LEFT JOIN loans l ON l.book_id = b.book_id AND EXISTS (SELECT 1 FROM covers)",
        "SELECT b.title FROM books b FULL JOIN loans l ON l.book_id IN (SELECT book_id FROM covers)",
        "SELECT title FROM books WHERE (SELECT max(days) FROM loans) IN (SELECT days FROM loans)",
        "SELECT title FROM books WHERE pages IN (SELECT (SELECT max(height) FROM covers) FROM loans)",
        "SELECT title FROM books b WHERE EXISTS (SELECT count(*) FROM loans l WHERE l.book_id = b.book_id GROUP BY branch)",
        "SELECT title FROM books b WHERE pages IN (SELECT l.days + b.pages FROM loans l)",
        "SELECT title FROM books b WHERE EXISTS (SELECT 1 FROM loans l JOIN covers c ON c.book_id = b.book_id)",
        "SELECT title FROM books b WHERE EXISTS \
         (SELECT 1 FROM loans l WHERE EXISTS (SELECT 1 FROM covers c WHERE c.book_id = b.book_id))",
    ]));
}

#[test]
fn what_follows_from_no_table() {
    assert_snapshot!(refusals(&[
        "SELECT 1 AS one",
        "SELECT count(*) AS one",
        "SELECT DISTINCT 1 AS one",
        "VALUES (1), (2)",
        "SELECT genre FROM books UNION ALL SELECT 'none'",
        "SELECT genre FROM books UNION SELECT 'none'",
        "SELECT b.title FROM books b LEFT JOIN (VALUES (1), (2)) AS n (n) ON b.pages = n.n",
        "SELECT 1 AS one WHERE EXISTS (SELECT 1 FROM loans)",
        "SELECT max(n) AS n, count(DISTINCT n) AS m FROM (VALUES (1), (2)) AS n (n)",
        "SELECT row_number() OVER (PARTITION BY n) AS place FROM (VALUES (1), (2)) AS n (n)",
    ]));
}

#[test]
fn what_is_too_much() {
    let union = |count| vec!["SELECT title FROM books"; count].join(" UNION ALL ");
    let sought = |n: usize| {
        format!("EXISTS (SELECT 1 FROM books b{n} WHERE b{n}.genre = b.title AND b{n}.pages = {n})")
    };
    let sought: Vec<String> = (0..8).map(sought).collect();
    let statements = [
        union(33),
        format!("SELECT title FROM ({0}) AS a UNION ALL SELECT title FROM ({0}) AS b", union(20)),
        format!("SELECT title FROM books b WHERE {}", sought.join(" AND ")),
    ];
    let errors = statements.map(|select| compiled(&select).unwrap_err().to_string());
    assert_snapshot!(errors.join("\n"));
}
