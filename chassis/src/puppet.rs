//! A gRPC service for tests, which does what the metadata `puppet` of a call tells it to.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt as _};
use http::Response;
use tokio::sync::Semaphore;
use tonic::{Code, Request, Status, body::Body};
use tower::Service;
use tributary_proto::feed::v1::{
    AcknowledgeRequest, AcknowledgeResponse, DescribeRequest, DescribeResponse, SubscribeRequest,
    SubscribeResponse,
    change_feed_client::ChangeFeedClient,
    change_feed_server::{ChangeFeed, ChangeFeedServer},
};

use crate::{deadline, server::MAX_MESSAGE_BYTES, trail};

/// The metadata that says what to do.
const TOLD: &str = "puppet";
/// Between two frames of `ticks`.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Clones are the same puppet.
#[derive(Clone, Debug)]
pub(crate) struct Puppet {
    /// How many calls began.
    pub(crate) calls: Arc<AtomicUsize>,
    /// How many acknowledgements came.
    acknowledged: Arc<AtomicUsize>,
    /// `gate` waits for a permit of it.
    pub(crate) gate: Arc<Semaphore>,
}

impl Puppet {
    pub(crate) fn new() -> Self {
        Self { calls: Arc::default(), acknowledged: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }

    pub(crate) fn server(&self) -> ChangeFeedServer<Self> {
        ChangeFeedServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// A call of `Describe` that tells the puppet what to do.
pub(crate) fn tell(what: &str) -> Request<DescribeRequest> {
    told(DescribeRequest {}, what)
}

/// A call of `Subscribe` that does.
pub(crate) fn tell_stream(what: &str) -> Request<SubscribeRequest> {
    told(SubscribeRequest::default(), what)
}

fn told<T>(message: T, what: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(TOLD, what.parse().unwrap());
    request
}

/// A client of a service that is not behind a connection, so that time can stand still.
pub(crate) fn client<S>(service: S) -> ChangeFeedClient<S>
where
    S: Service<http::Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    ChangeFeedClient::new(service)
}

#[tonic::async_trait]
impl ChangeFeed for Puppet {
    /// Answers in the field `service`.
    async fn describe(
        &self,
        request: Request<DescribeRequest>,
    ) -> Result<tonic::Response<DescribeResponse>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let metadata = request.metadata();
        let header = |name| metadata.get(name).map_or("none", |value| value.to_str().unwrap()).to_owned();
        let answer = match header(TOLD).split_once(' ') {
            Some(("reach", position)) => {
                trail::reached(position.parse().unwrap());
                String::new()
            }
            Some(("header", name)) => header(name),
            Some(("fail", code)) => {
                trail::reached("puppet/e/9".parse().unwrap());
                return Err(Status::new(Code::from(code.parse::<i32>().unwrap()), "as told"));
            }
            Some(other) => panic!("unknown: {other:?}"),
            None => match header(TOLD).as_str() {
                "hang" => std::future::pending().await,
                "panic" => panic!("as told"),
                "gate" => {
                    self.gate.acquire().await.unwrap().forget();
                    String::new()
                }
                "remaining" => deadline::remaining().unwrap().as_millis().to_string(),
                _ => String::new(),
            },
        };
        Ok(tonic::Response::new(DescribeResponse { service: answer, ..Default::default() }))
    }

    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<tonic::Response<Self::SubscribeStream>, Status> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let frames = futures::stream::repeat_with(|| Ok(SubscribeResponse::default()));
        let stream: Self::SubscribeStream = match request.metadata().get(TOLD).unwrap().to_str().unwrap() {
            "ticks" => Box::pin(frames.then(async |frame| {
                tokio::time::sleep(TICK).await;
                frame
            })),
            "busy" => Box::pin(frames),
            "three" => Box::pin(frames.take(3)),
            "silent" => Box::pin(futures::stream::pending()),
            "panic" => Box::pin(frames.take(1).chain(futures::stream::once(async {
                tokio::time::sleep(TICK).await;
                panic!("as told")
            }))),
            other => panic!("unknown: {other}"),
        };
        Ok(tonic::Response::new(stream))
    }

    async fn acknowledge(
        &self,
        _: Request<AcknowledgeRequest>,
    ) -> Result<tonic::Response<AcknowledgeResponse>, Status> {
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        Ok(tonic::Response::new(AcknowledgeResponse::default()))
    }
}
