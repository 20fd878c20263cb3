//! The mesh in containers, as the rendered manifests say and in no other way: image, arguments, environment, ports,
//! mounts, user, limits, security context, and who may reach whom come from there. What a cluster does is played by
//! Docker Engine and by this: a kubelet that asks probes and mounts volumes, a node that hands on its ports, DNS.

mod arguments;
mod engine;
mod environment;
mod networks;
mod node;
mod node_ports;
mod pod;
mod quantity;
mod volumes;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use futures::future::join_all;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

pub use self::{
    engine::Engine,
    pod::{Pod, Stopped},
};
use crate::{
    clients::Clients,
    manifests::{Manifests, Workload},
    mesh::SERVICES,
    supervised,
};

/// Pods of one overlay, on networks of their own; they and their volumes are gone when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    engine: &'static Engine,
    networks: networks::Networks,
    pods: BTreeMap<String, Pod>,
    /// Of the host: to which port of which pod each leads.
    ports: BTreeMap<u16, node::Way>,
    _root: TempDir,
}

impl Cluster {
    /// Starts these workloads, or all of the mesh where none is named, all at once as a cluster does. It is not waited
    /// until they are ready. Images of others, such as Jaeger's, come from a registry: they stay away, and are missed by
    /// nobody.
    pub fn start(engine: &'static Engine, manifests: &Manifests, only: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let wanted = |workload: &&Workload| {
            let own =
                workload.container().image.as_deref().is_some_and(|image| image.starts_with(OWN_IMAGES));
            own && (only.is_empty() || only.contains(&workload.name.as_str()))
        };
        let name = format!("{}-{}", process::id(), CLUSTERS.fetch_add(1, Ordering::Relaxed));
        let networks = networks::Networks::create(engine, manifests, &name, wanted);
        let place = Place { engine, cluster: name, root: root.path().to_owned() };
        let (mut pods, mut ports) = (BTreeMap::new(), BTreeMap::new());
        for workload in manifests.workloads.values().filter(wanted) {
            for ordinal in 0..workload.replicas {
                let pod = Pod::start(place.clone(), manifests, workload, ordinal, &networks);
                let leads = node_ports::of(manifests, workload).into_iter();
                ports.extend(leads.map(|(port, target)| (port, pod.way(target))));
                pods.insert(pod.name().to_owned(), pod);
            }
        }
        Self { engine, networks, pods, ports, _root: root }
    }

    /// Starts everything, and waits until it is ready and the gateway has caught up.
    pub async fn run(engine: &'static Engine, manifests: &Manifests) -> Self {
        let cluster = Self::start(engine, manifests, &[]);
        for outcome in join_all(cluster.pods.values().map(Pod::until_ready)).await {
            outcome.unwrap_or_else(|why| panic!("{why}"));
        }
        cluster.clients().wait_caught_up().await;
        cluster
    }

    /// Clients that come from outside, by the ports of the host that a kind cluster has; but to feeds, which are not open
    /// to the outside, as `kubectl port-forward` leads.
    pub fn clients(&self) -> Clients {
        let feed = |name: &str| self.pod(name).way(supervised::port(name) + FEED).channel();
        let outside = |name: &str| {
            let port = supervised::port(name);
            self.host_port(port).unwrap_or_else(|| panic!("port {port} of the host leads nowhere"))
        };
        Clients::over(outside, feed)
    }

    /// A channel to a port of the host, if that leads anywhere.
    pub fn host_port(&self, port: u16) -> Option<Channel> {
        self.ports.get(&port).map(|way| way.clone().channel())
    }

    /// Whether a workload is ready, and answers at its port of the host.
    pub async fn serves(&self, workload: &str) -> Result<(), String> {
        self.pod(workload).until_ready().await?;
        let channel =
            self.host_port(supervised::port(workload)).ok_or("its port of the host leads nowhere")?;
        let health = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
        health.map(drop).map_err(|status| status.to_string())
    }

    /// The first pod of a workload.
    pub fn pod(&self, workload: &str) -> &Pod {
        let name = format!("{workload}-0");
        self.pods.get(&name).unwrap_or_else(|| panic!("no pod is called {name}"))
    }

    /// The same, to be replaced.
    pub fn pod_mut(&mut self, workload: &str) -> &mut Pod {
        let name = format!("{workload}-0");
        self.pods.get_mut(&name).unwrap_or_else(|| panic!("no pod is called {name}"))
    }

    /// All that has a pod and is the mesh's own.
    pub fn members() -> impl Iterator<Item = &'static str> {
        SERVICES.into_iter().chain(["query-gateway"])
    }

    /// The last lines of every pod.
    pub fn log_tail(&self) -> String {
        self.pods.values().map(Pod::log_tail).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.pods.clear();
        self.networks.remove(self.engine);
    }
}

/// Of this process.
static CLUSTERS: AtomicU32 = AtomicU32::new(0);

/// How the names of the images begin that are built here.
const OWN_IMAGES: &str = "tributary-";

/// The change feed of a service is at its port plus this.
const FEED: u16 = 2000;

/// Where pods are.
#[derive(Clone, Debug)]
struct Place {
    engine: &'static Engine,
    /// Tells its containers and networks from those of others.
    cluster: String,
    /// Where volumes lie.
    root: PathBuf,
}
