//! `tributary demo`.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value};
use tonic::Code;
use tributary_chassis::{position::Positions, settings::positive_duration};

use super::query::{self, Query};
use crate::{
    directory::{self, Found},
    dynamic,
    failure::Failure,
    mesh::Mesh,
    request_id, terminal, unary,
};

/// A call per line, in this order.
const SHOP: &str = include_str!("../../demo/shop.jsonl");

/// What is asked in the end: rows of three services in one answer.
const QUESTION: &str = "\
SELECT c.region, l.category, l.unit_price_currency_code AS currency, count(DISTINCT o.order_id) AS orders,
       sum(l.quantity * l.unit_price_minor_units) AS revenue_minor
FROM orders o
JOIN order_lines l ON l.order_id = o.order_id
JOIN customers c ON c.customer_id = o.customer_id
WHERE o.state NOT IN ('CANCELLED', 'CANCELLING')
GROUP BY c.region, l.category, l.unit_price_currency_code
ORDER BY c.region, l.category, currency";

/// Fill a small shop through the public APIs, and ask a question across its services.
#[derive(Debug, Args)]
#[command(after_help = "\
Every request carries a request_id that is derived from its content: running it again changes nothing.

Examples:
  tributary demo")]
pub(crate) struct Demo {
    /// How long each call may take.
    #[arg(long, env = "TRIBUTARY_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = positive_duration)]
    timeout: Duration,
}

/// One line of the table.
#[derive(Deserialize)]
struct Step {
    call: String,
    request: Map<String, Value>,
}

impl Step {
    /// The request with its id; the same content gives the same id, on every machine.
    fn request(&self) -> Map<String, Value> {
        request_id::stamped("demo", &self.call, &self.request)
    }
}

pub(crate) async fn run(mesh: &Mesh, demo: Demo) -> Result<(), Failure> {
    let mut written = Positions::default();
    let mut known: Option<Found> = None;
    for step in steps()? {
        let found = match known {
            // Steps of one method stand together: the server is asked for it once.
            Some(found) if found.path() == step.call => found,
            _ => {
                terminal::say(&format!("calling {}", step.call));
                directory::find(mesh, None, &step.call).await?
            }
        };
        perform(&found, &step, demo.timeout, &mut written).await?;
        known = Some(found);
    }
    terminal::say(&format!("written up to {written}\n\n{QUESTION}\n"));
    let rows = query::print(mesh, Query::new(QUESTION, written, demo.timeout)).await?;
    if rows == 0 {
        return Err(Failure::failed(
            "the answer is empty, although all of it was written: see `tributary status`",
        ));
    }
    Ok(())
}

fn steps() -> Result<Vec<Step>, Failure> {
    SHOP.lines()
        .map(|line| serde_json::from_str(line).map_err(|error| Failure::failed(format!("{line}: {error}"))))
        .collect()
}

/// Calls, and keeps where the write can be waited for.
async fn perform(
    found: &Found,
    step: &Step,
    timeout: Duration,
    written: &mut Positions,
) -> Result<(), Failure> {
    let message = dynamic::message(&found.method, step.request())?;
    match unary::call(found, message, timeout).await {
        Ok(reply) => written.merge_all(&reply.positions),
        // The replies to request ids are kept for a week; what they made is kept for longer.
        Err(status) if matches!(status.code(), Code::AlreadyExists | Code::FailedPrecondition) => {
            terminal::say(&terminal::dim(format!("  {}", terminal::printable(status.message()))));
        }
        Err(status) => return Err(Failure::call(&found.target.name, &status)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_step_has_its_own_request_id_that_never_changes() {
        let steps = steps().unwrap();
        let id = |step: &Step| step.request()["request_id"].as_str().unwrap().to_owned();
        let ids: BTreeSet<_> = steps.iter().map(id).collect();
        assert_eq!(ids.len(), steps.len());
        let again = Step { call: steps[0].call.clone(), request: steps[0].request.clone() };
        assert_eq!(id(&again), id(&steps[0]));
        assert!(id(&again).starts_with("demo-"));
    }
}
