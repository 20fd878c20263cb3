//! Asks the processor again for what it has not answered and nobody asks for: at the start, since a crash
//! leaves such intents, and then every now and then.
//!
//! An intent is resolved by whoever comes first; this task and callers may meet at the same one, which the
//! idempotency key and the stage make harmless. One payment that stays unanswered never holds up others.

use std::time::Duration;

use futures::{StreamExt as _, future::ready, stream};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tributary_chassis::{
    fault::{Fault, causes},
    outbox::{Outbox, Stored},
};

use crate::{
    cashier::{Cashier, Unresolved},
    domain::{Payment, Payments},
    store::UNANSWERED,
};

/// Payments read at once.
const PAGE: usize = 64;
/// Payments that the processor is asked about at the same time.
const AT_ONCE: usize = 8;

/// Resolves until `shutdown`; what is under way then is dropped, and resolved by the next start.
pub(crate) async fn run(
    outbox: Outbox<Payments>,
    cashier: Cashier,
    every: Duration,
    shutdown: CancellationToken,
) {
    let mut ticks = interval(every);
    // A round that took long is not made up for.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut leads = outbox.leads();
    let rounds = async {
        loop {
            ticks.tick().await;
            // One process asks for all that share the store. The sender is in the outbox: this does not fail.
            let _ = leads.wait_for(|leads| *leads).await;
            if let Err(fault) = round(&outbox, &cashier).await {
                tracing::warn!(error = causes(&fault), "looking for unanswered payments");
            }
        }
    };
    shutdown.run_until_cancelled(rounds).await;
}

/// Everything that is unanswered is asked for once.
async fn round(outbox: &Outbox<Payments>, cashier: &Cashier) -> Result<(), Fault> {
    let mut after: Option<String> = None;
    let mut left = 0;
    loop {
        let page = outbox.list(UNANSWERED, after.as_deref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|(payment_id, _)| payment_id.clone());
        let resolve = |(payment_id, stored): (String, Stored<Payment>)| async move {
            one(cashier, &payment_id, &stored.state).await
        };
        let resolved = stream::iter(page).map(resolve).buffer_unordered(AT_ONCE);
        left += resolved.filter(|is_resolved| ready(!is_resolved)).count().await;
        if is_last {
            break;
        }
    }
    if left > 0 {
        tracing::warn!(payments = left, "the processor does not answer: asking again later");
    }
    Ok(())
}

/// Whether the payment waits for nothing any more.
async fn one(cashier: &Cashier, payment_id: &str, payment: &Payment) -> bool {
    let Some((charge, operation)) = payment.unanswered() else { return true };
    match cashier.resolve(payment_id, charge, operation).await {
        Ok(()) => {
            tracing::info!(payment_id, %operation, "resolved");
            true
        }
        Err(Unresolved::NoAnswer(none)) => {
            tracing::debug!(payment_id, %operation, error = causes(&none), "still unanswered");
            false
        }
        Err(Unresolved::Fault(fault)) => {
            tracing::warn!(payment_id, %operation, error = causes(&fault), "writing an answer down");
            false
        }
    }
}
