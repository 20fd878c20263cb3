//! Volumes as directories of this machine: claims that outlive a pod, ConfigMaps laid out as a kubelet does it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
};

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, Volume};

use crate::manifests::{Manifests, Workload};

/// Where each volume of a pod is, by name, and whether it can be written to.
pub(super) fn of(
    manifests: &Manifests,
    workload: &Workload,
    pod: &str,
    root: &Path,
) -> BTreeMap<String, (PathBuf, bool)> {
    let group = workload.pod().security_context.as_ref().and_then(|context| context.fs_group);
    let mut volumes = BTreeMap::new();
    for claim in &workload.claims {
        let name = claim.metadata.name.as_ref().expect("a claim has a name");
        volumes.insert(name.clone(), (writable(root.join(format!("{name}-{pod}")), group), true));
    }
    for Volume { name, config_map, empty_dir, .. } in workload.pod().volumes.iter().flatten() {
        let volume = match (config_map, empty_dir) {
            (Some(source), None) => (files(manifests, source, root.join(format!("{pod}-{name}"))), false),
            (None, Some(_)) => (writable(root.join(format!("{pod}-{name}")), group), true),
            _ => panic!("{pod}: volume {name} is of a kind that is not known here"),
        };
        volumes.insert(name.clone(), volume);
    }
    volumes
}

/// Root's, and the group's that the pod names.
fn writable(path: PathBuf, group: Option<i64>) -> PathBuf {
    fs::create_dir_all(&path).expect("a directory for a volume");
    if let Some(group) = group {
        chown(&path, None, Some(group.try_into().expect("a group"))).expect("root may give a directory away");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o2775)).expect("permissions");
    }
    path
}

/// `..data` leads to a directory with the files, and each name leads through it, so that all change at once.
fn files(manifests: &Manifests, source: &ConfigMapVolumeSource, path: PathBuf) -> PathBuf {
    let map =
        manifests.config_maps.get(&source.name).unwrap_or_else(|| panic!("no ConfigMap {}", source.name));
    let data = map.data.as_ref().expect("a ConfigMap has data");
    let items: Vec<(&str, &str)> = match &source.items {
        Some(items) => items.iter().map(|item| (item.key.as_str(), item.path.as_str())).collect(),
        None => data.keys().map(|key| (key.as_str(), key.as_str())).collect(),
    };
    let _ = fs::remove_dir_all(&path);
    let version = path.join("..version");
    for (key, file) in items {
        let file = version.join(file);
        fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
        let text = data.get(key).unwrap_or_else(|| panic!("{} has no {key}", source.name));
        fs::write(file, text).expect("a file");
    }
    symlink("..version", path.join("..data")).expect("a link");
    for entry in fs::read_dir(&version).expect("files") {
        let name = entry.expect("a file").file_name();
        symlink(Path::new("..data").join(&name), path.join(&name)).expect("a link");
    }
    path
}
