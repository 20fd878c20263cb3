//! What is refused, with the exact words.

use insta::assert_snapshot;

use super::catalog;
use crate::sql::{Problem, compile, compile_view, parse_views};

/// One line for each statement: what it is refused with.
fn refusals(statements: &[&str]) -> String {
    let catalog = catalog();
    let line = |sql: &&str| match compile(sql, &catalog, &[]) {
        Ok(compiled) => format!("{sql}\n  ACCEPTED {}", compiled.text),
        Err(error) => format!("{sql}\n  {error}"),
    };
    statements.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn statements() {
    assert_snapshot!(refusals(&[
        "",
        "SELEC 1",
        "SELECT 1; SELECT 2",
        "INSERT INTO books VALUES (1)",
        "UPDATE books SET pages = 1",
        "DELETE FROM books",
        "DROP TABLE books",
        "ATTACH DATABASE 'x' AS y",
        "PRAGMA user_version = 7",
        "VACUUM INTO '/tmp/x'",
        "BEGIN",
        "COPY books TO '/tmp/x'",
        "CREATE VIEW v AS SELECT 1",
        "EXPLAIN SELECT 1",
        "WITH x AS (DELETE FROM books RETURNING *) SELECT * FROM x",
        "SELECT * INTO copy FROM books",
        "SELECT 1 FOR UPDATE",
        "SELECT load_extension('x')",
        "SELECT * FROM pragma_table_info('books')",
        "SELECT * FROM sqlite_master",
    ]));
}

#[test]
fn names() {
    assert_snapshot!(refusals(&[
        "SELECT * FROM bookz",
        "SELECT titel FROM books",
        "SELECT b.titel FROM books b",
        "SELECT x.title FROM books b",
        "SELECT books.title FROM books b",
        "SELECT book_id FROM books JOIN loans ON true",
        "SELECT * FROM books, books",
        "SELECT public.books.title FROM books",
        "SELECT * FROM public.books",
        "SELECT lenght(title) FROM books",
        "SELECT :name",
        "SELECT $1",
        "SELECT *",
        "SELECT z.* FROM books",
    ]));
}

#[test]
fn volatile_and_unsupported() {
    assert_snapshot!(refusals(&[
        "SELECT now()",
        "SELECT CURRENT_TIMESTAMP",
        "SELECT random()",
        "SELECT array_agg(title) FROM books",
        "SELECT ARRAY[1]",
        "SELECT 1 = ANY (SELECT 1)",
        "SELECT title ~ 'x' FROM books",
        "SELECT title SIMILAR TO 'x' FROM books",
        "SELECT taken AT TIME ZONE 'UTC' FROM loans",
        "SELECT title COLLATE \"C\" FROM books",
        "SELECT DISTINCT ON (city) city FROM readers",
        "SELECT * FROM books NATURAL JOIN loans",
        "SELECT * FROM books JOIN loans",
        "SELECT * FROM books, LATERAL (SELECT 1) x",
        "SELECT * FROM generate_series(1, 3)",
        "SELECT city FROM readers GROUP BY ROLLUP (city)",
        "SELECT pages FROM books GROUP BY ALL",
        "SELECT sum(pages) OVER w FROM books WINDOW w AS (ORDER BY pages)",
        "SELECT count(*) OVER (ORDER BY pages RANGE 5 PRECEDING) FROM books",
        "SELECT string_agg(DISTINCT city, ',') FROM readers",
        "SELECT 1 INTERSECT ALL SELECT 1",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY pages) FROM books",
        "SELECT 1::int",
        "SELECT 1::varchar(3)",
        "SELECT taken::timestamp FROM loans",
        "SELECT taken::date FROM loans",
        "SELECT '{}'::json",
        "SELECT title FROM books ORDER BY pages USING <",
        "SELECT 2 ^ 3",
        "SELECT *, 1 FROM books LIMIT 5 BY title",
    ]));
}

