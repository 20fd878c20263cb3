//! The defects that the suite must find, on every store.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use tokio::time::timeout;

use super::{
    crash::a_crash_between_steps_loses_nothing_acknowledged,
    fixture::{Fixture, Store},
    followed::a_crash_between_steps_keeps_effects_and_position_together,
    history::writers_make_one_gapless_history,
    shared::instances_make_one_gapless_history,
};
use crate::outbox::hooks::Mutant;

/// With a defect somebody may wait for ever for what a check has lost: that is found too.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the suite says about a store with a defect: the check that failed.
async fn caught_by(store: Store, mutant: Mutant) -> Option<&'static str> {
    if fails(writers_make_one_gapless_history(Fixture::new(store, Some(mutant)))).await {
        return Some("writers_make_one_gapless_history");
    }
    let crash = a_crash_between_steps_loses_nothing_acknowledged(store, Some(mutant));
    fails(crash).await.then_some("a_crash_between_steps")
}

async fn fails(check: impl Future<Output = ()>) -> bool {
    !matches!(timeout(PATIENCE, AssertUnwindSafe(check).catch_unwind()).await, Ok(Ok(())))
}

pub(super) async fn a_sequence_taken_before_the_transaction_is_found(store: Store) {
    let mutant = Mutant::SequenceBeforeTransaction;
    assert_eq!(caught_by(store, mutant).await, Some("writers_make_one_gapless_history"));
}

pub(super) async fn a_reply_before_the_sync_is_found(store: Store) {
    assert!(caught_by(store, Mutant::ReplyBeforeSync).await.is_some());
}

pub(super) async fn a_feed_past_the_durable_position_is_found(store: Store) {
    assert!(caught_by(store, Mutant::FeedPastDurable).await.is_some());
}

pub(super) async fn a_request_id_in_a_second_transaction_is_found(store: Store) {
    assert_eq!(caught_by(store, Mutant::RequestIdApart).await, Some("a_crash_between_steps"));
}

/// Nothing of a store without followers shows it: what must find it is the check of their crashes.
pub(super) async fn a_position_in_a_second_transaction_is_found(store: Store) {
    assert_eq!(caught_by(store, Mutant::PositionApart).await, None);
    let crash = a_crash_between_steps_keeps_effects_and_position_together(store, Some(Mutant::PositionApart));
    assert!(fails(crash).await);
}

/// What databases offer for positions. Instances alone show it: they commit in another order than they draw.
pub(super) async fn a_plain_sequence_is_found() {
    let check = |mutant| instances_make_one_gapless_history(Fixture::new(Store::Postgres, mutant));
    assert!(!fails(check(None)).await);
    assert!(fails(check(Some(Mutant::PlainSequence))).await);
}
