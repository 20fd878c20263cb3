//! The NetworkPolicies of every overlay leave open exactly the call graph, which the command line, the programs and the
//! environments in the manifests tell alike.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::collections::BTreeSet;

use k8s_openapi::api::{core::v1::EnvVar, networking::v1::NetworkPolicy};
use mesh_tests::{
    manifests::{
        self, Manifests,
        calls::{Disagreement, calls, disagreements},
        openings::{Direction, Opening, made_by},
    },
    programs::Program,
};
use serde_json::Value;
use tributary_cli::{Role, SERVERS, Server};

/// What has Jaeger and ports of the node, and so every kind of rule.
const KIND: &str = "k8s/overlays/kind";
/// The same with databases.
const POSTGRES: &str = "k8s/overlays/postgres";

/// Both of them; fewer after saying that `test` is skipped.
fn with_every_rule(test: &str) -> impl Iterator<Item = Manifests> {
    [KIND, POSTGRES].into_iter().map_while(move |overlay| Manifests::render(test, overlay))
}

/// The range of addresses that the cluster of overlays/kind gives to pods.
fn pods() -> String {
    let cluster: Value =
        yaml_serde::from_str(&mesh_tests::mesh::project_file("k8s/overlays/kind/cluster.yaml")).unwrap();
    cluster["networking"]["podSubnet"].as_str().expect("the range is pinned").to_owned()
}

fn edge(from: &str, to: &str, port: &str) -> Opening {
    Opening::between(from, to, port)
}

/// Between servers of the mesh; who collects traces is none.
fn among_servers(edges: BTreeSet<Opening>) -> BTreeSet<Opening> {
    edges.into_iter().filter(|edge| ["grpc", "feed"].contains(&edge.port.as_str())).collect()
}

#[test]
fn policies_are_exactly_the_call_graph() {
    for overlay in manifests::overlays() {
        let Some(manifests) = Manifests::render("policies_are_exactly_the_call_graph", &overlay) else {
            return;
        };
        assert_eq!(disagreements(&manifests, &pods()), BTreeSet::new(), "{overlay}");
        assert!(calls(&manifests).len() >= 12, "{overlay}: {:?}", calls(&manifests));
    }
}

#[test]
fn command_line_programs_and_manifests_tell_one_call_graph() {
    let name = "command_line_programs_and_manifests_tell_one_call_graph";
    let table = SERVERS.iter().flat_map(by_table).collect::<BTreeSet<_>>();
    let programs = SERVERS.iter().flat_map(by_program).collect::<BTreeSet<_>>();
    assert_eq!(table, programs);
    for overlay in manifests::overlays() {
        let Some(manifests) = Manifests::render(name, &overlay) else { return };
        assert_eq!(table, among_servers(calls(&manifests)), "{overlay}");
    }
}

/// By the table of `tributary up`.
fn by_table(server: &Server) -> Vec<Opening> {
    let to = |port| move |callee: &&str| edge(server.name, callee, port);
    match server.role {
        Role::Service { calls, follows } => {
            calls.iter().map(to("grpc")).chain(follows.iter().map(to("feed"))).collect()
        }
        Role::Gateway => services().map(|callee| edge(server.name, callee, "feed")).collect(),
    }
}

/// By the flags of its program that take the URL of another server. The gateway's sources are its user's.
fn by_program(server: &Server) -> Vec<Opening> {
    let flags = Program::named(server.name).flags();
    if server.is_gateway() {
        let source = flags.iter().find(|flag| flag.takes == "NAME=URL").expect("the gateway takes sources");
        assert!(source.help.contains("follow"), "{source:?}");
        return services().map(|callee| edge(server.name, callee, "feed")).collect();
    }
    let upstreams = flags.iter().filter(|flag| flag.takes == "URL");
    upstreams
        .map(|flag| {
            let port = if flag.help.contains("whose feed") { "feed" } else { "grpc" };
            edge(server.name, &flag.name, port)
        })
        .collect()
}

fn services() -> impl Iterator<Item = &'static str> {
    SERVERS.iter().filter(|server| !server.is_gateway()).map(|server| server.name)
}

