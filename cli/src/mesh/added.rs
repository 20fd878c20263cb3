//! Services that are not in the table: `--service NAME=PORT`.

use super::{ADMIN, Role, Server};
use crate::failure::Failure;

/// A service of the user's own, as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Added {
    name: String,
    port: u16,
}

/// From `NAME=PORT`.
pub(crate) fn added(text: &str) -> Result<Added, String> {
    let (name, port) = text.split_once('=').ok_or("write NAME=PORT, as in reviews=50057")?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(plain) {
        return Err("a name is [a-z][a-z0-9_-]*, and that of the service's program".to_owned());
    }
    let highest = u16::MAX - ADMIN;
    match port.parse() {
        Ok(port) if (1..=highest).contains(&port) => Ok(Added { name: name.to_owned(), port }),
        _ => Err(format!("a port is 1 to {highest}: health and metrics are at the port plus {ADMIN}")),
    }
}

/// The table with the services added in front of the gateway, which follows them all. It is made once, and
/// stays as long as the process, so that everybody may hold its names.
pub(super) fn join(table: &[Server], added: &[Added]) -> Result<&'static [Server], Failure> {
    let mut servers: Vec<Server> = table.iter().copied().filter(|server| !server.is_gateway()).collect();
    let gateway = table.iter().copied().filter(Server::is_gateway);
    let taken = |servers: &[Server], port| {
        let mut all = servers.iter().chain(table);
        all.find(|server| [server.port, server.admin_port()].contains(&port)).map(|server| server.name)
    };
    for Added { name, port } in added {
        let refuse = |why| Err(Failure::usage(format!("--service {name}={port}: {why}")));
        if servers.iter().chain(table).any(|server| server.name == name) {
            return refuse(format!("there is a server {name} already"));
        }
        if let Some(other) = taken(&servers, *port).or(taken(&servers, port + ADMIN)) {
            return refuse(format!("{other} has port {port}, or {} for health and metrics", port + ADMIN));
        }
        let name = Box::leak(name.clone().into_boxed_str());
        servers.push(Server { name, port: *port, role: Role::Service { calls: &[], follows: &[] } });
    }
    servers.extend(gateway);
    Ok(servers.leak())
}

#[cfg(test)]
mod tests {
    use super::super::{GATEWAY, Mesh, SERVERS};
    use super::*;

    fn mesh(texts: &[&str]) -> Result<Mesh, String> {
        let services = texts.iter().map(|text| added(text)).collect::<Result<Vec<_>, _>>()?;
        Mesh::new([127, 0, 0, 1].into()).with(&services).map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn services_are_added_in_front_of_the_gateway_that_follows_them() {
        let mesh = mesh(&["reviews=50057", "returns=50058"]).unwrap();
        let names: Vec<_> = mesh.servers().iter().map(|server| server.name).collect();
        assert_eq!(names.len(), SERVERS.len() + 2);
        assert!(names.ends_with(&["reviews", "returns", GATEWAY]), "{names:?}");
        let gateway = mesh.server(GATEWAY).unwrap();
        assert!(mesh.needs(gateway).ends_with(&["reviews", "returns"]));
        assert_eq!(mesh.server("reviews").map(Server::admin_port), Some(51057));
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        for text in ["reviews", "=50057", "Reviews=50057", "re/views=50057", "r=", "r=0", "r=x", "r=64536"] {
            assert!(added(text).is_err(), "{text}");
        }
        assert!(added("r=64535").is_ok());
        for (texts, why) in [
            (&["orders=50057"][..], "there is a server orders already"),
            (&[GATEWAY_AGAIN], "there is a server query-gateway already"),
            (&["a=50057", "a=50058"], "there is a server a already"),
            (&["a=50050"], "query-gateway has port 50050"),
            (&["a=51054"], "orders has port 51054"),
            (&["a=49054"], "orders has port 49054, or 50054"),
            (&["a=50057", "b=50057"], "a has port 50057"),
        ] {
            assert!(mesh(texts).unwrap_err().contains(why), "{texts:?}: {:?}", mesh(texts));
        }
    }

    const GATEWAY_AGAIN: &str = "query-gateway=50057";
}
