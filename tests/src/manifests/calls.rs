//! Who has to reach whom, by what the containers of the manifests are told: the addresses in their environment, looked up in the
//! Services as a cluster does. NetworkPolicies have to leave open exactly that.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Service;

use super::{
    Manifests, Workload,
    openings::{Direction, Opening, Peer, openings},
};

/// The label of what belongs to the mesh, and not to those who look at it.
pub const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "tributary");

/// Where the policies and what they are for do not agree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disagreement {
    /// It is needed, and the policies of that end do not leave it open.
    Closed(Direction, Opening),
    /// It is open at that end, and nothing needs it.
    Open(Direction, Opening),
}

/// Every disagreement. `pods` is the range of the addresses of pods, which do not come from outside.
pub fn disagreements(manifests: &Manifests, pods: &str) -> BTreeSet<Disagreement> {
    let mut found = BTreeSet::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        let (open, needed) = (openings(manifests, direction), needed(manifests, direction, pods));
        found.extend(needed.difference(&open).cloned().map(|way| Disagreement::Closed(direction, way)));
        found.extend(open.difference(&needed).cloned().map(|way| Disagreement::Open(direction, way)));
    }
    found
}

/// What has to be open in one direction.
fn needed(manifests: &Manifests, direction: Direction, pods: &str) -> BTreeSet<Opening> {
    let mut needed = calls(manifests);
    match direction {
        Direction::Egress => needed.extend(manifests.workloads.values().flat_map(look_ups)),
        Direction::Ingress => {
            needed.extend(manifests.workloads.values().filter_map(fetched_metrics));
            needed.extend(from_outside(manifests, pods));
        }
    }
    needed
}

/// From workload to workload, by the addresses that they are given.
pub fn calls(manifests: &Manifests) -> BTreeSet<Opening> {
    let mut calls = BTreeSet::new();
    for workload in manifests.workloads.values() {
        for (variable, value) in workload.environment() {
            for address in addresses(value) {
                let callees = resolve(manifests, address).unwrap_or_else(|why| {
                    panic!("{variable} of {} is {address}, and {why}", workload.name);
                });
                calls.extend(callees.iter().map(|(name, port)| Opening::between(&workload.name, name, port)));
            }
        }
    }
    calls
}

/// The `HOST:PORT` of each URL of a server or a database in a comma list, named or not.
fn addresses(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').filter_map(|part| {
        let (before, rest) = part.trim().split_once("://")?;
        let scheme = before.rsplit('=').next().unwrap_or(before);
        let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
        place.split(['/', '?']).next().filter(|_| ["http", "postgres"].contains(&scheme))
    })
}

/// The workloads behind an address, each with the name of the port of its container.
fn resolve<'a>(manifests: &'a Manifests, address: &str) -> Result<Vec<(&'a str, String)>, String> {
    let (host, port) = address.rsplit_once(':').ok_or("has no port")?;
    let name = host.split('.').next().unwrap_or(host);
    let service = manifests.services.iter().find(|service| service.metadata.name.as_deref() == Some(name));
    let service = service.ok_or_else(|| format!("no Service is called {name}"))?;
    let led = led_to(manifests, service);
    let led: Vec<_> = led.into_iter().filter(|led| led.port.to_string() == port).collect();
    if led.is_empty() {
        return Err(format!("the Service {name} leads to nobody at {port}"));
    }
    Ok(led.into_iter().map(|led| (led.workload, led.target)).collect())
}

/// One port of a Service, and where it leads.
struct Led<'a> {
    port: i32,
    workload: &'a str,
    target: String,
}

fn led_to<'a>(manifests: &'a Manifests, service: &Service) -> Vec<Led<'a>> {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    ports
        .flat_map(|port| {
            manifests.workloads.values().filter(|workload| workload.is_behind(service)).filter_map(
                move |workload| {
                    let target =
                        port.target_port.as_ref().map_or(Some(port.port), |target| workload.port(target))?;
                    let target = workload.port_name(target, port.protocol.as_deref().unwrap_or("TCP"))?;
                    Some(Led { port: port.port, workload: &workload.name, target })
                },
            )
        })
        .collect()
}

/// Who is part of the mesh looks names up.
fn look_ups(workload: &Workload) -> Vec<Opening> {
    if !is_part(workload) {
        return Vec::new();
    }
    let to =
        Peer::Pods { namespace: namespace("kube-system"), labels: ["k8s-app=kube-dns".to_owned()].into() };
    let from = Peer::Workload(workload.name.clone());
    let way = |port: &str| Opening { from: from.clone(), to: to.clone(), port: port.to_owned() };
    ["UDP 53", "TCP 53"].map(way).into()
}

/// Who is part of the mesh shows metrics to the namespace `monitoring`.
fn fetched_metrics(workload: &Workload) -> Option<Opening> {
    let from = Peer::Pods { namespace: namespace("monitoring"), labels: BTreeSet::new() };
    let way = Opening { from, to: Peer::Workload(workload.name.clone()), port: "admin".to_owned() };
    is_part(workload).then_some(way)
}

/// What has a port of the node is for those who are not pods.
fn from_outside(manifests: &Manifests, pods: &str) -> BTreeSet<Opening> {
    let outside = Peer::Addresses { range: "0.0.0.0/0".to_owned(), except: vec![pods.to_owned()] };
    let exposed = manifests.services.iter().filter(|service| {
        let kind = service.spec.as_ref().and_then(|spec| spec.type_.as_deref());
        matches!(kind, Some("NodePort" | "LoadBalancer"))
    });
    exposed
        .flat_map(|service| led_to(manifests, service))
        .map(|led| Opening {
            from: outside.clone(),
            to: Peer::Workload(led.workload.to_owned()),
            port: led.target,
        })
        .collect()
}

fn is_part(workload: &Workload) -> bool {
    let (key, value) = PART_OF;
    workload.labels().get(key).is_some_and(|found| found == value)
}

fn namespace(name: &str) -> BTreeSet<String> {
    [format!("kubernetes.io/metadata.name={name}")].into()
}

impl Workload {
    /// The variables of its container whose values stand in the manifests; others come from the pod.
    pub fn environment(&self) -> BTreeMap<&str, &str> {
        let variables = self.container().env.iter().flatten();
        variables.filter_map(|variable| Some((variable.name.as_str(), variable.value.as_deref()?))).collect()
    }
}