#[test]
fn types_and_groups() {
    assert_snapshot!(refusals(&[
        "SELECT title + 1 FROM books",
        "SELECT title FROM books WHERE pages",
        "SELECT title FROM books WHERE title = 1",
        "SELECT title FROM books WHERE pages = 'many'",
        "SELECT true::bigint",
        "SELECT 1::boolean",
        "SELECT 1 || 2",
        "SELECT CASE WHEN true THEN 1 ELSE 'x' END",
        "SELECT 1 UNION SELECT 'x'",
        "SELECT 1, 2 UNION SELECT 1",
        "SELECT title, 1 FROM books UNION SELECT 1, 1",
        "SELECT tags = tags FROM books",
        "SELECT DISTINCT tags FROM books",
        "SELECT tags FROM books ORDER BY tags",
        "SELECT title, count(*) FROM books",
        "SELECT title FROM books GROUP BY genre",
        "SELECT genre FROM books GROUP BY genre ORDER BY title",
        "SELECT title FROM books WHERE count(*) > 1",
        "SELECT sum(sum(pages)) FROM books",
        "SELECT title FROM books WHERE row_number() OVER () = 1",
        "SELECT row_number() FROM books",
        "SELECT (SELECT sum(b.pages)) FROM books b",
        "SELECT (SELECT l.fee FROM loans l WHERE l.book_id = b.book_id) FROM books b GROUP BY b.title",
        "SELECT max(active) FROM readers",
        "SELECT sum(title) FROM books",
        "SELECT min(*) FROM books",
        "SELECT title FROM books HAVING true",
        "SELECT title FROM books ORDER BY 2",
        "SELECT DISTINCT city FROM readers ORDER BY reader_id",
        "SELECT city FROM readers UNION SELECT 'x' ORDER BY lower(city)",
        "SELECT (SELECT 1, 2)",
        "SELECT 1 IN (SELECT 1, 2)",
        "SELECT length(1)",
        "SELECT substring(1, 2)",
        "SELECT extract(fortnight from taken) FROM loans",
        "SELECT interval '1 fortnight'",
        "SELECT title LIKE 1 FROM books",
        "SELECT title FROM books LIMIT 'x'",
        "SELECT title FROM books LIMIT pages",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 0.5 FROM t) SELECT * FROM t",
    ]));
}

#[test]
fn depth_and_length_are_bounded() {
    let catalog = catalog();
    let long_chain = format!("SELECT {}", vec!["1"; 900].join(" + "));
    let message = compile(&long_chain, &catalog, &[]).unwrap_err().to_string();
    assert!(message.contains("nested more than"), "{message}");
    let longer = format!("SELECT {}", vec!["1"; 5_000].join(" + "));
    let message = compile(&longer, &catalog, &[]).unwrap_err().to_string();
    assert!(message.contains("more than 1000 operators"), "{message}");
    let nested = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    compile(&nested, &catalog, &[]).unwrap_err();
    let alternatives = format!("SELECT 1 FROM books WHERE {}", vec!["pages = 1"; 400].join(" OR "));
    compile(&alternatives, &catalog, &[]).unwrap();
    let list = format!("SELECT 1 FROM books WHERE pages IN ({})", vec!["1"; 5_000].join(", "));
    compile(&list, &catalog, &[]).unwrap();
}

#[test]
fn an_unknown_relation_is_told_apart() {
    let error = compile("SELECT * FROM boks", &catalog(), &[]).unwrap_err();
    assert_eq!(
        error.problem,
        Problem::UnknownRelation { name: "boks".into(), suggestion: Some("books".into()) }
    );
    assert_eq!(error.position.map(|position| (position.line, position.column)), Some((1, 15)));
}

