//! From a pod to the arguments of `docker create`.

use std::path::Path;

use k8s_openapi::api::core::v1::{Container, PodSpec};

use super::{environment, quantity::thousandths, volumes};
use crate::manifests::{Manifests, Workload};

/// All but the name and the network.
pub(super) fn of(manifests: &Manifests, workload: &Workload, ordinal: i32, root: &Path) -> Vec<String> {
    let (pod, container) = (workload.pod(), workload.container());
    let mut arguments = Vec::new();
    let mut add = |flag: &str, value: String| arguments.push(format!("--{flag}={value}"));
    for (name, value) in environment::variables(manifests, workload, ordinal) {
        add("env", format!("{name}={value}"));
    }
    // Where a cluster says at once that a name is nobody's, Docker says nothing.
    add("dns-option", "timeout:1".to_owned());
    add("dns-option", "attempts:1".to_owned());
    let name = format!("{}-{ordinal}", workload.name);
    let volumes = volumes::of(manifests, workload, &name, root);
    for mount in container.volume_mounts.iter().flatten() {
        assert!(mount.sub_path.is_none(), "{name}: a part of a volume is not mounted here");
        let (path, writable) = volumes
            .get(&mount.name)
            .unwrap_or_else(|| panic!("{name} mounts {}, which is no volume", mount.name));
        let read_only = if *writable && mount.read_only != Some(true) { "" } else { ",readonly" };
        add("mount", format!("type=bind,source={},target={}{read_only}", path.display(), mount.mount_path));
    }
    let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    for (resource, amount) in limits.into_iter().flatten() {
        let amount = thousandths(amount);
        match resource.as_str() {
            "memory" => add("memory", (amount / 1000).to_string()),
            // Of the cores that there are: more than those is refused.
            "cpu" => add("cpus", format!("{:.3}", amount as f64 / 1000.0)),
            _ => {}
        }
    }
    arguments.extend(security(pod, container));
    let command = container.command.iter().flatten().chain(container.args.iter().flatten());
    if let Some([program, ..]) = container.command.as_deref() {
        arguments.push(format!("--entrypoint={program}"));
    }
    arguments.push(container.image.clone().expect("a container has an image"));
    arguments.extend(command.skip(usize::from(container.command.is_some())).cloned());
    arguments
}

fn security(pod: &PodSpec, container: &Container) -> Vec<String> {
    let (pod, own) = (pod.security_context.as_ref(), container.security_context.as_ref());
    let user = own.and_then(|own| own.run_as_user).or(pod.and_then(|pod| pod.run_as_user));
    let group = own.and_then(|own| own.run_as_group).or(pod.and_then(|pod| pod.run_as_group));
    let non_root = own.and_then(|own| own.run_as_non_root).or(pod.and_then(|pod| pod.run_as_non_root));
    assert!(non_root != Some(true) || user.is_some_and(|user| user != 0), "runAsNonRoot needs a user");
    let mut arguments = Vec::new();
    if let Some(user) = user {
        arguments.push(format!("--user={user}:{}", group.unwrap_or(0)));
    }
    if let Some(group) = pod.and_then(|pod| pod.fs_group) {
        arguments.push(format!("--group-add={group}"));
    }
    if own.and_then(|own| own.read_only_root_filesystem) == Some(true) {
        arguments.push("--read-only".to_owned());
    }
    if own.and_then(|own| own.allow_privilege_escalation) == Some(false) {
        arguments.push("--security-opt=no-new-privileges".to_owned());
    }
    let capabilities = own.and_then(|own| own.capabilities.as_ref());
    let drop = capabilities.iter().flat_map(|capabilities| capabilities.drop.iter().flatten());
    arguments.extend(drop.map(|capability| format!("--cap-drop={capability}")));
    let add = capabilities.iter().flat_map(|capabilities| capabilities.add.iter().flatten());
    arguments.extend(add.map(|capability| format!("--cap-add={capability}")));
    let profile = own.and_then(|own| own.seccomp_profile.as_ref());
    let profile = profile.or(pod.and_then(|pod| pod.seccomp_profile.as_ref()));
    // Docker's own profile is what Kubernetes calls RuntimeDefault; without one there is none.
    if profile.is_none_or(|profile| profile.type_ != "RuntimeDefault") {
        arguments.push("--security-opt=seccomp=unconfined".to_owned());
    }
    arguments
}
