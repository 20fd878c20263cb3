//! `tributary load shop`.

mod board;
mod calls;
mod dice;
mod display;
mod figures;
mod latency;
mod ledger;
mod life;
mod methods;
mod names;
mod questions;
mod rate;
mod reply;
mod session;
mod shopkeeping;
mod traffic;
mod verdict;

use clap::Args;

use self::{
    names::{Names, RunId},
    rate::Rate,
};
use super::pace::Pace;
use crate::{failure::Failure, mesh::Mesh, terminal};

const HELP: &str = "\
What is asked follows from the seed alone; when it is asked, and what becomes of it, does not. Of a hundred \
orders 20 are paid on invoice, 58 by a card that works, 11 by one that is declined, 11 by one whose \
processor does not answer at first. Of those that are confirmed 35 in a hundred are left so, 40 are dispatched \
and delivered, 10 cancelled, and 7 cancelled while they are dispatched; 8 in a hundred are cancelled as soon as \
they are placed. A few products are scarce, so that some orders find too little. Meanwhile customers come and \
move, products appear and change their price, goods arrive.

An order arrives when it is due, whether or not those before it are answered; but while 10,000 are not \
settled, none arrives. How long PlaceOrder takes is counted from when it was due.

When all are placed, waits until each is CONFIRMED with nothing asked of it, DELIVERED or CANCELLED: as long as \
any of them moves, and for --patience beyond that. Then holds the figures of the query gateway against a ledger \
that was added up from the replies of the services alone; each answer of the gateway contains all that was \
replied. The verdict goes to stdout.

All ids begin with shop-SEED-RUN. The same seed and run id go on where they ended: what was done is not done \
again, and with more --orders further ones follow (with fewer, what was done before counts as well, and no figure \
agrees); services remember that for a week. Another run id is another \
run, with the same content.

Exit codes:
  0    every figure agrees
  1    some differ, an order was not settled in time, or a call was refused
  130  ended by Ctrl-C

Examples:
  tributary load shop
  tributary load shop --orders 10000 --rate max
  tributary load shop --seed 42                     what 42 stands for, or the rest of it
  tributary load shop --seed 42 --run-id again      the same, once more";

/// Let customers order, change their minds and be served; then check that every figure agrees.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Shop {
    /// How many orders are placed.
    #[arg(long, env = "TRIBUTARY_LOAD_ORDERS", value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u64).range(1..=999_999_999))]
    orders: u64,

    /// Orders per second; 0 or `max` is as fast as --concurrency allows.
    #[arg(long, env = "TRIBUTARY_RATE", value_name = "R", default_value = "50")]
    rate: Rate,

    /// What is asked follows from it [default: random, and printed].
    #[arg(long, env = "TRIBUTARY_SEED", value_name = "S")]
    seed: Option<u64>,

    /// Tells runs of one seed apart: 1 to 8 of a-z and 0-9.
    #[arg(long, env = "TRIBUTARY_RUN_ID", value_name = "ID", default_value = "1")]
    run_id: RunId,

    #[command(flatten)]
    pace: Pace,
}

impl Shop {
    /// Chooses a seed, if none was given. Short enough to be typed again.
    pub(super) fn settle_seed(&mut self) {
        self.seed.get_or_insert_with(|| rand::random::<u32>().into());
    }

    /// How an interrupted run goes on.
    pub(super) fn again(&self) -> String {
        let (seed, run) = (self.seed.unwrap_or_default(), &self.run_id);
        format!("run it again with --seed {seed} --run-id {run}, and it goes on from there")
    }
}

pub(super) async fn run(mesh: &Mesh, shop: &Shop) -> Result<(), Failure> {
    let seed = shop.seed.unwrap_or_default();
    terminal::say(&format!(
        "{} orders of seed {seed}: repeat them with --seed {seed} --run-id {}",
        shop.orders, shop.run_id
    ));
    let names = Names::new(seed, &shop.run_id);
    session::run(mesh, shop, &names, seed).await
}
