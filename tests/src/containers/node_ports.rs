//! From a port of the host to a container: through the node of a kind cluster, a Service, and a policy that lets the
//! outside in.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use crate::{
    manifests::{
        Manifests, Workload,
        openings::{Direction, Peer, openings},
    },
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
    openings(manifests, Direction::Ingress).iter().any(|way| {
        let here = way.to == Peer::Workload(workload.name.clone());
        let from = matches!(way.from, Peer::Addresses { .. } | Peer::Anyone);
        let at =
            workload.port(&IntOrString::String(way.port.clone())) == Some(port) || way.port == "any port";
        here && from && at
    })
}

fn number(port: i32) -> u16 {
    port.try_into().expect("a port")
}
