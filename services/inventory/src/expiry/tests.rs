//! On a real store, without a service around it: nothing is looked through but by the tests.

use futures::future::join_all;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};
use tributary_chassis::{lock, outbox::OutboxOptions};

use super::*;
use crate::{
    domain::{Claim, Key, Line, ReservationState, StockItem, find},
    store::Tables,
};

const ON_HAND: i64 = 1_000;

async fn open(dir: &TempDir) -> Outbox<Inventory> {
    Outbox::open_sled::<Tables>(OutboxOptions::new("inventory", dir.path())).await.unwrap()
}

/// Once the store is closed, which a thread of its own does.
async fn reopen(outbox: Outbox<Inventory>, dir: &TempDir) -> Outbox<Inventory> {
    drop(outbox);
    while lock::acquire(dir.path()).is_err() {
        tokio::task::yield_now().await;
    }
    open(dir).await
}

/// With one item on the shelf.
async fn opened(dir: &TempDir) -> Outbox<Inventory> {
    let outbox = open(dir).await;
    run(&outbox, Command::Create { sku: "saw".to_owned(), on_hand: ON_HAND }).await;
    outbox
}

async fn run(outbox: &Outbox<Inventory>, command: Command) {
    outbox.execute(Call::new("test", "", &()).unwrap(), command, |_| ()).await.unwrap()
}

async fn reserve(outbox: &Outbox<Inventory>, id: &str, expire_time: OffsetDateTime) {
    let lines = vec![Line { sku: "saw".to_owned(), quantity: 1 }];
    run(outbox, Command::Reserve { reservation_id: id.to_owned(), lines, expire_time }).await;
}

fn claim(expire_time: OffsetDateTime) -> Claim {
    Claim { expire_time: Some(expire_time), skus: vec!["saw".to_owned()] }
}

async fn state(outbox: &Outbox<Inventory>, id: &str) -> ReservationState {
    find(&reservations::read(outbox, id).await.unwrap(), id).unwrap().state
}

async fn item(outbox: &Outbox<Inventory>) -> StockItem {
    match outbox.get(&Key::Item("saw".to_owned())).await.unwrap().unwrap().state {
        State::Item(item) => item,
        other => panic!("{other:?}"),
    }
}

fn in_seconds(seconds: i64) -> OffsetDateTime {
    timestamp::now() + Duration::seconds(seconds)
}

/// More than a page, some of it not due, found by a process that did not make it.
#[tokio::test]
async fn all_that_is_due_expires_at_once() {
    let dir = TempDir::new().unwrap();
    let outbox = opened(&dir).await;
    let due = in_seconds(-1);
    let ids: Vec<String> = (0..2 * PAGE + 1).map(|i| format!("due-{i}")).collect();
    join_all(ids.iter().map(|id| reserve(&outbox, id, due))).await;
    reserve(&outbox, "later", in_seconds(3_600)).await;

    let outbox = reopen(outbox, &dir).await;
    assert_eq!(item(&outbox).await, StockItem { on_hand: ON_HAND, reserved: 2 * PAGE as i64 + 2 });
    look_through(&outbox).await.unwrap();
    assert_eq!(item(&outbox).await, StockItem { on_hand: ON_HAND, reserved: 1 });
    for id in &ids {
        assert_eq!(state(&outbox, id).await, ReservationState::Expired, "{id}");
    }
    assert_eq!(state(&outbox, "later").await, ReservationState::Held);
    assert_eq!(outbox.list(HELD, None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_committed_or_released_stays_so() {
    let dir = TempDir::new().unwrap();
    let outbox = opened(&dir).await;
    let due = in_seconds(-1);
    for id in ["committed", "released"] {
        reserve(&outbox, id, due).await;
    }
    let held = |id: &str| Held { reservation_id: id.to_owned(), expire_time: due };
    let reservation_id = "committed".to_owned();
    run(&outbox, Command::Commit { reservation_id, claim: claim(due) }).await;
    let reservation_id = "released".to_owned();
    run(&outbox, Command::Release { reservation_id, claim: claim(due) }).await;
    assert!(outbox.list(HELD, None, 10).await.unwrap().is_empty());
    // Both were seen as held a moment ago, and are decided only now.
    expire(&outbox, &held("committed")).await;
    expire(&outbox, &held("released")).await;
    assert_eq!(state(&outbox, "committed").await, ReservationState::Committed);
    assert_eq!(state(&outbox, "released").await, ReservationState::Released);
    assert_eq!(item(&outbox).await, StockItem { on_hand: ON_HAND - 1, reserved: 0 });
}
