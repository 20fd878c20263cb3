//! The views and typed queries of the gateway as ConfigMaps: all of them, and laid out as the gateway reads them.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::{collections::BTreeMap, fs, os::unix::fs::symlink, path::Path, process::Command};

use mesh_tests::{
    binaries::{self, root},
    document::blocks,
    manifests::{self, Manifests},
    mesh::project_file,
    process::Process,
    wait,
};
use tempfile::TempDir;

const GATEWAY: &str = "query-gateway";

/// A directory of a container that a ConfigMap is mounted at, with its files.
type Mounts = BTreeMap<String, BTreeMap<String, String>>;

fn mounts(manifests: &Manifests) -> Mounts {
    let gateway = manifests.workload(GATEWAY);
    let volumes = gateway.pod().volumes.iter().flatten();
    let maps: BTreeMap<_, _> =
        volumes.filter_map(|volume| Some((volume.name.as_str(), volume.config_map.as_ref()?))).collect();
    let mounted = gateway.container().volume_mounts.iter().flatten();
    mounted
        .filter_map(|mount| {
            let source = maps.get(mount.name.as_str())?;
            let data = manifests.config_maps[&source.name].data.clone().unwrap();
            let files = match &source.items {
                None => data,
                Some(items) => {
                    items.iter().map(|item| (item.path.clone(), data[&item.key].clone())).collect()
                }
            };
            Some((mount.mount_path.clone(), files))
        })
        .collect()
}

/// The files of a directory of the project that end in `.ext`.
fn files(directory: &str, ext: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().path());
    let wanted = entries.filter(|path| path.extension().is_some_and(|found| found == ext));
    wanted
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn every_view_and_typed_query_is_mounted() {
    for overlay in manifests::overlays() {
        let Some(manifests) = Manifests::render("every_view_and_typed_query_is_mounted", &overlay) else {
            return;
        };
        let (mounts, told) = (mounts(&manifests), manifests.workload(GATEWAY).environment());
        assert_eq!(mounts[told["TRIBUTARY_VIEWS"]], files("query-gateway/views", "sql"), "{overlay}");
        let apis: BTreeMap<_, _> = told["TRIBUTARY_API"]
            .split(',')
            .map(|api| {
                let (directory, file) =
                    mounts.iter().find_map(|(at, files)| Some((files, api.strip_prefix(at)?))).unwrap();
                let text = directory[file.trim_start_matches('/')].clone();
                (Path::new(api).file_name().unwrap().to_str().unwrap().to_owned(), text)
            })
            .collect();
        assert_eq!(apis, files("proto/shop/shop/insights/v1", "proto"), "{overlay}");
    }
}

/// As the kubelet does it: files lie in a directory with the time in its name, `..data` leads there, and every name leads
/// through `..data`, so that all change at once.
fn lay_out(at: &Path, files: &BTreeMap<String, String>) {
    let versions = fs::read_dir(at).map_or(0, Iterator::count);
    let version = at.join(format!("..2026_11_28_12_00_00.{versions}"));
    for (path, text) in files {
        let file = version.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
        let first = Path::new(path).components().next().unwrap();
        let shown = at.join(first);
        if shown.symlink_metadata().is_err() {
            symlink(Path::new("..data").join(first), shown).unwrap();
        }
    }
    symlink(version.file_name().unwrap(), at.join("..data_tmp")).unwrap();
    fs::rename(at.join("..data_tmp"), at.join("..data")).unwrap();
}

/// The program itself, told what the manifests tell it, with a directory of its own for `/`.
#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_reads_what_is_mounted() {
    let Some(manifests) = Manifests::render("the_gateway_reads_what_is_mounted", "k8s/overlays/kind") else {
        return;
    };
    let node = TempDir::new().unwrap();
    let here = |path: &str| node.path().join(path.trim_start_matches('/'));
    for (at, files) in mounts(&manifests) {
        lay_out(&here(&at), &files);
    }
    let told = manifests.workload(GATEWAY).environment();
    let flag = |name: &str, variable: &str| [name.to_owned(), here(told[variable]).display().to_string()];
    let flags = [flag("--views", "TRIBUTARY_VIEWS"), flag("--api", "TRIBUTARY_API")].concat();
    // Nobody is there: what is read does not depend on it.
    let flags = [flags, ["--source", "away=http://127.0.0.1:9"].map(str::to_owned).into()].concat();
    let data = TempDir::new().unwrap();
    let gateway = Process::start(GATEWAY, GATEWAY, data.path(), "127.0.0.1", flags).await;

    let listed = tributary(&["view", "list", "--output", "json", "--to", &gateway.url()]);
    for file in files("query-gateway/views", "sql").keys().filter(|file| *file != "indexes.sql") {
        assert!(listed.contains(file.as_str()), "{file}: {listed}");
    }
    let served = tributary(&["call", "--list", "--to", &gateway.url()]);
    assert!(served.contains("RevenueByRegion(shop.insights.v1."), "{served}");

    // Somebody edits the ConfigMap.
    let at = told["TRIBUTARY_VIEWS"];
    let mut views = mounts(&manifests)[at].clone();
    views.insert("added.sql".to_owned(), "CREATE VIEW added AS SELECT 1 AS one;".to_owned());
    lay_out(&here(at), &views);
    wait::until("the view of the new file is there", async || {
        let listed = tributary(&["view", "list", "--output", "json", "--to", &gateway.url()]);
        if listed.contains("added.sql") { Ok(()) } else { Err(listed) }
    })
    .await;
}

/// The overlay of docs/kubernetes.md, in a copy of what kustomize reads.
#[test]
fn an_overlay_of_ones_own_adds_a_view() {
    let name = "an_overlay_of_ones_own_adds_a_view";
    let Some(kind) = Manifests::render(name, "k8s/overlays/kind") else { return };
    let document = blocks(&project_file("docs/kubernetes.md"));
    let overlay = document.iter().find(|block| block.text.contains("behavior: merge")).unwrap();
    let project = TempDir::new().unwrap();
    for directory in ["k8s", "query-gateway/views", "proto/shop/shop/insights/v1"] {
        let copy = project.path().join(directory);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        let copied = Command::new("cp").arg("-R").arg(root().join(directory)).arg(&copy).status().unwrap();
        assert!(copied.success());
    }
    let mine = project.path().join("k8s/overlays/mine");
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("kustomization.yaml"), &overlay.text).unwrap();
    fs::write(mine.join("orders_by_customer.sql"), "CREATE VIEW a AS SELECT 1 AS one;").unwrap();

    let Some(changed) = Manifests::render(name, mine.to_str().unwrap()) else { return };
    let [before, after] = [kind, changed].map(|manifests| {
        mounts(&manifests)[manifests.workload(GATEWAY).environment()["TRIBUTARY_VIEWS"]].clone()
    });
    let added: Vec<_> = after.keys().filter(|file| !before.contains_key(*file)).collect();
    assert_eq!(added, ["orders_by_customer.sql"]);
    assert_eq!(after.len(), before.len() + 1);
}

fn tributary(arguments: &[&str]) -> String {
    let output = Command::new(binaries::path("tributary")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
