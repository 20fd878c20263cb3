//! Jaeger's JSON API.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Span, trace};
use crate::wait;

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
        let (status, page) = self.get("/").await;
        assert_eq!(status, 200, "{page}");
        !page.contains("not the Jaeger UI")
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    /// One GET, in HTTP/1.0, whose answer ends with the connection.
    async fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).await.expect("Jaeger listens");
        let request = format!("GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).await.expect("Jaeger reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("Jaeger answers in UTF-8");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        (status, body.to_owned())
    }
}
