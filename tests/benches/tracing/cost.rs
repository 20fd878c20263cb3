//! CPU per command of a service and of a gateway that follows it, by where their traces go.
//!
//! All configurations run from the beginning to the end, and are given the same commands in turn, so that each meets the same
//! machine, with a store as large as that of the others. What a process does behind its turn, such as sending its last
//! spans, or waiting for a collector that hangs, is charged to that turn.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use mesh_tests::{clients::Clients, collector::Collector, mesh::own_loopback_address, process::Process};
use serde_json::json;
use tokio::task::JoinSet;

use super::interval::{Ratio, ratio};

/// Callers at the same time.
const CALLERS: usize = 16;
/// Longer than spans wait to be sent, and than a last attempt to send them takes.
const AFTERMATH: Duration = Duration::from_secs(8);
/// Clock ticks of `/proc/PID/stat`, of which Linux has this many a second for whoever reads it.
const TICKS: f64 = 100.0;

/// Whose CPU is told.
const PARTS: [&str; 3] = ["service", "gateway", "both"];
/// Of the configurations, the one without an exporter.
const OFF: usize = 0;
/// The one whose collector takes everything.
const FULL: usize = 3;

/// A service, and a gateway that follows it; where their traces go.
struct Configuration {
    name: &'static str,
    collector: Option<Collector>,
    service: Process,
    gateway: Process,
    /// CPU seconds of service and gateway at the beginning of each turn, and at last after the aftermath.
    readings: Vec<[f64; 2]>,
}

impl Configuration {
    async fn start(root: &Path, name: &'static str, collector: Option<Collector>, share: f64) -> Self {
        let endpoint = collector.as_ref().map(Collector::endpoint).unwrap_or_default();
        let exporter = if collector.is_some() { "otlp" } else { "none" };
        let share = share.to_string();
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_TRACES_EXPORTER", exporter),
            // Metrics and logs are no part of what is compared.
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", share.as_str()),
        ];
        let (root, host) = (root.join(name), own_loopback_address());
        let start =
            |program, arguments| Process::start_with(program, program, &root, &host, arguments, &environment);
        let service = start("customers", Vec::new()).await;
        let source = format!("--source=customers={}", service.url());
        let gateway = start("query-gateway", vec![source]).await;
        Self { name, collector, service, gateway, readings: Vec::new() }
    }

    fn read(&mut self) {
        self.readings.push([&self.service, &self.gateway].map(cpu_seconds));
    }

    /// Gives it the commands of a round, and waits until the gateway shows them.
    async fn turn(&mut self, round: usize, commands: u64) {
        self.read();
        let (service, gateway) = (self.service.url(), self.gateway.url());
        let url = |name: &str| if name == "query-gateway" { gateway.clone() } else { service.clone() };
        let clients = Clients::connect(url);
        let (next, mut callers) = (Arc::<AtomicU64>::default(), JoinSet::new());
        for _ in 0..CALLERS {
            let (clients, next) = (clients.clone(), Arc::clone(&next));
            callers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= commands {
                        break;
                    }
                    clients.create_customer(&format!("{round}-{number}"), "EUROPE").await.unwrap();
                }
            });
        }
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
        let heads = clients.heads().await.unwrap();
        clients.query_after("SELECT 1 AS one", &heads).await.unwrap();
    }

    /// CPU seconds of each turn, of one of [`PARTS`].
    fn turns(&self, part: usize) -> Vec<f64> {
        let used = self.readings.windows(2).map(|two| [two[1][0] - two[0][0], two[1][1] - two[0][1]]);
        used.map(|[service, gateway]| [service, gateway, service + gateway][part]).collect()
    }
}

fn cpu_seconds(process: &Process) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
    // Behind the name, which may hold anything: state is field 3, the times are 14 and 15.
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / TICKS
}

/// The first is what all are compared with; the second is the same, and says how much of a difference is none.
async fn configurations(root: &Path) -> Vec<Configuration> {
    let counts = async || Some(Collector::that_counts().await);
    vec![
        Configuration::start(root, "off", None, 1.0).await,
        Configuration::start(root, "off again", None, 1.0).await,
        Configuration::start(root, "1%", counts().await, 0.01).await,
        Configuration::start(root, "100%", counts().await, 1.0).await,
        Configuration::start(root, "100%, collector absent", Some(Collector::absent()), 1.0).await,
        Configuration::start(root, "100%, collector hangs", Some(Collector::that_never_answers().await), 1.0)
            .await,
    ]
}

pub(crate) async fn measure(rounds: usize, commands: u64) {
    let root = tempfile::tempdir().unwrap();
    let mut all = configurations(root.path()).await;
    // The first round warms all of them up, and is not looked at.
    for round in 0..=rounds {
        let count = all.len();
        for turn in 0..count {
            // Another order each time: nobody is always behind the same one.
            let steps = if round % 2 == 0 { turn } else { count - turn };
            let at = (round + steps) % count;
            all[at].turn(round, commands).await;
        }
    }
    tokio::time::sleep(AFTERMATH).await;
    all.iter_mut().for_each(Configuration::read);
    for (part, name) in PARTS.into_iter().enumerate() {
        for configuration in &all {
            print(configuration, &all, (part, name), commands);
        }
    }
}

/// One line: what a command costs, and in pairs of the same round, of which the first is left out, how much that is of
/// what it costs without an exporter, and with a collector that takes all of it.
fn print(configuration: &Configuration, all: &[Configuration], (part, name): (usize, &str), commands: u64) {
    let turns = &configuration.turns(part)[1..];
    let rounded = |figure: f64, digits: f64| (figure * digits).round() / digits;
    let to = |baseline: usize| {
        let baseline = all[baseline].turns(part);
        let pairs: Vec<_> = turns.iter().copied().zip(baseline[1..].iter().copied()).collect();
        let Ratio { mean, low, high } = ratio(&pairs);
        json!({"ratio": rounded(mean, 1e3), "interval_95": [rounded(low, 1e3), rounded(high, 1e3)]})
    };
    let per_command = turns.iter().sum::<f64>() / (turns.len() as f64 * commands as f64);
    let sent = configuration.collector.as_ref().map_or(0, |collector| collector.received().span_count);
    let of_all = (turns.len() + 1) as f64 * commands as f64;
    println!(
        "{}",
        json!({"bench": "tracing", "configuration": configuration.name, "part": name, "pairs": turns.len(),
            "commands": commands, "cpu_us_per_command": rounded(per_command * 1e6, 10.0), "to_off": to(OFF),
            "to_100%": to(FULL), "spans_received_per_command": rounded(sent as f64 / of_all, 1e3)})
    );
}
