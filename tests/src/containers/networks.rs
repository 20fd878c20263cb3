//! Who may reach whom: for each workload a network on which it has its name, joined by those alone whose way to it the
//! NetworkPolicies of both ends leave open.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use k8s_openapi::{
    api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::Engine;
use crate::manifests::{Manifests, Workload};

/// The networks of one cluster.
#[derive(Debug)]
pub(super) struct Networks {
    /// Through which the node reaches pods. They do not reach each other on it.
    outside: String,
    /// Each workload with its network, its names there, and those who may come.
    callees: Vec<Callee>,
}

#[derive(Debug)]
struct Callee {
    workload: String,
    network: Arc<Network>,
    names: Vec<String>,
    callers: Vec<String>,
}

/// A network that gives no address twice, since a pod that is replaced comes back at another.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) name: String,
    /// The first three numbers of its addresses.
    prefix: String,
    given: AtomicU32,
}

impl Network {
    /// One that nobody had before.
    pub(super) fn address(&self) -> String {
        let last = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(last < 255, "{} has no more addresses", self.name);
        format!("{}.{last}", self.prefix)
    }
}

/// Of this process.
static NETWORKS: AtomicU32 = AtomicU32::new(0);

impl Networks {
    /// `host` tells the networks of several clusters apart.
    pub(super) fn create(engine: &Engine, manifests: &Manifests, host: &str) -> Self {
        let outside = format!("{host}-outside");
        let apart = "com.docker.network.bridge.enable_icc=false";
        engine.run(&["network", "create", "--opt", apart, &outside]);
        let callee = |workload: &Workload| {
            let network = format!("{host}-{}", workload.name);
            let prefix = format!("10.217.{}", NETWORKS.fetch_add(1, Ordering::Relaxed) % 256);
            engine.run(&["network", "create", "--internal", &format!("--subnet={prefix}.0/24"), &network]);
            let callers = manifests.workloads.values().filter(|caller| may_call(manifests, caller, workload));
            Callee {
                workload: workload.name.clone(),
                network: Arc::new(Network { name: network, prefix, given: AtomicU32::new(1) }),
                names: names(manifests, workload),
                callers: callers.map(|caller| caller.name.clone()).collect(),
            }
        };
        Self { outside, callees: manifests.workloads.values().map(callee).collect() }
    }

    /// The network by which a pod is reached from its node.
    pub(super) fn outside(&self) -> &str {
        &self.outside
    }

    /// Those that a pod of a workload is on, and the names that it has there.
    pub(super) fn of<'a>(
        &'a self,
        workload: &'a str,
    ) -> impl Iterator<Item = (&'a Arc<Network>, &'a [String])> {
        self.callees.iter().filter_map(move |callee| {
            if callee.workload == workload {
                Some((&callee.network, callee.names.as_slice()))
            } else if callee.callers.iter().any(|caller| caller == workload) {
                Some((&callee.network, &[][..]))
            } else {
                None
            }
        })
    }

    pub(super) fn remove(&self, engine: &Engine) {
        let networks = self.callees.iter().map(|callee| &callee.network.name).chain([&self.outside]);
        for network in networks {
            let _ = engine.attempt(&["network", "rm", network]);
        }
    }
}

/// What DNS knows a workload by.
fn names(manifests: &Manifests, workload: &Workload) -> Vec<String> {
    let services =
        manifests.services_of(workload).into_iter().filter_map(|service| service.metadata.name.clone());
    services
        .flat_map(|name| {
            let namespace = &workload.namespace;
            [format!("{name}.{namespace}.svc.cluster.local"), format!("{name}.{namespace}"), name]
        })
        .collect()
}

/// Whether policies of both ends leave a port open, and the caller can look the callee's name up.
fn may_call(manifests: &Manifests, caller: &Workload, callee: &Workload) -> bool {
    let ports = callee.container().ports.iter().flatten().map(|port| port.container_port);
    caller.name != callee.name
        && may_look_up(manifests, caller)
        && ports
            .into_iter()
            .any(|port| leaves(manifests, caller, callee, port) && enters(manifests, callee, caller, port))
}

fn policies<'a>(
    manifests: &'a Manifests,
    workload: &'a Workload,
    direction: &'a str,
) -> impl Iterator<Item = &'a NetworkPolicySpec> {
    manifests.network_policies.iter().filter_map(|policy| policy.spec.as_ref()).filter(move |spec| {
        let selected = spec.pod_selector.as_ref().is_none_or(|selector| workload.is_selected_by(selector));
        selected && spec.policy_types.iter().flatten().any(|kind| kind == direction)
    })
}

fn leaves(manifests: &Manifests, caller: &Workload, callee: &Workload, port: i32) -> bool {
    let mut policies = policies(manifests, caller, "Egress").peekable();
    policies.peek().is_none()
        || policies
            .flat_map(|spec| spec.egress.iter().flatten())
            .any(|rule| is_open(rule.to.as_deref(), rule.ports.as_deref(), callee, callee, port))
}

fn enters(manifests: &Manifests, callee: &Workload, caller: &Workload, port: i32) -> bool {
    let mut policies = policies(manifests, callee, "Ingress").peekable();
    policies.peek().is_none()
        || policies
            .flat_map(|spec| spec.ingress.iter().flatten())
            .any(|rule| is_open(rule.from.as_deref(), rule.ports.as_deref(), caller, callee, port))
}

/// Whether a rule is about `peer` and about `port` of `callee`. Pods of one namespace only: a peer elsewhere is none.
fn is_open(
    peers: Option<&[NetworkPolicyPeer]>,
    ports: Option<&[NetworkPolicyPort]>,
    peer: &Workload,
    callee: &Workload,
    port: i32,
) -> bool {
    let here = |rule: &NetworkPolicyPeer| {
        rule.namespace_selector.is_none()
            && rule.pod_selector.as_ref().is_some_and(|selector| peer.is_selected_by(selector))
    };
    let this = |rule: &NetworkPolicyPort| match &rule.port {
        Some(rule) => callee.port(rule) == Some(port),
        None => true,
    };
    peers.is_none_or(|peers| peers.iter().any(here)) && ports.is_none_or(|ports| ports.iter().any(this))
}

fn may_look_up(manifests: &Manifests, caller: &Workload) -> bool {
    let dns = IntOrString::Int(53);
    let mut policies = policies(manifests, caller, "Egress").peekable();
    policies.peek().is_none()
        || policies
            .flat_map(|spec| spec.egress.iter().flatten())
            .any(|rule| rule.ports.iter().flatten().any(|port| port.port.as_ref() == Some(&dns)))
}
