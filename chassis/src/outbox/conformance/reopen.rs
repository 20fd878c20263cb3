//! What outlives the process, and what a state carries.

use opentelemetry::{
    Context,
    context::FutureExt as _,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};

use super::{
    bank::{ACCOUNTS, Command},
    checker::check,
    fixture::{Fixture, Store, call, deposit, open, run, touch},
};
use crate::{fault::Reason, feed::Mark, lock::LockError, outbox::OpenError};

/// The same store opened again is the same history; another store is another.
pub(super) async fn reopening_keeps_epoch_and_head(fixture: Fixture) {
    let outbox = fixture.open().await;
    let epoch = outbox.log().epoch().to_owned();
    assert_eq!(*outbox.log().head().borrow(), Mark::default());
    run(&outbox, touch((0..10).map(|n| format!("{n}")))).await.unwrap();
    let before = check(&outbox).await;
    drop(outbox);
    for _ in 0..3 {
        let outbox = fixture.open().await;
        assert_eq!(outbox.log().epoch(), epoch);
        assert_eq!(check(&outbox).await, before);
    }
    let other = fixture.another();
    assert_ne!(other.open().await.log().epoch(), epoch);
}

/// Versions count from one, etags never come back, times are those of the commits.
pub(super) async fn a_state_carries_its_version_and_times(fixture: Fixture) {
    let outbox = fixture.open().await;
    let account = async || outbox.get(&"a".to_owned()).await.unwrap();
    assert_eq!(account().await, None);
    let mut etags = Vec::new();
    for life in 0..3_u64 {
        run(&outbox, open("a", 5)).await.unwrap();
        let opened = account().await.unwrap();
        assert_eq!((opened.version, opened.sequence), (1, 4 * life + 1));
        assert_eq!(opened.create_time, opened.update_time);
        etags.push(opened.etag());
        for version in 2..4 {
            run(&outbox, deposit("a", 1)).await.unwrap();
            let stored = account().await.unwrap();
            assert_eq!((stored.version, stored.create_time), (version, opened.create_time));
            assert!(stored.update_time > opened.update_time);
            assert_eq!(stored.update_time.nanosecond() % 1_000, 0);
            etags.push(stored.etag());
        }
        run(&outbox, Command::Close { id: "a".to_owned() }).await.unwrap();
        assert_eq!(account().await, None);
    }
    etags.sort_unstable();
    etags.dedup();
    assert_eq!(etags.len(), 9);

    let records = check(&outbox).await;
    let deleted = &records.last().unwrap().change;
    assert_eq!((deleted.event.as_str(), deleted.version), ("Closed", 4));
}

/// Lists come in order, page by page, and changes say who asked for them.
pub(super) async fn states_are_listed_in_order(fixture: Fixture) {
    let outbox = fixture.open().await;
    let ids = ["A", "a", "a.b", "aa", "b", "ä", "日"];
    call(&outbox, "r", touch(ids.map(str::to_owned))).await.unwrap();
    for limit in 1..=ids.len() + 1 {
        let mut listed = Vec::new();
        loop {
            let after = listed.last().map(String::as_str);
            let rows = outbox.list(ACCOUNTS, after, limit).await.unwrap();
            assert!(rows.len() <= limit);
            if rows.is_empty() {
                break;
            }
            listed.extend(rows.into_iter().map(|(key, _)| key));
        }
        assert_eq!(listed, ids, "{limit} at a time");
    }
    assert!(check(&outbox).await.iter().all(|record| record.change.request_id == "r"));
}

/// A change says in which trace it was made.
pub(super) async fn a_change_carries_its_trace(fixture: Fixture) {
    let outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    let state = TraceState::from_key_value([("vendor", "1")]).unwrap();
    let span = SpanContext::new(TraceId::from(7), SpanId::from(9), TraceFlags::SAMPLED, true, state);
    let context = Context::new().with_remote_span_context(span);
    run(&outbox, deposit("a", 1)).with_context(context).await.unwrap();
    let traces: Vec<(String, String)> = check(&outbox)
        .await
        .into_iter()
        .map(|record| (record.change.traceparent, record.change.tracestate))
        .collect();
    let parent = "00-00000000000000000000000000000007-0000000000000009-01";
    assert_eq!(traces, [(String::new(), String::new()), (parent.to_owned(), "vendor=1".to_owned())]);
}

/// One process, one store.
pub(super) async fn a_store_has_one_owner(fixture: Fixture) {
    let _outbox = fixture.open().await;
    let other = fixture.open_once(&fixture.hooks()).await.unwrap_err();
    assert!(matches!(other, OpenError::Lock(LockError::Held { .. })), "{other}");
}

/// One service, one store.
pub(super) async fn a_store_has_one_service(mut fixture: Fixture) {
    drop(fixture.open().await);
    fixture.options.service = "other".to_owned();
    let error = fixture.try_open(&fixture.hooks()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("belongs to `bank`, not to `other`"), "{text}");
    let place = match fixture.store {
        Store::Sqlite | Store::Sled => fixture.data().display().to_string(),
        Store::Postgres => fixture.database().await.to_string(),
    };
    assert!(text.contains(&place), "{text}");
}

/// It has a disk of its own, where no lock tells it of the first.
pub(super) async fn a_second_replica_opens_and_creates_nothing(mut fixture: Fixture) {
    fixture.options.replica = 1;
    let error = fixture.open_once(&fixture.hooks()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "this is replica 1, but an embedded store has exactly one owner, and a second replica would begin a \
         history of its own: scale back to 1"
    );
    assert!(!fixture.data().exists());
    // Nor is a store touched that is there from before.
    fixture.options.replica = 0;
    drop(fixture.open().await);
    fixture.closed().await;
    fixture.options.replica = 2;
    assert!(matches!(fixture.open_once(&fixture.hooks()).await, Err(OpenError::SecondOwner(_))));
    fixture.options.replica = 0;
    fixture.open().await;
}

/// Defects of a model cost the one command, and nothing else.
pub(super) async fn a_defective_command_harms_nobody_else(fixture: Fixture) {
    let outbox = fixture.open().await;
    for defect in [Command::Panic, Command::Stray] {
        let (failed, opened) =
            tokio::join!(run(&outbox, defect.clone()), run(&outbox, open(format!("{defect:?}"), 0)));
        assert_eq!(failed.unwrap_err().reason(), Reason::Internal);
        opened.unwrap();
    }
    assert_eq!(check(&outbox).await.len(), 2);
}
