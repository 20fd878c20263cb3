use std::time::Instant as Clock;

use super::*;
use crate::store::tests::place::{Engine, in_each_store};
use crate::{
    database::{Row, Value},
    query::library::Library,
    sql,
};

in_each_store! {
    every_type_arrives_as_what_it_is,
    positions_and_rows_are_of_one_commit,
    more_rows_than_wanted_are_cut_off_and_said,
    each_cap_on_the_answer_is_said,
    a_row_that_is_wider_than_an_answer_ends_it,
    what_is_too_wide_is_left_out_by_the_server,
    a_query_without_end_is_stopped_while_writes_go_on,
    the_deadline_of_the_caller_stops_it_too,
    a_query_beyond_the_slots_waits_and_then_is_told,
    a_caller_who_goes_away_stops_the_query,
    a_caller_who_does_not_read_is_cut_off_at_the_deadline,
    what_postgres_refuses_at_run_time_is_the_callers_mistake,
    readers_cannot_write_whatever_they_are_asked,
}

/// More steps than any of these tests has time for.
const ENDLESS: &str = "SELECT count(*) AS n FROM books a, books b, books c, books d, books e, books f, books g, \
    books h, books i, books j, books k, books l, books m, books n, books o, books p, books q, books r, books s, books t";

const CAPS: Caps = Caps { time: Duration::from_secs(5), rows: 10_000, bytes: 8 << 20, ad_hoc: 4, typed: 8 };

fn statement(library: &Library, sql: &str) -> Statement {
    let catalog = library.gateway.catalog();
    let compiled = Arc::new(sql::compile(sql, &catalog, &[]).unwrap());
    Statement { compiled, catalog, arguments: Vec::new(), max_rows: 10_000 }
}

/// Where relations do not change.
async fn start(queries: &Queries, asker: Asker, statement: Statement) -> Result<Answer, Fault> {
    Ok(queries.start(asker, statement).await?.expect("the relations are what they were"))
}

/// All rows, and why there are no more if the answer was cut short.
async fn read(mut answer: Answer) -> Result<(Vec<Vec<Cell>>, Option<String>), Fault> {
    let (mut rows, mut truncated) = (Vec::new(), None);
    while let Some(part) = answer.next().await {
        match part? {
            Part::Rows(more) => rows.extend(more),
            Part::Truncated(reason) => truncated = Some(reason),
        }
    }
    Ok((rows, truncated))
}

