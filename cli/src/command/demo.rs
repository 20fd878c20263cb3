//! `tributary demo`.

use std::time::Duration;

use clap::Args;
use prost_reflect::DynamicMessage;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tonic::{Code, Request};
use tributary_chassis::{
    position::{POSITION, Positions},
    settings::positive_duration,
};

use super::query::{self, Query};
use crate::{
    directory::{self, Found},
    dynamic,
    failure::Failure,
    mesh::Mesh,
    terminal,
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
WHERE o.state <> 'CANCELLED'
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
    fn request(&self) -> String {
        let content = Value::Object(self.request.clone()).to_string();
        let digest = Sha256::digest(format!("{}\n{content}", self.call));
        let id: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let mut request = self.request.clone();
        request.insert("request_id".to_owned(), format!("demo-{id}").into());
        Value::Object(request).to_string()
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
    let mut request: Request<Vec<DynamicMessage>> =
        Request::new(dynamic::messages(&found.method, &step.request())?);
    request.set_timeout(timeout);
    let refused = |status| Failure::call(&found.target.name, &status);
    let reply = match dynamic::call(found.target.channel.clone(), &found.method, request).await {
        Ok(reply) => reply,
        // The replies to request ids are kept for a week; what they made is kept for longer.
        Err(status) if matches!(status.code(), Code::AlreadyExists | Code::FailedPrecondition) => {
            terminal::say(&terminal::dim(format!("  {}", terminal::printable(status.message()))));
            return Ok(());
        }
        Err(status) => return Err(refused(status)),
    };
    if let Some(position) = reply.metadata().get(POSITION).and_then(|value| value.to_str().ok()) {
        let positions = position.parse().map_err(|error| Failure::failed(format!("{POSITION}: {error}")))?;
        written.merge_all(&positions);
    }
    let mut replies = reply.into_inner();
    while replies.message().await.map_err(refused)?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_step_has_its_own_request_id_that_never_changes() {
        let steps = steps().unwrap();
        let requests: BTreeSet<_> = steps.iter().map(Step::request).collect();
        assert_eq!(requests.len(), steps.len());
        let again = Step { call: steps[0].call.clone(), request: steps[0].request.clone() };
        assert_eq!(again.request(), steps[0].request());
        assert!(again.request().contains("\"request_id\":\"demo-"));
    }
}
