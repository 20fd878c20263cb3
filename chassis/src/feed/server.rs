//! Serves the feed of one log.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::Instrument as _;
use tributary_proto::feed::v1::{self as proto, change_feed_server};

use super::{
    Log, Mark, admission,
    consumers::Consumers,
    describe::{self, DescribeError, Description},
    metrics::Metrics,
    slot,
    subscription::Subscription,
};
use crate::fault::{Fault, Reason};

/// The service as tonic takes it.
pub type ChangeFeedServer = change_feed_server::ChangeFeedServer<ChangeFeed>;

/// A subscriber beyond the cap should not come back before others may have left.
const FULL_RETRY: Duration = Duration::from_secs(5);

/// Who was cut off and does not read that either leaves its last frame in HTTP/2, from where nobody can
/// take it back while the connection lives. So many streams are open at most, for each subscriber that is
/// served.
const STREAMS_PER_PLACE: usize = 2;

/// A request is a position and some names.
const MAX_REQUEST_BYTES: usize = 64 << 10;

/// Where a feed is served, and its bounds.
#[derive(Clone, Debug)]
pub struct FeedOptions {
    /// The address of a port of its own, for [`Server::publish`](crate::Server::publish); `None` is the gRPC port.
    pub listen: Option<SocketAddr>,
    /// A subscriber that reads nothing for so long is cut off.
    pub stall_timeout: Duration,
    /// How often subscribers are told where the feed stands; more than [`super::MAX_PROGRESS_INTERVAL`] is
    /// taken as that, since followers rely on it.
    pub progress_interval: Duration,
    /// More are refused.
    pub max_subscribers: usize,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            listen: None,
            stall_timeout: Duration::from_secs(30),
            progress_interval: Duration::from_secs(1),
            max_subscribers: 64,
        }
    }
}

/// The feed of `log`. `descriptors` is an encoded `FileDescriptorSet` in which a message for each entity
/// of the log has the option `tributary.options.v1.entity`. Streams end once `shutdown` is cancelled.
pub fn server(
    log: Arc<dyn Log>,
    descriptors: &'static [u8],
    options: FeedOptions,
    shutdown: CancellationToken,
) -> ChangeFeedServer {
    let feed = ChangeFeed::new(log, descriptors, options, shutdown);
    ChangeFeedServer::new(feed).max_decoding_message_size(MAX_REQUEST_BYTES)
}

/// Implements `tributary.feed.v1.ChangeFeed` for any [`Log`].
pub struct ChangeFeed {
    log: Arc<dyn Log>,
    description: Result<Description, DescribeError>,
    options: FeedOptions,
    /// Held by subscriptions, not by their streams: who was cut off takes no place from others.
    places: Arc<Semaphore>,
    /// Held by streams.
    streams: Arc<Semaphore>,
    consumers: Consumers,
    metrics: Metrics,
    shutdown: CancellationToken,
}

#[tonic::async_trait]
impl change_feed_server::ChangeFeed for ChangeFeed {
    type SubscribeStream = slot::Reader;

    async fn describe(
        &self,
        _: Request<proto::DescribeRequest>,
    ) -> Result<Response<proto::DescribeResponse>, Status> {
        let description = self
            .description
            .as_ref()
            .map_err(|error| Fault::internal("describing the feed", error.to_string()))?;
        let log = &*self.log;
        let head = *log.head().borrow();
        let oldest = log.oldest().await?;
        Ok(Response::new(proto::DescribeResponse {
            service: log.service().to_owned(),
            epoch: log.epoch().to_owned(),
            head: Some(position(log, head)),
            oldest: Some(position(log, oldest)),
            entities: description.entities.clone(),
            file_descriptor_set: description.file_descriptor_set.clone(),
        }))
    }

    async fn subscribe(
        &self,
        request: Request<proto::SubscribeRequest>,
    ) -> Result<Response<slot::Reader>, Status> {
        if self.shutdown.is_cancelled() {
            return Err(draining().into());
        }
        let place = self.permit(&self.places)?;
        let stream = self.permit(&self.streams)?;
        let admitted = admission::admit(&*self.log, request.into_inner()).await?;
        let span = tracing::info_span!("feed", consumer = admitted.consumer);
        let begin = admitted.begin.clone();
        let (out, stream) = slot::pair(stream);
        let (log, options) = (self.log.clone(), self.options.clone());
        let (consumers, metrics) = (self.consumers.clone(), self.metrics.clone());
        let subscription = Subscription::new(log, admitted, options, consumers, metrics, out);
        let shutdown = self.shutdown.clone();
        let task = async move {
            subscription.run(begin, shutdown).await;
            drop(place);
        };
        tokio::spawn(task.instrument(span));
        Ok(Response::new(stream))
    }

    async fn acknowledge(
        &self,
        request: Request<proto::AcknowledgeRequest>,
    ) -> Result<Response<proto::AcknowledgeResponse>, Status> {
        let proto::AcknowledgeRequest { consumer, through } = request.into_inner();
        let through = admission::reached(&*self.log, through).await?;
        self.consumers.acknowledged(&consumer, through)?;
        let head = *self.log.head().borrow();
        Ok(Response::new(proto::AcknowledgeResponse {
            head: Some(position(&*self.log, head)),
            now: Some(SystemTime::now().into()),
        }))
    }
}

impl ChangeFeed {
    /// As [`server`], for those who wrap it; inside of the runtime.
    pub fn new(
        log: Arc<dyn Log>,
        descriptors: &[u8],
        options: FeedOptions,
        shutdown: CancellationToken,
    ) -> Self {
        let description = describe::describe(descriptors, log.entities());
        if let Err(error) = &description {
            let causes = crate::fault::causes(error);
            tracing::error!(service = log.service(), causes, "cannot describe the feed");
        }
        let limit = options.max_subscribers.min(Semaphore::MAX_PERMITS / STREAMS_PER_PLACE);
        let places = Arc::new(Semaphore::new(limit));
        let streams = Arc::new(Semaphore::new(limit * STREAMS_PER_PLACE));
        let consumers = Consumers::new(log.clone());
        let metrics = Metrics::new(consumers.shared());
        let watching = consumers.clone().watch();
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(watching));
        Self { log, description, options, places, streams, consumers, metrics, shutdown }
    }

    /// One is taken for each subscriber that is being served.
    pub(crate) fn places(&self) -> Arc<Semaphore> {
        self.places.clone()
    }

    #[cfg(test)]
    pub(super) fn consumers(&self) -> &Consumers {
        &self.consumers
    }

    fn permit(&self, semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Fault> {
        semaphore.clone().try_acquire_owned().map_err(|_| {
            let Self { log, options, .. } = self;
            let message =
                format!("{} has the {} subscribers that it takes", log.service(), options.max_subscribers);
            Fault::new(Reason::Overloaded, message).retry_after(FULL_RETRY)
        })
    }
}

/// A mark as it goes over the wire.
pub(super) fn position(log: &dyn Log, mark: Mark) -> proto::Position {
    proto::Position {
        service: log.service().to_owned(),
        epoch: log.epoch().to_owned(),
        sequence: mark.sequence,
        digest: mark.digest,
    }
}

pub(super) fn draining() -> Fault {
    Fault::new(Reason::Draining, "the service is about to stop; subscribe again")
}

#[cfg(test)]
mod tests;
