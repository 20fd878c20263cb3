//! `tributary status --watch`.

use std::{net::Ipv4Addr, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout},
    time::timeout,
};
use tributary_proto::query::v1::{SourceState, ViewState};

use crate::{
    fake::{Gateway, mesh, open_gateway, own_address, services},
    program::{command, tributary},
    terminal::Terminal,
};

/// The header of a block.
const HEAD: &str = "; looked at every 20ms";

#[tokio::test]
async fn a_terminal_shows_one_state_in_place_whatever_goes_away() {
    let host = services("").await;
    let gateway = open_gateway(host, Gateway::default()).await;
    let host_text = host.to_string();
    let terminal = Terminal::start(&["--host", &host_text, "status", "--watch=20ms"], 60, 150);
    // It is looked at at any moment, also while it is being drawn: up to the last line.
    let text = terminal.until("all is well", |text| text.ends_with("are ready\n\n")).await;
    assert!(text.contains("  all is well") && text.contains("\n1 of 1 views, indexes"), "{text}");
    assert!(text.contains("| orders | live  |       7 |    7 |   0 |      2 |"), "{text}");

    gateway.close().await;
    let kept = "what query-gateway tells below is of 2";
    let away = |text: &str| {
        text.contains("not well: query-gateway does not say how it is: Connection refused")
            && text.contains(kept)
            && text.contains("| does not answer |")
            && text.ends_with("are ready\n\n")
    };
    let text = terminal.until("the gateway is missed", away).await;
    assert!(text.contains("| orders | live "), "the last known state: {text}");

    let failed = Gateway { source: SourceState::Stopped, view: ViewState::Failed, ..Gateway::default() };
    let gateway = open_gateway(host, failed).await;
    let back = |text: &str| text.contains("| stopped |") && text.contains("\n0 of 1 views, indexes");
    let text = terminal.until("the gateway is back", back).await;
    assert!(text.contains("| revenue | materialized view | failed |"), "what is not ready is shown: {text}");

    let (code, text) = terminal.interrupt().await;
    assert_eq!((code, text.matches(HEAD).count()), (Some(130), 1), "{text}");
    assert!(!text.contains(kept) && text.contains("  2 problems;"), "{text}");
    assert!(
        text.ends_with("0 of 1 views, indexes and typed queries are ready\n\n\n"),
        "the last stays: {text}"
    );
    gateway.close().await;
}

#[tokio::test]
async fn what_does_not_fit_is_cut_and_a_terminal_that_is_resized_is_drawn_anew() {
    let host = mesh(Gateway::default()).await.to_string();
    let mut terminal = Terminal::start(&["--host", &host, "status", "--watch=20ms"], 8, 30);
    let text = terminal.until("it is cut", |text| text.contains("\n… and ") && text.ends_with("…\n\n")).await;
    assert_eq!(text.lines().count(), 8, "the cursor has a line of its own: {text}");
    assert!(text.lines().all(|line| line.chars().count() <= 30), "{text}");
    terminal.resize(60, 150);
    let whole = |text: &str| text.contains("are ready") && text.contains(HEAD);
    let text = terminal.until("it is whole", whole).await;
    assert!(!text.contains('…'), "{text}");
    let (code, text) = terminal.interrupt().await;
    assert_eq!((code, text.matches(HEAD).count()), (Some(130), 1), "{text}");
}

/// Not on a terminal.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(host: Ipv4Addr, more: &[&str]) -> Self {
        let host = host.to_string();
        let arguments = [&["--host", &host, "status", "--watch=20ms"], more].concat();
        let mut program = tokio::process::Command::from(command(&arguments));
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = program.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = timeout(Duration::from_secs(30), self.lines.next_line()).await.expect("a line in time");
        line.unwrap().expect("it goes on")
    }

    /// Lines up to the one that is so.
    async fn until(&mut self, is_so: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = vec![self.line().await];
        while !is_so(&lines[lines.len() - 1]) {
            lines.push(self.line().await);
        }
        lines
    }

    async fn interrupt(self) -> (Option<i32>, String) {
        let Self { child, mut lines } = self;
        kill(Pid::from_raw(child.id().unwrap().try_into().unwrap()), Signal::SIGINT).unwrap();
        let rest = async { while lines.next_line().await.unwrap().is_some() {} };
        timeout(Duration::from_secs(30), rest).await.expect("it ends in time");
        let ended = child.wait_with_output().await.unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    }
}

#[tokio::test]
async fn elsewhere_block_follows_block() {
    let host = services("").await;
    let gateway = open_gateway(host, Gateway::default()).await;
    let mut watch = Watch::start(host, &[]);
    let first = watch.until(|line| line.ends_with("are ready")).await;
    assert!(first[0].contains("  all is well") && first[0].ends_with(HEAD), "{first:#?}");
    gateway.close().await;
    let more = watch.until(|line| line.starts_with("what query-gateway tells below is of ")).await;
    assert!(more.iter().any(|line| line.starts_with("not well: query-gateway does not say")), "{more:#?}");
    assert!(more.iter().all(|line| !line.contains('\x1b')), "{more:#?}");
    let rest = watch.until(|line| line.ends_with("are ready")).await;
    assert!(rest.iter().any(|line| line.starts_with("| orders | live ")), "{rest:#?}");
    assert_eq!(watch.interrupt().await, (Some(130), String::new()));
}

#[tokio::test]
async fn programs_get_a_line_per_look() {
    let host = services("").await;
    let gateway = open_gateway(host, Gateway::default()).await;
    let mut watch = Watch::start(host, &["--output", "json"]);
    let mut last = Value::Null;
    for _ in 0..2 {
        let line: Value = serde_json::from_str(&watch.line().await).unwrap();
        assert_eq!((&line["problems"], &line["sources"][0]["lag_ms"]), (&Value::Array(vec![]), &2.into()));
        assert!(line["time"].as_str().unwrap() > last["time"].as_str().unwrap_or(""), "{line}");
        last = line;
    }
    gateway.close().await;
    let away = watch.until(|line| line.contains("does not say how it is")).await;
    let away: Value = serde_json::from_str(&away[away.len() - 1]).unwrap();
    assert!(away.get("sources").is_none(), "nothing old is said to be so now: {away}");
    assert_eq!(watch.interrupt().await, (Some(130), String::new()));
}

#[tokio::test]
async fn who_has_read_enough_ends_it() {
    let mut watch = Watch::start(mesh(Gateway::default()).await, &[]);
    watch.line().await;
    let Watch { child, lines } = watch;
    drop(lines);
    let ended = timeout(Duration::from_secs(30), child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(0), 0), "{ended:?}");
}

#[tokio::test]
async fn an_interval_that_cannot_be_meant_is_refused() {
    let host = own_address().to_string();
    for (given, why) in [("--watch=0s", "more than zero"), ("--watch=5", "unit"), ("--watch=", "number")] {
        let run = tributary(&["--host", &host, "status", given]).await;
        assert_eq!(run.code, Some(64), "{given}: {run:?}");
        assert!(run.stderr.contains("--watch") && run.stderr.contains(why), "{given}: {run:?}");
    }
}
