//! `make kind-up` and `make kind-down`: what they call, in which order, and what they say is missing. The programs that
//! they call are stand-ins that write down how they were called.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
    process::{Command, Output},
};

use mesh_tests::{
    binaries::root,
    manifests::{Manifests, Workload},
    mesh::project_file,
};
use serde_json::Value;
use tempfile::TempDir;
use tributary_cli::SERVERS;

/// What the scripts call of a system.
const SYSTEM: [&str; 4] = ["bash", "sed", "grep", "cat"];

/// A machine with nothing in PATH but what a test puts there.
struct Machine {
    path: TempDir,
}

impl Machine {
    fn empty() -> Self {
        let path = TempDir::new().unwrap();
        for tool in SYSTEM {
            let found = ["/usr/bin", "/bin"].map(|folder| PathBuf::from(folder).join(tool));
            symlink(found.iter().find(|path| path.exists()).unwrap(), path.path().join(tool)).unwrap();
        }
        Self { path }
    }

    /// With a program that writes down its arguments and then does what `does` says, in bash.
    fn with(self, name: &str, does: &str) -> Self {
        let program = self.path.path().join(name);
        let log = self.path.path().join("calls");
        let text = format!("#!/bin/bash\necho \"{name} $*\" >>'{}'\n{does}\n", log.display());
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn run(&self, script: &str) -> Output {
        self.run_on(script, &[])
    }

    fn run_on(&self, script: &str, variables: &[(&str, &str)]) -> Output {
        Command::new("/bin/bash")
            .arg(root().join(script))
            .env_clear()
            .env("PATH", self.path.path())
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }

    /// Everything that was called, in order.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// One with everything; `clusters` are there already, and `rollout` is what comes of waiting for a workload.
    fn complete(clusters: &str, rollout: &str) -> Self {
        Self::rendering("", clusters, rollout)
    }

    /// The same, and an overlay has `more` than a StatefulSet of each server. The Secret `there` is there.
    fn rendering(more: &str, clusters: &str, rollout: &str) -> Self {
        let rendered = SERVERS.iter().map(|server| {
            let name = server.name;
            format!(
                "kind: StatefulSet\nmetadata:\n  name: {name}\n      image: tributary-{name}:local\n---\n"
            )
        });
        let rendered: String = rendered.collect();
        let running = SERVERS.iter().map(|server| format!("statefulset.apps/{}\n", server.name));
        let running: String = running.collect();
        let kubectl = format!(
            "case \"$*\" in kustomize*) echo '{rendered}        image: other/jaeger:1\n{more}' ;; \
             *' get statefulsets,deployments '*) echo '{running}deployment.apps/jaeger' ;; \
             *' get secret there') ;; *' get secret '*) exit 1 ;; \
             *' create secret '*) cat >&2 ;; \
             *' rollout '*) {rollout} ;; esac"
        );
        Self::empty()
            .with("kind", &format!("case \"$*\" in 'get clusters') echo '{clusters}' ;; esac"))
            .with("docker", "case \"$*\" in *inspect*) echo \"sha256:of-${!#}\" ;; esac")
            .with("make", "")
            .with("openssl", "echo drawn")
            .with("kubectl", &kubectl)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let machine = Machine::empty();
    let output = machine.run("k8s/kind-up");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for (tool, source) in [
        ("kind", "https://kind.sigs.k8s.io"),
        ("kubectl", "https://kubernetes.io/docs/tasks/tools"),
        ("docker", "https://docs.docker.com/engine/install"),
    ] {
        assert!(said.contains(&format!("missing: {tool}\n")) && said.contains(source), "{said}");
    }
    let output = machine.run("k8s/kind-down");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("missing: kind\n"));
}

#[test]
fn an_engine_that_does_not_answer_is_missing() {
    let machine = Machine::complete("", "").with("docker", "exit 1");
    let output = machine.run("k8s/kind-up");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr).matches("missing:").count(), 1, "{}", text(&output.stderr));
    assert_eq!(machine.calls(), ["docker info"]);
}

#[test]
fn a_cluster_is_made_filled_and_waited_for() {
    let machine = Machine::complete("another", "true");
    let output = machine.run("k8s/kind-up");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let calls = machine.calls();
    let images: Vec<_> = SERVERS.iter().map(|server| format!("tributary-{}:local", server.name)).collect();
    let kubectl = "kubectl --context kind-tributary";
    let mut at = 0;
    for expected in [
        "kind create cluster --config k8s/overlays/kind/cluster.yaml --wait 120s".to_owned(),
        "make --silent images TAG=local".to_owned(),
        format!("kind load docker-image --name tributary {}", images.join(" ")),
        format!("{kubectl} apply -k k8s/overlays/kind"),
        format!("{kubectl} --namespace tributary rollout status statefulset.apps/orders --timeout 300s"),
        format!("{kubectl} --namespace tributary rollout status deployment.apps/jaeger --timeout 300s"),
    ] {
        let found = calls[at..].iter().position(|call| *call == expected);
        at += found.unwrap_or_else(|| panic!("{expected} is not called, or not then: {calls:#?}")) + 1;
    }
    for (server, image) in SERVERS.iter().zip(&images) {
        let patch = calls
            .iter()
            .find(|call| call.contains(&format!("patch statefulset.apps/{} ", server.name)))
            .unwrap();
        assert!(patch.contains(&format!("sha256:of-{image}")), "{patch}");
    }
    let said = text(&output.stdout);
    for expected in ["grpcurl -plaintext", "localhost:50050", "http://localhost:16686", "make kind-down"] {
        assert!(said.contains(expected), "{said}");
    }
    assert!(
        calls.iter().filter(|call| call.starts_with("kubectl")).all(|call| {
            call.contains("--context kind-tributary") || call.starts_with("kubectl kustomize")
        })
    );
}

