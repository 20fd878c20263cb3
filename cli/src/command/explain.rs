//! `tributary explain`.

mod row;
mod view;

use clap::{Args, Subcommand};

use crate::{failure::Failure, mesh::Mesh};

/// Tell how an answer comes about.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Explain {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    View(view::View),
    Row(row::Row),
}

pub(crate) async fn run(mesh: &Mesh, explain: Explain) -> Result<(), Failure> {
    match explain.what {
        What::View(view) => view::run(mesh, view).await,
        What::Row(row) => row::run(mesh, row).await,
    }
}
