//! A circuit breaker per endpoint: after so many failures in a row calls are refused at once, until a
//! single probe has shown that the endpoint answers again. What counts is whether it answers, not what:
//! a rejection is an answer.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use super::{Answer, Call, OutboundOptions, Target};
use crate::{
    fault::{Fault, Reason},
    outcome,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Calls go through.
    Closed { failures: u32 },
    /// Calls are refused.
    Open { until: Instant, backoff: Duration },
    /// One probe is under way, everything else is refused.
    HalfOpen { backoff: Duration },
}

/// The circuit of one endpoint, shared by all clones of its connection.
#[derive(Debug)]
pub(super) struct Breaker {
    target: Arc<Target>,
    failures: u32,
    min_backoff: Duration,
    max_backoff: Duration,
    state: Mutex<State>,
}

impl Breaker {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one assignment: it is whole even when a holder panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call through, or says how long it is not worth to ask again.
    fn admit(self: &Arc<Self>) -> Result<Permit, Duration> {
        let mut state = self.state();
        let probe = match *state {
            // Closed => Closed
            State::Closed { .. } => false,
            // Open => (Open | HalfOpen)
            // The call that finds the time to be over is the probe; the lock makes it the only one.
            State::Open { until, backoff } => {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(left);
                }
                *state = State::HalfOpen { backoff };
                tracing::debug!(target = %self.target, "circuit half-open: probing");
                true
            }
            // HalfOpen => HalfOpen
            State::HalfOpen { .. } => return Err(self.min_backoff),
        };
        Ok(Permit { breaker: self.clone(), probe, told: false })
    }

    fn tell(&self, probe: bool, verdict: Verdict) {
        let mut state = self.state();
        *state = match (*state, verdict) {
            // Closed => (Closed | Open)
            (State::Closed { .. }, Verdict::Answered) => State::Closed { failures: 0 },
            (State::Closed { failures }, Verdict::Failed) if failures + 1 < self.failures => {
                State::Closed { failures: failures + 1 }
            }
            (State::Closed { .. }, Verdict::Failed) => {
                tracing::warn!(target = %self.target, "circuit open: calls are refused");
                State::Open { until: Instant::now() + self.min_backoff, backoff: self.min_backoff }
            }
            // HalfOpen => (Closed | Open)
            // Only the probe decides: the others were let through before the circuit opened. A probe
            // that was given up leaves its place to the next call.
            (State::HalfOpen { .. }, Verdict::Answered) if probe => {
                tracing::info!(target = %self.target, "circuit closed");
                State::Closed { failures: 0 }
            }
            (State::HalfOpen { backoff }, Verdict::Failed) if probe => {
                let backoff = (backoff * 2).min(self.max_backoff);
                tracing::debug!(target = %self.target, ?backoff, "circuit open again");
                State::Open { until: Instant::now() + backoff, backoff }
            }
            (State::HalfOpen { backoff }, Verdict::None) if probe => {
                State::Open { until: Instant::now(), backoff }
            }
            (state, _) => state,
        };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Answered,
    Failed,
    /// The caller gave up before there was an answer.
    None,
}

impl Verdict {
    fn of(answer: &Result<Response<Body>, Status>) -> Self {
        let code = match answer {
            Ok(response) => outcome::code(response.headers()).unwrap_or(Code::Ok),
            Err(status) => status.code(),
        };
        match code {
            Code::Unavailable | Code::DeadlineExceeded => Verdict::Failed,
            _ => Verdict::Answered,
        }
    }
}

/// A call that was let through; tells the breaker how it went, even when it is dropped.
struct Permit {
    breaker: Arc<Breaker>,
    probe: bool,
    told: bool,
}

impl Permit {
    fn tell(mut self, verdict: Verdict) {
        self.told = true;
        self.breaker.tell(self.probe, verdict);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.told {
            self.breaker.tell(self.probe, Verdict::None);
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct BreakerLayer {
    breaker: Arc<Breaker>,
}

impl BreakerLayer {
    pub(super) fn new(target: Arc<Target>, options: &OutboundOptions) -> Self {
        let state = Mutex::new(State::Closed { failures: 0 });
        let OutboundOptions { failures, min_backoff, max_backoff, .. } = *options;
        Self { breaker: Arc::new(Breaker { target, failures, min_backoff, max_backoff, state }) }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = CircuitBreaker<S>;

    fn layer(&self, inner: S) -> CircuitBreaker<S> {
        CircuitBreaker { inner, breaker: self.breaker.clone() }
    }
}

#[derive(Clone, Debug)]
pub(super) struct CircuitBreaker<S> {
    inner: S,
    breaker: Arc<Breaker>,
}

impl<S: Call> Service<Request<Body>> for CircuitBreaker<S> {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        match self.breaker.admit() {
            Ok(permit) => {
                let answer = self.inner.call(request);
                Box::pin(async move {
                    let answer = answer.await;
                    permit.tell(Verdict::of(&answer));
                    answer
                })
            }
            Err(left) => {
                let (target, ms) = (&self.breaker.target, left.as_millis());
                let text = format!("{target} did not answer before: not asked again for {ms} ms");
                let fault = Fault::new(Reason::Unavailable, text).retry_after(left);
                Box::pin(async { Err(fault.into()) })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    /// Real threads, since what must be exclusive is one step between two looks at the clock.
    #[test]
    fn of_many_threads_one_gets_to_probe() {
        const THREADS: usize = 16;
        let target =
            Arc::new(Target { service: "any".to_owned(), uri: http::Uri::from_static("http://any.test") });
        let options =
            OutboundOptions { failures: 1, min_backoff: Duration::from_millis(1), ..Default::default() };
        for _ in 0..50 {
            let BreakerLayer { breaker } = BreakerLayer::new(target.clone(), &options);
            breaker.tell(false, Verdict::Failed);
            assert!(breaker.admit().is_err());
            while matches!(*breaker.state(), State::Open { until, .. } if until > Instant::now()) {
                thread::yield_now();
            }
            let barrier = Barrier::new(THREADS);
            let permits: Vec<_> = thread::scope(|scope| {
                let admit = || {
                    barrier.wait();
                    breaker.admit()
                };
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(admit)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(permits.iter().filter(|permit| permit.is_ok()).count(), 1);
        }
    }
}