#[test]
fn a_cluster_that_is_there_is_used_again() {
    let machine = Machine::complete("tributary", "true");
    assert!(machine.run("k8s/kind-up").status.success());
    assert!(machine.run("k8s/kind-up").status.success());
    assert!(!machine.calls().iter().any(|call| call.contains("create")), "{:#?}", machine.calls());
    assert!(machine.run("k8s/kind-down").status.success());
    assert_eq!(machine.calls().last().unwrap(), "kind delete cluster --name tributary");
}

/// Each that is missing gets a password, which is not in any command line.
#[test]
fn a_secret_that_is_missing_is_made() {
    let key = |name: &str| {
        format!("            secretKeyRef:\n              key: password\n              name: {name}\n")
    };
    let secrets = [key("there"), key("missing")].concat();
    let machine = Machine::rendering(&secrets, "tributary", "true");
    let output = machine.run_on("k8s/kind-up", &[("OVERLAY", "postgres")]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let calls = machine.calls();
    let made: Vec<_> = calls.iter().filter(|call| call.contains(" create secret ")).collect();
    let [made] = made.as_slice() else { panic!("{calls:#?}") };
    assert!(made.ends_with("create secret generic missing --from-file=password=/dev/stdin"), "{made}");
    assert!(
        said.contains("secret missing\ndrawn") && !calls.iter().any(|call| call.contains("drawn")),
        "{said}"
    );
    assert!(calls.iter().any(|call| call.ends_with("apply -k k8s/overlays/postgres")), "{calls:#?}");
}

/// Both would be behind one Service, each with a store of its own.
#[test]
fn a_cluster_of_another_overlay_is_left_alone() {
    let rendered = "---\nkind: Deployment\nmetadata:\n  labels:\n    name: a\n  name: orders\n";
    let machine = Machine::rendering(rendered, "tributary", "true");
    let output = machine.run("k8s/kind-up");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("statefulset.apps/orders runs"), "{}", text(&output.stderr));
    assert!(!machine.calls().iter().any(|call| call.contains("apply")), "{:#?}", machine.calls());
}

#[test]
fn an_overlay_that_there_is_not_is_told() {
    let machine = Machine::complete("tributary", "true");
    let output = machine.run_on("k8s/kind-up", &[("OVERLAY", "postgresql")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no overlay k8s/overlays/postgresql"));
}

#[test]
fn a_workload_that_does_not_come_up_is_shown() {
    let machine = Machine::complete("tributary", "false");
    let output = machine.run("k8s/kind-up");
    assert_eq!(output.status.code(), Some(1));
    let first = format!("statefulset.apps/{} ", SERVERS[0].name);
    assert!(text(&output.stderr).contains(&format!("{first}is not ready")), "{}", text(&output.stderr));
    assert!(machine.calls().iter().any(|call| call.contains(&format!(" logs {first}"))));
    assert!(!text(&output.stdout).contains("ready."));
}

/// From the host to the container: each server, and Jaeger's pages, at the port that they have with `make run`.
#[test]
fn ports_of_the_host_lead_to_the_servers() {
    let Some(manifests) = Manifests::render("ports_of_the_host_lead_to_the_servers", "k8s/overlays/kind")
    else {
        return;
    };
    let cluster: Value = yaml_serde::from_str(&project_file("k8s/overlays/kind/cluster.yaml")).unwrap();
    let node = &cluster["nodes"][0];
    assert!(node["image"].as_str().unwrap().contains("@sha256:"), "the node is pinned");
    let mapped = node["extraPortMappings"].as_array().unwrap();
    let expected =
        SERVERS.iter().map(|server| (server.name, i64::from(server.port))).chain([("jaeger", 16686)]);
    assert_eq!(mapped.len(), SERVERS.len() + 1);
    for (name, port) in expected {
        let mapping = mapped.iter().find(|mapping| mapping["hostPort"] == port).unwrap();
        assert_eq!(mapping["listenAddress"], "127.0.0.1", "{name}");
        let reached = at_node_port(&manifests, mapping["containerPort"].as_i64().unwrap());
        let [(workload, target)] = reached.as_slice() else { panic!("{name}: {reached:?}") };
        assert_eq!((workload.name.as_str(), i64::from(*target)), (name, port));
    }
}

/// Who is behind a port of the node, and the number of its container's port.
fn at_node_port(manifests: &Manifests, number: i64) -> Vec<(&Workload, i32)> {
    let mut found = Vec::new();
    for service in &manifests.services {
        for port in service.spec.iter().flat_map(|spec| spec.ports.iter().flatten()) {
            if port.node_port.map(i64::from) == Some(number) {
                let behind = manifests.workloads.values().filter(|workload| workload.is_behind(service));
                let target = port.target_port.as_ref().unwrap();
                found.extend(behind.map(|workload| (workload, workload.port(target).unwrap())));
            }
        }
    }
    found
}
