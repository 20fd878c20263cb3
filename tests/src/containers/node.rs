//! The node as kube-proxy makes it: whoever connects to a port of it is connected with the pod, wherever that is now. Without a
//! socket in between, so that nobody accepts in the place of a pod that is away.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tonic::transport::{Channel, Endpoint};
use tower::{Service, service_fn};

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

/// A channel to a port of the pod, which is made when it is first needed, and again when it broke.
pub(super) fn channel(pod: Address, port: u16) -> Channel {
    endpoint().connect_with_connector_lazy(connector(pod, port))
}

/// What callers name, whatever the connector makes of it.
pub(super) fn endpoint() -> Endpoint {
    Endpoint::from_static("http://node")
}

/// Connects with a port of the pod.
pub(super) fn connector(
    pod: Address,
    port: u16,
) -> impl Service<Uri, Response = TokioIo<TcpStream>, Error = io::Error, Future: Send> + Send + 'static {
    service_fn(move |_: Uri| {
        let pod = pod.get();
        async move {
            let connected = timeout(CONNECT, TcpStream::connect((pod, port))).await;
            let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::HostUnreachable))??;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        }
    })
}
