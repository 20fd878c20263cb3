use std::time::Duration;

use tonic::Code;
use tributary_chassis::position::AS_OF;
use tributary_proto::query::v1::{GetStatusRequest, ListViewsRequest, SourceState, ViewState, value::Kind};

use super::*;
use crate::store::tests::{
    attacks::{ENDLESS, IDLE, REFUSED},
    place::{Engine, in_each_store},
};
use crate::{
    query::{Caps, library::Library},
    view::ViewFiles,
};

in_each_store! {
    an_answer_begins_with_its_columns_and_what_it_stands_on,
    an_answer_that_was_cut_short_says_so_last,
    whatever_is_no_single_select_is_refused_with_what_to_change,
    no_attack_is_let_through,
    bounds_hold_at_the_limit_and_not_one_further,
    a_bomb_ends_at_the_deadline,
    a_bomb_of_wide_rows_does_not_fill_memory,
    a_table_that_may_still_come_is_unavailable,
    views_are_listed_with_their_state,
    the_status_tells_sources_and_tables,
    lag_is_not_told_before_it_is_known,
}

async fn service(library: &Library, files: &[(&str, &str)]) -> QueryService {
    let files = ViewFiles::parse(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())));
    let (views, _) = Views::open(library.gateway.clone(), files).await.unwrap();
    let caps = Caps { time: Duration::from_millis(500), ..Caps::default() };
    QueryService { queries: Queries::new(library.gateway.clone(), caps), views, api: Api::default() }
}

fn request(sql: &str, max_rows: u32) -> Request<QueryRequest> {
    Request::new(QueryRequest { sql: sql.to_owned(), max_rows })
}

async fn parts(
    service: &QueryService,
    sql: &str,
    max_rows: u32,
) -> Result<Vec<query_response::Part>, Status> {
    let responses = service.query(request(sql, max_rows)).await?.into_inner();
    responses.map(|response| Ok(response?.part.unwrap())).collect::<Vec<_>>().await.into_iter().collect()
}

async fn refusal(service: &QueryService, sql: &str) -> Status {
    parts(service, sql, 0).await.unwrap_err()
}

