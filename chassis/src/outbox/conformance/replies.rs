//! Request ids: one effect and one reply, however often and at once a request is made.

use std::time::Duration;

use tokio::task::JoinSet;

use super::{
    bank::Command,
    checker::check,
    fixture::{Fixture, call, deposit, open, queued, replay, run},
};
use crate::{fault::Reason, outbox::hooks::Step, trail};

/// The same request 32 times at once, in one group and in many.
pub(super) async fn the_same_request_at_once_has_one_effect(fixture: Fixture) {
    let hooks = fixture.hooks();
    let outbox = fixture.open_with(&hooks).await;
    run(&outbox, open("a", 0)).await.unwrap();
    for round in 0..4 {
        let mut calls = JoinSet::new();
        let mut spawn = |_| {
            let outbox = outbox.clone();
            let id = format!("r{round}");
            calls.spawn(async move { call(&outbox, &id, deposit("a", 1)).await.unwrap().balance });
        };
        if round % 2 == 0 {
            hooks.hold_at(Step::Begun);
            spawn(0);
            hooks.held().await;
            (1..32).for_each(&mut spawn);
            queued(&outbox, 31).await;
            hooks.release();
        } else {
            (0..32).for_each(&mut spawn);
        }
        let balances = calls.join_all().await;
        assert_eq!(balances, vec![round + 1; 32]);
    }
    assert_eq!(check(&outbox).await.len(), 5);
}

/// Only the same request gets the stored reply, and only an accepted one has one.
pub(super) async fn a_request_id_belongs_to_one_request(fixture: Fixture) {
    let outbox = fixture.open().await;
    run(&outbox, open("a", 0)).await.unwrap();
    let reply = call(&outbox, "r", deposit("a", 1)).await.unwrap();
    drop(outbox);
    for _ in 0..2 {
        let repeated = fixture.open().await;
        assert_eq!(call(&repeated, "r", deposit("a", 1)).await.unwrap(), reply);
        assert_eq!(replay(&repeated, "r", &deposit("a", 1)).await.unwrap().as_ref(), Some(&reply));
        let other = deposit("a", 2);
        let reused = call(&repeated, "r", other.clone()).await.unwrap_err();
        assert_eq!(reused.reason(), Reason::RequestIdReused);
        assert_eq!(replay(&repeated, "r", &other).await.unwrap_err().reason(), Reason::RequestIdReused);
        assert_eq!(replay(&repeated, "unknown", &other).await.unwrap(), None);
        assert_eq!(replay(&repeated, "", &other).await.unwrap(), None);
    }
    let outbox = fixture.open().await;
    // A rejection is decided anew.
    let close = Command::Close { id: "b".to_owned() };
    assert_eq!(call(&outbox, "s", close.clone()).await.unwrap_err().reason(), Reason::NotFound);
    assert_eq!(replay(&outbox, "s", &close).await.unwrap(), None);
    run(&outbox, open("b", 0)).await.unwrap();
    call(&outbox, "s", close).await.unwrap();
    // Without a request id each is a call of its own.
    run(&outbox, deposit("a", 1)).await.unwrap();
    assert_eq!(run(&outbox, deposit("a", 1)).await.unwrap().balance, 3);
    check(&outbox).await;
}

/// A reply says what it stands on, and a repeated one says the same.
pub(super) async fn a_reply_brings_its_positions_back(fixture: Fixture) {
    let outbox = fixture.open().await;
    let epoch = outbox.log().epoch().to_owned();
    let positions = |received: Option<&'static str>, command: Option<(&'static str, Command)>| {
        let outbox = outbox.clone();
        trail::scope(async move {
            received.iter().for_each(|text| trail::reached(text.parse().unwrap()));
            match command {
                // A rejection has positions too.
                Some((id, command)) => drop(call(&outbox, id, command).await),
                None => drop(outbox.get(&"a".to_owned()).await.unwrap()),
            }
            trail::current().to_string()
        })
    };
    let own = |sequence: u64| format!("bank/{epoch}/{sequence}");
    assert_eq!(positions(None, Some(("r1", open("a", 0)))).await, own(1));
    let received = positions(Some("other/e/7"), Some(("r2", deposit("a", 1)))).await;
    assert_eq!(received, format!("{},other/e/7", own(2)));
    assert_eq!(positions(None, Some(("r2", deposit("a", 1)))).await, received);
    assert_eq!(positions(None, Some(("r1", open("a", 0)))).await, own(1));
    assert_eq!(positions(None, None).await, own(2));
    assert_eq!(positions(None, Some(("r3", open("a", 0)))).await, own(2));
    let look = Command::Look { id: "a".to_owned() };
    assert_eq!(positions(None, Some(("r4", look.clone()))).await, own(2));
    run(&outbox, deposit("a", 1)).await.unwrap();
    assert_eq!(positions(None, Some(("r4", look))).await, own(2), "the stored one");

    let replayed = trail::scope(async {
        replay(&outbox, "r2", &deposit("a", 1)).await.unwrap().unwrap();
        trail::current().to_string()
    });
    assert_eq!(replayed.await, received);
}

/// Replies go when they are old enough, and not before.
pub(super) async fn replies_are_kept_for_their_time(mut fixture: Fixture) {
    let reply_after_another = async |fixture: &Fixture| {
        let outbox = fixture.open().await;
        run(&outbox, deposit("a", 1)).await.unwrap();
        let reply = replay(&outbox, "r", &open("a", 0)).await.unwrap();
        assert!(outbox.get(&"a".to_owned()).await.unwrap().is_some());
        reply
    };
    let outbox = fixture.open().await;
    call(&outbox, "r", open("a", 0)).await.unwrap();
    drop(outbox);
    for retention in [Duration::MAX, Duration::from_secs(3_600)] {
        fixture.options.request_retention = retention;
        assert!(reply_after_another(&fixture).await.is_some(), "{retention:?}");
    }
    fixture.options.request_retention = Duration::ZERO;
    assert!(reply_after_another(&fixture).await.is_none());
}
