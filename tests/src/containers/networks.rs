//! Who may reach whom: for each workload a network on which it has its name, joined by those alone whose way to it the
//! NetworkPolicies of both ends leave open.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use super::Engine;
use crate::manifests::{
    Manifests, Workload,
    openings::{Direction, Opening, Peer, openings},
};

/// The networks of one cluster.
#[derive(Debug)]
pub(super) struct Networks {
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
    /// Those on which a workload that is wanted has its name. `cluster` tells the networks of several clusters apart.
    pub(super) fn create(
        engine: &Engine,
        manifests: &Manifests,
        cluster: &str,
        wanted: impl Fn(&&Workload) -> bool,
    ) -> Self {
        let out = openings(manifests, Direction::Egress);
        let both: BTreeSet<_> = &out & &openings(manifests, Direction::Ingress);
        let callee = |workload: &Workload| {
            let network = format!("{cluster}-{}", workload.name);
            let prefix = format!("10.217.{}", NETWORKS.fetch_add(1, Ordering::Relaxed) % 256);
            engine.run(&["network", "create", "--internal", &format!("--subnet={prefix}.0/24"), &network]);
            let callers = manifests.workloads.values().filter(|caller| {
                let between = |way: &Opening| way.from == peer(caller) && way.to == peer(workload);
                both.iter().any(between) && may_look_up(&out, caller)
            });
            Callee {
                workload: workload.name.clone(),
                network: Arc::new(Network { name: network, prefix, given: AtomicU32::new(1) }),
                names: names(manifests, workload),
                callers: callers.map(|caller| caller.name.clone()).collect(),
            }
        };
        Self { callees: manifests.workloads.values().filter(wanted).map(callee).collect() }
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
        for callee in &self.callees {
            let _ = engine.attempt(&["network", "rm", &callee.network.name]);
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

fn peer(workload: &Workload) -> Peer {
    Peer::Workload(workload.name.clone())
}

/// Who may not ask DNS finds nobody.
fn may_look_up(out: &BTreeSet<Opening>, caller: &Workload) -> bool {
    let dns = |way: &Opening| way.from == peer(caller) && ["UDP 53", "any port"].contains(&way.port.as_str());
    out.iter().any(dns)
}
