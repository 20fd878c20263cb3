//! `tributary load tpch`.

mod rows;
mod scale;

use std::time::Instant;

use clap::Args;

use self::{
    rows::{CUSTOMERS, ORDERS, PRODUCTS, Rows},
    scale::Scale,
};
use super::{collection::Collection, filling::Filling, pace::Pace};
use crate::{failure::Failure, mesh::Mesh, terminal};

/// What a scale means, for whoever has to choose one; a test holds the rows against the generator.
const SCALES: &str = "\
Rows of each scale of tpch, and how long it takes on two cores that also run the mesh, built as `make run` \
does and with --release; ~ is extrapolated from the largest scale that was measured. Orders go on to their \
confirmation and shipment meanwhile and behind it:

  scale customers  products     orders      lines     disk  make run  --release
  0.001       150       200      1,500      6,005    93 MB       9 s        2 s
  0.01      1,500     2,000     15,000     60,175   0.3 GB ~ 1.6 min       21 s
  0.1      15,000    20,000    150,000    600,572   ~ 2 GB  ~ 16 min  ~ 3.5 min
  1       150,000   200,000  1,500,000  6,001,215  ~ 22 GB   ~ 2.6 h   ~ 35 min
  10    1,500,000 2,000,000 15,000,000 59,986,052 ~ 220 GB    ~ 26 h      ~ 6 h

A customer has the region of its nation, a part is a product of the category of its manufacturer and costs \
its retail price in USD, an order has its date and its lines at the prices of the catalog. Each scale is a \
data set of its own, with ids like tpch-0.01-order-000000001.

End it whenever you like: the same command goes on from there, and loads nothing twice, since request ids \
follow from the rows.

Examples:
  tributary load tpch --scale 0.01
  tributary query \"SELECT count(*) FROM orders WHERE order_id LIKE 'tpch-0.01-%'\"";

/// Load the customers, parts and orders of TPC-H, the decision support benchmark.
#[derive(Debug, Args)]
#[command(after_help = SCALES)]
pub(crate) struct Tpch {
    /// How much of it: 1 is 1,500,000 orders. From 0.0001 to 10.
    #[arg(long, env = "TRIBUTARY_SCALE", value_name = "FACTOR")]
    scale: Scale,

    #[command(flatten)]
    pace: Pace,
}

pub(super) async fn run(mesh: &Mesh, tpch: &Tpch) -> Result<(), Failure> {
    let started = Instant::now();
    let rows = Rows::new(tpch.scale);
    let customers = Collection::find(mesh, &CUSTOMERS, &tpch.pace).await?;
    let products = Collection::find(mesh, &PRODUCTS, &tpch.pace).await?;
    let orders = Collection::find(mesh, &ORDERS, &tpch.pace).await?;
    let filling = Filling::new("tpch", tpch.pace.concurrency);
    filling.fill(&customers, rows.customer_count(), rows.customers()).await?;
    filling.fill(&products, rows.product_count(), rows.products()).await?;
    // Last: an order is agreed with the customer and the products that are there.
    filling.fill(&orders, rows.order_count(), rows.orders()).await?;
    terminal::say(&format!(
        "all of tpch at scale {} is there, after {:.1} s; written up to {}",
        tpch.scale,
        started.elapsed().as_secs_f64(),
        filling.written()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::load::collection::Item;

    #[test]
    fn what_help_says_of_the_scales_is_so() {
        let is_row = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
        let table: Vec<_> = SCALES.lines().filter(is_row).collect();
        assert_eq!(table.len(), 5, "{SCALES}");
        for line in table {
            let words: Vec<_> = line.split_whitespace().collect();
            let [scale, customers, products, orders, lines] = words[..5] else { panic!("{line}") };
            let number = |text: &str| text.replace(',', "").parse::<u64>().unwrap();
            let rows = Rows::new(scale.parse().unwrap());
            let counts = [rows.customer_count(), rows.product_count(), rows.order_count()];
            assert_eq!(counts, [customers, products, orders].map(number), "{line}");
            // What is larger takes too long to be counted in a test.
            if rows.order_count() <= 15_000 {
                let count = |item: Item| item.request["lines"].as_array().unwrap().len() as u64;
                assert_eq!(rows.orders().map(count).sum::<u64>(), number(lines), "{line}");
            }
        }
    }
}
