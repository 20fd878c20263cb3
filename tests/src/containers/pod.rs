//! One pod: its container, what a kubelet does to it, and what goes wrong with it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Probe;
use tokio::time::{Instant, sleep};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tributary_chassis::fault::causes;

use super::{
    Place, arguments,
    networks::{Network, Networks},
    node::{self, Address, Way},
};
use crate::manifests::{Manifests, Workload};

/// Between two looks at a probe: a kubelet looks less often.
const LOOK: Duration = Duration::from_millis(50);
/// Exit code of what was killed: 128 + SIGKILL.
const KILLED: i32 = 137;

/// A pod that was started.
#[derive(Debug)]
pub struct Pod {
    place: Place,
    name: String,
    workload: Workload,
    arguments: Vec<String>,
    /// Network, and the names that the pod has on it.
    networks: Vec<(Arc<Network>, Vec<String>)>,
    address: Address,
    /// Counts the containers that the pod has had.
    generation: u32,
}

/// How a container ended that was asked to.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// The exit code of its program.
    pub code: i32,
    /// How long it took.
    pub took: Duration,
}

impl Pod {
    /// Makes the container and starts it.
    pub(super) fn start(
        place: Place,
        manifests: &Manifests,
        workload: &Workload,
        ordinal: i32,
        networks: &Networks,
    ) -> Self {
        let arguments = arguments::of(manifests, workload, ordinal, &place.root);
        let on = networks.of(&workload.name);
        let mut pod = Self {
            place,
            name: format!("{}-{ordinal}", workload.name),
            workload: workload.clone(),
            arguments,
            networks: on.map(|(network, names)| (Arc::clone(network), names.to_vec())).collect(),
            address: Address::default(),
            generation: 0,
        };
        pod.create();
        pod
    }

