//! What docs/sql.md says of materialized views and of the language, against the code: neither names what the other lacks.

use std::collections::BTreeSet;

use super::library::{Views, kinds};
use crate::sql::{Problem, aggregates, functions};

const DOCUMENT: &str = include_str!("../../../../docs/sql.md");

/// Constructs as the document names them, each with an example; what it is kept as is compared.
const KEPT: &[(&str, &str)] = &[
    (
        "`WHERE`, expressions, casts, `CASE`",
        "SELECT CASE WHEN rare THEN title ELSE pages::text END AS t FROM books WHERE title LIKE 'a%' OR pages BETWEEN 1 AND 9",
    ),
    (
        "`JOIN`, `CROSS JOIN`, comma",
        "SELECT l.days FROM books b JOIN loans l USING (book_id), readers r CROSS JOIN covers c",
    ),
    (
        "self-join",
        "SELECT a.title FROM books a JOIN books b ON a.pages = b.pages JOIN books c ON c.pages = b.pages",
    ),
    (
        "self-join of eight and more",
        "SELECT a.title FROM books a JOIN books b ON a.genre = b.genre JOIN books c ON a.genre = c.genre \
         JOIN books d ON a.genre = d.genre JOIN books e ON a.genre = e.genre JOIN books f ON a.genre = f.genre \
         JOIN books g ON a.genre = g.genre JOIN books h ON a.genre = h.genre",
    ),
    (
        "`LEFT JOIN`, `RIGHT JOIN`",
        "SELECT l.days FROM covers c RIGHT JOIN books b ON c.book_id = b.book_id LEFT JOIN loans l ON l.book_id = b.book_id",
    ),
    (
        "`LEFT JOIN … WHERE` that no row without partner passes",
        "SELECT l.days FROM books b LEFT JOIN loans l USING (book_id) WHERE l.days > 3",
    ),
    ("`FULL JOIN`", "SELECT l.days FROM books b FULL JOIN loans l USING (book_id)"),
    (
        "`LEFT JOIN` of a join",
        "SELECT l.days FROM readers r LEFT JOIN (loans l JOIN books b USING (book_id)) ON l.reader_id = r.reader_id",
    ),
    (
        "`EXISTS`, `IN (SELECT …)`",
        "SELECT title FROM books b WHERE EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id) \
         AND book_id IN (SELECT book_id FROM covers)",
    ),
    (
        "`NOT EXISTS`, `NOT IN (SELECT …)`",
        "SELECT title FROM books b WHERE NOT EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id) \
         AND book_id NOT IN (SELECT book_id FROM covers)",
    ),
    (
        "`EXISTS`, `IN` of a join",
        "SELECT title FROM books WHERE book_id IN (SELECT l.book_id FROM loans l JOIN readers r USING (reader_id))",
    ),
    (
        "sub-query in `FROM`, `WITH`",
        "WITH lent AS (SELECT book_id, days FROM loans) SELECT a.days FROM lent a JOIN lent b USING (book_id) \
         JOIN (SELECT book_id FROM covers) AS c USING (book_id)",
    ),
    ("`CREATE VIEW` beneath", "SELECT days FROM plain"),
    ("materialized view beneath", "SELECT days FROM beneath"),
    ("`UNION ALL`", "SELECT title FROM books UNION ALL SELECT name FROM readers"),
    ("`DISTINCT`", "SELECT DISTINCT genre, rare FROM books"),
    ("`UNION`", "SELECT title FROM books UNION SELECT name FROM readers"),
    (
        "`GROUP BY` with `count`, `sum`, `avg` of bigint or numeric, `bool_and`, `bool_or`, `every`",
        "SELECT genre, count(*) AS a, count(genre) AS b, sum(pages) AS c, avg(pages) AS d, sum(pages / 2.0) AS e, \
         avg(pages / 2.0) AS f, bool_and(rare) AS g, bool_or(rare) AS h, every(rare) AS i FROM books GROUP BY genre",
    ),
    ("`FILTER`", "SELECT genre, sum(pages) FILTER (WHERE rare) AS a FROM books GROUP BY genre"),
    (
        "`GROUP BY` over joins",
        "SELECT b.genre, sum(l.days) AS days FROM books b JOIN loans l USING (book_id) GROUP BY b.genre",
    ),
    ("`min`, `max`", "SELECT genre, min(title) AS a, max(pages) AS b FROM books GROUP BY genre"),
    (
        "`sum`, `avg` of double precision, `string_agg`, `jsonb_agg`",
        "SELECT genre, sum(weight) AS a, avg(weight) AS b, string_agg(title, ',' ORDER BY title) AS c, \
         jsonb_agg(title ORDER BY title) AS d FROM books GROUP BY genre",
    ),
    (
        "`min`, `max` and these over joins, or grouped by an expression",
        "SELECT b.genre, max(l.days) AS days FROM books b JOIN loans l USING (book_id) GROUP BY b.genre",
    ),
    (
        "`count`, `sum`, `avg` with `DISTINCT`",
        "SELECT genre, count(DISTINCT pages) AS a, sum(DISTINCT pages) AS b, avg(DISTINCT pages) AS c FROM books GROUP BY genre",
    ),
    ("aggregates without `GROUP BY`", "SELECT count(*) AS a, max(pages) AS b FROM books"),
    ("`HAVING`", "SELECT genre FROM books GROUP BY genre HAVING count(*) > 1"),
    (
        "`HAVING` with `EXISTS` or `IN`",
        "SELECT genre FROM books GROUP BY genre HAVING genre IN (SELECT town FROM readers)",
    ),
    (
        "joins with groups",
        "SELECT r.name, s.n FROM readers r LEFT JOIN (SELECT reader_id, count(*) AS n FROM loans GROUP BY reader_id) AS s \
         USING (reader_id)",
    ),
    (
        "`row_number`, `rank`, `lag` and the others, aggregates with `OVER (PARTITION BY …)`",
        "SELECT row_number() OVER (PARTITION BY genre ORDER BY pages) AS a, lag(pages) OVER (PARTITION BY genre ORDER BY pages) AS b, \
         sum(pages) OVER (PARTITION BY genre, rare) AS c FROM books",
    ),
    (
        "windows over joins, or partitioned by an expression",
        "SELECT rank() OVER (PARTITION BY lower(genre) ORDER BY pages) AS a FROM books",
    ),
];

