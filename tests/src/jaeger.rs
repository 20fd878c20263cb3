//! The real Jaeger, configured as `tributary up --jaeger` has it, and its JSON API.

mod api;
mod trace;

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;
use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

pub use api::Api;
pub use trace::{Reference, Span};

use crate::{
    mesh::{free_address, own_loopback_address},
    skip, wait,
};

const CONFIG: &str = include_str!("../../cli/src/jaeger/config.yaml");

/// Ends Jaeger when the test process is gone, however that came: its end of the pipe closes then.
const SUPERVISE: &str = r#"
    "$0" --config "$1" </dev/null &
    jaeger=$!
    cat >/dev/null
    kill -KILL $jaeger
    wait $jaeger
"#;

/// A running Jaeger on a loopback address of its own; it ends and forgets everything when it is dropped.
#[derive(Debug)]
pub struct Jaeger {
    otlp: String,
    api: Api,
    root: TempDir,
    supervisor: Child,
}

impl Jaeger {
    /// Starts it and waits until it takes spans and answers; `None` after saying that `test` is skipped, where there
    /// is no Jaeger.
    pub async fn start(test: &str) -> Option<Self> {
        let program = skip::tool(test, "jaeger")?;
        let root = tempfile::tempdir().expect("a temporary directory");
        let config = root.path().join("jaeger.yaml");
        std::fs::write(&config, CONFIG).expect("a configuration");
        let host = own_loopback_address();
        let [otlp, query, health] = [(); 3].map(|()| free_address(&host));
        let log = std::fs::File::create(root.path().join("jaeger.log")).expect("a log file");
        let supervisor = Command::new("/bin/sh")
            .args(["-c", SUPERVISE])
            .args([&program, &config])
            .env("TRIBUTARY_JAEGER_OTLP", &otlp)
            .env("TRIBUTARY_JAEGER_QUERY", &query)
            .env("TRIBUTARY_JAEGER_QUERY_GRPC", format!("{host}:0"))
            .env("TRIBUTARY_JAEGER_HEALTH", &health)
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("Jaeger starts");
        let jaeger = Self { otlp, api: Api::at(query), root, supervisor };
        jaeger.wait_healthy(&health).await;
        Some(jaeger)
    }

    async fn wait_healthy(&self, address: &str) {
        let channel = Endpoint::from_shared(format!("http://{address}")).expect("a URL").connect_lazy();
        let client = HealthClient::new(channel);
        wait::until("Jaeger is healthy", || {
            let mut client = client.clone();
            async move {
                let reply = client.check(HealthCheckRequest::default()).await;
                match reply.map(|reply| reply.into_inner().status()) {
                    Ok(ServingStatus::Serving) => Ok(()),
                    other => Err(format!("{other:?}; {}", self.log())),
                }
            }
        })
        .await;
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn otlp_endpoint(&self) -> String {
        format!("http://{}", self.otlp)
    }

    /// Every span that has arrived of a trace, as [`Api::trace`] has it.
    pub async fn trace(&self, trace_id: &str) -> Vec<Span> {
        self.api.trace(trace_id).await
    }

    /// The spans of a trace once it is complete, as [`Api::trace_when`] has it.
    pub async fn trace_when(
        &self,
        trace_id: &str,
        complete: impl Fn(&[Span]) -> Result<(), String>,
    ) -> Vec<Span> {
        self.api.trace_when(trace_id, complete).await
    }

    /// The names of all services that have sent a span, in order.
    pub async fn services(&self) -> Vec<String> {
        self.api.services().await
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        let path: PathBuf = self.root.path().join("jaeger.log");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

impl Drop for Jaeger {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- jaeger ---\n{}", self.log());
        }
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}
