//! `tributary load`.

mod collection;
mod filling;
mod known;
mod meter;
mod pace;
mod tpch;

use clap::{Args, Subcommand};

use crate::{failure::Failure, mesh::Mesh, terminal};

/// Fill the shop with much data, through the public APIs.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    subcommand_required = true,
    subcommand_value_name = "DATA",
    subcommand_help_heading = "Data",
    after_help = tpch::SCALES
)]
pub(crate) struct Load {
    #[command(subcommand)]
    data: Data,
}

#[derive(Debug, Subcommand)]
enum Data {
    Tpch(tpch::Tpch),
}

/// A load is meant to be interrupted: it says how to go on.
pub(crate) async fn run(mesh: &Mesh, load: Load) -> Result<(), Failure> {
    let loading = async {
        match load.data {
            Data::Tpch(tpch) => tpch::run(mesh, &tpch).await,
        }
    };
    tokio::select! {
        outcome = loading => outcome,
        _ = tokio::signal::ctrl_c() => {
            terminal::say(&terminal::yellow("interrupted: run the same command again, and it goes on from there"));
            Err(Failure::interrupted())
        }
    }
}
