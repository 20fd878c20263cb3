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
mod postgres_image;
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

use self::node::{Endpoints, Way};
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
    place: Place,
    manifests: Manifests,
    networks: networks::Networks,
    pods: BTreeMap<String, Pod>,
    /// The pods of each workload, as those know them who come from outside.
    endpoints: BTreeMap<String, Endpoints>,
    /// Of the host: to which port of which workload each leads.
    ports: BTreeMap<u16, Way>,
    _root: TempDir,
}

impl Cluster {
    /// Starts these workloads, or all of the mesh where none is named, all at once as a cluster does. It is not waited
    /// until they are ready. Images of others, such as Jaeger's, come from a registry: they stay away, and are missed by
    /// nobody.
    pub fn start(engine: &'static Engine, manifests: &Manifests, only: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let wanted = |workload: &&Workload| {
            let here = workload
                .container()
                .image
                .as_deref()
                .is_some_and(|image| image.starts_with(OWN_IMAGES) || image == engine::POSTGRES_IMAGE);
            here && (only.is_empty() || only.contains(&workload.name.as_str()))
        };
        let name = format!("{}-{}", process::id(), CLUSTERS.fetch_add(1, Ordering::Relaxed));
        let networks = networks::Networks::create(engine, manifests, &name, wanted);
        let mut cluster = Self {
            place: Place { engine, cluster: name, root: root.path().to_owned() },
            manifests: manifests.clone(),
            networks,
            pods: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            ports: BTreeMap::new(),
            _root: root,
        };
        for workload in manifests.workloads.values().filter(wanted) {
            for ordinal in 0..workload.replicas {
                cluster.start_pod(&workload.name, ordinal);
            }
            cluster.spread(&workload.name);
            for (port, target) in node_ports::of(manifests, workload) {
                let way = cluster.way(&workload.name, target);
                cluster.ports.insert(port, way);
            }
        }
        cluster
    }

    fn start_pod(&mut self, workload: &str, ordinal: i32) -> String {
        let workload = self.manifests.workload(workload);
        let pod = Pod::start(self.place.clone(), &self.manifests, workload, ordinal, &self.networks);
        let name = pod.name().to_owned();
        self.pods.insert(name.clone(), pod);
        name
    }

    /// Hands on what comes for a workload to those of its pods that there are now.
    fn spread(&mut self, workload: &str) {
        let pods = self.pods_of(workload).map(Pod::location).collect();
        self.endpoints.entry(workload.to_owned()).or_default().set(pods);
    }

    /// How a port of any pod of a workload is reached, whichever those will be.
    fn way(&self, workload: &str, port: u16) -> Way {
        let pods = self.endpoints.get(workload).unwrap_or_else(|| panic!("no workload is called {workload}"));
        Way { engine: self.place.engine, pods: pods.clone(), port }
    }

    /// One more pod of a workload, under a name that nobody had; it gets its part when it is ready.
    pub async fn add(&mut self, workload: &str) -> &Pod {
        let ordinals = self.pods_of(workload).map(Pod::ordinal).max();
        let name = self.start_pod(workload, ordinals.map_or(0, |last| last + 1));
        self.pods[&name].until_ready().await.unwrap_or_else(|why| panic!("{why}"));
        self.spread(workload);
        &self.pods[&name]
    }

    /// Takes a pod away that was killed, so that nothing comes for it any more.
    pub fn remove(&mut self, name: &str) {
        let pod = self.pods.remove(name).unwrap_or_else(|| panic!("no pod is called {name}"));
        self.spread(pod.workload());
    }

    /// The pods of a workload, by their numbers.
    pub fn pods_of(&self, workload: &str) -> impl Iterator<Item = &Pod> {
        self.pods.values().filter(move |pod| pod.workload() == workload)
    }

    /// Starts everything, and waits until it is ready and the gateway has caught up.
    pub async fn run(engine: &'static Engine, manifests: &Manifests) -> Self {
        let cluster = Self::start(engine, manifests, &[]);
        for outcome in join_all(cluster.pods.values().map(Pod::until_up)).await {
            outcome.unwrap_or_else(|why| panic!("{why}"));
        }
        cluster.clients().wait_caught_up().await;
        cluster
    }

    /// Clients that come from outside, by the ports of the host that a kind cluster has; but to feeds, which are not open
    /// to the outside, as `kubectl port-forward` leads.
    pub fn clients(&self) -> Clients {
        let feed = |name: &str| self.way(name, supervised::port(name) + FEED).channel();
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
        self.pods_of(workload).next().unwrap_or_else(|| panic!("{workload} has no pod"))
    }

    /// The same, to be replaced.
    pub fn pod_mut(&mut self, workload: &str) -> &mut Pod {
        let mut pods = self.pods.values_mut().filter(|pod| pod.workload() == workload);
        pods.next().unwrap_or_else(|| panic!("{workload} has no pod"))
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
        self.networks.remove(self.place.engine);
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
