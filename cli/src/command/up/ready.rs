//! What is printed when the mesh is ready: where it is, and what to try.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::Path,
};

use crate::{mesh::Mesh, terminal};

/// A call to try: what it shows, the server, the method, the request.
struct Try {
    what: &'static str,
    server: &'static str,
    method: &'static str,
    request: &'static str,
}

const TRY: &[Try] = &[
    Try {
        what: "A customer, a product and an order, each in the store of its own service:",
        server: "customers",
        method: "shop.customers.v1.Customers/CreateCustomer",
        request: r#"{"request_id":"6a1f2c8e-0f0b-4d57-9a54-0c2f6d1b7a01","customer_id":"ada","customer":{"display_name":"Ada","email":"ada@example.com","region":"EUROPE","segment":"BUILDING"}}"#,
    },
    Try {
        what: "",
        server: "catalog",
        method: "shop.catalog.v1.Catalog/CreateProduct",
        request: r#"{"request_id":"6a1f2c8e-0f0b-4d57-9a54-0c2f6d1b7a02","sku":"teapot","product":{"display_name":"Teapot","category":"KITCHEN","price":{"currency_code":"EUR","minor_units":"2500"}}}"#,
    },
    Try {
        what: "",
        server: "orders",
        method: "shop.orders.v1.Orders/PlaceOrder",
        request: r#"{"request_id":"6a1f2c8e-0f0b-4d57-9a54-0c2f6d1b7a03","order_id":"o-1","customer_id":"ada","lines":[{"sku":"teapot","quantity":2}]}"#,
    },
    Try {
        what: "One question across all three, typed:",
        server: "query-gateway",
        method: "shop.insights.v1.Insights/RevenueByRegion",
        request: r#"{"region":"EUROPE"}"#,
    },
    Try {
        what: "The same as SQL:",
        server: "query-gateway",
        method: "tributary.query.v1.QueryGateway/Query",
        request: r#"{"sql":"SELECT c.region, SUM(l.quantity * l.unit_price_minor_units) AS revenue_minor FROM orders o JOIN order_lines l ON l.order_id = o.order_id JOIN customers c ON c.customer_id = o.customer_id GROUP BY c.region"}"#,
    },
    Try {
        what: "What a service publishes:",
        server: "orders",
        method: "tributary.feed.v1.ChangeFeed/Describe",
        request: "",
    },
];

const WITHOUT_GRPCURL: &str = r#"
Without grpcurl:

  {tributary} call shop.insights.v1.Insights/RevenueByRegion '{"region":"EUROPE"}'
  {tributary} query 'SELECT region, count(*) AS customers FROM customers GROUP BY region'
  {tributary} demo
  {tributary} status

Ctrl-C ends the mesh.
ready
"#;

/// Prints it to stdout; the last line is `ready`.
pub(super) fn print(mesh: &Mesh, data_dir: &Path, traces: Option<&str>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text(mesh, data_dir, traces).as_bytes()).and_then(|()| out.flush()) {
        // Who does not want to read it may still want the mesh.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// The file is gone: the mesh is not ready yet, or no longer.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The URL of each server, a line each. Appears whole or not at all.
pub(super) fn write_file(mesh: &Mesh, path: &Path) -> io::Result<()> {
    let mut text = String::new();
    for server in mesh.servers() {
        let _ = writeln!(text, "{} {}", server.name, mesh.url(server));
    }
    let mut draft = path.to_owned().into_os_string();
    draft.push(".new");
    fs::write(&draft, text)?;
    fs::rename(&draft, path)
}

fn text(mesh: &Mesh, data_dir: &Path, traces: Option<&str>) -> String {
    let mut text = format!("\nThe mesh is up. Data and logs are in {}.\n\n", data_dir.display());
    for server in mesh.servers() {
        let (grpc, admin) = (shown(mesh, server.port), shown(mesh, server.admin_port()));
        let _ = writeln!(text, "  {:14} grpc {grpc:18} health and metrics http://{admin}", server.name);
    }
    if let Some(traces) = traces {
        let _ = writeln!(text, "\n  {:14} {traces}", "traces");
    }
    text.push_str("\nIn another terminal:\n");
    for Try { what, server, method, request } in TRY {
        if !what.is_empty() {
            let _ = writeln!(text, "\n  # {what}");
        }
        let address = mesh.server(server).map(|server| shown(mesh, server.port)).unwrap_or_default();
        let data = if request.is_empty() { String::new() } else { format!("-d '{request}' ") };
        let _ = writeln!(text, "  grpcurl -plaintext {data}{address} {method}");
    }
    text.push_str(&WITHOUT_GRPCURL.replace("{tributary}", &invocation(mesh)));
    text
}

/// `localhost:PORT`, as people type it.
fn shown(mesh: &Mesh, port: u16) -> String {
    if is_default(mesh) { format!("localhost:{port}") } else { mesh.address(port) }
}

fn invocation(mesh: &Mesh) -> String {
    let mut text = terminal::program();
    if !is_default(mesh) {
        let _ = write!(text, " --host {}", mesh.host());
    }
    for server in mesh.added() {
        let _ = write!(text, " --service {}={}", server.name, server.port);
    }
    text
}

fn is_default(mesh: &Mesh) -> bool {
    mesh.host() == std::net::Ipv4Addr::LOCALHOST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::added;

    #[test]
    fn every_server_that_is_called_exists() {
        let mesh = Mesh::new([127, 0, 0, 1].into());
        assert!(TRY.iter().all(|call| mesh.server(call.server).is_some()));
    }

    #[test]
    fn the_commands_are_those_of_the_tour() {
        let text = text(&Mesh::new([127, 0, 0, 1].into()), Path::new("./.tributary"), None);
        assert!(text.contains(
            "\n  grpcurl -plaintext -d '{\"region\":\"EUROPE\"}' localhost:50050 \
             shop.insights.v1.Insights/RevenueByRegion\n"
        ));
        assert!(
            text.contains("\n  grpcurl -plaintext localhost:50054 tributary.feed.v1.ChangeFeed/Describe\n")
        );
        assert!(text.ends_with("\nready\n"));
    }

    #[test]
    fn a_service_that_was_added_is_in_every_command() {
        let mesh = Mesh::new([127, 0, 0, 1].into());
        let mesh = mesh.with(&[added("reviews=50057").unwrap()]).unwrap();
        let text = text(&mesh, Path::new("x"), None);
        assert!(text.contains("  reviews        grpc localhost:50057    health and metrics"), "{text}");
        assert!(text.contains(" --service reviews=50057 status\n"), "{text}");
    }

    #[test]
    fn another_address_is_in_every_command() {
        let text = text(&Mesh::new([127, 0, 0, 2].into()), Path::new("x"), None);
        assert!(!text.contains("localhost"));
        assert!(text.contains(" --host 127.0.0.2 demo\n"));
    }
}
