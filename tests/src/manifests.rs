//! The manifests as `kubectl apply -k` sends them: rendered by kustomize, and read with the types of Kubernetes.

pub mod calls;
pub mod openings;

use std::{collections::BTreeMap, fs, process::Command};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::{ConfigMap, Container, PersistentVolumeClaim, PodSpec, PodTemplateSpec, Service},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::Value;

use crate::{binaries, skip};

/// What can be rendered: the base, and every overlay of it, as directories of the project.
pub fn overlays() -> Vec<String> {
    let folders = fs::read_dir(binaries::root().join("k8s/overlays")).expect("there are overlays");
    let mut names: Vec<_> = folders
        .map(|folder| folder.expect("a folder").file_name().into_string().expect("UTF-8"))
        .map(|name| format!("k8s/overlays/{name}"))
        .collect();
    names.sort();
    [vec!["k8s/base".to_owned()], names].concat()
}

/// What one overlay asks a cluster for.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    /// Every StatefulSet and Deployment, by name.
    pub workloads: BTreeMap<String, Workload>,
    /// Every Service.
    pub services: Vec<Service>,
    /// Every ConfigMap, by name.
    pub config_maps: BTreeMap<String, ConfigMap>,
    /// Every NetworkPolicy.
    pub network_policies: Vec<NetworkPolicy>,
    /// Every PodDisruptionBudget.
    pub disruption_budgets: Vec<PodDisruptionBudget>,
    /// Every document, of whatever kind, as it was rendered.
    pub documents: Vec<Value>,
    /// What the user made beside them: key and value, by the name of the Secret.
    pub secrets: BTreeMap<String, BTreeMap<String, String>>,
}

/// What runs pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Of itself and, with a number, of its pods.
    pub name: String,
    /// Where it is to run.
    pub namespace: String,
    /// Whether its pods have names and volumes of their own.
    pub stateful: bool,
    /// How many pods.
    pub replicas: i32,
    /// What they are.
    pub template: PodTemplateSpec,
    /// A volume of each of these for each pod.
    pub claims: Vec<PersistentVolumeClaim>,
}

impl Manifests {
    /// Renders a directory of the project, such as `k8s/overlays/kind`; `None` after saying that `test` is skipped, where
    /// there is no kustomize.
    pub fn render(test: &str, directory: &str) -> Option<Self> {
        let kustomize = skip::tool(test, "kustomize")?;
        let output = Command::new(kustomize)
            .arg("build")
            .arg(binaries::root().join(directory))
            .output()
            .expect("kustomize can be run");
        assert!(output.status.success(), "{directory}: {}", String::from_utf8_lossy(&output.stderr));
        Some(Self::parse(&String::from_utf8(output.stdout).expect("UTF-8")))
    }

    /// Reads rendered documents.
    pub fn parse(yaml: &str) -> Self {
        let mut manifests = Self::default();
        for document in yaml_serde::Deserializer::from_str(yaml) {
            let document = Value::deserialize(document).expect("a document of YAML");
            manifests.take(&document);
            manifests.documents.push(document);
        }
        manifests
    }

    fn take(&mut self, document: &Value) {
        match document["kind"].as_str().unwrap_or_default() {
            "StatefulSet" => self.add(Workload::stateful(typed(document))),
            "Deployment" => self.add(Workload::stateless(typed(document))),
            "Service" => self.services.push(typed(document)),
            "NetworkPolicy" => self.network_policies.push(typed(document)),
            "PodDisruptionBudget" => self.disruption_budgets.push(typed(document)),
            "ConfigMap" => {
                let map: ConfigMap = typed(document);
                self.config_maps.insert(map.metadata.name.clone().unwrap_or_default(), map);
            }
            _ => {}
        }
    }

    fn add(&mut self, workload: Workload) {
        let twice = self.workloads.insert(workload.name.clone(), workload);
        assert!(twice.is_none(), "two workloads have one name: {twice:?}");
    }

    /// The workload of that name.
    pub fn workload(&self, name: &str) -> &Workload {
        self.workloads.get(name).unwrap_or_else(|| panic!("no workload is called {name}"))
    }