async fn an_answer_begins_with_its_columns_and_what_it_stands_on(engine: Engine) {
    let library = Library::stocked(engine).await;
    let service = service(&library, &[]).await;
    let response =
        service.query(request("SELECT title, pages FROM books ORDER BY title LIMIT 1", 0)).await.unwrap();
    let as_of = response.metadata().get(AS_OF).unwrap().to_str().unwrap().to_owned();
    let parts: Vec<_> = response.into_inner().map(|part| part.unwrap().part.unwrap()).collect().await;
    let [query_response::Part::Header(header), query_response::Part::Rows(rows)] = &parts[..] else {
        panic!("{parts:?}")
    };
    let columns: Vec<_> =
        header.columns.iter().map(|column| format!("{} {}", column.name, column.r#type)).collect();
    assert_eq!((columns, &header.as_of), (vec!["title text".to_owned(), "pages bigint".to_owned()], &as_of));
    let values: Vec<_> = rows.rows[0].values.iter().map(|value| value.kind.clone().unwrap()).collect();
    assert_eq!(values, [Kind::Text("Atlas".to_owned()), Kind::Int64(90)]);
    for part in ["query/", "library/e1/6;state=connecting", "members/e1/3", "complete=1"] {
        assert!(as_of.contains(part), "{as_of}");
    }
}

async fn an_answer_that_was_cut_short_says_so_last(engine: Engine) {
    let library = Library::stocked(engine).await;
    let service = service(&library, &[]).await;
    let parts = parts(&service, "SELECT title FROM books", 2).await.unwrap();
    let Some(query_response::Part::Truncated(truncated)) = parts.last() else { panic!("{parts:?}") };
    assert!(truncated.reason.contains("max_rows"), "{}", truncated.reason);
}

async fn whatever_is_no_single_select_is_refused_with_what_to_change(engine: Engine) {
    let library = Library::stocked(engine).await;
    let service = service(&library, &[]).await;
    for sql in [
        "",
        "  ",
        "SELEC title FROM books",
        "SELECT FROM WHERE",
        "INSERT INTO books VALUES (1)",
        "UPDATE books SET pages = 1",
        "DELETE FROM books",
        "DROP TABLE books",
        "CREATE TABLE t (a bigint)",
        "PRAGMA query_only = 0",
        "ATTACH DATABASE 'x' AS y",
        "SELECT 1 AS a; SELECT 2 AS b",
        "BEGIN",
        "COPY books TO STDOUT",
        "SELECT name FROM sqlite_schema",
        "SELECT epoch FROM _gateway",
        "SELECT titel FROM books",
        "SELECT title FROM boks",
        "SELECT load_extension('x') AS a",
    ] {
        let status = refusal(&service, sql).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{sql}: {status:?}");
        assert!(status.message().len() > "sql: ".len() + 10, "{sql}: {status:?}");
    }
    assert!(refusal(&service, "SELECT title FROM boks").await.message().contains("did you mean \"books\"?"));
}

/// Each is refused for what it says, in time for nothing; what does not end and can be said ends at the deadline.
async fn no_attack_is_let_through(engine: Engine) {
    let library = Library::stocked(engine).await;
    let service = service(&library, &[]).await;
    for text in REFUSED.iter().chain(IDLE) {
        let text = text.replace("{owner}", "tributary").replace("{writer}", "1");
        let status = refusal(&service, &text).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{text}: {status:?}");
    }
    let twins = |columns: &str| {
        format!(
            "SELECT {columns} FROM books a, books b, books c, books d, books e, books f, books g, books h, books i, books j, books k, books l, books m, books n"
        )
    };
    let large = [
        format!("{} ORDER BY a.title || n.title || c.title DESC", twins("a.title || b.title AS both")),
        twins(
            "count(DISTINCT concat(a.title, b.title, c.title, d.title, e.title, f.title, g.title, h.title, i.title, j.title)) AS n",
        ),
    ];
    for text in ENDLESS.iter().copied().chain(large.iter().map(String::as_str)) {
        let status = refusal(&service, text).await;
        let bounded = [Code::InvalidArgument, Code::DeadlineExceeded, Code::ResourceExhausted];
        assert!(bounded.contains(&status.code()), "{text}: {status:?}");
    }
    assert_eq!(parts(&service, "SELECT title FROM books", 0).await.unwrap().len(), 2);
}

async fn bounds_hold_at_the_limit_and_not_one_further(engine: Engine) {
    let library = Library::stocked(engine).await;
    let service = service(&library, &[]).await;
    let sql = "SELECT title FROM books";
    parts(&service, sql, 10_000).await.unwrap();
    let status = parts(&service, sql, 10_001).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && status.message().contains("max_rows"), "{status:?}");
    let padded = |bytes: usize| format!("{sql}{}", " ".repeat(bytes - sql.len()));
    parts(&service, &padded(MAX_SQL_BYTES), 0).await.unwrap();
    let status = refusal(&service, &padded(MAX_SQL_BYTES + 1)).await;
    assert!(status.code() == Code::InvalidArgument && status.message().contains("sql"), "{status:?}");
}

async fn a_bomb_ends_at_the_deadline(engine: Engine) {
    let library = Library::stocked(engine).await;
    let service = service(&library, &[]).await;
    let joins: Vec<_> = ('a'..='t').map(|alias| format!("books {alias}")).collect();
    let joined = format!("SELECT count(*) AS n FROM {}", joins.join(", "));
    let counted =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n";
    for sql in [&joined, counted] {
        let status = refusal(&service, sql).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{sql}: {status:?}");
    }
}

#[cfg(target_os = "linux")]
async fn a_bomb_of_wide_rows_does_not_fill_memory(engine: Engine) {
    let resident = || {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    let library = Library::stocked(engine).await;
    let service = service(&library, &[]).await;
    let sql = "WITH RECURSIVE n(i, t) AS (SELECT 1, repeat('x', 100000) UNION ALL SELECT i + 1, t || 'y' FROM n) \
        SELECT t FROM n ORDER BY i DESC";
    let before = resident();
    let (status, most) = tokio::join!(refusal(&service, sql), async {
        let mut most = 0;
        for _ in 0..45 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            most = resident().max(most);
        }
        most
    });
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    // In memory it would take some hundred MB in this time.
    assert!(most < before + (100 << 20), "grew from {before} to {most}");
}

async fn a_table_that_may_still_come_is_unavailable(engine: Engine) {
    let library = Library::closed(engine).await;
    let service = service(&library, &[]).await;
    let status = refusal(&service, "SELECT title FROM books").await;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("library at http://127.0.0.1:1"), "{status:?}");
}

