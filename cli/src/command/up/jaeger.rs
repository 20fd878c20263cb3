//! Jaeger beside the mesh: found, configured, and told apart from a build without its pages.

use std::{
    env,
    ffi::OsString,
    fs, io,
    net::{IpAddr, TcpListener},
    path::{Path, PathBuf},
};

use super::plan;
use crate::{
    endpoint::Target, failure::Failure, mesh::Mesh, process::Program, project, sagas, supervisor::Member,
};

pub(super) const NAME: &str = "jaeger";
/// Where every OpenTelemetry program takes its collector from.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// For traces alone, and before the other.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

const CONFIG: &str = include_str!("../../jaeger/config.yaml");
/// Below the data directory.
const CONFIG_FILE: &str = "jaeger.yaml";
const SUPERVISE: &str = include_str!("../../jaeger/supervise.sh");
/// Where Jaeger is looked for by those who know it.
const OTLP_PORT: u16 = 4317;
const QUERY_PORT: u16 = 16686;
/// What the page of a build without pages says of itself.
const PLACEHOLDER: &str = "not the Jaeger UI";

/// Where Jaeger is, once the mesh runs.
#[derive(Clone, Debug)]
pub(super) struct Jaeger {
    program: PathBuf,
    otlp: String,
    query: String,
    query_grpc: String,
    health: String,
}

impl Jaeger {
    /// Finds the program, and ports on the host of the mesh.
    pub(super) fn find(mesh: &Mesh, given: Option<&Path>) -> Result<Self, Failure> {
        let is_set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
        if let Some(name) = [ENDPOINT, TRACES_ENDPOINT].into_iter().find(is_set) {
            return Err(Failure::usage(format!(
                "--jaeger: {name} is set, and the servers can send to one collector only; unset it, or leave \
                 --jaeger out"
            )));
        }
        if mesh.server(NAME).is_some() {
            return Err(Failure::usage(format!("--jaeger: a service of the mesh is called {NAME}")));
        }
        let program = program(given)?;
        let ports = free_ports(mesh.host()).map_err(|error| {
            Failure::failed(format!("no free port on {} for Jaeger: {error}", mesh.host()))
        })?;
        let [otlp, query, query_grpc, health] = ports.map(|port| mesh.address(port));
        Ok(Self { program, otlp, query, query_grpc, health })
    }

    /// For the environment of every server. Jaeger takes traces alone.
    pub(super) fn environment(&self) -> [(OsString, OsString); 4] {
        [
            (ENDPOINT.into(), format!("http://{}", self.otlp).into()),
            ("OTEL_TRACES_EXPORTER".into(), "otlp".into()),
            ("OTEL_METRICS_EXPORTER".into(), "none".into()),
            ("OTEL_LOGS_EXPORTER".into(), "none".into()),
        ]
    }

    /// To be started before the servers, once its configuration is written below `data`.
    pub(super) fn member(&self, mesh: &Mesh, data: &Path) -> Result<Member, Failure> {
        let config = data.join(CONFIG_FILE);
        let addresses = [
            ("OTLP", &self.otlp),
            ("QUERY", &self.query),
            ("QUERY_GRPC", &self.query_grpc),
            ("HEALTH", &self.health),
        ];
        let addresses = addresses
            .map(|(name, address)| (format!("TRIBUTARY_JAEGER_{name}").into(), address.as_str().into()));
        Ok(Member {
            name: NAME,
            program: Program {
                path: "/bin/sh".into(),
                arguments: vec!["-c".into(), SUPERVISE.into(), self.program.clone().into(), config.into()],
                environment: addresses.into(),
            },
            channel: Target::parse(mesh, &self.health)?.channel,
            log: plan::log(data, NAME),
            after: Vec::new(),
        })
    }

    /// What users are told: where its pages are, or that it has none.
    pub(super) async fn in_words(&self) -> String {
        let Self { query, .. } = self;
        match sagas::get(query, "/").await {
            Ok(page) if page.contains(PLACEHOLDER) => format!(
                "http://{query}/api/traces/TRACE_ID\n{:17}JSON alone: this build of Jaeger has no pages; a release \
                 has, with --jaeger=PATH",
                ""
            ),
            Ok(_) => format!("http://{query}"),
            Err(why) => format!("http://{query} (which gives {why})"),
        }
    }
}

/// Writes what Jaeger reads at its start. The data directory must be this process's own.
pub(super) fn write_config(data: &Path) -> Result<(), Failure> {
    let path = data.join(CONFIG_FILE);
    fs::write(&path, CONFIG).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

/// The program that was given, else that of `make tools`, else the first in `PATH`.
fn program(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        let absolute = plan::absolute(path)?;
        let found = absolute.is_file().then_some(absolute);
        return found.ok_or_else(|| Failure::usage(format!("--jaeger={}: no file", path.display())));
    }
    let own = project::root().map(|root| root.join(".tools/bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = own.into_iter().chain(env::split_paths(&path));
    directories.map(|directory| directory.join(NAME)).find(|path| path.is_file()).ok_or_else(|| {
        Failure::failed(
            "--jaeger: there is no program jaeger in .tools/bin of the project or in PATH: build it with `make \
             tools`, or say where a release binary of Jaeger v2 is with --jaeger=PATH",
        )
    })
}

/// For OTLP and queries the ports that they are known by, unless somebody listens there; for the others any.
/// All are held until all are chosen, so that no two are the same.
fn free_ports(host: IpAddr) -> io::Result<[u16; 4]> {
    let free = |port| TcpListener::bind((host, port)).or_else(|_| TcpListener::bind((host, 0)));
    let held = [free(OTLP_PORT)?, free(QUERY_PORT)?, free(0)?, free(0)?];
    let mut ports = [0; 4];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_replaced() {
        let host = IpAddr::from([127, 90, 77, 1]);
        let _taken = TcpListener::bind((host, QUERY_PORT)).unwrap();
        let [otlp, query, ..] = free_ports(host).unwrap();
        assert!(otlp == OTLP_PORT && query != QUERY_PORT && query != 0, "{otlp} {query}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        assert!(program(Some(Path::new("/nowhere/jaeger"))).is_err());
    }
}
