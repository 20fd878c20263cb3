//! The mesh that `tributary up` runs and that every other command expects: one table.

use std::net::IpAddr;

/// One server of the mesh. Its program, and its part of the data directory, have its name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    pub(crate) role: Role,
}

/// What a server is told when it is started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Owns a store and publishes its changes. Calls the named servers: each becomes `--<name> URL`.
    Service { calls: &'static [&'static str] },
    /// Follows every service.
    Gateway,
}

/// Who is called stands before who calls, the gateway is last: started in this order, ended in reverse.
pub(crate) const SERVERS: &[Server] = &[
    Server { name: "customers", port: 50051, role: Role::Service { calls: &[] } },
    Server { name: "catalog", port: 50052, role: Role::Service { calls: &[] } },
    Server { name: "orders", port: 50054, role: Role::Service { calls: &["customers", "catalog"] } },
    Server { name: GATEWAY, port: 50050, role: Role::Gateway },
];

/// The name of the server that answers questions across all others.
pub(crate) const GATEWAY: &str = "query-gateway";

/// The protos by which the gateway answers typed questions, below the root of the project.
pub(crate) const APIS: &[&str] = &["proto/shop/shop/insights/v1/insights.proto"];

/// The views of the gateway, below the root of the project.
pub(crate) const VIEWS: &str = "query-gateway/views";

/// The health and metrics of a server are at its port plus this.
const ADMIN: u16 = 1000;

impl Server {
    /// Where health and metrics are served.
    pub(crate) fn admin_port(&self) -> u16 {
        self.port + ADMIN
    }

    /// The names of those that it talks to.
    pub(crate) fn needs(&self) -> Vec<&'static str> {
        match self.role {
            Role::Service { calls } => calls.to_vec(),
            Role::Gateway => SERVERS.iter().filter(|s| !s.is_gateway()).map(|s| s.name).collect(),
        }
    }

    /// Whether this is the query gateway.
    pub(crate) fn is_gateway(&self) -> bool {
        self.role == Role::Gateway
    }
}

/// The table at one address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mesh {
    host: IpAddr,
}

impl Mesh {
    /// The mesh whose servers listen on `host`.
    pub(crate) fn new(host: IpAddr) -> Self {
        Self { host }
    }

    /// Where its servers listen.
    pub(crate) fn host(&self) -> IpAddr {
        self.host
    }

    /// The server of that name.
    pub(crate) fn server(&self, name: &str) -> Option<&'static Server> {
        SERVERS.iter().find(|server| server.name == name)
    }

    /// Where a server is called.
    pub(crate) fn url(&self, server: &Server) -> String {
        format!("http://{}", self.address(server.port))
    }

    /// `HOST:PORT`, with the brackets that an IPv6 address needs.
    pub(crate) fn address(&self, port: u16) -> String {
        std::net::SocketAddr::new(self.host, port).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_called_starts_before_who_calls() {
        for (i, server) in SERVERS.iter().enumerate() {
            let before: Vec<_> = SERVERS[..i].iter().map(|server| server.name).collect();
            assert!(server.needs().iter().all(|name| before.contains(name)), "{}", server.name);
        }
    }

    #[test]
    fn no_port_is_given_twice() {
        let mut ports: Vec<_> = SERVERS.iter().flat_map(|s| [s.port, s.admin_port()]).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 2 * SERVERS.len());
    }
}
