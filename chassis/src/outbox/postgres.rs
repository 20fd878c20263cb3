//! The outbox on PostgreSQL, which several processes of a service may share.
//!
//! Tables: those of the chassis ([`schema`]) and those of the service ([`SqlRows`]), each with migrations of their
//! own, in the schema that the user's `search_path` names first.
//!
//! Atomicity: a group is one transaction on the writer's connection, at READ COMMITTED. Its first statement locks the one
//! row of `tributary_log` and keeps it to COMMIT: so groups of all processes follow on each other, each sees all of those
//! before it, and positions are gapless and in the order of commit. Nothing is locked before that row, and so nobody
//! deadlocks.
//!
//! Crash: `synchronous_commit=on`, so COMMIT returns after the log was synced, and others see a commit only after that. A
//! process that dies leaves a transaction that the server rolls back, at once or, when nobody tells it, after
//! `idle_in_transaction_session_timeout`. A connection that is lost during COMMIT leaves an outcome that nobody was told:
//! the writer connects again, takes the lock, behind whatever is left of the first connection, and looks
//! for what its transaction must have left; see [`trace`].
//!
//! Others: after each group a notification without content wakes who shares the store; see [`watch`].

mod open;
mod read;
pub(crate) mod rows;
mod schema;
mod trace;
mod watch;
mod write;

use std::marker::PhantomData;

use super::{
    Outbox,
    hooks::Hooks,
    model::Published,
    open::{OpenError, OutboxOptions},
    rows::SqlRows,
    store::{BoxError, Unreachable},
};
use crate::{backup::PostgresStore, database::is_unreachable, feed::Mark};

/// How such a store is backed up and restored.
pub(super) const STORE: PostgresStore = PostgresStore {
    kind: "postgres-outbox",
    newest_format: schema::MIGRATIONS[schema::MIGRATIONS.len() - 1].0 as u32,
    table: "tributary_log",
    identity: "SELECT service, epoch, head_sequence, (SELECT max(version) FROM tributary_migrations) FROM tributary_log",
    renew: "UPDATE {schema}.tributary_log SET epoch = {epoch} WHERE service = {service} AND epoch = {was} AND head_sequence = {head}",
};

/// This kind of store, with the service's tables.
struct Postgres<T>(PhantomData<T>);

impl<M: Published> Outbox<M> {
    /// Opens the service's store in [`OutboxOptions::database`], or creates it.
    pub(super) async fn open_postgres<T: SqlRows<Model = M>>(
        options: OutboxOptions,
    ) -> Result<Self, OpenError> {
        Self::open_postgres_with::<T>(options, Hooks::none()).await
    }

    pub(super) async fn open_postgres_with<T: SqlRows<Model = M>>(
        options: OutboxOptions,
        hooks: Hooks,
    ) -> Result<Self, OpenError> {
        super::open::open::<M, Postgres<T>>(options, hooks, None).await
    }
}

/// What went wrong at the server, told apart by whether it passes.
fn failed(error: sqlx::Error) -> BoxError {
    if is_unreachable(&error) { Box::new(Unreachable(error.into())) } else { error.into() }
}

/// The same of what a service's tables met.
fn failed_within(error: BoxError) -> BoxError {
    match error.downcast::<sqlx::Error>() {
        Ok(error) => failed(*error),
        Err(other) => other,
    }
}

/// Numbers of 64 bits are kept as signed ones with the same bits.
fn mark(sequence: i64, digest: i64) -> Mark {
    Mark { sequence: sequence.cast_unsigned(), digest: digest.cast_unsigned() }
}
