//! `tributary view`.

mod create;
mod drop;
mod list;

use clap::{Args, Subcommand};

use crate::{failure::Failure, mesh::Mesh};

/// Create, drop and list views of the gateway.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct View {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Create(create::Create),
    Drop(drop::Drop),
    List(list::List),
}

pub(crate) async fn run(mesh: &Mesh, view: View) -> Result<(), Failure> {
    match view.what {
        What::Create(create) => create::run(mesh, create).await,
        What::Drop(drop) => drop::run(mesh, drop).await,
        What::List(list) => list::run(mesh, list).await,
    }
}
