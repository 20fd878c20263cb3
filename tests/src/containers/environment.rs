//! The environment of a container, as a kubelet makes it.

use k8s_openapi::api::core::v1::{EnvVar, SecretKeySelector};

use crate::manifests::{Manifests, Workload};

/// Its variables in order, with what comes from the pod and from variables before them filled in.
pub(super) fn variables(manifests: &Manifests, workload: &Workload, ordinal: i32) -> Vec<(String, String)> {
    let container = workload.container();
    assert!(container.env_from.is_none(), "{}: variables of a whole map are not read here", workload.name);
    let mut variables: Vec<(String, String)> = Vec::new();
    for EnvVar { name, value, value_from } in container.env.iter().flatten() {
        let value = match value_from {
            Some(source) => match (&source.field_ref, &source.secret_key_ref) {
                (Some(field), _) => field_of_the_pod(workload, ordinal, &field.field_path),
                (_, Some(key)) => of_a_secret(manifests, key),
                _ => panic!("{}: {name} is from what is not read here", workload.name),
            },
            None => value.clone().unwrap_or_default(),
        };
        let value = expanded(&value, &variables);
        variables.push((name.clone(), value));
    }
    variables
}

fn field_of_the_pod(workload: &Workload, ordinal: i32, path: &str) -> String {
    match path {
        "metadata.name" => format!("{}-{ordinal}", workload.name),
        "metadata.namespace" => workload.namespace.clone(),
        // Added to each pod of a StatefulSet by Kubernetes itself.
        "metadata.labels['apps.kubernetes.io/pod-index']" if workload.stateful => ordinal.to_string(),
        other => panic!("{} asks for {other}, which is not known here", workload.name),
    }
}

fn of_a_secret(manifests: &Manifests, SecretKeySelector { name, key, .. }: &SecretKeySelector) -> String {
    let secret = manifests.secrets.get(name).unwrap_or_else(|| panic!("no Secret {name}"));
    secret.get(key).unwrap_or_else(|| panic!("the Secret {name} has no {key}")).clone()
}

/// `$(NAME)` is replaced by a variable that came before, and stays where there is none.
fn expanded(text: &str, variables: &[(String, String)]) -> String {
    variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("$({name})"), value))
}
