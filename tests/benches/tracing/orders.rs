//! Whether traces that are sampled under load are told to their end.

use mesh_tests::{collector::Collector, sampled};
use serde_json::json;

pub(crate) async fn measure(per_second: u32, seconds: u64, share: f64) {
    let collector = Collector::start().await;
    let mesh = sampled::mesh(&collector, share).await;
    let clients = mesh.clients();
    let orders = u64::from(per_second) * seconds;
    let took = sampled::place(&clients, orders, per_second).await;
    clients.wait_at_rest().await;
    let traces = sampled::wait_whole(&collector).await;
    println!(
        "{}",
        json!({"bench": "traced-orders", "orders": orders, "wanted_per_second": per_second,
            "placed_per_second": (orders as f64 / took.as_secs_f64()).round(), "share": share,
            "sampled": traces.sampled, "ended_in_visible": traces.whole, "spans": traces.spans})
    );
}
