//! Answers typed queries over gRPC. The methods are known only at run time, so paths are looked up here and
//! messages are coded by their descriptors.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt as _, stream};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, ServerStreamingService, UnaryService},
};
use tributary_chassis::fault::{Fault, Reason};

use super::{
    Api, Method, State,
    method::Ready,
    response::{Misfit, RowShape, Shape},
};
use crate::{
    catalog::Catalog,
    query::{Answer, Asker, Freshness, Part, Queries, Statement, stand_on},
    view::Views,
};

/// Larger requests are no questions.
const MAX_REQUEST_BYTES: usize = 1 << 20;

/// Serves every method of the API files, under the paths of all their services; for any other path it
/// answers UNIMPLEMENTED.
#[derive(Clone, Debug)]
pub struct TypedQueries(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    routes: HashMap<String, Arc<Method>>,
    queries: Queries,
    views: Views,
}

impl TypedQueries {
    /// Answers the methods of `api` by `queries`.
    pub fn new(api: &Api, queries: Queries, views: Views) -> Self {
        Self(Arc::new(Inner { routes: api.routes(), queries, views }))
    }

    /// Compiles every method against each new catalog until `shutdown`: a mistake is in the log before
    /// anybody calls, and no call waits for the compiler.
    pub async fn follow(self, shutdown: CancellationToken) {
        let mut catalog = self.0.queries.gateway().catalog_changes();
        loop {
            let now = catalog.borrow_and_update().clone();
            self.0.routes.values().for_each(|method| drop(method.state(&now)));
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = catalog.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Responses = Pin<Box<dyn Stream<Item = Result<DynamicMessage, Status>> + Send>>;

// Generic over the body: the router hands over its own type, not tonic's.
impl<B> tower::Service<http::Request<B>> for TypedQueries
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let Some(method) = self.0.routes.get(request.uri().path()).cloned() else {
            let text = format!("there is no method {}", request.uri().path().trim_start_matches('/'));
            let status = Status::from(Fault::new(Reason::Unimplemented, text));
            return Box::pin(async move { Ok(status.into_http()) });
        };
        let call = Call { inner: self.0.clone(), method };
        Box::pin(async move {
            let codec = DynamicCodec(call.method.request());
            let mut grpc = Grpc::new(codec).max_decoding_message_size(MAX_REQUEST_BYTES);
            Ok(if call.method.streams() {
                grpc.server_streaming(call, request).await
            } else {
                grpc.unary(call, request).await
            })
        })
    }
}

/// One call of one method.
struct Call {
    inner: Arc<Inner>,
    method: Arc<Method>,
}

impl UnaryService<DynamicMessage> for Call {
    type Response = DynamicMessage;
    type Future = BoxFuture<Result<Response<DynamicMessage>, Status>>;

    fn call(&mut self, request: Request<DynamicMessage>) -> Self::Future {
        let (inner, method) = (self.inner.clone(), self.method.clone());
        Box::pin(async move {
            let (ready, answer) = inner.start(&method, &request).await?;
            let as_of = answer.as_of.clone();
            let message = unary(&method, &ready.shape, answer).await?;
            Ok(stand_on(Response::new(message), &as_of)?)
        })
    }
}

impl ServerStreamingService<DynamicMessage> for Call {
    type Response = DynamicMessage;
    type ResponseStream = Responses;
    type Future = BoxFuture<Result<Response<Responses>, Status>>;

    fn call(&mut self, request: Request<DynamicMessage>) -> Self::Future {
        let (inner, method) = (self.inner.clone(), self.method.clone());
        Box::pin(async move {
            let (ready, answer) = inner.start(&method, &request).await?;
            let as_of = answer.as_of.clone();
            Ok(stand_on(Response::new(streaming(ready, answer)), &as_of)?)
        })
    }
}

impl Inner {
    async fn start(
        &self,
        method: &Method,
        request: &Request<DynamicMessage>,
    ) -> Result<(Arc<Ready>, Answer), Fault> {
        let freshness = Freshness::of(request.metadata())?;
        // First, because what is waited for may bring the tables.
        self.queries.reach(&freshness).await?;
        let max_rows = self.queries.caps().rows;
        loop {
            let (ready, catalog) = self.ready(method).await?;
            let arguments = method.arguments(&ready.compiled, request.get_ref())?;
            let statement = Statement { compiled: ready.compiled.clone(), catalog, arguments, max_rows };
            if let Some(answer) = self.queries.start(Asker::Typed, statement).await? {
                return Ok((ready, answer));
            }
        }
    }

