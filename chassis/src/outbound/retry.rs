//! Repeats a whole call that another service could not take just now. At the level of calls, since a
//! request that is already a stream of bytes cannot be sent twice.

use std::{future::Future, sync::LazyLock, time::Duration};

use backon::{ExponentialBuilder, Retryable as _};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;
use tower::retry::budget::{Budget as _, TpsBudget};

use super::tried;
use crate::deadline;

/// First pause; doubled each time, and each with up to as much again at random, so that callers which
/// failed together do not come back together.
const MIN_DELAY: Duration = Duration::from_millis(25);
/// Longest pause.
const MAX_DELAY: Duration = Duration::from_secs(1);
/// Repetitions of one call.
const MAX_TIMES: usize = 4;

/// Of the whole process: one repetition for every five calls, and ten per second in any case. When
/// everything fails, repetitions stay a fraction of the load instead of multiplying it.
static BUDGET: LazyLock<TpsBudget> = LazyLock::new(|| TpsBudget::new(Duration::from_secs(10), 10, 0.2));

/// Makes a call, again while the callee is `UNAVAILABLE`, or says when to come back with
/// `RESOURCE_EXHAUSTED`, within the deadline of the call at hand and the budget of the process. Each attempt is made
/// at an address where none was made before, if there is one that serves.
///
/// Only for calls that may be made twice: reads, and writes under a request id.
pub async fn retry<T, F, Fut>(call: F) -> Result<Response<T>, Status>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Response<T>, Status>>,
{
    tried::scope(within(&BUDGET, call)).await
}

pub(super) async fn within<T, F, Fut>(budget: &TpsBudget, call: F) -> Result<Response<T>, Status>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Response<T>, Status>>,
{
    let backoff = ExponentialBuilder::new()
        .with_jitter()
        .with_min_delay(MIN_DELAY)
        .with_max_delay(MAX_DELAY)
        .with_max_times(MAX_TIMES);
    budget.deposit();
    call.retry(backoff)
        .when(|status| worth_repeating(status) && budget.withdraw())
        .adjust(|status, delay| {
            let delay = delay?.max(asked_delay(status).unwrap_or_default());
            // A pause that outlasts the deadline is only a slower way to fail.
            deadline::remaining().is_none_or(|left| delay < left).then_some(delay)
        })
        .notify(|status, delay| tracing::debug!(code = ?status.code(), ?delay, "call repeated"))
        .await
}

fn worth_repeating(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable => true,
        Code::ResourceExhausted => asked_delay(status).is_some(),
        _ => false,
    }
}

/// What the callee asked for.
fn asked_delay(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info()?.retry_delay
}
