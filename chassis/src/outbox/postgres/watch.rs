//! Keeps a process up to what others that share its store do, and chooses which of them leads.
//!
//! A notification wakes; what is true is read from the store. One that got lost, such as that of a process which died
//! behind its commit, costs time up to the next look, and never a change.
//!
//! Who has the advisory lock of the store leads. It belongs to the session of this watch, which looks every second; the
//! server ends a session that is silent for longer than [`SETTINGS`] say. So a process that is stopped, or cut off,
//! loses the lead within seconds; that it believes to have it for a moment longer is for whoever acts on it to bear.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::{sleep, timeout};

use super::read::head;
use crate::{
    database::Database,
    fault::causes,
    outbox::progress::{Life, Progress},
};

/// Where commits are told of. No two stores share a database.
pub(super) const CHANNEL: &str = "tributary_head";

/// From one look to the next, at most.
const INTERVAL: Duration = Duration::from_secs(1);
/// A session that gives no answer for so long is given up.
const PATIENCE: Duration = Duration::from_secs(3);
/// Looks from one measuring of the store to the next.
const MEASURED_EVERY: u32 = 30;

/// The server ends the session, and with it the lead, of who does not look any more.
const SETTINGS: &str = "SET idle_session_timeout = '3s'; SET statement_timeout = '3s'; SET jit = off";

/// Any number, the same for all who share a store.
const LEAD: &str = "SELECT pg_try_advisory_lock(7381240946718263)";

/// What one process watches with.
pub(super) struct Watch<'a> {
    pub(super) database: &'a Database,
    pub(super) epoch: &'a str,
    pub(super) instance: &'a str,
    pub(super) size: &'a AtomicU64,
    pub(super) progress: &'a Progress,
}

impl Watch<'_> {
    /// Never ends. A session that is lost is opened again.
    pub(super) async fn run(&self) {
        loop {
            let Err(error) = self.session().await;
            self.progress.lead(false);
            tracing::warn!(error = causes(&error), "the store is not watched; tried again by itself");
            sleep(INTERVAL).await;
        }
    }

    async fn session(&self) -> Result<std::convert::Infallible, sqlx::Error> {
        let one = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let pool = one.connect_lazy_with(self.database.options().clone());
        let mut listener = answered(PgListener::connect_with(&pool)).await?;
        // A session that came instead of a lost one would be without settings and lead.
        listener.eager_reconnect(false);
        answered(listener.listen(CHANNEL)).await?;
        answered(sqlx::raw_sql(SETTINGS).execute(&mut listener)).await?;
        let (mut leads, mut looks) = (false, 0);
        loop {
            let (epoch, head) = answered(head(&mut listener)).await?;
            if epoch != self.epoch {
                // Nothing that is served here is of that store.
                tracing::error!(was = self.epoch, is = epoch, "the store was replaced: stopping");
                self.progress.end(Life::Failed);
            }
            self.progress.publish(head);
            if !leads {
                leads = answered(sqlx::query_scalar(LEAD).fetch_one(&mut listener)).await?;
                self.progress.lead(leads);
            }
            if looks % MEASURED_EVERY == 0 {
                let size = "SELECT pg_database_size(current_database())";
                let size: i64 = answered(sqlx::query_scalar(size).fetch_one(&mut listener)).await?;
                self.size.store(size.cast_unsigned(), Ordering::Relaxed);
            }
            looks += u32::from(self.woken(&mut listener).await?);
        }
    }

    /// Waits for the next look, and tells whether it is due by time.
    async fn woken(&self, listener: &mut PgListener) -> Result<bool, sqlx::Error> {
        let others = async {
            loop {
                match listener.try_recv().await? {
                    // One's own commits are known.
                    Some(told) if told.payload() == self.instance => {}
                    Some(_) => return Ok(()),
                    None => return Err(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into())),
                }
            }
        };
        match timeout(INTERVAL, others).await {
            Ok(told) => told.map(|()| false),
            Err(_) => Ok(true),
        }
    }
}

async fn answered<T>(asking: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    timeout(PATIENCE, asking).await.map_err(late)?
}