    /// The same, to be changed.
    pub fn workload_mut(&mut self, name: &str) -> &mut Workload {
        self.workloads.get_mut(name).unwrap_or_else(|| panic!("no workload is called {name}"))
    }

    /// Makes every Secret that a container asks for, as docs/kubernetes.md says it.
    pub fn make_secrets(&mut self) {
        for workload in self.workloads.values() {
            for variable in workload.container().env.iter().flatten() {
                let source = variable.value_from.as_ref().and_then(|source| source.secret_key_ref.as_ref());
                let Some(source) = source else { continue };
                let secret = self.secrets.entry(source.name.clone()).or_default();
                secret
                    .entry(source.key.clone())
                    .or_insert_with(|| format!("{:032x}", rand::random::<u128>()));
            }
        }
    }

    /// The Services that lead to a workload's pods.
    pub fn services_of(&self, workload: &Workload) -> Vec<&Service> {
        self.services.iter().filter(|service| workload.is_behind(service)).collect()
    }
}

impl Workload {
    fn stateful(set: StatefulSet) -> Self {
        let claims = set.spec.volume_claim_templates.unwrap_or_default();
        Self { stateful: true, claims, ..Self::of(set.metadata, set.spec.replicas, set.spec.template) }
    }

    fn stateless(deployment: Deployment) -> Self {
        Self::of(deployment.metadata, deployment.spec.replicas, deployment.spec.template)
    }

    fn of(metadata: ObjectMeta, replicas: Option<i32>, template: PodTemplateSpec) -> Self {
        Self {
            name: metadata.name.expect("a name"),
            namespace: metadata.namespace.unwrap_or_default(),
            stateful: false,
            replicas: replicas.unwrap_or(1),
            template,
            claims: Vec::new(),
        }
    }

    /// What its pods are.
    pub fn pod(&self) -> &PodSpec {
        self.template.spec.as_ref().expect("a pod has a spec")
    }

    /// The same, to be changed.
    pub fn pod_mut(&mut self) -> &mut PodSpec {
        self.template.spec.as_mut().expect("a pod has a spec")
    }

    /// Its only container.
    pub fn container(&self) -> &Container {
        match self.pod().containers.as_slice() {
            [container] => container,
            others => panic!("{} has {} containers", self.name, others.len()),
        }
    }

    /// The same, to be changed.
    pub fn container_mut(&mut self) -> &mut Container {
        self.pod_mut().containers.first_mut().expect("a container")
    }

    /// The labels of its pods.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        self.template
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.labels.as_ref())
            .expect("pods have labels")
    }

    /// Whether a selector means its pods.
    pub fn is_selected_by(&self, selector: &LabelSelector) -> bool {
        assert!(selector.match_expressions.is_none(), "expressions of selectors are not read here");
        let wanted = selector.match_labels.iter().flatten();
        wanted.into_iter().all(|(key, value)| self.labels().get(key) == Some(value))
    }

    /// Whether a Service leads to its pods.
    pub fn is_behind(&self, service: &Service) -> bool {
        let wanted = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
        wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| self.labels().get(key) == Some(value)))
    }

    /// The name of a port of its container.
    pub fn port_name(&self, number: i32, protocol: &str) -> Option<String> {
        let named = self.container().ports.iter().flatten().find(|port| {
            port.container_port == number && port.protocol.as_deref().unwrap_or("TCP") == protocol
        });
        named.and_then(|port| port.name.clone())
    }

    /// The number of a port of its container that is given by number or name.
    pub fn port(&self, port: &IntOrString) -> Option<i32> {
        match port {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(name) => {
                let named =
                    self.container().ports.iter().flatten().find(|port| port.name.as_ref() == Some(name));
                named.map(|port| port.container_port)
            }
        }
    }
}

fn typed<T: DeserializeOwned>(document: &Value) -> T {
    serde_json::from_value(document.clone())
        .unwrap_or_else(|error| panic!("{} {}: {error}", document["kind"], document["metadata"]["name"]))
}