/// What is refused: how its clause begins, and an example.
const REFUSED: &[(&str, &str)] = &[
    ("ORDER BY", "SELECT title FROM books ORDER BY title"),
    ("LIMIT", "SELECT title FROM books LIMIT 3"),
    ("OFFSET", "SELECT title FROM books OFFSET 3"),
    (
        "WITH RECURSIVE",
        "WITH RECURSIVE n AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM n WHERE n < 9) SELECT n FROM n",
    ),
    ("INTERSECT", "SELECT title FROM books INTERSECT SELECT name FROM readers"),
    ("EXCEPT", "SELECT title FROM books EXCEPT SELECT name FROM readers"),
    ("scalar sub-query", "SELECT title, (SELECT max(days) FROM loans) AS days FROM books"),
    ("EXISTS or IN (SELECT ..)", "SELECT title FROM books WHERE rare OR EXISTS (SELECT 1 FROM loans)"),
    (
        "correlated sub-query",
        "SELECT title FROM books b WHERE pages IN (SELECT max(days) FROM loans l WHERE l.book_id = b.book_id)",
    ),
    ("window function", "SELECT row_number() OVER (ORDER BY pages) AS place FROM books"),
    ("SELECT without FROM", "SELECT genre FROM books UNION ALL SELECT 'none'"),
    ("UNION ALL", ""),
    ("table \"books\"", ""),
    ("now()", "SELECT now() AS at, title FROM books"),
    ("random()", "SELECT random() AS at, title FROM books"),
];

