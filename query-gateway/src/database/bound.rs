//! Bounds on statements while they run.

use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::{
    connection::{Connection, Link},
    error::Error,
};

/// Steps of SQLite's machine between two looks at the clock: some tens of microseconds.
const STEPS_PER_LOOK: i32 = 1_000;

impl Connection {
    /// Stops what runs on it at the deadline, and once `stop` is cancelled; until [`Connection::unbound`], or the end of the
    /// transaction, which is open. Dropping the future of a statement would not.
    pub async fn bound(&mut self, deadline: Instant, stop: CancellationToken) -> Result<(), Error> {
        match &mut self.link {
            Link::Sqlite(link) => {
                let mut handle = link.lock_handle().await?;
                handle.set_progress_handler(STEPS_PER_LOOK, move || {
                    !stop.is_cancelled() && Instant::now() < deadline
                });
            }
            Link::Postgres(_) => {
                let left = deadline.saturating_duration_since(Instant::now()).as_millis().max(1);
                // Users may not call set_config.
                self.script(format!("SET LOCAL statement_timeout = {left}")).await?;
            }
        }
        Ok(())
    }

    /// Lets it run for as long as it takes again.
    pub async fn unbound(&mut self) -> Result<(), Error> {
        match &mut self.link {
            Link::Sqlite(link) => link.lock_handle().await?.remove_progress_handler(),
            // It ends with the transaction, which may have failed.
            Link::Postgres(_) => {}
        }
        Ok(())
    }
}
