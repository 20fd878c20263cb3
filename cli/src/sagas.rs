//! The sagas of a service, as it publishes them beside its other metrics: how many are unfinished, for how long
//! the oldest has been so, how many are stuck.

use std::{collections::BTreeMap, time::Duration};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A server that takes longer than this to say how it is, is not well.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest text that is read.
const LARGEST: usize = 16 << 20;

/// All sagas of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Saga {
    /// How many are not at their end, by state.
    pub(crate) unfinished: BTreeMap<String, u64>,
    /// For how long the oldest of them has been so.
    pub(crate) oldest: Duration,
    /// How many have been so for too long.
    pub(crate) stuck: u64,
}

impl Saga {
    /// `3 unfinished (2 cancelling, 1 placed), oldest 4 s, none stuck`.
    pub(crate) fn in_words(&self) -> String {
        let unfinished: u64 = self.unfinished.values().sum();
        if unfinished == 0 {
            return "none unfinished".to_owned();
        }
        let states = self.unfinished.iter().filter(|(_, count)| **count > 0);
        let states: Vec<_> =
            states.map(|(state, count)| format!("{count} {}", crate::gateway::words(state))).collect();
        let stuck = if self.stuck == 0 { "none".to_owned() } else { self.stuck.to_string() };
        let (states, oldest) = (states.join(", "), self.oldest.as_secs());
        format!("{unfinished} unfinished ({states}), oldest {oldest} s, {stuck} stuck")
    }
}

/// Asks an admin port; no sagas is an answer, and so is why it gave none.
pub(crate) async fn ask(address: &str) -> Result<BTreeMap<String, Saga>, String> {
    let text = tokio::time::timeout(TIMEOUT, metrics(address)).await;
    parse(&text.map_err(|_| format!("no metrics within {TIMEOUT:?}"))??)
}

async fn metrics(address: &str) -> Result<String, String> {
    get(address, "/metrics").await.map_err(|why| format!("no metrics: {why}"))
}

/// One GET of a text.
pub(crate) async fn get(address: &str, path: &str) -> Result<String, String> {
    let failed = |error: &dyn std::error::Error| error.to_string();
    let stream = TcpStream::connect(address).await.map_err(|e| failed(&e))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
    let request =
        Request::get(path).header(HOST, address).body(Empty::<Bytes>::new()).map_err(|e| failed(&e))?;
    let answer = async move {
        let reply = sender.send_request(request).await.map_err(|e| failed(&e))?;
        if reply.status() != StatusCode::OK {
            return Err(reply.status().to_string());
        }
        let body = Limited::new(reply.into_body(), LARGEST).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        String::from_utf8(body.into()).map_err(|e| failed(&e))
    };
    // The connection ends with its one request; what goes wrong with it goes wrong with the answer.
    tokio::join!(answer, connection).0
}

/// The gauges of sagas in a text of Prometheus' exposition format, by kind of saga. Anything else is passed over.
fn parse(text: &str) -> Result<BTreeMap<String, Saga>, String> {
    let mut sagas = BTreeMap::<String, Saga>::new();
    for line in text.lines().filter(|line| line.starts_with("tributary_saga_")) {
        let sample = sample(line).ok_or_else(|| format!("metrics that cannot be read: {line}"))?;
        let label = |name: &str| sample.labels.get(name).cloned().unwrap_or_default();
        let saga = sagas.entry(label("saga")).or_default();
        match sample.name {
            "tributary_saga_unfinished" => drop(saga.unfinished.insert(label("state"), sample.count())),
            "tributary_saga_oldest_seconds" => {
                saga.oldest = Duration::try_from_secs_f64(sample.value).unwrap_or(Duration::MAX);
            }
            "tributary_saga_stuck" => saga.stuck = sample.count(),
            // Of a service that is newer than this program.
            _ => {}
        }
    }
    Ok(sagas)
}

/// One line: `name{label="value",...} number`, with a timestamp behind it or without.
struct Sample<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, String>,
    value: f64,
}

impl Sample<'_> {
    /// A gauge of things is written as a float; what is below 0 is none.
    fn count(&self) -> u64 {
        self.value as u64
    }
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.starts_with('}') {
            let (label, value) = inner.split_once("=\"")?;
            let (value, behind) = quoted(value)?;
            labels.insert(label, value);
            inner = behind.strip_prefix(',').unwrap_or(behind);
        }
        rest = &inner[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name, labels, value })
}

/// The text up to its closing quote, and what is behind that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                escaped => value.push(escaped),
            },
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"# HELP tributary_saga_unfinished Sagas that are not at their end.
# TYPE tributary_saga_unfinished gauge
tributary_saga_unfinished{saga="order",state="PLACED",otel_scope_name="a\"b}, c"} 2
tributary_saga_unfinished{saga="order",state="CANCELLING"} 1
tributary_saga_unfinished{saga="return",state="OPEN"} 0
tributary_saga_oldest_seconds{saga="order"} 4.25 1735689600000
tributary_saga_stuck{saga="order"} 0
tributary_saga_later{saga="order"} 7
tributary_feed_head 12
"#;

    #[test]
    fn the_gauges_are_found_among_all_others() {
        let sagas = parse(TEXT).unwrap();
        assert_eq!(sagas.keys().collect::<Vec<_>>(), ["order", "return"]);
        let order = &sagas["order"];
        assert_eq!(order.unfinished, BTreeMap::from([("PLACED".into(), 2), ("CANCELLING".into(), 1)]));
        assert_eq!((order.oldest, order.stuck), (Duration::from_millis(4_250), 0));
        assert_eq!(parse("process_cpu_seconds 1\n").unwrap(), BTreeMap::new());
    }

    #[test]
    fn sagas_are_told_in_words() {
        let mut sagas = parse(TEXT).unwrap();
        assert_eq!(
            sagas["order"].in_words(),
            "3 unfinished (1 cancelling, 2 placed), oldest 4 s, none stuck"
        );
        assert_eq!(sagas["return"].in_words(), "none unfinished");
        sagas.get_mut("order").unwrap().stuck = 2;
        assert!(sagas["order"].in_words().ends_with(", 2 stuck"));
    }

    #[test]
    fn labels_may_hold_anything() {
        let sample = sample(r#"a{b="\\ \" } , = \n",c=""} 1e3"#).unwrap();
        assert_eq!(sample.labels, BTreeMap::from([("b", "\\ \" } , = \n".to_owned()), ("c", String::new())]));
        assert_eq!((sample.name, sample.value), ("a", 1000.0));
    }

    #[test]
    fn a_gauge_that_cannot_be_read_is_not_passed_over() {
        for line in
            ["tributary_saga_stuck", "tributary_saga_stuck{saga=\"order\" 1", "tributary_saga_stuck{} x"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
