//! What NetworkPolicies leave open: from whom, to whom, at which port. Read as Kubernetes reads them: a pod that no policy
//! of a direction selects is open in that direction, and what any policy allows is allowed.

use std::{collections::BTreeSet, fmt};

use k8s_openapi::{
    api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::{Manifests, Workload};

/// One end of an opening.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// The pods of one workload of the manifests.
    Workload(String),
    /// Pods that are not of the manifests, by labels of their namespace and of themselves.
    Pods {
        /// `key=value`; none are the pods of the policy's own namespace.
        namespace: BTreeSet<String>,
        /// `key=value`; none are all of them.
        labels: BTreeSet<String>,
    },
    /// Addresses, less some of them.
    Addresses {
        /// As `0.0.0.0/0`.
        range: String,
        /// Ranges within it.
        except: Vec<String>,
    },
    /// Whoever it is.
    Anyone,
}

/// A way that is open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    /// Who may begin a connection.
    pub from: Peer,
    /// Who is reached.
    pub to: Peer,
    /// The name of a port of a workload's container, else `PROTOCOL NUMBER`, else `any port`.
    pub port: String,
}

/// Which end of a connection a rule speaks for: both have to leave it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Of who is reached.
    Ingress,
    /// Of who begins.
    Egress,
}

impl Opening {
    /// From one workload to another.
    pub fn between(from: &str, to: &str, port: &str) -> Self {
        let [from, to] = [from, to].map(|name| Peer::Workload(name.to_owned()));
        Self { from, to, port: port.to_owned() }
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} at {}", self.from, self.to, self.port)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed =
            |labels: &BTreeSet<String>| labels.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match self {
            Self::Workload(name) => f.write_str(name),
            Self::Pods { namespace, labels } => {
                write!(f, "pods {{{}}} of namespaces {{{}}}", listed(labels), listed(namespace))
            }
            Self::Addresses { range, except } => write!(f, "{range} without {}", except.join(", ")),
            Self::Anyone => f.write_str("anyone"),
        }
    }
}

/// Everything that is open in one direction, as seen from the workloads of the manifests.
pub fn openings(manifests: &Manifests, direction: Direction) -> BTreeSet<Opening> {
    manifests.workloads.values().flat_map(|workload| of(manifests, workload, direction)).collect()
}

/// The openings that one policy makes, whatever the others say.
pub fn made_by(manifests: &Manifests, policy: &NetworkPolicy, direction: Direction) -> BTreeSet<Opening> {
    let spec = spec(policy);
    let selected = manifests.workloads.values().filter(|workload| selects(spec, workload, direction));
    selected.flat_map(|workload| allowed(manifests, workload, spec, direction)).collect()
}

fn of(manifests: &Manifests, workload: &Workload, direction: Direction) -> BTreeSet<Opening> {
    let here = |policy: &&NetworkPolicy| {
        policy.metadata.namespace.as_deref().unwrap_or_default() == workload.namespace
            && selects(spec(policy), workload, direction)
    };
    let mut policies = manifests.network_policies.iter().filter(here).peekable();
    if policies.peek().is_none() {
        return [opening(workload, Peer::Anyone, "any port".to_owned(), direction)].into();
    }
    policies.flat_map(|policy| allowed(manifests, workload, spec(policy), direction)).collect()
}

fn spec(policy: &NetworkPolicy) -> &NetworkPolicySpec {
    policy.spec.as_ref().expect("a policy has a spec")
}

fn selects(spec: &NetworkPolicySpec, workload: &Workload, direction: Direction) -> bool {
    let selected = spec.pod_selector.as_ref().is_none_or(|selector| workload.is_selected_by(selector));
    let kind = match direction {
        Direction::Ingress => "Ingress",
        Direction::Egress => "Egress",
    };
    let kinds = spec.policy_types.as_ref().expect("policies say their types, which makes them easy to read");
    selected && kinds.iter().any(|known| known == kind)
}

/// The peers and the ports of a rule, where it has lists of them.
type Rule<'a> = (Option<&'a [NetworkPolicyPeer]>, Option<&'a [NetworkPolicyPort]>);

