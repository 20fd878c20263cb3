//! What the manifests say of each workload agrees with what its program says of itself, with the other manifests and
//! with what a careful operator asks for.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::core::v1::Container, apimachinery::pkg::util::intstr::IntOrString};
use mesh_tests::{
    manifests::{self, Manifests, Workload, calls::PART_OF},
    programs::{Flag, Program},
};
use tributary_cli::{SERVERS, Server};

/// What the gRPC health of the admin port knows, besides whether a server is ready.
const STARTUP: &str = "startup";
const LIVENESS: &str = "liveness";
/// For the last words and the end of a process, behind its drain.
const LAST_SECONDS: u64 = 5;

/// Every workload of every overlay; nothing after saying that `test` is skipped.
fn everywhere(test: &str, look: impl Fn(&Manifests, &Workload)) {
    for overlay in manifests::overlays() {
        let Some(manifests) = Manifests::render(test, &overlay) else { return };
        assert!(manifests.workloads.len() >= SERVERS.len(), "{overlay}");
        manifests.workloads.values().for_each(|workload| look(&manifests, workload));
    }
}

/// The same for the servers of the mesh alone.
fn servers(test: &str, look: impl Fn(&Manifests, &Workload, &Server)) {
    everywhere(test, |manifests, workload| {
        if workload.labels().get(PART_OF.0).is_some_and(|found| found == PART_OF.1) {
            let server = SERVERS.iter().find(|server| server.name == workload.name);
            look(manifests, workload, server.unwrap_or_else(|| panic!("{} is no server", workload.name)));
        }
    });
}

/// The number of a server's port: see `tributary up`, which has all but the feed's.
fn number(server: &Server, port: &str) -> i32 {
    match port {
        "grpc" => server.port.into(),
        "admin" => server.admin_port().into(),
        "feed" => i32::from(server.port) + 2000,
        other => panic!("no port is called {other}"),
    }
}

fn ports(server: &Server) -> BTreeSet<&'static str> {
    if server.is_gateway() { ["grpc", "admin"].into() } else { ["grpc", "feed", "admin"].into() }
}

#[test]
fn the_image_has_the_program_of_that_name() {
    servers("the_image_has_the_program_of_that_name", |_, workload, server| {
        let image = workload.container().image.as_deref().unwrap();
        let name = image.split(':').next().unwrap();
        assert_eq!(name, format!("tributary-{}", server.name));
    });
}

#[test]
fn every_variable_is_known_to_its_program() {
    let known: BTreeMap<_, BTreeSet<_>> = SERVERS
        .iter()
        .map(|server| {
            let flags = Program::named(server.name).flags();
            (server.name, flags.into_iter().filter_map(|flag| flag.variable).collect())
        })
        .collect();
    servers("every_variable_is_known_to_its_program", |_, workload, server| {
        let mut seen = BTreeSet::new();
        for variable in workload.container().env.iter().flatten() {
            assert!(seen.insert(&variable.name), "{} is told {} twice", server.name, variable.name);
            let ours = variable.name.starts_with("TRIBUTARY_");
            assert!(
                !ours || known[server.name].contains(&variable.name),
                "{}: {}",
                server.name,
                variable.name
            );
        }
        assert!(seen.len() > 5, "{seen:?}");
    });
}

#[test]
fn ports_are_the_same_wherever_they_stand() {
    servers("ports_are_the_same_wherever_they_stand", |manifests, workload, server| {
        let name = server.name;
        let environment = workload.environment();
        for (port, variable) in [
            ("grpc", "TRIBUTARY_LISTEN"),
            ("admin", "TRIBUTARY_ADMIN_LISTEN"),
            ("feed", "TRIBUTARY_FEED_LISTEN"),
        ] {
            let address = ports(server).contains(port).then(|| format!("0.0.0.0:{}", number(server, port)));
            assert_eq!(environment.get(variable).copied(), address.as_deref(), "{name}: {variable}");
        }
        let open: BTreeMap<_, _> = workload
            .container()
            .ports
            .iter()
            .flatten()
            .map(|port| (port.name.as_deref().unwrap(), port.container_port))
            .collect();
        let expected: BTreeMap<_, _> =
            ports(server).into_iter().map(|port| (port, number(server, port))).collect();
        assert_eq!(open, expected, "{name}");

        let service =
            manifests.services.iter().find(|service| service.metadata.name.as_deref() == Some(name));
        let spec = service.and_then(|service| service.spec.as_ref()).unwrap();
        assert!(workload.is_behind(service.unwrap()));
        assert_eq!(spec.cluster_ip.as_deref(), Some("None"), "callers of {name} choose among its pods");
        let led: BTreeMap<_, _> = spec
            .ports
            .iter()
            .flatten()
            .map(|port| {
                assert_eq!(workload.port(port.target_port.as_ref().unwrap()), Some(port.port));
                (port.name.as_deref().unwrap(), port.port)
            })
            .collect();
        assert_eq!(led, expected, "{name}: what has no address of its own changes no port");

        let annotations = workload.template.metadata.as_ref().unwrap().annotations.as_ref().unwrap();
        assert_eq!(annotations["prometheus.io/port"], number(server, "admin").to_string(), "{name}");
    });
}

