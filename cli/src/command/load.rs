//! `tributary load`.

mod collection;
mod filling;
mod known;
mod meter;
mod pace;
mod shop;
mod tpch;

use clap::{Args, Subcommand};

use crate::{failure::Failure, mesh::Mesh, terminal};

const AFTER: &str = "\
Examples:
  tributary load shop --orders 1000                 customers order, cancel and are served; then every figure is checked
  tributary load tpch --scale 0.01                  15,000 orders of the decision support benchmark";

/// Fill the shop with much data, or let it trade, through the public APIs.
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    subcommand_required = true,
    subcommand_value_name = "DATA",
    subcommand_help_heading = "Data",
    after_help = AFTER
)]
pub(crate) struct Load {
    #[command(subcommand)]
    data: Data,
}

#[derive(Debug, Subcommand)]
enum Data {
    Shop(shop::Shop),
    Tpch(tpch::Tpch),
}

impl Data {
    /// How it goes on after an interruption.
    fn again(&self) -> String {
        match self {
            Data::Shop(shop) => shop.again(),
            Data::Tpch(_) => "run the same command again, and it goes on from there".to_owned(),
        }
    }
}

/// A load is meant to be interrupted: it says how to go on.
pub(crate) async fn run(mesh: &Mesh, mut load: Load) -> Result<(), Failure> {
    if let Data::Shop(shop) = &mut load.data {
        shop.settle_seed();
    }
    let loading = async {
        match &load.data {
            Data::Shop(shop) => shop::run(mesh, shop).await,
            Data::Tpch(tpch) => tpch::run(mesh, tpch).await,
        }
    };
    tokio::select! {
        outcome = loading => outcome,
        _ = tokio::signal::ctrl_c() => {
            terminal::say(&terminal::yellow(format!("interrupted: {}", load.data.again())));
            Err(Failure::interrupted())
        }
    }
}
