//! The node as kube-proxy makes it: whoever connects to a port of it is connected with the pod, wherever that is now. Without a
//! socket in between, so that nobody accepts in the place of a pod that is away.

use std::{
    io,
    net::{self, IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use nix::sched::{CloneFlags, setns};
use rand::seq::SliceRandom as _;
use tokio::{net::TcpStream, sync::oneshot};
use tonic::transport::{Channel, Endpoint};
use tower::{Service, service_fn};

use super::Engine;

/// An address that nobody has may swallow what is sent to it.
const CONNECT: Duration = Duration::from_secs(1);

/// Where a pod is; shared with those who go on looking for it.
#[derive(Clone, Debug)]
pub(super) struct Address(Arc<Mutex<IpAddr>>);

impl Default for Address {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Ipv4Addr::UNSPECIFIED.into())))
    }
}

impl Address {
    pub(super) fn get(&self) -> IpAddr {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, address: &str) {
        let address = address.parse().expect("an address");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// The pods of one workload, as those know them who hand on what comes for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoints(Arc<Mutex<Vec<Address>>>);

impl Endpoints {
    pub(super) fn set(&self, pods: Vec<Address>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pods;
    }

    /// All of them, in any order.
    fn shuffled(&self) -> Vec<Address> {
        let mut pods = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        pods.shuffle(&mut rand::rng());
        pods
    }
}

impl From<Address> for Endpoints {
    fn from(pod: Address) -> Self {
        Self(Arc::new(Mutex::new(vec![pod])))
    }
}

/// Where the pods of a workload are, and the network in which those are addresses.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) engine: &'static Engine,
    pub(super) pods: Endpoints,
    pub(super) port: u16,
}

impl Way {
    /// A channel to a pod, which is made when it is first needed, and again when it broke or heard nothing any more.
    pub(super) fn channel(self) -> Channel {
        endpoint()
            .http2_keep_alive_interval(CONNECT)
            .keep_alive_timeout(CONNECT)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(self.connector())
    }

    /// Connects with one of the pods, whatever URL is asked for.
    pub(super) fn connector(
        self,
    ) -> impl Service<Uri, Response = TokioIo<TcpStream>, Error = io::Error, Future: Send> + Send + 'static
    {
        service_fn(move |_: Uri| {
            let way = self.clone();
            async move { Ok(TokioIo::new(way.connect().await?)) }
        })
    }

    /// With any that takes it. A cluster learns by probes who that is; here they are tried one after another.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let mut outcome = Err(io::Error::other("the workload has no pod"));
        for pod in self.pods.shuffled() {
            outcome = connect(self.engine, SocketAddr::new(pod.get(), self.port)).await;
            if outcome.is_ok() {
                break;
            }
        }
        let stream = outcome?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// What callers name, whatever the connector makes of it.
pub(super) fn endpoint() -> Endpoint {
    Endpoint::from_static("http://node")
}

/// A socket belongs to the network of the thread that makes it, and a thread that entered another is of no other use.
async fn connect(engine: &'static Engine, address: SocketAddr) -> io::Result<TcpStream> {
    let (connected, stream) = oneshot::channel::<io::Result<net::TcpStream>>();
    thread::spawn(move || {
        let connect = || {
            setns(engine.network(), CloneFlags::CLONE_NEWNET)?;
            let stream = net::TcpStream::connect_timeout(&address, CONNECT)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        };
        // Nobody waits any more where the caller gave up.
        let _ = connected.send(connect());
    });
    TcpStream::from_std(stream.await.map_err(io::Error::other)??)
}
