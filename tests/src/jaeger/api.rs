//! Jaeger's JSON API.

use serde_json::Value;

use super::{Span, trace};
use crate::{http, wait};

/// That of one Jaeger, whoever runs it.
#[derive(Clone, Debug)]
pub struct Api {
    address: String,
}

impl Api {
    /// At `host:port`.
    pub fn at(address: impl Into<String>) -> Self {
        Self { address: address.into() }
    }

    /// Where it is, and the pages if Jaeger was built with them.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every span that has arrived of a trace (32 hexadecimal digits), in order of start; none if it is not known.
    pub async fn trace(&self, trace_id: &str) -> Vec<Span> {
        match self.json(&format!("/api/traces/{trace_id}")).await {
            (200, body) => trace::spans(&body["data"]),
            (404, _) => Vec::new(),
            (status, body) => panic!("Jaeger answers {status}: {body}"),
        }
    }

    /// The same once `complete` says `Ok` of it; panics with its last `Err` when patience is at its end.
    pub async fn trace_when(
        &self,
        trace_id: &str,
        complete: impl Fn(&[Span]) -> Result<(), String>,
    ) -> Vec<Span> {
        let complete = &complete;
        wait::until(&format!("trace {trace_id} is complete"), || async move {
            let spans = self.trace(trace_id).await;
            complete(&spans).map(|()| spans)
        })
        .await
    }

    /// The names of all services that have sent a span, in order.
    pub async fn services(&self) -> Vec<String> {
        let (status, body) = self.json("/api/services").await;
        assert_eq!(status, 200, "{body}");
        let names = body["data"].as_array().into_iter().flatten();
        let mut names: Vec<_> = names.map(|name| name.as_str().expect("a name").to_owned()).collect();
        names.sort();
        names
    }

    /// Whether it has pages for people, beside the JSON.
    pub async fn has_pages(&self) -> bool {
        let (status, page) = http::get(&self.address, "/").await;
        assert_eq!(status, 200, "{page}");
        !page.contains("not the Jaeger UI")
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = http::get(&self.address, path).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }
}
