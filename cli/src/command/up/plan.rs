//! From the table of the mesh to programs with their arguments.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Up,
    jaeger::{self, Jaeger},
};
use crate::{
    endpoint::Target,
    failure::Failure,
    mesh::{APIS, Mesh, Role, Server, VIEWS},
    process::Program,
    project,
    supervisor::Member,
};

/// Every server, ready to be started. Fails if something it needs is not there.
pub(super) fn members(mesh: &Mesh, up: &Up, jaeger: Option<&Jaeger>) -> Result<Vec<Member>, Failure> {
    let programs = match &up.bin_dir {
        Some(directory) => absolute(directory)?,
        None => project::program_directory()
            .map_err(|error| Failure::failed(format!("the directory of this program: {error}")))?,
    };
    let missing: Vec<_> =
        mesh.servers().iter().map(|s| s.name).filter(|name| !programs.join(name).is_file()).collect();
    if !missing.is_empty() {
        return Err(Failure::failed(format!(
            "{} not in {}: build with `cargo build`, or say where with --bin-dir",
            missing.join(", "),
            programs.display()
        )));
    }
    let data = absolute(&up.data_dir)?;
    let files = Files::find(up)?;
    // Ahead of all: started first, and ended when the last span was sent.
    let collector = jaeger.map(|jaeger| jaeger.member(mesh, &data));
    let before = jaeger.map(|_| jaeger::NAME);
    let servers = mesh.servers().iter().map(|server| {
        Ok(Member {
            name: server.name,
            program: Program {
                path: programs.join(server.name),
                arguments: arguments(mesh, up, server, &data, &files),
                environment: jaeger.map(Jaeger::environment).into_iter().flatten().collect(),
            },
            channel: Target::parse(mesh, server.name)?.channel,
            log: log(&data, server.name),
            after: before.into_iter().chain(mesh.needs(server)).collect(),
        })
    });
    collector.into_iter().chain(servers).collect()
}

/// Where a server's log is.
pub(super) fn log(data: &Path, name: &str) -> PathBuf {
    data.join("logs").join(format!("{name}.log"))
}

/// What the gateway reads at its start.
struct Files {
    views: PathBuf,
    api: Vec<PathBuf>,
}

impl Files {
    fn find(up: &Up) -> Result<Self, Failure> {
        let root = project::root();
        let below = |path: &str| {
            root.as_ref().map(|root| root.join(path)).ok_or_else(|| {
                Failure::failed(format!(
                    "{path} was found neither above the current directory nor above this program: run in the \
                     project, or say where with --views and --api"
                ))
            })
        };
        let views = up.views.as_deref().map_or_else(|| below(VIEWS), absolute)?;
        let api: Vec<PathBuf> = match up.api.as_slice() {
            [] => protos(&below(APIS)?)?,
            given => given.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?,
        };
        match api.iter().find(|path| !path.is_file()) {
            _ if !views.is_dir() => Err(Failure::usage(format!("--views {}: no directory", views.display()))),
            Some(path) => Err(Failure::usage(format!("--api {}: no file", path.display()))),
            None => Ok(Self { views, api }),
        }
    }
}

/// Every proto of a directory, in order of name.
fn protos(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| Failure::failed(format!("{}: {error}", directory.display()));
    let entries = fs::read_dir(directory).map_err(failed)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map_err(failed)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "proto"));
    paths.sort();
    Ok(paths)
}

fn arguments(mesh: &Mesh, up: &Up, server: &Server, data: &Path, files: &Files) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--exit-with-parent".into()];
    let mut flag = |name: &str, value: OsString| arguments.extend([format!("--{name}").into(), value]);
    flag("listen", mesh.address(server.port).into());
    flag("admin-listen", mesh.address(server.admin_port()).into());
    flag("data-dir", data.join(server.name).into());
    flag("drain-timeout", format!("{}ms", up.drain_timeout.as_millis()).into());
    let known = mesh.knows(server);
    let known = mesh.servers().iter().filter(|other| known.contains(&other.name));
    match server.role {
        Role::Service { .. } => known.for_each(|other| flag(other.name, mesh.url(other).into())),
        Role::Gateway => {
            known.for_each(|source| flag("source", format!("{}={}", source.name, mesh.url(source)).into()));
            flag("views", files.views.clone().into());
            files.api.iter().for_each(|api| flag("api", api.clone().into()));
            up.resnapshot.iter().for_each(|name| flag("resnapshot", name.into()));
        }
    }
    arguments
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}
