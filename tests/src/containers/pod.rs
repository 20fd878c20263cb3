//! One pod: its container, what a kubelet does to it, and what goes wrong with it.

mod ready;

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::Instant,
};

use super::{
    Place, arguments,
    networks::{Network, Networks},
    node::{Address, Way},
};
use crate::manifests::{Manifests, Workload};

/// Exit code of what was killed: 128 + SIGKILL.
const KILLED: i32 = 137;

/// A pod that was started.
#[derive(Debug)]
pub struct Pod {
    place: Place,
    name: String,
    ordinal: i32,
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
            ordinal,
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

    /// `orders`.
    pub(super) fn workload(&self) -> &str {
        &self.workload.name
    }

    /// Its number; two pods of a workload do not have the same at one time.
    pub(super) fn ordinal(&self) -> i32 {
        self.ordinal
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
        Way { engine: self.place.engine, pods: self.location().into(), port }
    }

    /// Where it is, now and later.
    pub(super) fn location(&self) -> Address {
        self.address.clone()
    }

    /// What `/metrics` of its admin port says now.
    pub async fn metrics(&self, port: u16) -> io::Result<String> {
        let mut stream = self.way(port).connect().await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: pod\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// Runs a program in its container: what it prints, or what it says when it fails.
    pub fn exec<I: AsRef<str>>(&self, command: &[I]) -> Result<String, String> {
        let command = command.iter().map(|word| word.as_ref().to_owned());
        let arguments: Vec<_> = ["exec".to_owned(), self.container()].into_iter().chain(command).collect();
        self.place.engine.attempt(&arguments)
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
