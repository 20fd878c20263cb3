//! What every call goes through before it meets its method, one layer per file. From the outside in:
//!
//! 1. `trace`: first, so that whatever happens to the call, even a refusal, is part of its trace;
//! 2. `metrics`: counts what the caller sees, so all that can refuse a call lies further in;
//! 3. `panic`: a defect in anything below becomes `INTERNAL` and costs one call, not the connection;
//! 4. `admission`: refuses what is too much, before anything is spent on it;
//! 5. `drain`: ends what is still running when the server must stop;
//! 6. `deadline`: starts the call's clock. It waits for nothing above, since admission never queues;
//! 7. `decode`: says in our terms what the transport has to say about a request;
//! 8. `positions`: last, since only the method knows what it has read.

pub(crate) mod admission;
pub(crate) mod deadline;
pub(crate) mod decode;
pub(crate) mod drain;
pub(crate) mod metrics;
pub(crate) mod panic;
pub(crate) mod positions;
#[cfg(test)]
mod tests;
pub(crate) mod trace;

use std::{collections::HashSet, convert::Infallible, sync::Arc, time::Duration};

use tower::{Layer, ServiceBuilder};

use crate::around::{Next, around};

/// What the layers need to know.
#[derive(Clone, Debug)]
pub(crate) struct Inbound {
    pub(crate) max_in_flight: usize,
    pub(crate) default_deadline: Duration,
    pub(crate) drain: drain::Drain,
    /// Paths of all methods that are served; labels of metrics and names of spans come from nowhere else.
    pub(crate) methods: Arc<HashSet<String>>,
}

/// Answers with a response in any case: a refusal is a response too.
pub(crate) trait Method: Next<Infallible> + Clone + Send + 'static {}

impl<S: Next<Infallible> + Clone + Send + 'static> Method for S {}

impl Inbound {
    /// All layers.
    pub(crate) fn layer<S: Method>(&self) -> impl Layer<S, Service: Method> + Clone + use<S> {
        ServiceBuilder::new()
            .layer(around(trace::Trace::new(self.methods.clone())))
            .layer(around(metrics::Metrics::new(self.methods.clone())))
            .layer(around(panic::CatchPanic))
            .layer(admission::AdmissionLayer::new(self.max_in_flight))
            .layer(around(self.drain.clone()))
            .layer(around(deadline::Deadline::new(self.default_deadline)))
            .layer(around(decode::Decode))
            .layer(around(positions::TellPositions))
            .into_inner()
    }
}

/// The method of a path, if it is served: what else a caller writes there is told nowhere.
pub(crate) fn method_name<'a>(methods: &HashSet<String>, path: &'a str) -> &'a str {
    if methods.contains(path) { path.trim_start_matches('/') } else { "unknown" }
}

/// Whether a path belongs to the server itself: asked often by machines, of no interest in a trace, and
/// never refused for lack of room, since a busy server is not a dead one.
pub(crate) fn is_infrastructure(path: &str) -> bool {
    path.starts_with("/grpc.health.")
        || path.starts_with("/grpc.reflection.")
        || path == "/tributary.feed.v1.ChangeFeed/Acknowledge"
}