/// Every policy on its own: what it alone makes is missed, and nothing else.
#[test]
fn a_policy_that_is_missing_is_found() {
    for manifests in with_every_rule("a_policy_that_is_missing_is_found") {
        let mut found = 0;
        for place in 0..manifests.network_policies.len() {
            let mut mutant = manifests.clone();
            let policy = mutant.network_policies.remove(place);
            let expected: BTreeSet<_> = both(|direction| {
                let made = made_by(&manifests, &policy, direction);
                made.into_iter().map(move |way| Disagreement::Closed(direction, way))
            });
            assert_eq!(disagreements(&mutant, &pods()), expected, "without {:?}", policy.metadata.name);
            found += expected.len();
        }
        assert!(found > 60, "{found}");
    }
}

/// Every rule, and in it every peer and every port: the ways that it opens are missed, and nothing else.
#[test]
fn a_rule_that_is_narrowed_is_found() {
    for manifests in with_every_rule("a_rule_that_is_narrowed_is_found") {
        let mut tried = 0;
        for (place, policy) in manifests.network_policies.iter().enumerate() {
            for (direction, narrowed) in narrowed(policy) {
                let mut mutant = manifests.clone();
                mutant.network_policies[place] = narrowed.clone();
                let [before, after] =
                    [policy, &narrowed].map(|policy| made_by(&manifests, policy, direction));
                let missed = before.difference(&after).cloned();
                let expected: BTreeSet<_> = missed.map(|way| Disagreement::Closed(direction, way)).collect();
                assert!(!expected.is_empty(), "{narrowed:?} is as open as before");
                assert_eq!(disagreements(&mutant, &pods()), expected, "{narrowed:?}");
                tried += 1;
            }
        }
        assert!(tried > 30, "{tried}");
    }
}

/// A rule without its peers or without its ports lets in more than is needed.
#[test]
fn a_rule_that_is_widened_is_found() {
    for manifests in with_every_rule("a_rule_that_is_widened_is_found") {
        for (place, policy) in manifests.network_policies.iter().enumerate() {
            for widened in widened(policy) {
                let mut mutant = manifests.clone();
                mutant.network_policies[place] = widened.clone();
                let found = disagreements(&mutant, &pods());
                let open = found.iter().any(|found| matches!(found, Disagreement::Open(..)));
                assert!(open, "{widened:?}: {found:?}");
            }
        }
    }
}