/// Cells of the rows of the table with this heading.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let rows = DOCUMENT.lines().skip_while(|line| !line.starts_with(heading)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn view(select: &str) -> Result<Views, crate::sql::SqlError> {
    Views::of(&format!(
        "CREATE VIEW plain AS SELECT book_id, days FROM loans; CREATE MATERIALIZED VIEW beneath AS SELECT days FROM plain; \
         CREATE MATERIALIZED VIEW kept AS {select}"
    ))
}

#[test]
fn constructs_are_kept_as_the_document_says() {
    let rows = table("| construct | kept as |");
    let documented: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    let tested: Vec<&str> = KEPT.iter().map(|(construct, _)| *construct).collect();
    assert_eq!(documented, tested);
    for (row, (construct, select)) in rows.iter().zip(KEPT) {
        let plan = view(select).unwrap_or_else(|error| panic!("{construct}: {error}")).plan();
        assert_eq!(kinds(&plan).join(", "), row[1], "{construct}");
        assert!(row.len() == 4 && row[2..].iter().all(|cell| !cell.is_empty()), "{construct}");
    }
}

#[test]
fn what_is_refused_is_documented_in_the_same_words() {
    let rows = table("| refused | why | instead |");
    let documented: Vec<String> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let tested: Vec<&str> = REFUSED.iter().map(|(clause, _)| *clause).collect();
    assert_eq!(documented, tested);
    let union = vec!["SELECT title FROM books"; 33].join(" UNION ALL ");
    let exists = "EXISTS (SELECT 1 FROM books c WHERE c.genre = b.genre)";
    let often = format!("SELECT title FROM books b WHERE {}", [exists; 8].join(" AND "));
    for (row, (clause, select)) in rows.iter().zip(REFUSED) {
        let select = match *clause {
            "UNION ALL" => &union,
            "table \"books\"" => &often,
            _ => *select,
        };
        let Err(error) = view(select).map(|_| ()) else { panic!("{clause} is kept") };
        let Problem::Refused { clause: refused, reason, alternative } = error.problem else {
            panic!("{error}")
        };
        assert!(refused.starts_with(clause), "{clause}: {refused}");
        let words = [reason, alternative.unwrap_or_default()];
        assert_eq!(row[1..], words.each_ref().map(|cell| cell.as_str()), "{clause}");
    }
}

/// The names in the first backquotes of a row of the table of what is supported.
fn supported(name: &str) -> BTreeSet<&'static str> {
    let row = table("| | |").into_iter().find(|row| row[0] == name).unwrap();
    row[1].split('`').nth(1).unwrap().split_whitespace().collect()
}

/// What is in the table of functions and not called by a name; the document has it among the expressions.
const OPERATORS: [&str; 5] = ["greatest", "ilike", "least", "like", "negate"];

/// What is called by a name and becomes a call of another function.
const REWRITTEN: [(&str, &str); 2] =
    [("date_part", "date_part('year', added)"), ("trim", "trim(both 'x' from title)")];

#[test]
fn the_functions_are_those_of_the_document() {
    let is_word = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let known: BTreeSet<&str> =
        functions::FUNCTIONS.iter().map(|function| function.name).filter(is_word).collect();
    let documented = ["text", "numbers", "time", "jsonb"].iter().flat_map(|row| supported(row));
    assert_eq!(
        documented.chain(OPERATORS).collect::<BTreeSet<_>>(),
        known.into_iter().chain(REWRITTEN.map(|(name, _)| name)).collect()
    );
    for (_, call) in REWRITTEN {
        super::library::plan(&format!("SELECT {call} AS a FROM books"));
    }
}

#[test]
fn the_aggregates_and_window_functions_are_those_of_the_document() {
    assert_eq!(supported("aggregates"), aggregates::NAMES.iter().map(|(name, _)| *name).collect());
    assert_eq!(supported("windows"), aggregates::RANKINGS.iter().map(|(name, ..)| *name).collect());
}
