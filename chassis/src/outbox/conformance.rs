//! One suite for all stores: what an outbox promises, checked on each of them with the same code, and the
//! defects that the suite must find.

mod backup;
mod bank;
mod checker;
mod crash;
mod dump;
mod failed_sync;
mod fixture;
mod followed;
mod grouping;
mod history;
pub(super) mod hooks;
mod limits;
mod measured;
mod mutants;
mod pages;
mod reopen;
mod replies;
mod shared;
mod snapshot;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::fixture::{Fixture, Store};

/// Every check as a test of its own for this store, with those that are about its kind.
macro_rules! suite {
    ($module:ident, $store:expr, $($own:ident::$check:ident),* $(,)?) => {
        mod $module {
            use super::*;

            checks! { $store =>
                history::writers_make_one_gapless_history,
                history::a_refused_group_is_run_one_by_one,
                history::the_command_at_fault_alone_is_told,
                crash::a_store_survives_many_crashes,
                crash::a_rejection_waits_for_what_it_stands_on,
                replies::the_same_request_at_once_has_one_effect,
                replies::a_request_id_belongs_to_one_request,
                replies::a_reply_brings_its_positions_back,
                replies::replies_are_kept_for_their_time,
                pages::pages_of_every_size_hold_whole_commands,
                pages::retention_moves_the_oldest_position,
                pages::keeping_nothing_keeps_the_history,
                pages::a_reader_that_is_overtaken_is_told,
                reopen::reopening_keeps_epoch_and_head,
                reopen::a_state_carries_its_version_and_times,
                reopen::states_are_listed_in_order,
                reopen::a_change_carries_its_trace,
                reopen::a_store_has_one_service,
                reopen::a_defective_command_harms_nobody_else,
                followed::a_step_is_done_whole_or_not_at_all,
                followed::a_step_counts_from_where_the_follower_is_alone,
                followed::steps_and_calls_share_groups,
                followed::a_step_that_the_store_refuses_harms_nobody_else,
                followed::a_follower_survives_many_crashes,
                followed::a_store_without_followers_gets_them,
                limits::a_command_has_a_limit_of_changes,
                limits::a_command_has_a_limit_of_bytes,
                limits::a_reply_has_a_limit_of_bytes,
                limits::a_state_has_a_limit_of_bytes_on_sled,
                limits::the_queue_is_bounded,
                snapshot::a_fuzzy_snapshot_is_exact_with_its_tail,
                snapshot::nothing_is_shown_before_it_is_durable,
                measured::groups_and_who_waits_are_counted,
                $($own::$check,)*
            }

            of_store! { $store =>
                crash::a_crash_between_steps_loses_nothing_acknowledged(None),
                followed::a_crash_between_steps_keeps_effects_and_position_together(None),
                mutants::a_position_in_a_second_transaction_is_found(),
                mutants::a_sequence_taken_before_the_transaction_is_found(),
                mutants::a_reply_before_the_sync_is_found(),
                mutants::a_feed_past_the_durable_position_is_found(),
                mutants::a_request_id_in_a_second_transaction_is_found(),
            }
        }
    };
}

/// Tests that make their fixtures themselves.
macro_rules! of_store {
    ($store:expr => $($group:ident::$check:ident($($argument:expr)?)),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                if $store.is_available(stringify!($check)) {
                    $group::$check($store $(, $argument)?).await;
                }
            }
        )*
    };
}

macro_rules! checks {
    ($store:expr => $($group:ident::$check:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                if $store.is_available(stringify!($check)) {
                    $group::$check(Fixture::new($store, None)).await;
                }
            }
        )*
    };
}

/// A store that lies in files of its own.
macro_rules! embedded_suite {
    ($module:ident, $store:expr) => {
        suite!(
            $module,
            $store,
            failed_sync::after_a_failed_sync_the_next_start_rewrites,
            failed_sync::a_failed_sync_is_told_to_everybody,
            failed_sync::a_rewrite_that_was_cut_short_begins_again,
            reopen::a_store_has_one_owner,
            reopen::a_second_replica_opens_and_creates_nothing,
            measured::the_size_of_the_store_is_told_as_long_as_it_is_open,
            backup::a_restored_store_has_everything_and_a_new_epoch,
            backup::a_crash_within_a_restore_leaves_the_old_store_or_the_new,
            backup::what_is_no_whole_backup_touches_nothing,
            backup::what_is_in_the_way_is_refused_by_name,
            backup::a_store_that_is_written_to_is_backed_up_as_of_one_moment,
            backup::a_store_that_has_to_be_rewritten_is_rewritten_first,
            backup::a_backup_that_says_what_it_is_not_is_refused,
        );
    };
}

embedded_suite!(on_sqlite, Store::Sqlite);
embedded_suite!(on_sled, Store::Sled);
suite!(
    on_postgres,
    Store::Postgres,
    shared::instances_make_one_gapless_history,
    shared::a_request_id_is_known_to_all,
    shared::a_commit_that_was_not_answered_is_looked_up,
    shared::a_transaction_that_a_crash_took_is_not_taken_for_another,
    shared::lost_connections_are_made_again,
    shared::who_stands_still_holds_nobody_up,
    shared::one_of_them_leads,
    shared::a_store_that_was_replaced_is_not_served,
    shared::a_commit_wakes_the_others,
    shared::who_waits_for_the_lock_takes_all_that_wait_for_it,
    measured::the_size_of_the_database_is_told,
    dump::a_restored_database_has_everything_and_a_new_epoch,
    dump::a_database_that_is_written_to_is_backed_up_as_of_one_moment,
    dump::what_does_not_belong_there_is_refused,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_sequence_is_found() {
    if Store::Postgres.is_available("a_plain_sequence_is_found") {
        mutants::a_plain_sequence_is_found().await;
    }
}

/// Waits for a condition, for as long as a slow machine may need.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: never");
        sleep(Duration::from_millis(1)).await;
    }
}

/// The same for what has to be asked for, and gives something when it is there.
async fn eventually_async<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: never");
        sleep(Duration::from_millis(20)).await;
    }
}
