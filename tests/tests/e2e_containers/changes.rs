//! What the manifests say is what counts: nothing else would have a pod serve.

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use mesh_tests::{containers::Cluster, manifests::Manifests};

use crate::{KIND, alone, prepare};

/// What is changed in the manifests, and of which workload.
type Change = (&'static str, &'static str, fn(&mut Manifests));

const CHANGES: [Change; 9] = [
    ("the address for gRPC", "catalog", |manifests| {
        set(manifests, "catalog", "TRIBUTARY_LISTEN", "0.0.0.0:50062");
    }),
    ("the address for probes", "catalog", |manifests| {
        set(manifests, "catalog", "TRIBUTARY_ADMIN_LISTEN", "0.0.0.0:51062");
    }),
    ("the port of the container", "customers", |manifests| {
        let ports = manifests.workload_mut("customers").container_mut().ports.as_mut().unwrap();
        ports.iter_mut().find(|port| port.name.as_deref() == Some("grpc")).unwrap().container_port = 50061;
    }),
    ("the port that its Service leads to", "customers", |manifests| {
        for service in &mut manifests.services {
            let spec = service.spec.as_mut().unwrap();
            for port in spec.ports.iter_mut().flatten().filter(|port| port.node_port == Some(30051)) {
                port.target_port = Some(IntOrString::String("feed".to_owned()));
            }
        }
    }),
    ("the port of the readiness probe", "query-gateway", |manifests| {
        let probe = manifests.workload_mut("query-gateway").container_mut().readiness_probe.as_mut().unwrap();
        probe.grpc.as_mut().unwrap().port = 51060;
    }),
    ("the volume of a store in sled", "catalog", |manifests| unmount(manifests, "catalog", "data")),
    ("the volume of a store in SQLite", "customers", |manifests| unmount(manifests, "customers", "data")),
    ("the views", "query-gateway", |manifests| unmount(manifests, "query-gateway", "views")),
    ("the typed queries", "query-gateway", |manifests| unmount(manifests, "query-gateway", "api")),
];

fn set(manifests: &mut Manifests, workload: &str, variable: &str, value: &str) {
    let variables = manifests.workload_mut(workload).container_mut().env.as_mut().unwrap();
    variables.iter_mut().find(|other| other.name == variable).unwrap().value = Some(value.to_owned());
}

fn unmount(manifests: &mut Manifests, workload: &str, volume: &str) {
    let mounts = manifests.workload_mut(workload).container_mut().volume_mounts.as_mut().unwrap();
    let before = mounts.len();
    mounts.retain(|mount| mount.name != volume);
    assert_eq!(mounts.len() + 1, before, "{workload} mounts {volume}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_port_or_a_missing_mount_is_found() {
    let _alone = alone().await;
    let Some((engine, mut manifests)) = prepare("a_changed_port_or_a_missing_mount_is_found", KIND).await
    else {
        return;
    };
    for workload in manifests.workloads.values_mut() {
        if let Some(probe) = &mut workload.container_mut().startup_probe {
            // What never starts is not waited for for as long as a store may need.
            probe.failure_threshold = Some(10);
        }
    }
    let unchanged = ["catalog", "customers", "query-gateway"].map(async |member| {
        let served = Cluster::start(engine, &manifests, &[member]).serves(member).await;
        assert_eq!(served, Ok(()), "{member} as it is");
    });
    join_all(unchanged).await;
    // Most of the time is for what does not come: side by side it is waited for once.
    let changed = CHANGES.map(async |(what, member, change)| {
        let mut changed = manifests.clone();
        change(&mut changed);
        let served = Cluster::start(engine, &changed, &[member]).serves(member).await;
        let why = served.expect_err(&format!("{member} without {what}"));
        eprintln!("{member}, {what}: {}", why.lines().next().unwrap_or_default());
    });
    join_all(changed).await;
}