    /// `orders-0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn create(&mut self) {
        self.generation += 1;
        let name = format!("--name={}", self.container());
        // Every container is on some network: this one has none of its own until it is connected.
        let mut command = vec!["create".to_owned(), name, "--network=none".to_owned()];
        command.extend(self.arguments.iter().cloned());
        self.docker(&command);
        self.docker(&["network", "disconnect", "none", &self.container()]);
        self.connect();
        self.docker(&["start", &self.container()]);
    }

    fn container(&self) -> String {
        format!("{}-{}-{}", self.place.cluster, self.name, self.generation)
    }

    fn docker<I: AsRef<str>>(&self, arguments: &[I]) -> String {
        self.place.engine.run(arguments)
    }

    /// Waits until its probes say that it is ready, for as long as its startup probe allows; or says why it never is.
    pub async fn until_ready(&self) -> Result<(), String> {
        let container = self.workload.container();
        let startup = container.startup_probe.as_ref().expect("a startup probe");
        let allowed = startup.failure_threshold.unwrap_or(3) * startup.period_seconds.unwrap_or(10);
        let end = Instant::now() + Duration::from_secs(allowed.try_into().expect("not negative"));
        let probes = [Some(startup), container.liveness_probe.as_ref(), container.readiness_probe.as_ref()];
        for probe in probes.into_iter().flatten() {
            while let Err(why) = self.ask(probe).await {
                let state = self.state();
                if Instant::now() > end || state != "running" {
                    return Err(format!(
                        "{} is {state}, and not ready: {why}\n{}",
                        self.name,
                        self.log_tail()
                    ));
                }
                sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// What a probe says now.
    async fn ask(&self, probe: &Probe) -> Result<(), String> {
        let grpc = probe.grpc.as_ref().ok_or("a probe that does not speak gRPC")?;
        let timeout = Duration::from_secs(probe.timeout_seconds.unwrap_or(1).try_into().unwrap_or(1));
        let endpoint = node::endpoint().timeout(timeout);
        let port = grpc.port.try_into().map_err(|_| "no port")?;
        let channel = endpoint.connect_with_connector(self.way(port).connector()).await;
        let channel = channel.map_err(|error| format!("port {port}: {}", causes(&error)))?;
        let service = grpc.service.clone().unwrap_or_default();
        let answer = HealthClient::new(channel).check(HealthCheckRequest { service }).await;
        match answer.map_err(|status| status.to_string())?.into_inner().status() {
            ServingStatus::Serving => Ok(()),
            other => Err(other.as_str_name().to_owned()),
        }
    }

    /// `running`, `paused`, `exited`, as Docker says it.
    pub fn state(&self) -> String {
        self.docker(&["inspect", "--format", "{{.State.Status}}", &self.container()])
    }

    /// `kill -9`; the fault is proven by the exit code.
    pub fn kill(&self) {
        self.docker(&["kill", "--signal=KILL", &self.container()]);
        self.docker(&["wait", &self.container()]);
        assert_eq!(self.exit_code(), KILLED, "{} was killed", self.name);
    }

    /// The kubelet starts the container again: same pod, same address.
    pub fn restart(&self) {
        self.docker(&["start", &self.container()]);
    }

    /// Stops the clock for its processes.
    pub fn pause(&self) {
        self.docker(&["pause", &self.container()]);
        assert_eq!(self.state(), "paused", "{}", self.name);
    }

    /// Lets them go on.
    pub fn unpause(&self) {
        self.docker(&["unpause", &self.container()]);
    }

    /// Takes it off every network of the mesh: nobody reaches it, it reaches nobody, and connections hear nothing.
    pub fn disconnect(&self) {
        for (network, _) in &self.networks {
            self.docker(&["network", "disconnect", "--force", &network.name, &self.container()]);
        }
        let left = self.docker(&[
            "inspect",
            "--format",
            "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}",
            &self.container(),
        ]);
        assert_eq!(left.trim(), "", "{} is on no network", self.name);
    }

    /// Puts it on its networks again, as new as they may be to it.
    pub fn connect(&self) {
        for (network, names) in &self.networks {
            let mut command = vec!["network".to_owned(), "connect".to_owned()];
            command.extend(names.iter().map(|name| format!("--alias={name}")));
            let address = network.address();
            command.push(format!("--ip={address}"));
            if !names.is_empty() {
                self.address.set(&address);
            }
            command.extend([network.name.clone(), self.container()]);
            self.docker(&command);
        }
    }

    /// SIGTERM, and SIGKILL behind the grace of its manifest, as when a pod is deleted.
    pub async fn stop(&self) -> Stopped {
        let began = Instant::now();
        let grace = self.grace().as_secs();
        let (engine, container) = (self.place.engine, self.container());
        let stop = move || engine.run(&["stop", &format!("--time={grace}"), &container]);
        tokio::task::spawn_blocking(stop).await.expect("docker stop");
        Stopped { code: self.exit_code(), took: began.elapsed() }
    }

    /// Another container in its place, on the same volumes, at another address. The one before is gone.
    pub fn replace(&mut self) {
        self.docker(&["rm", "--force", &self.container()]);
        self.create();
    }

    /// Where it is now.
    pub fn address(&self) -> IpAddr {
        self.address.get()
    }

    /// How a port of it is reached, wherever it will be.
    pub(super) fn way(&self, port: u16) -> Way {
        Way { engine: self.place.engine, pod: self.address.clone(), port }
    }

    /// How long a pod may take to end, by its manifest.
    pub fn grace(&self) -> Duration {
        let seconds = self.workload.pod().termination_grace_period_seconds.unwrap_or(30);
        Duration::from_secs(seconds.try_into().expect("not negative"))
    }

    fn exit_code(&self) -> i32 {
        let code = self.docker(&["inspect", "--format", "{{.State.ExitCode}}", &self.container()]);
        code.parse().expect("a number")
    }

    /// Its last lines.
    pub fn log_tail(&self) -> String {
        format!("--- {}\n{}", self.name, self.place.engine.log_tail(&self.container()))
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.place.engine.attempt(&["rm", "--force", &self.container()]);
    }
}