#[test]
fn view_files() {
    let text = "-- what is lent\nCREATE VIEW lent (b, n) AS SELECT book_id, count(*) FROM loans GROUP BY 1; /* more */\n\
                CREATE MATERIALIZED VIEW big AS SELECT * FROM books WHERE pages > 300;";
    let views = parse_views(text).unwrap().views;
    let summary: Vec<_> = views.iter().map(|view| (view.name.as_str(), view.materialized)).collect();
    assert_eq!(summary, [("lent", false), ("big", true)]);
    let columns = compile_view(&views[0], &catalog()).unwrap().columns;
    assert_eq!(columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["b", "n"]);

    let refused = [
        "DROP TABLE books",
        "SELECT 1",
        "CREATE OR REPLACE VIEW v AS SELECT 1 AS a",
        "CREATE VIEW IF NOT EXISTS v AS SELECT 1 AS a",
        "CREATE TEMPORARY VIEW v AS SELECT 1 AS a",
        "CREATE VIEW a.v AS SELECT 1 AS a",
        "CREATE VIEW \"V\" AS SELECT 1 AS a",
        "CREATE VIEW sqlite_v AS SELECT 1 AS a",
        "CREATE VIEW v AS SELECT 1 AS a, 2 AS \"A\"",
        "CREATE VIEW v AS SELECT 1 AS a; CREATE VIEW v AS SELECT 2 AS a",
        "CREATE VIEW v AS SELECT 1 AS a, 2 AS a",
        "CREATE VIEW v AS SELECT 1 + 1",
        "CREATE VIEW v (a, b) AS SELECT 1 AS a",
        "CREATE VIEW v AS SELECT :x AS a",
        "CREATE VIEW v AS",
    ];
    let check = |text: &str| parse_views(text).and_then(|file| compile_view(&file.views[0], &catalog()));
    let lines = refused.map(|text| {
        format!(
            "{text}\n  {}",
            check(text)
                .map(|_| "ACCEPTED")
                .unwrap_or_else(|error| { Box::leak(error.to_string().into_boxed_str()) })
        )
    });
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn indexes_in_view_files() {
    let text = "CREATE VIEW long AS SELECT isbn, pages FROM books;
        CREATE INDEX ON books (pages DESC, isbn); CREATE INDEX \"by_who\" ON Loans USING btree (reader_id ASC);";
    let file = parse_views(text).unwrap();
    let indexes: Vec<_> = file.indexes.iter().map(ToString::to_string).collect();
    assert_eq!(
        indexes,
        [
            "CREATE INDEX books_pages_isbn_idx ON books (\"pages\" DESC, \"isbn\")",
            "CREATE INDEX by_who ON loans (\"reader_id\")"
        ]
    );
    for index in &file.indexes {
        assert_eq!(parse_views(&index.to_string()).unwrap().indexes, std::slice::from_ref(index));
    }
    let long = format!("CREATE INDEX ON books ({})", ["pages", &"x".repeat(80)].join(", "));
    assert_eq!(parse_views(&long).unwrap().indexes[0].name.len(), 63);

    let refused = [
        "CREATE UNIQUE INDEX ON books (isbn)",
        "CREATE INDEX IF NOT EXISTS i ON books (isbn)",
        "CREATE INDEX CONCURRENTLY ON books (isbn)",
        "CREATE INDEX ON books (isbn) WHERE pages > 3",
        "CREATE INDEX ON books (isbn) INCLUDE (pages)",
        "CREATE INDEX ON books USING hash (isbn)",
        "CREATE INDEX ON books (isbn) WITH (fillfactor = 70)",
        "CREATE INDEX ON books (lower(isbn))",
        "CREATE INDEX ON books (isbn text_pattern_ops)",
        "CREATE INDEX ON books (isbn NULLS FIRST)",
        "CREATE INDEX ON books (isbn, isbn)",
        "CREATE INDEX \"By\" ON books (isbn)",
        "CREATE INDEX ON a.books (isbn)",
        "CREATE VIEW i AS SELECT isbn FROM books; CREATE INDEX i ON books (isbn)",
    ];
    let lines = refused.map(|text| match parse_views(text) {
        Ok(_) => format!("{text}\n  ACCEPTED"),
        Err(error) => format!("{text}\n  {error}"),
    });
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_view_names_what_it_reads_whether_or_not_that_is_there() {
    let text = "CREATE MATERIALIZED VIEW v (a) AS WITH w AS (SELECT x FROM one) SELECT x FROM w JOIN Two ON TRUE \
        WHERE EXISTS (SELECT 1 FROM three) UNION ALL SELECT y FROM (SELECT y FROM four) AS f";
    let view = &parse_views(text).unwrap().views[0];
    let names: Vec<_> = view.names.iter().map(String::as_str).collect();
    assert_eq!(names, ["four", "one", "three", "two", "w"]);
    assert_eq!(parse_views(&view.create()).unwrap().views, std::slice::from_ref(view));
}