async fn views_are_listed_with_their_state(engine: Engine) {
    let library = Library::stocked(engine).await;
    let files = [
        ("a.sql", "CREATE VIEW titles AS SELECT title FROM books"),
        ("b.sql", "CREATE VIEW waiting AS SELECT title FROM shelves"),
    ];
    let service = service(&library, &files).await;
    let views = service.list_views(Request::new(ListViewsRequest {})).await.unwrap().into_inner().views;
    let states: Vec<_> = views.iter().map(|view| (view.name.as_str(), view.state())).collect();
    assert_eq!(states, [("titles", ViewState::Ready), ("waiting", ViewState::Pending)]);
    assert_eq!((views[0].columns[0].name.as_str(), views[0].reason.as_str()), ("title", ""));
    assert!(views[1].reason.contains("shelves") && !views[1].sql.is_empty(), "{:?}", views[1]);
}

async fn the_status_tells_sources_and_tables(engine: Engine) {
    let library = Library::closed(engine).await;
    library.shelve().await;
    let service = service(&library, &[]).await;
    let status = service.get_status(Request::new(GetStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.commit, status.complete, status.epoch.is_empty()), (1, false, false));
    let sources: Vec<_> =
        status.sources.iter().map(|source| (source.name.as_str(), source.applied, source.state())).collect();
    assert_eq!(sources, [("library", 6, SourceState::Connecting), ("members", 0, SourceState::Connecting)]);
    let tables: Vec<_> =
        status.tables.iter().map(|table| (table.name.as_str(), table.source.as_str())).collect();
    assert_eq!(tables, [("books", "library"), ("loans", "library")]);
    assert_eq!(status.tables[0].key, ["book_id"]);
}

async fn lag_is_not_told_before_it_is_known(engine: Engine) {
    async fn told(service: &QueryService) -> [(Option<u64>, Option<u64>); 2] {
        let reply = service.get_status(Request::new(GetStatusRequest {})).await.unwrap();
        let as_of = reply.metadata().get(AS_OF).unwrap().to_str().unwrap();
        let parts: Vec<_> = as_of.split(", ").skip(1).collect();
        let sources = &reply.get_ref().sources;
        let told = [0, 1].map(|n| (sources[n].lag, sources[n].lag_ms));
        for (part, (lag, lag_ms)) in parts.iter().zip(told) {
            // Answers say the same.
            let is_told = |name| part.contains(&format!(";{name}="));
            assert_eq!((is_told("lag"), is_told("lag_ms")), (lag.is_some(), lag_ms.is_some()), "{part}");
        }
        told
    }
    let library = Library::closed(engine).await;
    let service = service(&library, &[]).await;
    assert_eq!(told(&service).await, [(None, None); 2], "neither was ever reached");
    let tell = || {
        for source in ["library", "members"] {
            library.gateway.update_source(source, |status| status.tell(time::OffsetDateTime::now_utc(), 6));
        }
    };
    tell();
    assert_eq!(told(&service).await, [(None, None); 2], "what a snapshot lacks is not so many changes");
    library.shelve().await;
    tell();
    let [(changes, millis), members] = told(&service).await;
    assert!(changes == Some(0) && millis.is_some_and(|ms| ms < 10_000), "{changes:?} {millis:?}");
    assert_eq!(members, (None, None));
}
