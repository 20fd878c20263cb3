//! The environment of a container, as a kubelet makes it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource};

use crate::manifests::{Manifests, Workload};

/// Its variables in order, with what comes from the pod, its maps, and variables before them filled in.
pub(super) fn variables(manifests: &Manifests, workload: &Workload, ordinal: i32) -> Vec<(String, String)> {
    let container = workload.container();
    let mut variables: Vec<(String, String)> = Vec::new();
    for source in container.env_from.iter().flatten() {
        let reference = source.config_map_ref.as_ref().expect("variables come from a ConfigMap");
        let map = manifests.config_maps.get(&reference.name);
        let data = map.unwrap_or_else(|| panic!("{} asks for {}", workload.name, reference.name)).data.iter();
        variables.extend(data.flatten().map(|(name, value)| (name.clone(), value.clone())));
    }
    for EnvVar { name, value, value_from } in container.env.iter().flatten() {
        let value = match value_from {
            Some(source) => field(manifests, workload, ordinal, source),
            None => value.clone().unwrap_or_default(),
        };
        let value = expanded(&value, &variables);
        variables.retain(|(other, _)| other != name);
        variables.push((name.clone(), value));
    }
    variables
}

fn field(manifests: &Manifests, workload: &Workload, ordinal: i32, source: &EnvVarSource) -> String {
    if let Some(key) = &source.config_map_key_ref {
        let data = manifests.config_maps.get(&key.name).and_then(|map| map.data.as_ref());
        let value = data.and_then(|data| data.get(&key.key));
        return value.unwrap_or_else(|| panic!("{} has no {}", key.name, key.key)).clone();
    }
    let path = &source.field_ref.as_ref().expect("a field of the pod, or a key of a ConfigMap").field_path;
    let labels: BTreeMap<_, _> = workload.labels().iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    match path.as_str() {
        "metadata.name" => format!("{}-{ordinal}", workload.name),
        "metadata.namespace" => workload.namespace.clone(),
        "metadata.uid" => format!("00000000-0000-4000-8000-{ordinal:012}"),
        "spec.nodeName" => "node".to_owned(),
        // Added to each pod of a StatefulSet by Kubernetes itself.
        "metadata.labels['apps.kubernetes.io/pod-index']" if workload.stateful => ordinal.to_string(),
        other => {
            let label = other.strip_prefix("metadata.labels['").and_then(|rest| rest.strip_suffix("']"));
            let value = label.and_then(|label| labels.get(label));
            value.unwrap_or_else(|| panic!("{} asks for {other}", workload.name)).clone()
        }
    }
}

/// `$(NAME)` is replaced by a variable that came before, and stays where there is none.
fn expanded(text: &str, variables: &[(String, String)]) -> String {
    variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("$({name})"), value))
}
