//! Where a host is: its addresses, looked up again and again, so that who comes, goes or moves is noticed.

#[cfg(test)]
pub(crate) mod names;
#[cfg(test)]
mod tests;

use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Uri, uri::Scheme};
use tokio::{
    net::lookup_host,
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use crate::fault::causes;

/// From the end of a look-up to the begin of the next ...
const INTERVAL: Duration = Duration::from_secs(2);
/// ... and the least of it, however often somebody asks for one.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// Looks a host and a port up.
pub(crate) type Resolver =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// As the system does: its file of hosts, then DNS.
pub(crate) fn system() -> Resolver {
    Arc::new(|host, port| Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) }))
}

/// The addresses of one host. Clones share the look-ups, which end with the last of them.
///
/// A look-up that fails, or finds nothing, changes nothing: a name server that is away says nothing about
/// the host. One look-up is under way at a time, since the system's cannot be cancelled.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    known: watch::Receiver<Known>,
    again: Arc<Notify>,
    /// `None` if there is nothing to look up.
    looking: Option<Arc<AbortOnDropHandle<()>>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// In order, each once; empty until a look-up found some.
    addresses: Arc<[SocketAddr]>,
    /// How many look-ups there were.
    lookups: u64,
    /// Of the last one.
    failure: Option<Arc<str>>,
}

/// There is no address.
#[derive(Clone, Debug)]
pub(crate) struct Unresolved(Arc<str>);

impl Addresses {
    /// Begins to look the host of `uri` up, inside of a runtime. An IP address is its own, for ever.
    pub(crate) fn of(uri: &Uri, resolver: Resolver) -> Self {
        let https = uri.scheme() == Some(&Scheme::HTTPS);
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Self::fixed(Known { addresses: [SocketAddr::new(ip, port)].into(), ..Known::default() });
        }
        if host.is_empty() {
            return Self::fixed(Known { failure: Some("it has no host".into()), ..Known::default() });
        }
        let (sender, known) = watch::channel(Known::default());
        let again = Arc::new(Notify::new());
        let looking = look_up_again_and_again(sender, again.clone(), host.to_owned(), port, resolver);
        let looking = Some(Arc::new(AbortOnDropHandle::new(tokio::spawn(looking))));
        Self { known, again, looking }
    }

    fn fixed(known: Known) -> Self {
        let (_, known) = watch::channel(known);
        Self { known, again: Arc::default(), looking: None }
    }

    /// Those known now; none before the first look-up that found some.
    pub(crate) fn latest(&self) -> Arc<[SocketAddr]> {
        self.known.borrow().addresses.clone()
    }

    /// Those known now, after one look-up if there are none.
    pub(crate) async fn known(&self) -> Result<Arc<[SocketAddr]>, Unresolved> {
        let mut known = self.known.clone();
        let Known { addresses, lookups, failure } = known.borrow_and_update().clone();
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        if self.looking.is_none() {
            return Err(Unresolved::of(failure));
        }
        self.look_again();
        let over = known.wait_for(|known| !known.addresses.is_empty() || known.lookups > lookups).await;
        match over.map(|known| known.clone()) {
            Ok(Known { addresses, .. }) if !addresses.is_empty() => Ok(addresses),
            Ok(Known { failure, .. }) => Err(Unresolved::of(failure)),
            // Nobody looks up any more: the runtime ends.
            Err(_) => Err(Unresolved::of(None)),
        }
    }

    /// Asks for a look-up at once: where a connection failed, somebody else may be by now.
    pub(crate) fn look_again(&self) {
        self.again.notify_one();
    }

    /// Waits for the next look-up; `false` if there is none any more.
    pub(crate) async fn looked_up(&mut self) -> bool {
        self.known.changed().await.is_ok()
    }

    /// Waits until `address` is none of the host's any more: for ever, if that does not change.
    pub(crate) async fn gone(&self, address: SocketAddr) {
        let mut known = self.known.clone();
        let gone = known.wait_for(|known| !known.addresses.contains(&address)).await.is_ok();
        if !gone {
            std::future::pending::<()>().await;
        }
    }
}

async fn look_up_again_and_again(
    known: watch::Sender<Known>,
    again: Arc<Notify>,
    host: String,
    port: u16,
    resolver: Resolver,
) {
    loop {
        let found = resolver(host.clone(), port).await;
        known.send_modify(|known| known.learn(&host, found));
        sleep(LEAST_INTERVAL).await;
        // Either is a reason to look again.
        let _ = timeout(INTERVAL - LEAST_INTERVAL, again.notified()).await;
    }
}

impl Known {
    fn learn(&mut self, host: &str, found: io::Result<Vec<SocketAddr>>) {
        self.lookups += 1;
        let failure = match found {
            Ok(mut addresses) if !addresses.is_empty() => {
                addresses.sort_unstable();
                addresses.dedup();
                if *self.addresses != *addresses {
                    tracing::debug!(host, ?addresses, "the addresses of a host");
                    self.addresses = addresses.into();
                }
                self.failure = None;
                return;
            }
            Ok(_) => "its name has no address".to_owned(),
            Err(error) => format!("its name cannot be looked up: {}", causes(&error)),
        };
        // Once, and not every two seconds.
        if self.failure.as_deref() != Some(&failure) {
            tracing::warn!(host, failure, known = ?self.addresses, "looking a host up");
            self.failure = Some(failure.into());
        }
    }
}

impl Unresolved {
    fn of(failure: Option<Arc<str>>) -> Self {
        Self(failure.unwrap_or_else(|| "its name was not looked up".into()))
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unresolved {}