    /// The method as it can be answered, with the relations by which it can.
    async fn ready(&self, method: &Method) -> Result<(Arc<Ready>, Arc<Catalog>), Fault> {
        let mut catalog = self.queries.gateway().catalog();
        let mut now = method.state(&catalog);
        if let State::Waiting(name) = &now {
            self.views.awaited(name).await;
            catalog = self.queries.gateway().catalog();
            now = method.state(&catalog);
        }
        match now {
            State::Ready(ready) => Ok((ready, catalog)),
            State::Waiting(relation) => Err(self.views.absent(&relation)),
            State::Failed(reason) => {
                let text = format!("{} cannot be answered: {reason}", method.name());
                Err(Fault::new(Reason::WrongState, text))
            }
        }
    }
}

async fn unary(method: &Method, shape: &Shape, mut answer: Answer) -> Result<DynamicMessage, Fault> {
    let mut messages = Vec::new();
    while let Some(part) = answer.next().await {
        messages.append(&mut messages_of(shape.row(), part?)?);
        if matches!(shape, Shape::Single(_)) && messages.len() > 1 {
            let text = "gives more than one row for a single answer: narrow its SQL, or answer with a repeated field";
            let text = format!("{} {text}", method.name());
            return Err(Fault::new(Reason::Internal, text).with_source(MISFIT));
        }
    }
    match shape {
        Shape::Rows { field, .. } => {
            let mut response = DynamicMessage::new(method.response());
            response.set_field(field, Value::List(messages.into_iter().map(Value::Message).collect()));
            Ok(response)
        }
        Shape::Single(_) | Shape::Stream(_) => {
            messages.pop().ok_or_else(|| Fault::new(Reason::NotFound, "nothing was found for this request"))
        }
    }
}

fn streaming(ready: Arc<Ready>, answer: Answer) -> Responses {
    let parts = stream::unfold(answer, async |mut answer| answer.next().await.map(|part| (part, answer)));
    let messages = parts.flat_map(move |part| {
        let messages = part.and_then(|part| messages_of(ready.shape.row(), part));
        stream::iter(match messages {
            Ok(messages) => messages.into_iter().map(Ok).collect(),
            Err(fault) => vec![Err(Status::from(fault))],
        })
    });
    Box::pin(messages)
}

/// A typed answer is whole or an error: nothing in it could say that it was cut short.
fn messages_of(row: &RowShape, part: Part) -> Result<Vec<DynamicMessage>, Fault> {
    match part {
        Part::Truncated(reason) => Err(Fault::new(Reason::LimitExceeded, reason)),
        Part::Rows(rows) => rows.into_iter().map(|cells| row.message(cells).map_err(misfit)).collect(),
    }
}

/// The SQL and the messages of an API file do not fit each other, which only its rows showed.
const MISFIT: &str = "the API file does not fit its rows";

/// The caller is told what the row holds, the log is not.
fn misfit(misfit: Misfit) -> Fault {
    tracing::error!(column = misfit.column, "{MISFIT}");
    Fault::new(Reason::Internal, misfit.to_string())
}

/// Decodes messages of one descriptor; encodes any.
#[derive(Clone, Debug)]
pub(super) struct DynamicCodec(pub(super) MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|error| Fault::internal("encoding the response", error).into())
    }
}

impl Decoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), buffer);
        message.map(Some).map_err(|error| {
            let text = format!("the request is no {}: {error}", self.0.full_name());
            Fault::new(Reason::InvalidRequest, text).into()
        })
    }
}
