//! A mesh of real processes in a temporary directory: the services and the query gateway.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;

use crate::{
    binaries,
    clients::Clients,
    process::{Process, gateway_store},
    proxy::{Faults, Proxy},
};

/// Every service, in the order in which a mesh starts them.
pub const SERVICES: [&str; 6] = ["customers", "catalog", "inventory", "payments", "orders", "shipping"];

/// Which flags the processes get beyond those that connect them.
#[derive(Clone, Debug, Default)]
pub struct MeshOptions {
    services: Vec<String>,
    stores: Vec<(String, String)>,
    gateway: Vec<String>,
    environment: Vec<(String, String)>,
    views: Option<PathBuf>,
    faults: Option<Faults>,
}

/// A running mesh; its processes end and its data vanishes when it is dropped.
#[derive(Debug)]
pub struct Mesh {
    /// Owns the customers.
    pub customers: Process,
    /// Owns the products.
    pub catalog: Process,
    /// Owns the stock.
    pub inventory: Process,
    /// Owns the payments.
    pub payments: Process,
    /// Owns the orders, and has the others do their part.
    pub orders: Process,
    /// Owns the shipments.
    pub shipping: Process,
    /// Follows all of them.
    pub gateway: Process,
    _proxies: Vec<Proxy>,
    _root: TempDir,
}

impl MeshOptions {
    /// Every service gets this flag.
    pub fn service_flag(mut self, flag: &str, value: &str) -> Self {
        self.services.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// This service keeps its store in that database.
    pub fn store(mut self, service: &str, database: &str) -> Self {
        self.stores.push((service.to_owned(), database.to_owned()));
        self
    }

    /// The gateway gets this flag.
    pub fn gateway_flag(mut self, flag: &str, value: &str) -> Self {
        self.gateway.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// Every process gets this variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The gateway reads its views from this directory, and not from that of the shop.
    pub fn views(mut self, directory: &Path) -> Self {
        self.views = Some(directory.to_owned());
        self
    }

    /// Orders reaches inventory and payments through proxies that make these faults.
    pub fn faults(mut self, faults: &Faults) -> Self {
        self.faults = Some(faults.clone());
        self
    }

    /// Starts the mesh and waits until every process is healthy.
    pub async fn start(self) -> Mesh {
        let root = tempfile::tempdir().expect("a temporary directory");
        let host = own_loopback_address();
        let start = async |program: &str, address: String, arguments: &[(&str, String)], flags: &[String]| {
            let arguments = arguments.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.clone()]);
            let stores = self.stores.iter().filter(|(service, _)| service == program);
            let store = stores.flat_map(|(_, database)| ["--store".to_owned(), database.clone()]);
            let arguments = arguments.chain(flags.iter().cloned()).chain(store).collect();
            Process::start_at(program, root.path(), &address, arguments, &self.environment).await
        };
        let any = || format!("{host}:0");
        let customers = start("customers", any(), &[], &self.services).await;
        let catalog = start("catalog", any(), &[], &self.services).await;
        let inventory = start("inventory", any(), &[], &self.services).await;
        let payments = start("payments", any(), &[], &self.services).await;
        let mut proxies = Vec::new();
        let mut behind = async |service: &Process| match &self.faults {
            None => service.url(),
            Some(faults) => {
                proxies.push(Proxy::start(&host, &service.url(), faults).await);
                proxies.last().expect("a proxy").url()
            }
        };
        // These two follow each other, so that one must be told of the other before it is there.
        let shipping_address = free_address(&host);
        let upstream = [
            ("--customers", customers.url()),
            ("--catalog", catalog.url()),
            ("--inventory", behind(&inventory).await),
            ("--payments", behind(&payments).await),
            ("--shipping", format!("http://{shipping_address}")),
        ];
        let orders = start("orders", any(), &upstream, &self.services).await;
        let followed = [("--orders", orders.url())];
        let shipping = start("shipping", shipping_address, &followed, &self.services).await;
        let services = [&customers, &catalog, &inventory, &payments, &orders, &shipping];
        let arguments = gateway_arguments(&services, self.views.as_deref());
        let flags = [self.gateway.clone(), gateway_store(root.path()).await].concat();
        let gateway = start("query-gateway", any(), &arguments, &flags).await;
        Mesh {
            customers,
            catalog,
            inventory,
            payments,
            orders,
            shipping,
            gateway,
            _proxies: proxies,
            _root: root,
        }
    }
}

impl Mesh {
    /// A mesh with the flags that users get, whose gateway has read all sources and filled its views: it is healthy
    /// before, and answers with what it has.
    pub async fn start() -> Self {
        let mesh = MeshOptions::default().start().await;
        mesh.clients().wait_caught_up().await;
        mesh
    }

    /// Clients of all its servers.
    pub fn clients(&self) -> Clients {
        Clients::connect(|name| self.process(name).url())
    }

    /// The process of that name.
    pub fn process(&self, name: &str) -> &Process {
        match name {
            "customers" => &self.customers,
            "catalog" => &self.catalog,
            "inventory" => &self.inventory,
            "payments" => &self.payments,
            "orders" => &self.orders,
            "shipping" => &self.shipping,
            "query-gateway" => &self.gateway,
            _ => panic!("no server is called {name}"),
        }
    }

    /// The same, to be killed and started again.
    pub fn process_mut(&mut self, name: &str) -> &mut Process {
        match name {
            "customers" => &mut self.customers,
            "catalog" => &mut self.catalog,
            "inventory" => &mut self.inventory,
            "payments" => &mut self.payments,
            "orders" => &mut self.orders,
            "shipping" => &mut self.shipping,
            "query-gateway" => &mut self.gateway,
            _ => panic!("no server is called {name}"),
        }
    }

    /// The services, without the gateway.
    pub fn services(&self) -> [&Process; SERVICES.len()] {
        SERVICES.map(|name| self.process(name))
    }
}

fn gateway_arguments(services: &[&Process], views: Option<&Path>) -> Vec<(&'static str, String)> {
    let file = |path: &str| binaries::root().join(path).display().to_string();
    let mut arguments: Vec<_> = services
        .iter()
        .map(|service| {
            let name = service.data_dir().file_name().and_then(|name| name.to_str()).expect("a name");
            ("--source", format!("{name}={}", service.url()))
        })
        .collect();
    let views = views.map_or_else(|| file("query-gateway/views"), |views| views.display().to_string());
    arguments.push(("--views", views));
    arguments.push(("--api", file("proto/shop/shop/insights/v1/insights.proto")));
    arguments
}

/// An address of the loopback network for one mesh alone: what was killed there finds its port free
/// again, since outgoing connections take theirs on 127.0.0.1. Elsewhere than on Linux there is just the
/// one.
pub fn own_loopback_address() -> String {
    static MESHES: AtomicU32 = AtomicU32::new(1);
    if !cfg!(target_os = "linux") {
        return "127.0.0.1".to_owned();
    }
    let (pid, mesh) = (std::process::id(), MESHES.fetch_add(1, Ordering::Relaxed));
    format!("127.{}.{}.{}", 64 + (pid >> 8 & 0x3f), pid & 0xff, 1 + mesh % 250)
}

/// An address of `host` that nobody listens on. The host must be the mesh's own, or else somebody may take it meanwhile.
pub fn free_address(host: &str) -> String {
    let listener = TcpListener::bind((host, 0)).expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

/// The text of a file of the project.
pub fn project_file(path: impl AsRef<Path>) -> String {
    let path = binaries::root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