#[test]
fn probes_ask_the_admin_port() {
    servers("probes_ask_the_admin_port", |_, workload, server| {
        let container = workload.container();
        for (probe, asked) in [
            (&container.startup_probe, Some(STARTUP)),
            (&container.readiness_probe, None),
            (&container.liveness_probe, Some(LIVENESS)),
        ] {
            let grpc = probe.as_ref().and_then(|probe| probe.grpc.as_ref()).unwrap();
            assert_eq!((grpc.port, grpc.service.as_deref()), (number(server, "admin"), asked));
        }
    });
}

/// Drain delay, drain timeout and some seconds fit into the time that Kubernetes waits before it kills.
#[test]
fn the_grace_fits_the_drain() {
    servers("the_grace_fits_the_drain", |_, workload, server| {
        let flags = Program::named(server.name).flags();
        let drain: u64 =
            ["drain-delay", "drain-timeout"].iter().map(|flag| seconds(workload, &flags, flag)).sum();
        let grace = workload.pod().termination_grace_period_seconds.unwrap();
        let grace = u64::try_from(grace).unwrap();
        assert!(grace >= drain + LAST_SECONDS, "{}: {grace} s for {drain} s", server.name);
    });
}

/// What a flag is in a workload, by its variable or else its default.
fn seconds(workload: &Workload, flags: &[Flag], name: &str) -> u64 {
    let flag = flags.iter().find(|flag| flag.name == name).unwrap_or_else(|| panic!("no --{name}"));
    let given = workload.environment().get(flag.variable.as_deref().unwrap()).copied();
    let text = given.or(flag.default.as_deref()).unwrap();
    tributary_chassis::settings::duration(text).unwrap().as_secs()
}

/// An embedded store has one owner: one pod, and a volume that no second pod of any node can mount.
#[test]
fn a_store_of_its_own_has_one_pod() {
    servers("a_store_of_its_own_has_one_pod", |_, workload, server| {
        let name = server.name;
        if workload.environment().contains_key("TRIBUTARY_STORE") {
            // See contract_databases.rs.
            return;
        }
        let number =
            workload.container().env.iter().flatten().find(|env| env.name == "TRIBUTARY_REPLICA").unwrap();
        let field = number.value_from.as_ref().and_then(|from| from.field_ref.as_ref()).unwrap();
        assert_eq!(field.field_path, "metadata.labels['apps.kubernetes.io/pod-index']", "{name}");
        assert!(workload.stateful, "{name}: pods have a number in a StatefulSet alone");
        assert_eq!(workload.replicas, 1, "{name}");
        let [claim] = workload.claims.as_slice() else { panic!("{name}: {:?}", workload.claims) };
        let modes = claim.spec.as_ref().unwrap().access_modes.as_deref();
        assert_eq!(modes, Some(&["ReadWriteOncePod".to_owned()][..]), "{name}");
        let data = workload.environment()["TRIBUTARY_DATA_DIR"];
        let mount =
            workload.container().volume_mounts.iter().flatten().find(|mount| mount.mount_path == data);
        assert_eq!(
            mount.map(|mount| &mount.name),
            claim.metadata.name.as_ref(),
            "{name}: {data} is the volume"
        );
        assert_eq!(mount.unwrap().read_only, None, "{name}");
    });
}

#[test]
fn the_namespace_refuses_what_is_not_restricted() {
    for overlay in manifests::overlays() {
        let name = "the_namespace_refuses_what_is_not_restricted";
        let Some(manifests) = Manifests::render(name, &overlay) else { return };
        let namespaces = manifests.documents.iter().filter(|document| document["kind"] == "Namespace");
        for namespace in namespaces {
            let labels = &namespace["metadata"]["labels"];
            assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted", "{overlay}");
        }
        let made = |namespace: &str| {
            manifests
                .documents
                .iter()
                .any(|document| document["kind"] == "Namespace" && document["metadata"]["name"] == namespace)
        };
        assert!(manifests.workloads.values().all(|workload| made(&workload.namespace)), "{overlay}");
    }
}

