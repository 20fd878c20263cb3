//! From a port of the host to a container: through the node of a kind cluster, a Service, and a policy that lets the
//! outside in.

use k8s_openapi::{api::networking::v1::NetworkPolicy, apimachinery::pkg::util::intstr::IntOrString};
use serde_json::Value;

use crate::{
    manifests::{Manifests, Workload},
    mesh::project_file,
};

/// Ports of the host with the port of the pod that each leads to.
pub(super) fn of(manifests: &Manifests, workload: &Workload) -> Vec<(u16, u16)> {
    let mut ports = Vec::new();
    for service in manifests.services_of(workload) {
        let spec = service.spec.as_ref().expect("a Service has a spec");
        for port in spec.ports.iter().flatten() {
            let target = port.target_port.clone().unwrap_or(IntOrString::Int(port.port));
            let (Some(node), Some(target)) = (port.node_port, workload.port(&target)) else { continue };
            if let Some(host) = host_port(node).filter(|_| lets_the_outside_in(manifests, workload, target)) {
                ports.push((host, number(target)));
            }
        }
    }
    ports
}

/// The port of the host that leads to this one of the node, by the configuration of the kind cluster.
fn host_port(node: i32) -> Option<u16> {
    let config: Value = yaml_serde::from_str(&project_file("k8s/overlays/kind/cluster.yaml")).expect("YAML");
    let mappings = config["nodes"].as_array().into_iter().flatten();
    let mappings = mappings.flat_map(|node| node["extraPortMappings"].as_array().into_iter().flatten());
    let found = mappings.into_iter().find(|mapping| mapping["containerPort"] == node)?;
    Some(number(found["hostPort"].as_i64()?.try_into().ok()?))
}

fn lets_the_outside_in(manifests: &Manifests, workload: &Workload, port: i32) -> bool {
    let open = |policy: &&NetworkPolicy| {
        let spec = policy.spec.as_ref().expect("a policy has a spec");
        let selected = spec.pod_selector.as_ref().is_none_or(|selector| workload.is_selected_by(selector));
        selected
            && spec.ingress.iter().flatten().any(|rule| {
                let from = rule.from.iter().flatten().any(|peer| peer.ip_block.is_some());
                let to = rule
                    .ports
                    .iter()
                    .flatten()
                    .any(|rule| rule.port.as_ref().and_then(|rule| workload.port(rule)) == Some(port));
                from && to
            })
    };
    manifests.network_policies.iter().any(|policy| open(&policy))
}

fn number(port: i32) -> u16 {
    port.try_into().expect("a port")
}