/// Whoever is told one more address of whatever server cannot reach it, at both ends.
#[test]
fn an_upstream_that_is_added_is_found() {
    let Some(manifests) = Manifests::render("an_upstream_that_is_added_is_found", KIND) else { return };
    let known = calls(&manifests);
    let mut tried = 0;
    for from in SERVERS {
        for to in SERVERS.iter().filter(|to| to.name != from.name) {
            for (port, number) in [("grpc", to.port), ("feed", to.port + 2000)] {
                let added = edge(from.name, to.name, port);
                if known.contains(&added) || (to.is_gateway() && port == "feed") {
                    continue;
                }
                let mut mutant = manifests.clone();
                let env = mutant.workload_mut(from.name).container_mut().env.get_or_insert_default();
                let value = Some(format!("http://{}:{number}", to.name));
                env.push(EnvVar { name: "TRIBUTARY_ADDED".to_owned(), value, value_from: None });
                let expected = both(|direction| [Disagreement::Closed(direction, added.clone())]);
                assert_eq!(disagreements(&mutant, &pods()), expected);
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 7 * 6 * 2 - 6 - 12, "every pair and port that is no edge");
}

/// Whoever is no longer told an address may still reach it, which nothing needs.
#[test]
fn an_upstream_that_is_taken_away_is_found() {
    let Some(manifests) = Manifests::render("an_upstream_that_is_taken_away_is_found", KIND) else { return };
    for call in among_servers(calls(&manifests)) {
        let manifests::openings::Peer::Workload(from) = &call.from else { panic!("{call}") };
        let manifests::openings::Peer::Workload(to) = &call.to else { panic!("{call}") };
        let mut mutant = manifests.clone();
        for variable in mutant.workload_mut(from).container_mut().env.iter_mut().flatten() {
            let value = variable.value.take().unwrap_or_default();
            let kept: Vec<_> = value.split(',').filter(|part| !part.contains(&format!("//{to}:"))).collect();
            variable.value = Some(kept.join(","));
        }
        let expected = both(|direction| [Disagreement::Open(direction, call.clone())]);
        assert_eq!(disagreements(&mutant, &pods()), expected);
    }
}

/// Without it a pod that no other policy selects would be open.
#[test]
fn what_no_policy_names_is_closed() {
    for overlay in manifests::overlays() {
        let Some(manifests) = Manifests::render("what_no_policy_names_is_closed", &overlay) else { return };
        let denies = |policy: &NetworkPolicy| {
            let spec = policy.spec.as_ref().unwrap();
            let everyone = spec.pod_selector.as_ref().is_none_or(|selector| selector.match_labels.is_none());
            everyone
                && spec.policy_types.as_deref() == Some(&["Ingress".to_owned(), "Egress".to_owned()])
                && spec.ingress.is_none()
                && spec.egress.is_none()
        };
        let namespaces: BTreeSet<_> =
            manifests.workloads.values().map(|workload| workload.namespace.clone()).collect();
        let closed: BTreeSet<_> = manifests
            .network_policies
            .iter()
            .filter(|policy| denies(policy))
            .map(|policy| policy.metadata.namespace.clone().unwrap_or_default())
            .collect();
        assert!(namespaces.is_subset(&closed), "{overlay}: {namespaces:?} and {closed:?}");
    }
}

fn both<T: Ord, I: IntoIterator<Item = T>>(of: impl Fn(Direction) -> I) -> BTreeSet<T> {
    [Direction::Ingress, Direction::Egress].into_iter().flat_map(of).collect()
}

/// The policy without one of its rules, and without one of the peers or ports of a rule that has several.
fn narrowed(policy: &NetworkPolicy) -> Vec<(Direction, NetworkPolicy)> {
    let mut found = Vec::new();
    let spec = policy.spec.as_ref().unwrap();
    for (at, rule) in spec.ingress.iter().flatten().enumerate() {
        let mut add = |change: &dyn Fn(&mut Vec<_>)| {
            let mut changed = policy.clone();
            change(changed.spec.as_mut().unwrap().ingress.as_mut().unwrap());
            found.push((Direction::Ingress, changed));
        };
        add(&|rules| drop(rules.remove(at)));
        for peer in several(rule.from.as_ref()) {
            add(&|rules| drop(rules[at].from.as_mut().unwrap().remove(peer)));
        }
        for port in several(rule.ports.as_ref()) {
            add(&|rules| drop(rules[at].ports.as_mut().unwrap().remove(port)));
        }
    }
    for (at, rule) in spec.egress.iter().flatten().enumerate() {
        let mut add = |change: &dyn Fn(&mut Vec<_>)| {
            let mut changed = policy.clone();
            change(changed.spec.as_mut().unwrap().egress.as_mut().unwrap());
            found.push((Direction::Egress, changed));
        };
        add(&|rules| drop(rules.remove(at)));
        for peer in several(rule.to.as_ref()) {
            add(&|rules| drop(rules[at].to.as_mut().unwrap().remove(peer)));
        }
        for port in several(rule.ports.as_ref()) {
            add(&|rules| drop(rules[at].ports.as_mut().unwrap().remove(port)));
        }
    }
    found
}

/// The places of a list that is not empty without one of them.
fn several<T>(list: Option<&Vec<T>>) -> std::ops::Range<usize> {
    0..list.map_or(0, |list| if list.len() > 1 { list.len() } else { 0 })
}

/// The policy with one rule for everybody, and with one for every port.
fn widened(policy: &NetworkPolicy) -> Vec<NetworkPolicy> {
    let spec = policy.spec.as_ref().unwrap();
    let mut found = Vec::new();
    for at in 0..spec.ingress.iter().flatten().count() {
        let [mut peers, mut ports] = [policy.clone(), policy.clone()];
        peers.spec.as_mut().unwrap().ingress.as_mut().unwrap()[at].from = None;
        ports.spec.as_mut().unwrap().ingress.as_mut().unwrap()[at].ports = None;
        found.extend([peers, ports]);
    }
    for at in 0..spec.egress.iter().flatten().count() {
        let [mut peers, mut ports] = [policy.clone(), policy.clone()];
        peers.spec.as_mut().unwrap().egress.as_mut().unwrap()[at].to = None;
        ports.spec.as_mut().unwrap().egress.as_mut().unwrap()[at].ports = None;
        found.extend([peers, ports]);
    }
    found
}
