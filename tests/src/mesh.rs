//! A mesh of real processes in a temporary directory: the three services and the query gateway.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use tempfile::TempDir;

use crate::{binaries, clients::Clients, process::Process};

/// Which flags the processes get beyond those that connect them.
#[derive(Clone, Debug, Default)]
pub struct MeshOptions {
    services: Vec<String>,
    gateway: Vec<String>,
    views: Option<PathBuf>,
}

/// A running mesh; its processes end and its data vanishes when it is dropped.
#[derive(Debug)]
pub struct Mesh {
    /// Owns the customers.
    pub customers: Process,
    /// Owns the products.
    pub catalog: Process,
    /// Owns the orders.
    pub orders: Process,
    /// Follows the three.
    pub gateway: Process,
    _root: TempDir,
}

impl MeshOptions {
    /// Every service gets this flag.
    pub fn service_flag(mut self, flag: &str, value: &str) -> Self {
        self.services.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// The gateway gets this flag.
    pub fn gateway_flag(mut self, flag: &str, value: &str) -> Self {
        self.gateway.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// The gateway reads its views from this directory, and not from that of the shop.
    pub fn views(mut self, directory: &Path) -> Self {
        self.views = Some(directory.to_owned());
        self
    }

    /// Starts the mesh and waits until every process is healthy.
    pub async fn start(self) -> Mesh {
        let root = tempfile::tempdir().expect("a temporary directory");
        let host = own_loopback_address();
        let start = async |program: &str, arguments: &[(&str, String)], flags: &[String]| {
            let arguments = arguments.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.clone()]);
            Process::start(
                program,
                program,
                root.path(),
                &host,
                arguments.chain(flags.iter().cloned()).collect(),
            )
            .await
        };
        let customers = start("customers", &[], &self.services).await;
        let catalog = start("catalog", &[], &self.services).await;
        let upstream = [("--customers", customers.url()), ("--catalog", catalog.url())];
        let orders = start("orders", &upstream, &self.services).await;
        let followed = gateway_arguments(&[&customers, &catalog, &orders], self.views.as_deref());
        let gateway = start("query-gateway", &followed, &self.gateway).await;
        Mesh { customers, catalog, orders, gateway, _root: root }
    }
}

impl Mesh {
    /// A mesh with the flags that users get.
    pub async fn start() -> Self {
        MeshOptions::default().start().await
    }

    /// Clients of all its services.
    pub fn clients(&self) -> Clients {
        Clients::connect(&self.customers.url(), &self.catalog.url(), &self.orders.url(), &self.gateway.url())
    }

    /// The services, without the gateway.
    pub fn services(&self) -> [&Process; 3] {
        [&self.customers, &self.catalog, &self.orders]
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

/// The text of a file of the project.
pub fn project_file(path: impl AsRef<Path>) -> String {
    let path = binaries::root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
