//! Gives back what was reserved and never committed: looks through what is held, in order of expiry, again
//! and again for as long as the service runs.
//!
//! Nothing is kept between two looks, and each expiry is a command of its own, which is decided like any
//! other: one that was committed or released in the meantime stays so. So it may be cut off at any point,
//! and a start goes on where the last one ended.

use std::{convert::Infallible, future::Future, time::Duration};

use futures::StreamExt as _;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use tributary_chassis::{
    StartError,
    fault::{Fault, causes},
    outbox::{Call, Outbox},
    timestamp,
};

use crate::{
    domain::{Command, Held, Inventory, State},
    reservations,
    store::HELD,
};

/// Time between two looks: by about so much may a reservation outlive its time.
const INTERVAL: Duration = Duration::from_secs(1);
/// Reservations looked at together.
const PAGE: usize = 128;
/// Reservations expired at the same time, so that they share a sync and leave room in the queue.
const CONCURRENT: usize = 32;

/// Starts it. It ends when what is returned is dropped; that it ended by itself is a defect, which must stop
/// the service rather than leave everything held for ever.
pub(crate) fn start(outbox: Outbox<Inventory>) -> impl Future<Output = StartError> + Send + 'static {
    let task = AbortOnDropHandle::new(tokio::spawn(run(outbox)));
    async {
        match task.await {
            Ok(never) => match never {},
            Err(error) => StartError::new("expiring reservations", error),
        }
    }
}

async fn run(outbox: Outbox<Inventory>) -> Infallible {
    loop {
        if let Err(fault) = look_through(&outbox).await {
            tracing::warn!(error = causes(&fault), "looking for expired reservations: trying again");
        }
        sleep(INTERVAL).await;
    }
}

/// Page by page, up to the first that is not due. One that cannot be expired does not hold up those behind it.
async fn look_through(outbox: &Outbox<Inventory>) -> Result<(), Fault> {
    let mut after = None;
    loop {
        let rows = outbox.list(HELD, after.as_deref(), PAGE).await?;
        let now = timestamp::now();
        let (mut due, mut is_end) = (Vec::new(), rows.len() < PAGE);
        for (key, stored) in &rows {
            match &stored.state {
                State::Held(held) if held.expire_time <= now => due.push(held),
                State::Held(_) => {
                    is_end = true;
                    break;
                }
                other => tracing::error!(%key, ?other, "this does not say what is held"),
            }
        }
        futures::stream::iter(due).for_each_concurrent(CONCURRENT, |held| expire(outbox, held)).await;
        match rows.last() {
            Some((last, _)) if !is_end => after = Some(last.to_string()),
            _ => return Ok(()),
        }
    }
}

async fn expire(outbox: &Outbox<Inventory>, held: &Held) {
    let reservation_id = &held.reservation_id;
    let command = |claim| Command::Expire { reservation_id: reservation_id.clone(), claim };
    let expired = async {
        let call = Call::new("Expire", "", &())?;
        reservations::execute(outbox, call, reservation_id, command, |_| ()).await
    };
    match expired.await {
        Ok(()) => tracing::debug!(reservation_id, "nobody committed it in time"),
        Err(fault) => {
            tracing::warn!(reservation_id, error = causes(&fault), "expiring a reservation: trying again");
        }
    }
}

#[cfg(test)]
mod tests;
