//! The mesh that `tributary up` runs and that every other command expects: one table, and what the command line
//! adds to it.

mod added;

use std::net::IpAddr;

pub(crate) use added::{Added, added};

use crate::failure::Failure;

/// One server of the mesh. Its program, and its part of the data directory, have its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Of its program too.
    pub name: &'static str,
    /// Where it is called.
    pub port: u16,
    /// What it does.
    pub role: Role,
}

/// What a server is told when it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Owns a store and publishes its changes. Calls servers, and follows the feeds of others: each becomes
    /// `--<name> URL`. Who is followed need not be there: what it publishes meanwhile is read later.
    Service {
        /// Those whose methods it calls.
        calls: &'static [&'static str],
        /// Those whose feeds it follows.
        follows: &'static [&'static str],
    },
    /// Follows every service.
    Gateway,
}

/// Who is called stands before who calls, the gateway is last: started in this order, ended in reverse. To
/// follow makes no order: two may follow each other.
pub const SERVERS: &[Server] = &[
    Server { name: "customers", port: 50051, role: Role::Service { calls: &[], follows: &[] } },
    Server { name: "catalog", port: 50052, role: Role::Service { calls: &[], follows: &[] } },
    Server { name: "inventory", port: 50053, role: Role::Service { calls: &[], follows: &[] } },
    Server { name: "payments", port: 50055, role: Role::Service { calls: &[], follows: &[] } },
    Server {
        name: "orders",
        port: 50054,
        role: Role::Service {
            calls: &["customers", "catalog", "inventory", "payments"],
            follows: &["shipping"],
        },
    },
    Server { name: "shipping", port: 50056, role: Role::Service { calls: &[], follows: &["orders"] } },
    Server { name: GATEWAY, port: 50050, role: Role::Gateway },
];

/// The name of the server that answers questions across all others.
pub const GATEWAY: &str = "query-gateway";

/// Every proto in it says how the gateway answers typed questions; below the root of the project.
pub(crate) const APIS: &str = "proto/shop/shop/insights/v1";

/// The views of the gateway, below the root of the project.
pub(crate) const VIEWS: &str = "query-gateway/views";

/// The health and metrics of a server are at its port plus this.
const ADMIN: u16 = 1000;

impl Server {
    /// Where health and metrics are served.
    pub fn admin_port(&self) -> u16 {
        self.port + ADMIN
    }

    /// Whether this is the query gateway.
    pub fn is_gateway(&self) -> bool {
        self.role == Role::Gateway
    }
}

/// The table at one address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mesh {
    host: IpAddr,
    servers: &'static [Server],
}

impl Mesh {
    /// The mesh whose servers listen on `host`.
    pub(crate) fn new(host: IpAddr) -> Self {
        Self { host, servers: SERVERS }
    }

    /// The mesh with these services as well.
    pub(crate) fn with(self, added: &[Added]) -> Result<Self, Failure> {
        if added.is_empty() {
            return Ok(self);
        }
        Ok(Self { servers: added::join(self.servers, added)?, ..self })
    }

    /// All servers; who is called stands before who calls, the gateway is last.
    pub(crate) fn servers(&self) -> &'static [Server] {
        self.servers
    }

    /// Those that publish what they own.
    pub(crate) fn services(&self) -> impl Iterator<Item = &'static Server> {
        self.servers.iter().filter(|server| !server.is_gateway())
    }

    /// Those that are not in the table.
    pub(crate) fn added(&self) -> impl Iterator<Item = &'static Server> {
        self.servers.iter().filter(|server| !SERVERS.contains(server))
    }

    /// The names of those that have to be there before a server is started.
    pub(crate) fn needs(&self, server: &Server) -> Vec<&'static str> {
        match server.role {
            Role::Service { calls, .. } => calls.to_vec(),
            Role::Gateway => self.services().map(|service| service.name).collect(),
        }
    }

    /// The names of all that a server is told the address of.
    pub(crate) fn knows(&self, server: &Server) -> Vec<&'static str> {
        match server.role {
            Role::Service { calls, follows } => [calls, follows].concat(),
            Role::Gateway => self.needs(server),
        }
    }

    /// Where its servers listen.
    pub(crate) fn host(&self) -> IpAddr {
        self.host
    }

    /// The server of that name.
    pub(crate) fn server(&self, name: &str) -> Option<&'static Server> {
        self.servers.iter().find(|server| server.name == name)
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
        let mesh = Mesh::new([127, 0, 0, 1].into());
        for (i, server) in SERVERS.iter().enumerate() {
            let before: Vec<_> = SERVERS[..i].iter().map(|server| server.name).collect();
            assert!(mesh.needs(server).iter().all(|name| before.contains(name)), "{}", server.name);
        }
    }

    #[test]
    fn who_is_followed_is_known_and_not_waited_for() {
        let mesh = Mesh::new([127, 0, 0, 1].into());
        let [orders, shipping] = ["orders", "shipping"].map(|name| mesh.server(name).unwrap());
        assert_eq!(mesh.knows(orders), ["customers", "catalog", "inventory", "payments", "shipping"]);
        assert_eq!(mesh.needs(orders), ["customers", "catalog", "inventory", "payments"]);
        assert_eq!((mesh.knows(shipping), mesh.needs(shipping)), (vec!["orders"], vec![]));
        for server in SERVERS {
            let knows = mesh.knows(server);
            let is_server = |name: &&str| SERVERS.iter().any(|other| other.name == *name);
            assert!(knows.iter().all(is_server) && !knows.contains(&server.name), "{}", server.name);
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