/// What the rules of one policy allow a workload that it selects.
fn allowed(
    manifests: &Manifests,
    workload: &Workload,
    spec: &NetworkPolicySpec,
    direction: Direction,
) -> Vec<Opening> {
    let rules: Vec<Rule<'_>> = match direction {
        Direction::Ingress => {
            spec.ingress.iter().flatten().map(|rule| (rule.from.as_deref(), rule.ports.as_deref())).collect()
        }
        Direction::Egress => {
            spec.egress.iter().flatten().map(|rule| (rule.to.as_deref(), rule.ports.as_deref())).collect()
        }
    };
    let mut found = Vec::new();
    for (peers, ports) in rules {
        for peer in peers_of(manifests, workload, peers) {
            let callee = match (direction, &peer) {
                (Direction::Ingress, _) => Some(workload),
                (Direction::Egress, Peer::Workload(name)) => Some(manifests.workload(name)),
                (Direction::Egress, _) => None,
            };
            let ports = ports_of(callee, ports);
            found.extend(ports.into_iter().map(|port| opening(workload, peer.clone(), port, direction)));
        }
    }
    found
}

fn opening(workload: &Workload, peer: Peer, port: String, direction: Direction) -> Opening {
    let own = Peer::Workload(workload.name.clone());
    match direction {
        Direction::Ingress => Opening { from: peer, to: own, port },
        Direction::Egress => Opening { from: own, to: peer, port },
    }
}

/// No list, and an empty one, mean everybody.
fn peers_of(manifests: &Manifests, workload: &Workload, peers: Option<&[NetworkPolicyPeer]>) -> Vec<Peer> {
    match peers {
        None | Some([]) => vec![Peer::Anyone],
        Some(peers) => peers.iter().flat_map(|peer| peer_of(manifests, workload, peer)).collect(),
    }
}

fn peer_of(manifests: &Manifests, workload: &Workload, peer: &NetworkPolicyPeer) -> Vec<Peer> {
    if let Some(block) = &peer.ip_block {
        let except = block.except.clone().unwrap_or_default();
        return vec![Peer::Addresses { range: block.cidr.clone(), except }];
    }
    let labels = labels(peer.pod_selector.as_ref());
    if peer.namespace_selector.is_some() {
        return vec![Peer::Pods { namespace: self::labels(peer.namespace_selector.as_ref()), labels }];
    }
    let selector = peer.pod_selector.as_ref().expect("a peer selects something");
    let here = manifests.workloads.values().filter(|other| other.namespace == workload.namespace);
    let meant: Vec<_> = here
        .filter(|other| other.is_selected_by(selector) && other.name != workload.name)
        .map(|other| Peer::Workload(other.name.clone()))
        .collect();
    if meant.is_empty() { vec![Peer::Pods { namespace: BTreeSet::new(), labels }] } else { meant }
}

fn labels(selector: Option<&LabelSelector>) -> BTreeSet<String> {
    let Some(selector) = selector else { return BTreeSet::new() };
    assert!(selector.match_expressions.is_none(), "expressions of selectors are not read here");
    selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}")).collect()
}

/// No list, and an empty one, mean all ports. A name that the callee's container does not have opens nothing.
fn ports_of(callee: Option<&Workload>, ports: Option<&[NetworkPolicyPort]>) -> Vec<String> {
    match ports {
        None | Some([]) => vec!["any port".to_owned()],
        Some(ports) => ports.iter().filter_map(|port| port_of(callee, port)).collect(),
    }
}

fn port_of(callee: Option<&Workload>, rule: &NetworkPolicyPort) -> Option<String> {
    assert!(rule.end_port.is_none(), "ranges of ports are not read here");
    let protocol = rule.protocol.as_deref().unwrap_or("TCP");
    let Some(port) = &rule.port else { return Some(format!("{protocol}, any port")) };
    let number = match (callee, port) {
        (Some(callee), port) => callee.port(port)?,
        (None, IntOrString::Int(number)) => *number,
        // Resolved by the cluster, in pods that are not known here.
        (None, IntOrString::String(name)) => return Some(format!("{protocol} {name}")),
    };
    let named = callee.and_then(|callee| callee.port_name(number, protocol));
    Some(named.unwrap_or_else(|| format!("{protocol} {number}")))
}
