//! `tributary list`.

use std::io::{self, Write as _};

use clap::Args;

use crate::{directory, failure::Failure, mesh::Mesh, reflection};

/// List the services of the mesh, with their methods.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tributary list
  tributary list --to orders
  tributary list --to http://localhost:50050")]
pub(crate) struct List {
    /// Server to ask: its name in the mesh, or http://HOST:PORT. All of the mesh when left out.
    #[arg(long, env = "TRIBUTARY_TO", value_name = "SERVER")]
    to: Option<String>,
}

pub(crate) async fn run(mesh: &Mesh, list: List) -> Result<(), Failure> {
    print(mesh, list.to.as_deref()).await
}

/// Every service that answers; the exit code says if one did not.
pub(crate) async fn print(mesh: &Mesh, to: Option<&str>) -> Result<(), Failure> {
    let mut silent = Vec::new();
    for entry in directory::ask(mesh, to).await? {
        let failed = |status| Failure::call(&entry.target.name, &status);
        let services = match entry.services {
            Ok(services) => services,
            Err(status) => {
                silent.push(failed(status));
                continue;
            }
        };
        let mut text = format!("{}\n", entry.target.name);
        for service in services {
            let pool =
                reflection::descriptors(entry.target.channel.clone(), &service).await.map_err(failed)?;
            text.push_str(&format!("  {service}\n"));
            for method in pool.get_service_by_name(&service).iter().flat_map(|service| service.methods()) {
                let stream = |streaming| if streaming { "stream " } else { "" };
                text.push_str(&format!(
                    "    {}({}{}) returns ({}{})\n",
                    method.name(),
                    stream(method.is_client_streaming()),
                    method.input().full_name(),
                    stream(method.is_server_streaming()),
                    method.output().full_name(),
                ));
            }
        }
        io::stdout().lock().write_all(text.as_bytes())?;
    }
    match silent.len() {
        0 => Ok(()),
        1 => Err(silent.remove(0)),
        _ => {
            let last = silent.pop();
            for failure in silent {
                failure.report();
            }
            last.map_or_else(|| Err(Failure::silent()), Err)
        }
    }
}
