//! `k8s/validate`, which `make check` calls, fails for what a cluster would not understand and for what is not safe.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::{fs, process::Command};

use mesh_tests::{binaries::root, skip};
use tempfile::TempDir;

#[test]
fn unknown_fields_and_unsafe_pods_are_refused() {
    let name = "unknown_fields_and_unsafe_pods_are_refused";
    let tools = ["kustomize", "kubernetes-validate", "checkov"].map(|tool| skip::tool(name, tool));
    let [Some(kustomize), Some(_), Some(_)] = tools else { return };
    let rendered =
        Command::new(kustomize).arg("build").arg(root().join("k8s/overlays/kind")).output().unwrap();
    let rendered = String::from_utf8(rendered.stdout).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mutant.yaml");
    // The first of each is Jaeger's: one field has a name that there is not, another lets a process do more.
    let mutant = rendered.replacen("enableServiceLinks:", "enableServiceLink:", 1).replacen(
        "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: true",
        1,
    );
    assert_ne!(mutant.len(), rendered.len());
    fs::write(&file, mutant).unwrap();

    let output = Command::new(root().join("k8s/validate")).arg(&file).output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("'enableServiceLink' was unexpected").count(), 3, "once for each minor: {said}");
    assert!(said.contains("allowPrivilegeEscalation") && said.contains("Failed checks: 1"), "{said}");
}
