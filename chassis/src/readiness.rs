//! Readiness: the server serves once nobody holds a handle any more, and until it drains.

use futures::{Stream, StreamExt as _};
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

/// Whether the server is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Somebody still holds a handle.
    Starting,
    /// Calls are welcome.
    Serving,
    /// The server is about to stop.
    Draining,
}

/// Where the server stands in its life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) state: State,
    /// Whether it was ready at any time: it has started, whatever came after.
    pub(crate) served: bool,
}

/// Holds the server back from being ready; dropping it says: what I stand for is ready.
#[derive(Debug)]
#[must_use = "dropping the handle means ready"]
pub struct ReadyHandle {
    readiness: Readiness,
}

/// Counts the handles. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    counts: watch::Sender<Counts>,
}

#[derive(Clone, Copy, Debug)]
struct Counts {
    handles: usize,
    draining: bool,
    /// It was [`State::Serving`] once.
    served: bool,
}

impl Counts {
    // Starting => (Serving | Draining)   the last handle is dropped, or the server stops before that
    // Serving => (Starting | Draining)   a handle is taken again: not ready while, say, a store is rebuilt
    // Draining => Draining               there is no way back
    fn state(self) -> State {
        match (self.draining, self.handles) {
            (true, _) => State::Draining,
            (false, 0) => State::Serving,
            (false, _) => State::Starting,
        }
    }

    fn standing(self) -> Standing {
        Standing { state: self.state(), served: self.served }
    }
}

impl Readiness {
    pub(crate) fn new() -> Self {
        Self { counts: watch::Sender::new(Counts { handles: 0, draining: false, served: false }) }
    }

    pub(crate) fn handle(&self) -> ReadyHandle {
        self.change(|counts| counts.handles += 1);
        ReadyHandle { readiness: self.clone() }
    }

    pub(crate) fn drain(&self) {
        self.change(|counts| counts.draining = true);
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(|counts| {
            change(counts);
            counts.served |= counts.state() == State::Serving;
        });
    }

    pub(crate) fn state(&self) -> State {
        self.counts.borrow().state()
    }

    /// Where the server stands now.
    pub(crate) fn standing(&self) -> Standing {
        self.counts.borrow().standing()
    }

    /// The same, and again whenever it may have changed.
    pub(crate) fn standings(&self) -> impl Stream<Item = Standing> + Send + use<> {
        WatchStream::new(self.counts.subscribe()).map(Counts::standing)
    }

    /// The state now and after every change, up to and with [`State::Draining`].
    pub(crate) fn states(&self) -> States {
        States { counts: self.counts.subscribe(), told: None }
    }
}

/// See [`Readiness::states`].
pub(crate) struct States {
    counts: watch::Receiver<Counts>,
    told: Option<State>,
}

impl States {
    /// The next state, once it differs from the one before.
    pub(crate) async fn next(&mut self) -> Option<State> {
        if self.told == Some(State::Draining) {
            return None;
        }
        let told = self.told;
        let counts = self.counts.wait_for(|counts| Some(counts.state()) != told).await.ok()?;
        self.told = Some(counts.state());
        self.told
    }
}

impl Drop for ReadyHandle {
    fn drop(&mut self) {
        self.readiness.change(|counts| counts.handles -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn ready_when_the_last_handle_is_dropped() {
        let readiness = Readiness::new();
        let (one, two) = (readiness.handle(), readiness.handle());
        drop(one);
        assert_eq!(readiness.state(), State::Starting);
        drop(two);
        assert_eq!(readiness.state(), State::Serving);
        let again = readiness.handle();
        assert_eq!(readiness.state(), State::Starting);
        drop(again);
        readiness.drain();
        assert_eq!(readiness.state(), State::Draining);
    }

    #[tokio::test]
    async fn every_state_is_told_once() {
        let readiness = Readiness::new();
        let handle = readiness.handle();
        let mut states = readiness.states();
        assert_eq!(states.next().await, Some(State::Starting));
        // Neither changes the state.
        drop(readiness.handle());
        assert!(states.next().now_or_never().is_none());
        drop(handle);
        assert_eq!(states.next().await, Some(State::Serving));
        readiness.drain();
        assert_eq!(states.next().await, Some(State::Draining));
        assert_eq!(states.next().await, None);
    }
}