async fn ask(library: &Library, caps: Caps, sql: &str) -> Result<(Vec<Vec<Cell>>, Option<String>), Fault> {
    let queries = Queries::new(library.gateway.clone(), caps);
    read(start(&queries, Asker::AdHoc, statement(library, sql)).await?).await
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

async fn every_type_arrives_as_what_it_is(engine: Engine) {
    let library = Library::stocked(engine).await;
    let sql = "SELECT title, pages, weight, rare, added, cover, tags, \
        (SELECT sum(days) FROM loans l WHERE l.book_id = b.book_id) AS total \
        FROM books b WHERE book_id <> 'b3' ORDER BY book_id";
    let (rows, truncated) = ask(&library, CAPS, sql).await.unwrap();
    assert_eq!(truncated, None);
    assert_eq!(
        rows,
        [
            vec![
                text("Emma"),
                Cell::Bigint(474),
                Cell::Double(0.5),
                Cell::Bool(false),
                Cell::Timestamptz(1_700_000_000_123_456),
                Cell::Bytea(vec![1, 255]),
                Cell::Jsonb("[\"classic\"]".to_owned()),
                Cell::Numeric("35".to_owned()),
            ],
            vec![
                text("Dune"),
                Cell::Bigint(612),
                Cell::Null,
                Cell::Bool(true),
                Cell::Null,
                Cell::Bytea(Vec::new()),
                Cell::Jsonb("[]".to_owned()),
                Cell::Numeric("7".to_owned()),
            ],
        ]
    );
}

async fn positions_and_rows_are_of_one_commit(engine: Engine) {
    let library = Library::stocked(engine).await;
    let queries = Queries::new(library.gateway.clone(), CAPS);
    for sequence in 7..40 {
        let sql = format!("UPDATE books SET pages = {sequence} WHERE book_id = 'b1'");
        let statement = statement(&library, "SELECT pages FROM books WHERE book_id = 'b1'");
        let (answer, ()) =
            tokio::join!(start(&queries, Asker::AdHoc, statement), library.apply("library", sequence, &sql));
        let answer = answer.unwrap();
        let stands = answer.as_of.positions().to_string();
        let (rows, _) = read(answer).await.unwrap();
        let [Cell::Bigint(pages)] = rows[0][..] else { panic!("{rows:?}") };
        let pages = if pages == 474 { 6 } else { pages };
        assert_eq!(stands, format!("library/e1/{pages},members/e1/3"));
    }
}

async fn more_rows_than_wanted_are_cut_off_and_said(engine: Engine) {
    let library = Library::stocked(engine).await;
    let queries = Queries::new(library.gateway.clone(), CAPS);
    for (max_rows, rows, cut) in [(2, 2, true), (3, 3, false), (4, 3, false)] {
        let statement = Statement { max_rows, ..statement(&library, "SELECT title FROM books") };
        let (got, truncated) = read(start(&queries, Asker::AdHoc, statement).await.unwrap()).await.unwrap();
        assert_eq!((got.len(), truncated.is_some()), (rows, cut), "max_rows = {max_rows}: {truncated:?}");
    }
}

async fn each_cap_on_the_answer_is_said(engine: Engine) {
    let library = Library::stocked(engine).await;
    let pairs = "SELECT a.title AS one, b.title AS other FROM books a, books b";
    let (rows, truncated) = ask(&library, Caps { bytes: 60, ..CAPS }, pairs).await.unwrap();
    assert!(!rows.is_empty() && rows.len() < 9, "{rows:?}");
    assert!(truncated.unwrap().contains("larger than 60 bytes"));
}

async fn a_row_that_is_wider_than_an_answer_ends_it(engine: Engine) {
    let library = Library::stocked(engine).await;
    let caps = Caps { bytes: 650, ..CAPS };
    // Of 90, 474 and 612 characters.
    for ordered in ["ASC", "DESC"] {
        let sql = format!("SELECT title, repeat('x', pages) AS long FROM books ORDER BY pages {ordered}");
        let (rows, truncated) = ask(&library, caps, &sql).await.unwrap();
        let titles: Vec<_> = rows.iter().map(|row| &row[0]).collect();
        let expected = [text("Atlas"), text("Emma"), text("Dune")];
        assert_eq!(
            titles,
            if ordered == "ASC" { vec![&expected[0], &expected[1]] } else { vec![&expected[2]] }
        );
        assert!(truncated.unwrap().contains("larger than 650 bytes"));
    }
    let wide = "SELECT repeat('x', 651) AS long, title, tags FROM books";
    let (rows, truncated) = ask(&library, caps, wide).await.unwrap();
    assert_eq!((rows, truncated.is_some()), (Vec::new(), true));
}

/// What was read could not be left out any more.
async fn what_is_too_wide_is_left_out_by_the_server(engine: Engine) {
    let library = Library::stocked(engine).await;
    let wide = [
        "repeat(title, 3)",
        "tags",
        "cover",
        "(SELECT string_agg(l.loan_id, ',') FROM loans l)",
        "CAST(weight AS numeric)",
    ];
    for column in wide {
        let sql = format!("SELECT {column} AS wide, {column}, pages FROM books ORDER BY pages");
        let Statement { compiled, catalog, .. } = statement(&library, &sql);
        let mut reader = library.gateway.store().query().await.unwrap();
        let mut read = async |most| {
            let limited = super::width::limited(catalog.dialect, &compiled, most)?;
            let row = reader.composed(limited).all::<Row>().await.unwrap().remove(0);
            let cells: Vec<_> = (0..)
                .zip(&compiled.columns)
                .map(|(at, column)| Cell::read(&row, at, column).unwrap())
                .collect();
            Some((cells, row.value(3).unwrap()))
        };
        let Some((cells, fits)) = read(0).await else {
            assert_eq!(engine, Engine::Sqlite, "which makes nothing so large");
            continue;
        };
        // An empty one has room everywhere.
        if column != "cover" {
            assert_eq!((&cells[..2], fits), (&[Cell::Null, Cell::Null][..], Value::Bool(false)), "{column}");
        }
        assert_eq!(cells[2], Cell::Bigint(90), "{column}");
        let (cells, fits) = read(100).await.unwrap();
        assert!(
            cells[0] == cells[1] && cells[0] != Cell::Null && fits == Value::Bool(true),
            "{column}: {cells:?}"
        );
    }
    let narrow = statement(&library, "SELECT pages, weight, rare, added FROM books").compiled;
    assert_eq!(super::width::limited(library.gateway.catalog().dialect, &narrow, 0), None);
}

async fn a_query_without_end_is_stopped_while_writes_go_on(engine: Engine) {
    let library = Library::stocked(engine).await;
    let caps = Caps { time: Duration::from_millis(300), ..CAPS };
    let begin = Clock::now();
    let asked = ask(&library, caps, ENDLESS);
    let written = async {
        for sequence in 7..20 {
            library.apply("library", sequence, "UPDATE books SET pages = pages + 1").await;
        }
        Clock::now()
    };
    let (asked, written) = tokio::join!(asked, written);
    let fault = asked.unwrap_err();
    assert_eq!(fault.reason(), Reason::DeadlineExceeded, "{fault}");
    assert!(begin.elapsed() < Duration::from_secs(3), "stopped after {:?}", begin.elapsed());
    assert!(written - begin < Duration::from_secs(3), "written after {:?}", written - begin);
}

async fn the_deadline_of_the_caller_stops_it_too(engine: Engine) {
    let library = Library::stocked(engine).await;
    let begin = Clock::now();
    let call = ask(&library, CAPS, ENDLESS);
    let fault = deadline::scope(Instant::now() + Duration::from_millis(300), call).await.unwrap_err();
    assert_eq!(fault.reason(), Reason::DeadlineExceeded, "{fault}");
    assert!(begin.elapsed() < Duration::from_secs(3), "stopped after {:?}", begin.elapsed());
}

async fn a_query_beyond_the_slots_waits_and_then_is_told(engine: Engine) {
    let library = Library::stocked(engine).await;
    let caps = Caps { ad_hoc: 2, ..CAPS };
    let queries = Queries::new(library.gateway.clone(), caps);
    let begin = |sql: &str| start(&queries, Asker::AdHoc, statement(&library, sql));
    let (one, other) = (begin(ENDLESS).await.unwrap(), begin(ENDLESS).await.unwrap());
    let short = Instant::now() + Duration::from_millis(200);
    let fault = deadline::scope(short, begin("SELECT title FROM books")).await.unwrap_err();
    assert_eq!(fault.reason(), Reason::Overloaded, "{fault}");
    // Typed queries have slots of their own.
    let typed = start(&queries, Asker::Typed, statement(&library, "SELECT title FROM books")).await.unwrap();
    assert_eq!(read(typed).await.unwrap().0.len(), 3);
    // A slot that becomes free is taken by who waits.
    let (waiting, ()) = tokio::join!(begin("SELECT title FROM books"), async { drop(one) });
    assert_eq!(read(waiting.unwrap()).await.unwrap().0.len(), 3);
    drop(other);
}

async fn a_caller_who_goes_away_stops_the_query(engine: Engine) {
    let library = Library::stocked(engine).await;
    let queries = Queries::new(library.gateway.clone(), Caps { ad_hoc: 1, ..CAPS });
    let begin = Clock::now();
    for _ in 0..5 {
        let answer = start(&queries, Asker::AdHoc, statement(&library, ENDLESS)).await.unwrap();
        drop(answer);
    }
    let last = start(&queries, Asker::AdHoc, statement(&library, "SELECT title FROM books")).await.unwrap();
    assert_eq!(read(last).await.unwrap().0.len(), 3);
    // Each of them alone would have held the only slot for five seconds.
    assert!(begin.elapsed() < Duration::from_secs(4), "took {:?}", begin.elapsed());
}

async fn a_caller_who_does_not_read_is_cut_off_at_the_deadline(engine: Engine) {
    let library = Library::stocked(engine).await;
    let filler: Vec<_> = (0..3000).map(|i| format!("('x{i}', '{}', 'r1', 1)", "t".repeat(200))).collect();
    library.apply("library", 7, &format!("INSERT INTO loans VALUES {}", filler.join(", "))).await;
    let queries = Queries::new(library.gateway.clone(), Caps { ad_hoc: 1, ..CAPS });
    let stalled = start(&queries, Asker::AdHoc, statement(&library, "SELECT book_id FROM loans"));
    let soon = Instant::now() + Duration::from_millis(300);
    let mut stalled = deadline::scope(soon, stalled).await.unwrap();
    // The only slot comes free without the stalled caller doing anything.
    let next =
        start(&queries, Asker::AdHoc, statement(&library, "SELECT count(*) AS n FROM books")).await.unwrap();
    assert_eq!(read(next).await.unwrap().0, [[Cell::Bigint(3)]]);
    assert!(matches!(stalled.next().await, Some(Ok(Part::Rows(_)))));
    let end = stalled.next().await;
    assert!(matches!(&end, Some(Err(fault)) if fault.reason() == Reason::DeadlineExceeded), "{end:?}");
}

async fn what_postgres_refuses_at_run_time_is_the_callers_mistake(engine: Engine) {
    let library = Library::stocked(engine).await;
    for (sql, why) in [
        ("SELECT pages / (pages - 90) AS n FROM books", "division by zero"),
        ("SELECT CAST(title AS bigint) AS n FROM books", "Emma"),
    ] {
        let fault = ask(&library, CAPS, sql).await.unwrap_err();
        assert_eq!(fault.reason(), Reason::InvalidRequest, "{fault}");
        assert!(fault.message().contains(why), "{fault}");
    }
    // The reader is none the worse for it.
    assert_eq!(ask(&library, CAPS, "SELECT title FROM books").await.unwrap().0.len(), 3);
}

async fn readers_cannot_write_whatever_they_are_asked(engine: Engine) {
    let library = Library::stocked(engine).await;
    let mut reader = library.gateway.store().query().await.unwrap();
    for sql in
        ["DELETE FROM books", "PRAGMA query_only = 0", "ATTACH 'x' AS y", "SELECT name FROM sqlite_schema"]
    {
        assert!(reader.query(sql).optional::<Row>().await.is_err(), "{sql}");
    }
    assert_eq!(reader.query("SELECT count(*) FROM books").one::<i64>().await.unwrap(), 3);
}
