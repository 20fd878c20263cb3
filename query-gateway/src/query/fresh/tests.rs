use tonic::Code;

use super::*;
use crate::query::{
    Caps, Queries,
    library::{EPOCH, Library},
};
use crate::store::tests::place::{Engine, in_each_store};

in_each_store! {
    what_is_applied_is_not_waited_for,
    a_position_is_waited_for_until_it_is_applied,
    when_time_is_up_it_says_where_it_stands,
    another_history_is_not_waited_for_unless_the_source_may_have_it,
    a_source_that_stopped_is_not_waited_for,
    a_service_that_is_no_source_is_named,
    a_source_that_was_never_reached_is_waited_for,
    a_source_that_never_told_its_clock_is_stale,
}

fn metadata(pairs: &[(&'static str, &str)]) -> MetadataMap {
    let mut metadata = MetadataMap::new();
    for (name, value) in pairs {
        metadata.append(*name, value.parse().unwrap());
    }
    metadata
}

fn after(positions: &str) -> Freshness {
    Freshness::of(&metadata(&[(AFTER, positions)])).unwrap()
}

/// Waits for at most 200 ms.
async fn reach(library: &Library, freshness: Freshness) -> Result<(), Fault> {
    let caps = Caps { time: Duration::from_millis(200), ..Caps::default() };
    Queries::new(library.gateway.clone(), caps).reach(&freshness).await
}

async fn refused(library: &Library, positions: &str, code: Code, why: &[&str]) {
    let fault = reach(library, after(positions)).await.unwrap_err();
    assert_eq!(fault.reason().code(), code, "{positions}: {fault}");
    for why in why {
        assert!(fault.message().contains(why), "{positions}: {fault}");
    }
}

async fn what_is_applied_is_not_waited_for(engine: Engine) {
    let library = Library::stocked(engine).await;
    let own = format!("query/{}/2", library.gateway.store().epoch());
    for positions in ["", "library/e1/6", "library/e1/2,members/e1/3", &own] {
        reach(&library, after(positions)).await.unwrap();
    }
}

async fn a_position_is_waited_for_until_it_is_applied(engine: Engine) {
    let library = Library::stocked(engine).await;
    let queries = Queries::new(library.gateway.clone(), Caps::default());
    for sequence in 7..50 {
        let wanted = after(&format!("library/e1/{sequence}"));
        let sql = format!("UPDATE books SET pages = {sequence}");
        let (reached, ()) = tokio::join!(queries.reach(&wanted), library.apply("library", sequence, &sql));
        reached.unwrap();
        let mut reader = library.gateway.store().read().await.unwrap();
        let pages: i64 = reader.query("SELECT max(pages) FROM books").one().await.unwrap();
        assert_eq!(pages, sequence.cast_signed());
    }
}

async fn when_time_is_up_it_says_where_it_stands(engine: Engine) {
    let library = Library::stocked(engine).await;
    refused(&library, "library/e1/9", Code::DeadlineExceeded, &["library/e1/9", "stands at library/e1/6"])
        .await;
    let own = format!("query/{}/99", library.gateway.store().epoch());
    refused(&library, &own, Code::DeadlineExceeded, &[&own, "/2"]).await;
}

async fn another_history_is_not_waited_for_unless_the_source_may_have_it(engine: Engine) {
    let library = Library::stocked(engine).await;
    // Restored since it was heard of, perhaps.
    for state in ["CONNECTING", "DISCONNECTED", "SNAPSHOT"] {
        refused(&library, "library/e0/1", Code::DeadlineExceeded, &["stands at library/e1/6", state]).await;
        library.gateway.update_source("library", |status| match state {
            "CONNECTING" => {
                status.described("library", 6);
                status.disconnected("gone".to_owned());
            }
            "DISCONNECTED" => {
                status.described("library", 6);
                status.filling(true);
            }
            _ => status.filling(false),
        });
    }
    refused(&library, "library/e0/1", Code::FailedPrecondition, &["another history", "library/e1"]).await;
    refused(&library, "query/e0/1", Code::FailedPrecondition, &["another history"]).await;
}

async fn a_source_that_stopped_is_not_waited_for(engine: Engine) {
    let library = Library::stocked(engine).await;
    library.gateway.update_source("library", |status| status.stopped("a hole behind 6".to_owned()));
    refused(&library, "library/e1/7", Code::FailedPrecondition, &["a hole behind 6"]).await;
    reach(&library, after("library/e1/6")).await.unwrap();
}

async fn a_service_that_is_no_source_is_named(engine: Engine) {
    let library = Library::stocked(engine).await;
    refused(&library, "archive/e1/1", Code::InvalidArgument, &["`archive`", "library, members"]).await;
}

async fn a_source_that_was_never_reached_is_waited_for(engine: Engine) {
    let library = Library::closed(engine).await;
    refused(&library, "archive/e1/1", Code::DeadlineExceeded, &["never reached so far: library, members"])
        .await;
    let queries = Queries::new(library.gateway.clone(), Caps::default());
    let wanted = after(&format!("library/{EPOCH}/6"));
    let (reached, ()) = tokio::join!(queries.reach(&wanted), library.shelve());
    reached.unwrap();
}

async fn a_source_that_never_told_its_clock_is_stale(engine: Engine) {
    let library = Library::stocked(engine).await;
    let freshness = Freshness::of(&metadata(&[(MAX_STALENESS, "50ms")])).unwrap();
    let fault = reach(&library, freshness.clone()).await.unwrap_err();
    assert_eq!(fault.reason(), Reason::DeadlineExceeded, "{fault}");
    for source in ["library", "members"] {
        let head = if source == "library" { 6 } else { 3 };
        library.gateway.update_source(source, |status| status.tell(time::OffsetDateTime::now_utc(), head));
    }
    reach(&library, Freshness::of(&metadata(&[(MAX_STALENESS, "10s")])).unwrap()).await.unwrap();
}

#[test]
fn malformed_metadata_is_named() {
    for (name, value) in [
        (AFTER, "library"),
        (AFTER, "library/e1/x"),
        (AFTER, "library/e1/1;members/e1/2"),
        (MAX_STALENESS, "500"),
        (MAX_STALENESS, "ms"),
        (MAX_STALENESS, "-1s"),
        (MAX_STALENESS, "1h"),
    ] {
        let fault = Freshness::of(&metadata(&[(name, value)])).unwrap_err();
        assert_eq!(fault.reason(), Reason::InvalidRequest, "{value}");
        assert!(fault.message().contains(name), "{fault}");
    }
}

#[test]
fn several_headers_are_one_list() {
    let freshness =
        Freshness::of(&metadata(&[(AFTER, "library/e1/3"), (AFTER, "library/e1/7, members/e1/1")])).unwrap();
    assert_eq!(freshness.after.to_string(), "library/e1/7,members/e1/1");
}
