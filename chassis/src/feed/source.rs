//! Where a source is: at one of the addresses of its name, and at another one when that fails or is gone.
//!
//! A feed is followed over one connection, since its order is one. So nothing is balanced here; but who is connected
//! to an address that swallows packets would notice that by keepalive alone, which must not be short: a source may
//! be written in any language, and some servers punish clients that ping more often than a few times a minute.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Uri;
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};

use crate::{
    fault::causes,
    outbound::channel::endpoint,
    resolve::{Addresses, Resolver},
};

/// For a connection to one of several addresses: then there is another one to try.
const PATIENCE_WITH_ONE: Duration = Duration::from_secs(2);

/// Clones are the same source, and know where it was left.
#[derive(Clone, Debug)]
pub(super) struct Source {
    uri: Uri,
    addresses: Addresses,
    /// Whose turn it is to be connected to.
    turn: Arc<AtomicUsize>,
}

/// A connection to the address of a source.
#[derive(Clone, Debug)]
pub(super) struct Link {
    channel: Channel,
    address: SocketAddr,
    source: Source,
}

impl Source {
    /// Begins to look it up, inside of a runtime.
    pub(super) fn new(uri: Uri, resolver: Resolver) -> Self {
        let addresses = Addresses::of(&uri, resolver);
        // Followers of a source with several addresses are spread over them.
        Self { uri, addresses, turn: Arc::new(AtomicUsize::new(rand::random::<u32>() as usize)) }
    }

    /// Connects to the first of its addresses that takes the connection, each as `settings` say; else says why the
    /// last one did not.
    pub(super) async fn connect(
        &self,
        patience: Duration,
        settings: impl Fn(Endpoint) -> Endpoint,
    ) -> Result<Link, String> {
        let late = |_| format!("connecting took longer than {patience:?}");
        let known = timeout(patience, self.addresses.known()).await.map_err(late)?;
        let addresses = known.map_err(|unresolved| unresolved.to_string())?;
        let each = if addresses.len() > 1 { patience.min(PATIENCE_WITH_ONE) } else { patience };
        let mut failure = String::new();
        for _ in 0..addresses.len() {
            let address = addresses[self.turn.load(Ordering::Relaxed) % addresses.len()];
            let endpoint = settings(endpoint(address, &self.uri)).connect_timeout(each);
            match timeout(each, endpoint.connect()).await {
                Ok(Ok(channel)) => return Ok(Link { channel, address, source: self.clone() }),
                Ok(Err(error)) => failure = causes(&error),
                Err(_) => failure = format!("connecting took longer than {each:?}"),
            }
            self.leave();
        }
        Err(failure)
    }

    /// For tests that do not wait for the next look-up.
    #[cfg(test)]
    pub(super) fn look_again(&self) {
        self.addresses.look_again();
    }

    /// The next connection is to another address, if there is one; perhaps one that is not known yet.
    fn leave(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
        self.addresses.look_again();
    }
}

impl Link {
    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Waits until its address is none of the source's any more.
    pub(super) async fn gone(&self) -> String {
        self.source.addresses.gone(self.address).await;
        format!("the service is not at {} any more", self.address)
    }

    /// Whether its address is one of the source's.
    pub(super) fn is_current(&self) -> bool {
        self.source.addresses.latest().contains(&self.address)
    }

    /// It did not do: the next connection is to another address, if there is one.
    pub(super) fn failed(&self) {
        self.source.leave();
    }
}
