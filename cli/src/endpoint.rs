//! Where a command goes: a server of the mesh by name, or any server by URL.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::{failure::Failure, mesh::Mesh, suggest};

/// On loopback a connection is there at once or not at all; this bounds a host that swallows packets.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A half-open connection is found out after this much silence, twice over.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// A server to talk to. Connects with the first call.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// As it is called in messages: its name in the mesh, else its URL.
    pub(crate) name: String,
    pub(crate) channel: Channel,
}

impl Target {
    /// `text` is the name of a server of the mesh, a URL, or `HOST:PORT`.
    pub(crate) fn parse(mesh: &Mesh, text: &str) -> Result<Self, Failure> {
        if let Some(server) = mesh.server(text) {
            return Self::new(server.name, &mesh.url(server));
        }
        if text.starts_with("https://") {
            return Err(Failure::usage(format!("--to {text}: TLS is not spoken here; write http://...")));
        }
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let looks_like_address = text.contains("://") || text.contains(':');
        if !looks_like_address {
            let names = mesh.servers().iter().map(|server| server.name);
            let hint = suggest::did_you_mean(text, names.clone());
            return Err(Failure::usage(format!(
                "--to {text}: neither an address (http://HOST:PORT) nor a server of the mesh ({}).{hint}",
                names.collect::<Vec<_>>().join(", ")
            )));
        }
        Self::new(&url, &url)
    }

    fn new(name: &str, url: &str) -> Result<Self, Failure> {
        let endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(|error| Failure::usage(format!("{url}: not a URL of a server: {error}")))?;
        let channel = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .connect_lazy();
        Ok(Self { name: name.to_owned(), channel })
    }

    /// Every server of the mesh.
    pub(crate) fn all(mesh: &Mesh) -> Result<Vec<Self>, Failure> {
        mesh.servers().iter().map(|server| Self::new(server.name, &mesh.url(server))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, Failure> {
        Target::parse(&Mesh::new([127, 0, 0, 1].into()), text)
    }

    #[tokio::test]
    async fn names_urls_and_addresses_are_understood() {
        for text in ["orders", "http://[::1]:50051", "localhost:50051", "http://example.com"] {
            assert_eq!(
                parse(text).unwrap().name.trim_start_matches("http://"),
                text.trim_start_matches("http://")
            );
        }
    }

    #[tokio::test]
    async fn a_slip_is_told_what_was_meant() {
        let failure = format!("{:?}", parse("order").unwrap_err());
        assert!(failure.contains("Did you mean `orders`?"), "{failure}");
        assert!(parse("https://localhost:1").is_err());
        assert!(parse("http://not a host:1").is_err());
    }
}