/// As the restricted profile of Pod Security wants it, and a root file system that nobody writes.
#[test]
fn pods_may_do_nothing_that_they_need_not() {
    everywhere("pods_may_do_nothing_that_they_need_not", |_, workload| {
        let (name, pod) = (&workload.name, workload.pod());
        let security = pod.security_context.as_ref().unwrap();
        assert_eq!(security.run_as_non_root, Some(true), "{name}");
        assert!(security.run_as_user.is_some_and(|user| user > 0), "{name}");
        assert!(security.run_as_group.is_some_and(|group| group > 0), "{name}");
        assert_eq!(security.seccomp_profile.as_ref().unwrap().type_, "RuntimeDefault", "{name}");
        for host in [pod.host_network, pod.host_pid, pod.host_ipc] {
            assert_ne!(host, Some(true), "{name}");
        }
        assert_eq!(pod.automount_service_account_token, Some(false), "{name}");
        assert_eq!(pod.enable_service_links, Some(false), "{name}");
        for volume in pod.volumes.iter().flatten() {
            let bounded = volume.empty_dir.as_ref().is_some_and(|directory| directory.size_limit.is_some());
            assert!(volume.config_map.is_some() || bounded, "{name}: {volume:?}");
        }
        may_do_nothing(name, workload.container());
    });
}

fn may_do_nothing(name: &str, container: &Container) {
    let security = container.security_context.as_ref().unwrap();
    assert_eq!(security.allow_privilege_escalation, Some(false), "{name}");
    assert_eq!(security.read_only_root_filesystem, Some(true), "{name}");
    assert_ne!(security.privileged, Some(true), "{name}");
    let capabilities = security.capabilities.as_ref().unwrap();
    assert_eq!(capabilities.drop.as_deref(), Some(&["ALL".to_owned()][..]), "{name}");
    assert_eq!(capabilities.add, None, "{name}");
    assert!(container.ports.iter().flatten().all(|port| port.host_port.is_none()), "{name}");
    let resources = container.resources.as_ref().unwrap();
    for (what, given) in [("requests", &resources.requests), ("limits", &resources.limits)] {
        let given: BTreeSet<_> = given.iter().flatten().map(|(resource, _)| resource.as_str()).collect();
        assert_eq!(given, ["cpu", "memory"].into(), "{what} of {name}");
    }
}

#[test]
fn pods_have_an_account_without_token() {
    everywhere("pods_have_an_account_without_token", |manifests, workload| {
        let account = workload.pod().service_account_name.as_deref();
        assert_eq!(account, Some(workload.name.as_str()));
        let is_it = |document: &&serde_json::Value| {
            document["kind"] == "ServiceAccount" && document["metadata"]["name"] == workload.name.as_str()
        };
        let account = manifests.documents.iter().find(is_it).unwrap();
        assert_eq!(account["automountServiceAccountToken"], false, "{}", workload.name);
    });
}

#[test]
fn a_drained_node_takes_one_pod_at_a_time() {
    servers("a_drained_node_takes_one_pod_at_a_time", |manifests, workload, server| {
        let budgets = manifests.disruption_budgets.iter().filter_map(|budget| budget.spec.as_ref());
        let own: Vec<_> = budgets
            .filter(|budget| workload.is_selected_by(budget.selector.as_ref().unwrap()))
            .map(|budget| budget.max_unavailable.clone())
            .collect();
        assert_eq!(own, [Some(IntOrString::Int(1))], "{}", server.name);
    });
}

/// So that one selector shows all of it.
#[test]
fn what_belongs_to_a_workload_has_its_label() {
    everywhere("what_belongs_to_a_workload_has_its_label", |manifests, workload| {
        let own = |document: &&serde_json::Value| document["metadata"]["name"] == workload.name.as_str();
        let own: Vec<_> = manifests.documents.iter().filter(own).collect();
        assert!(own.len() >= 4, "{}: {own:?}", workload.name);
        for document in own {
            let label = &document["metadata"]["labels"]["app.kubernetes.io/name"];
            assert_eq!(*label, workload.name.as_str(), "{} {}", document["kind"], workload.name);
        }
    });
}
