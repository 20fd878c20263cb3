//! A service inside of a test: started as its `main` does, on free ports, and stopped as by a signal.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tokio::{net::TcpStream, sync::oneshot, time};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::{Channel, Endpoint};

use crate::{lock, run::StartError, server::Server, settings::ServerArgs};

/// Longest wait for a start or an end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a start or an end is looked at.
const INTERVAL: Duration = Duration::from_millis(2);

/// A service that serves, on a thread and a runtime of its own. Ends when it is dropped.
#[derive(Debug)]
pub struct Running {
    url: String,
    data_dir: PathBuf,
    end: oneshot::Receiver<Result<(), StartError>>,
    leaving: DropGuard,
}

impl Running {
    /// Starts a service on `data_dir`, and waits until it takes calls.
    pub async fn start<F, Fut>(name: &'static str, data_dir: &Path, start: F) -> Self
    where
        F: FnOnce(Server) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), StartError>>,
    {
        let args = ServerArgs { data_dir: Some(data_dir.to_owned()), ..ServerArgs::default() };
        Self::start_with(name, args, start).await
    }

    /// [`Running::start`] with other settings; the admin port is any free one.
    pub async fn start_with<F, Fut>(name: &'static str, args: ServerArgs, start: F) -> Self
    where
        F: FnOnce(Server) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), StartError>>,
    {
        let (bound, bind) = oneshot::channel();
        let (ended, mut end) = oneshot::channel();
        let data_dir = args.data_dir_of(name);
        let args = ServerArgs { admin_listen: Some((Ipv4Addr::LOCALHOST, 0).into()), ..args };
        thread::spawn(move || {
            // Nobody is there to be told when the test is over.
            let _ = ended.send(live(name, args, bound, start));
        });
        let Ok((address, leaving)) = bind.await else { panic!("{name} did not start: {:?}", end.await) };
        let accepting = async {
            while TcpStream::connect(address).await.is_err() {
                assert!(end.is_empty(), "{name} ended before it served: {:?}", end.try_recv());
                time::sleep(INTERVAL).await;
            }
        };
        assert!(time::timeout(PATIENCE, accepting).await.is_ok(), "{name} does not serve");
        Self { url: format!("http://{address}"), data_dir, end, leaving: leaving.drop_guard() }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection to it, for the generated clients.
    pub fn channel(&self) -> Channel {
        match Endpoint::from_shared(self.url.clone()) {
            Ok(endpoint) => endpoint.connect_lazy(),
            Err(error) => panic!("{}: {error}", self.url),
        }
    }

    /// Ends it as the first signal does, and waits until its store can be opened again: it is closed by a
    /// thread of its own, which the end of a process would not wait for either.
    pub async fn stop(self) {
        drop(self.leaving);
        match time::timeout(PATIENCE, self.end).await {
            Ok(Ok(Ok(()))) => (),
            other => panic!("{} did not end well: {other:?}", self.url),
        }
        let closing = async {
            while lock::acquire(&self.data_dir).is_err() {
                time::sleep(INTERVAL).await;
            }
        };
        assert!(
            time::timeout(PATIENCE, closing).await.is_ok(),
            "{} keeps its store",
            self.data_dir.display()
        );
    }
}

/// From binding to the end. The runtime is gone when it returns, and with it all that it ran.
fn live<F, Fut>(
    name: &str,
    args: ServerArgs,
    bound: oneshot::Sender<(SocketAddr, CancellationToken)>,
    start: F,
) -> Result<(), StartError>
where
    F: FnOnce(Server) -> Fut,
    Fut: Future<Output = Result<(), StartError>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error: io::Error| StartError::new("starting the runtime", error))?.block_on(async {
        let server = Server::bind(name, &args)?;
        // A test that is over does not wait for it.
        let _ = bound.send((server.address(), server.leaving()));
        start(server).await
    })
}
