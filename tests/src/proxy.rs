//! A proxy in front of a service that does to calls what networks and crashes do, exactly where a test wants it, and
//! tells that it has done so.
//!
//! Calls are forwarded as bytes. What one is about is read from field 2 of the request, which holds the id in every
//! command of a saga's step.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::Router;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use prost::{Message as _, bytes::Bytes};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{
    Code, Status,
    body::Body,
    service::Routes,
    transport::{Channel, Endpoint, Server},
};
use tower::{Service as _, ServiceExt as _, service_fn};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// Refused, without effect.
    FailsBefore,
    /// Has its effect, and the caller is told that it failed.
    FailsAfter,
    /// Has its effect, and is never answered.
    NeverAnswered,
    /// Arrives twice.
    Twice,
    /// The test is told, and the call goes on only when it says so; without effect, if the caller is gone then.
    HeldBefore,
    /// Has its effect; the test is told, and the answer goes back only when it says so.
    HeldAfter,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 6] = [
        Fault::FailsBefore,
        Fault::FailsAfter,
        Fault::NeverAnswered,
        Fault::Twice,
        Fault::HeldBefore,
        Fault::HeldAfter,
    ];
}

/// Which call: the method's name, and the id in its request.
pub type Target = (String, String);

/// A call that is held until this is dropped.
#[derive(Debug)]
pub struct Held {
    /// Which.
    pub target: Target,
    _release: DropGuard,
}

/// Faults that are to happen, and those that did.
#[derive(Clone, Debug)]
pub struct Faults(Arc<State>);

#[derive(Debug)]
struct State {
    plans: Mutex<BTreeMap<Target, Vec<Fault>>>,
    fired: Mutex<BTreeMap<(Target, Fault), u64>>,
    calls: Mutex<BTreeMap<Target, u64>>,
    held: mpsc::UnboundedSender<Held>,
}

impl Faults {
    /// None yet; calls that are held come out of the receiver.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Held>) {
        let (held, receiver) = mpsc::unbounded_channel();
        let state = State { plans: Mutex::default(), fired: Mutex::default(), calls: Mutex::default(), held };
        (Self(Arc::new(state)), receiver)
    }

    /// The next calls of `method` about `id` meet these, one after the other.
    pub fn plan(&self, method: &str, id: &str, faults: impl IntoIterator<Item = Fault>) {
        let mut faults: Vec<_> = faults.into_iter().collect();
        faults.reverse();
        lock(&self.0.plans).insert((method.to_owned(), id.to_owned()), faults);
    }

    /// Calls of `method` about `id` are let through from now on.
    pub fn clear(&self, method: &str, id: &str) {
        lock(&self.0.plans).remove(&(method.to_owned(), id.to_owned()));
    }

    /// How often this has happened.
    pub fn fired(&self, method: &str, id: &str, fault: Fault) -> u64 {
        let key = ((method.to_owned(), id.to_owned()), fault);
        lock(&self.0.fired).get(&key).copied().unwrap_or_default()
    }

    /// How many calls of `method` about `id` arrived.
    pub fn calls(&self, method: &str, id: &str) -> u64 {
        lock(&self.0.calls).get(&(method.to_owned(), id.to_owned())).copied().unwrap_or_default()
    }

    fn next(&self, target: &Target) -> Option<Fault> {
        *lock(&self.0.calls).entry(target.clone()).or_default() += 1;
        let fault = lock(&self.0.plans).get_mut(target)?.pop()?;
        *lock(&self.0.fired).entry((target.clone(), fault)).or_default() += 1;
        Some(fault)
    }

    /// Until the test lets go of the call.
    async fn hold(&self, target: Target) {
        let release = CancellationToken::new();
        let held = Held { target, _release: release.clone().drop_guard() };
        // A test that has ended holds nothing.
        if self.0.held.send(held).is_ok() {
            release.cancelled().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A proxy at work; it ends when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    _serving: DropGuard,
}

impl Proxy {
    /// Stands in front of the service at `url`, on a free port of `host`.
    pub async fn start(host: &str, url: &str, faults: &Faults) -> Self {
        let listener = TcpListener::bind((host, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let channel = Endpoint::from_shared(url.to_owned()).expect("a URL").connect_lazy();
        let faults = faults.clone();
        let forward = service_fn(move |request| {
            let call = Call { channel: channel.clone(), faults: faults.clone() };
            async move { Ok::<_, std::convert::Infallible>(call.run(request).await) }
        });
        let routes = Routes::from(Router::new().fallback_service(forward));
        let end = CancellationToken::new();
        let serving = end.clone().drop_guard();
        tokio::spawn(async move {
            let server = Server::builder().add_routes(routes);
            server
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), end.cancelled())
                .await
                .expect("the proxy serves");
        });
        Self { address, _serving: serving }
    }

    /// Where it stands.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Field 2 of a request, whatever else is in it.
#[derive(Clone, PartialEq, prost::Message)]
struct About {
    #[prost(string, tag = "2")]
    id: String,
}

/// One call on its way.
struct Call {
    channel: Channel,
    faults: Faults,
}

impl Call {
    async fn run<B>(self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Error: std::fmt::Debug>,
    {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect().await else {
            return Status::cancelled("the caller is gone").into_http();
        };
        let body = body.to_bytes();
        let method = head.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        let forward = || {
            let mut request =
                Request::new(Body::new(Full::new(body.clone()).map_err(|never| match never {})));
            *request.uri_mut() = head.uri.clone();
            *request.method_mut() = head.method.clone();
            *request.headers_mut() = head.headers.clone();
            send(self.channel.clone(), request)
        };
        let target = (method, about(&body));
        match self.faults.next(&target) {
            None => forward().await,
            Some(Fault::FailsBefore) => refused("before it had an effect"),
            Some(Fault::FailsAfter) => {
                forward().await;
                refused("after it had its effect")
            }
            Some(Fault::NeverAnswered) => {
                forward().await;
                std::future::pending().await
            }
            Some(Fault::Twice) => {
                let (first, _) = tokio::join!(forward(), forward());
                first
            }
            Some(Fault::HeldBefore) => {
                self.faults.hold(target).await;
                refused("before it had an effect")
            }
            Some(Fault::HeldAfter) => {
                let response = forward().await;
                self.faults.hold(target).await;
                response
            }
        }
    }
}

fn refused(when: &str) -> Response<Body> {
    Status::new(Code::Unavailable, format!("the proxy ended the call {when}")).into_http()
}

/// Sends it and waits for the whole answer, so that its effect is there.
fn send(mut channel: Channel, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
    Box::pin(async move {
        let answer = async {
            let response = channel.ready().await?.call(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|status| status.to_string());
            Ok::<_, tonic::transport::Error>((head, body))
        };
        match answer.await {
            Ok((head, Ok(body))) => {
                let trailers = body.trailers().cloned();
                let frames = Full::new(body.to_bytes()).map_err(|never| match never {});
                let frames = frames.with_trailers(async move { trailers.map(Ok) });
                Response::from_parts(head, Body::new(frames))
            }
            Ok((_, Err(error))) => Status::unavailable(error).into_http(),
            Err(error) => Status::unavailable(error.to_string()).into_http(),
        }
    })
}

/// The id in a unary request: behind the five bytes that frame a gRPC message.
fn about(body: &Bytes) -> String {
    body.get(5..).and_then(|message| About::decode(message).ok()).unwrap_or_default().id
}
