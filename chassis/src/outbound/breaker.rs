//! A circuit breaker per endpoint: after so many failures in a row calls are refused at once, until a
//! single probe has shown that the endpoint answers again. What counts is whether it answers, not what:
//! a rejection is an answer.
//!
//! To whom no connection can be made is *ejected*: the circuit opens at the first failure, since a call
//! that never left costs its caller as much as one that was not answered. It closes as soon as there is a
//! connection again, whoever made it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::Response;
use tokio::time::Instant;
use tonic::{Code, Status, body::Body};

use super::{OutboundOptions, Target};
use crate::outcome;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Calls go through.
    Closed { failures: u32 },
    /// Calls are refused.
    Open { until: Instant, backoff: Duration, why: Why },
    /// One probe is under way, everything else is refused.
    HalfOpen { backoff: Duration, why: Why },
}

/// What opened the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Calls that failed.
    Failures,
    /// No connection could be made.
    Unreachable,
}

/// The circuit of one endpoint, shared by all clones of its connection.
#[derive(Debug)]
pub(super) struct Breaker {
    target: Arc<Target>,
    address: SocketAddr,
    failures: u32,
    min_backoff: Duration,
    max_backoff: Duration,
    state: Mutex<State>,
}

impl Breaker {
    pub(super) fn new(target: Arc<Target>, address: SocketAddr, options: &OutboundOptions) -> Self {
        let OutboundOptions { failures, min_backoff, max_backoff, .. } = *options;
        let state = Mutex::new(State::Closed { failures: 0 });
        Self { target, address, failures, min_backoff, max_backoff, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one assignment: it is whole even when a holder panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call through, or says how long it is not worth to ask again.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Permit, Duration> {
        let mut state = self.state();
        let probe = match *state {
            // Closed => Closed
            State::Closed { .. } => false,
            // Open => (Open | HalfOpen)
            // The call that finds the time to be over is the probe; the lock makes it the only one.
            State::Open { until, backoff, why } => {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(left);
                }
                *state = State::HalfOpen { backoff, why };
                tracing::debug!(target = %self.target, address = %self.address, "circuit half-open: probing");
                true
            }
            // HalfOpen => HalfOpen
            State::HalfOpen { .. } => return Err(self.min_backoff),
        };
        Ok(Permit { breaker: self.clone(), probe, told: false })
    }

    /// Whether a call would be refused now.
    pub(super) fn refuses(&self) -> bool {
        match *self.state() {
            State::Closed { .. } => false,
            State::Open { until, .. } => until > Instant::now(),
            State::HalfOpen { .. } => true,
        }
    }

    /// No connection could be made.
    pub(super) fn eject(&self) {
        let mut state = self.state();
        *state = match *state {
            // Closed => Open
            State::Closed { .. } => {
                tracing::warn!(target = %self.target, address = %self.address, "ejected: it cannot be reached");
                self.open(self.min_backoff, Why::Unreachable)
            }
            // Open => Open
            // HalfOpen => HalfOpen
            // Whose call it was tells that it failed, and a failed probe doubles the pause.
            state => state,
        };
    }

    /// There is a connection: what it was ejected for has passed.
    pub(super) fn reached(&self) {
        let mut state = self.state();
        *state = match *state {
            // Open => (Closed | Open)
            // Of calls that failed a connection says nothing.
            State::Open { why: Why::Unreachable, .. } => {
                tracing::info!(target = %self.target, address = %self.address, "it can be reached again");
                State::Closed { failures: 0 }
            }
            // Closed => Closed
            // HalfOpen => HalfOpen
            // The probe decides.
            state => state,
        };
    }

    fn open(&self, backoff: Duration, why: Why) -> State {
        State::Open { until: Instant::now() + backoff, backoff, why }
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
                tracing::warn!(target = %self.target, address = %self.address, "circuit open: calls are refused");
                self.open(self.min_backoff, Why::Failures)
            }
            // HalfOpen => (Closed | Open)
            // Only the probe decides: the others were let through before the circuit opened. A probe
            // that was given up leaves its place to the next call.
            (State::HalfOpen { .. }, Verdict::Answered) if probe => {
                tracing::info!(target = %self.target, address = %self.address, "circuit closed");
                State::Closed { failures: 0 }
            }
            (State::HalfOpen { backoff, why }, Verdict::Failed) if probe => {
                let backoff = (backoff * 2).min(self.max_backoff);
                tracing::debug!(target = %self.target, address = %self.address, ?backoff, "circuit open again");
                self.open(backoff, why)
            }
            (State::HalfOpen { backoff, why }, Verdict::None) if probe => {
                State::Open { until: Instant::now(), backoff, why }
            }
            (state, _) => state,
        };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Answered,
    Failed,
    /// The caller gave up before there was an answer.
    None,
}

impl Verdict {
    pub(super) fn of(answer: &Result<Response<Body>, Status>) -> Self {
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
#[derive(Debug)]
pub(super) struct Permit {
    breaker: Arc<Breaker>,
    probe: bool,
    told: bool,
}

impl Permit {
    pub(super) fn tell(mut self, verdict: Verdict) {
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

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    fn breaker(options: &OutboundOptions) -> Arc<Breaker> {
        let uri = http::Uri::from_static("http://any.test");
        let target = Arc::new(Target { service: "any".to_owned(), uri });
        Arc::new(Breaker::new(target, ([127, 0, 0, 1], 1).into(), options))
    }

    /// Real threads, since what must be exclusive is one step between two looks at the clock.
    #[test]
    fn of_many_threads_one_gets_to_probe() {
        const THREADS: usize = 16;
        let options =
            OutboundOptions { failures: 1, min_backoff: Duration::from_millis(1), ..Default::default() };
        for _ in 0..50 {
            let breaker = breaker(&options);
            breaker.tell(false, Verdict::Failed);
            assert!(breaker.admit().is_err());
            while breaker.refuses() {
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

    #[tokio::test(start_paused = true)]
    async fn an_ejection_grows_and_ends() {
        let options = OutboundOptions {
            min_backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(4),
            ..Default::default()
        };
        let breaker = breaker(&options);
        breaker.eject();
        for pause in [1, 2, 4, 4] {
            assert_eq!(breaker.admit().unwrap_err(), Duration::from_secs(pause));
            tokio::time::advance(Duration::from_secs(pause)).await;
            let probe = breaker.admit().unwrap();
            // The probe finds nobody either.
            breaker.eject();
            probe.tell(Verdict::Failed);
        }
        breaker.reached();
        breaker.admit().unwrap().tell(Verdict::Answered);
        breaker.eject();
        assert_eq!(breaker.admit().unwrap_err(), options.min_backoff, "it begins anew");
    }

    /// A connection is no answer: whoever takes calls and answers none of them has one.
    #[tokio::test(start_paused = true)]
    async fn a_connection_does_not_make_up_for_calls_that_failed() {
        let breaker = breaker(&OutboundOptions { failures: 1, ..Default::default() });
        breaker.admit().unwrap().tell(Verdict::Failed);
        breaker.reached();
        assert!(breaker.admit().is_err());
    }
}
