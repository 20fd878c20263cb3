//! `tributary list`.

use std::io::{self, Write as _};

use clap::Args;
use futures::future::join_all;
use prost_reflect::{DescriptorPool, ServiceDescriptor};

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

/// Every service of every server that answers; fails if one does not.
pub(crate) async fn print(mesh: &Mesh, to: Option<&str>) -> Result<(), Failure> {
    let targets = directory::targets(mesh, to)?;
    let described = join_all(targets.iter().map(|target| reflection::describe(target.channel.clone()))).await;
    let mut outcome = Ok(());
    for (target, described) in targets.iter().zip(described) {
        match described {
            Ok((services, pool)) => {
                let text = inventory(&target.name, &services, &pool);
                io::stdout().lock().write_all(text.as_bytes())?;
            }
            Err(status) => {
                Failure::call(&target.name, &status).report();
                outcome = Err(Failure::silent());
            }
        }
    }
    outcome
}

fn inventory(server: &str, services: &[String], pool: &DescriptorPool) -> String {
    let mut text = format!("{server}\n");
    for service in services {
        text.push_str(&format!("  {service}\n"));
        for method in pool.get_service_by_name(service).iter().flat_map(ServiceDescriptor::methods) {
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
    text
}
