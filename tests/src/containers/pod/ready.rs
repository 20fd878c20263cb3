//! Whether a pod is ready, as its probes tell a kubelet.

use std::time::Duration;

use k8s_openapi::api::core::v1::Probe;
use tokio::time::{Instant, sleep};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tributary_chassis::fault::causes;

use super::Pod;
use crate::containers::node;

/// Between two looks at a probe: a kubelet looks less often.
const LOOK: Duration = Duration::from_millis(50);
/// Before a container is started again: a kubelet takes longer.
const BACK_OFF: Duration = Duration::from_millis(500);

impl Pod {
    /// Waits until its probes say that it is ready, for as long as its startup probe allows; or says why it never is.
    pub async fn until_ready(&self) -> Result<(), String> {
        let container = self.workload.container();
        let startup = self.startup_probe();
        let end = Instant::now() + Self::allowed(startup);
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

    /// The same for one that may need others at its start: a container that ends is started again, as a kubelet does it.
    pub async fn until_up(&self) -> Result<(), String> {
        let end = Instant::now() + Self::allowed(self.startup_probe());
        loop {
            match self.until_ready().await {
                Err(_) if self.state() == "exited" && Instant::now() < end => self.restart(),
                outcome => return outcome,
            }
            sleep(BACK_OFF).await;
        }
    }

    fn startup_probe(&self) -> &Probe {
        self.workload.container().startup_probe.as_ref().expect("a startup probe")
    }

    /// How long a startup probe lets a container take.
    fn allowed(startup: &Probe) -> Duration {
        let seconds = startup.failure_threshold.unwrap_or(3) * startup.period_seconds.unwrap_or(10);
        Duration::from_secs(seconds.try_into().expect("not negative"))
    }

    /// What a probe says now.
    async fn ask(&self, probe: &Probe) -> Result<(), String> {
        if let Some(exec) = &probe.exec {
            return self.exec(exec.command.as_deref().unwrap_or_default()).map(drop);
        }
        let grpc = probe.grpc.as_ref().ok_or("a probe that neither speaks gRPC nor runs a program")?;
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
}
