//! The command line: what `--help` prints. Every flag can be given as `TRIBUTARY_<FLAG>`.

use std::net::IpAddr;

use clap::{Parser, Subcommand};

use crate::{
    command,
    mesh::{Added, added},
};

/// Runs a mesh of services that each own their data, and asks one question across all of them.
#[derive(Debug, Parser)]
#[command(
    name = "tributary",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  tributary up                                      run the mesh until Ctrl-C
  tributary demo                                    fill a small shop, see an answer across it
  tributary load tpch --scale 0.01                  fill a larger one: 15,000 orders
  tributary load shop                               let it trade, and check every figure
  tributary query 'SELECT count(*) FROM orders'     ask with SQL
  tributary call shop.orders.v1.Orders/ListOrders   call any method, without grpcurl
  tributary status                                  what is up, and how fresh; goes on with --watch
  tributary view create sales.sql                   keep the answer to a question up to date
  tributary explain view revenue_by_region          how a view is kept, and what that costs
  tributary explain row orders 0198c0de             which changes made a row, with their traces
  tributary backup --from DIR --to FILE             write a store into one file; see also `restore`

Environment:
  Every flag can be given as TRIBUTARY_<FLAG>, as in TRIBUTARY_DATA_DIR; a flag wins.
  NO_COLOR=1 turns colours off; they are off where the output is no terminal.

Exit codes:
  0    success
  1    failure: a call was refused, or something is not well
  64   the command line cannot be right
  130  ended by Ctrl-C"
)]
pub(crate) struct Arguments {
    /// Address that the servers listen on; another loopback address, as 127.0.0.2, is another mesh.
    #[arg(long, global = true, env = "TRIBUTARY_HOST", default_value = "127.0.0.1", value_name = "IP")]
    pub(crate) host: IpAddr,

    /// Service of your own that belongs to the mesh; may be repeated.
    #[arg(
        long = "service",
        global = true,
        env = "TRIBUTARY_SERVICE",
        value_name = "NAME=PORT",
        value_delimiter = ',',
        value_parser = added
    )]
    pub(crate) services: Vec<Added>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(command::up::Up),
    Call(command::call::Call),
    List(command::list::List),
    Query(command::query::Query),
    Status(command::status::Status),
    View(command::view::View),
    Explain(command::explain::Explain),
    Demo(command::demo::Demo),
    Load(command::load::Load),
    Backup(command::backup::Backup),
    Restore(command::restore::Restore),
    Completions(command::completions::Completions),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    fn check_flags(command: &clap::Command) {
        for flag in command.get_opts() {
            assert!(flag.get_env().is_some(), "{} --{}", command.get_name(), flag.get_id());
        }
        command.get_subcommands().for_each(check_flags);
    }

    #[test]
    fn every_flag_has_its_variable() {
        check_flags(&Arguments::command());
    }
}
