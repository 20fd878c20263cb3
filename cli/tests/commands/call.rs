//! `tributary call` and `tributary list`.

use std::process::Stdio;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    fake::{AS_OF, Gateway, mesh},
    program::{Run, command, run, tributary},
};

const QUERY: &str = "tributary.query.v1.QueryGateway/Query";

async fn call(arguments: &[&str]) -> Run {
    let host = mesh(Gateway::default()).await.to_string();
    tributary(&[&["--host", &host, "call"], arguments].concat()).await
}

#[tokio::test]
async fn a_stream_is_a_message_per_line() {
    let run = call(&[QUERY, r#"{"sql":"SELECT"}"#]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let lines: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["rows"]["rows"][0]["values"][1]["int64"], "5000");
    assert_eq!(run.stderr, format!("tributary-as-of: {AS_OF}\n"));
}

#[tokio::test]
async fn a_single_reply_is_pretty_and_its_defaults_are_left_out_unless_asked_for() {
    let run = call(&["QueryGateway/ListViews"]).await;
    assert_eq!(
        run.stdout,
        "{\n  \"views\": [\n    {\n      \"name\": \"revenue\",\n      \"state\": \"READY\",\n      \"kind\": \"MATERIALIZED\"\n    }\n  ]\n}\n"
    );
    let run = call(&["QueryGateway/ListViews", "--emit-defaults"]).await;
    assert!(run.stdout.contains("\"reason\": \"\""), "{run:?}");
}

#[tokio::test]
async fn the_request_can_come_from_stdin_and_metadata_go_along() {
    let host = mesh(Gateway::default()).await.to_string();
    let command = command(&["--host", &host, "call", QUERY, "-", "-H", "tributary-after: orders/e/1"]);
    let run = run(command, r#"{"sql":"after"}"#).await;
    assert!(run.stdout.contains("\"text\":\"orders/e/1\""), "{run:?}");
}

#[tokio::test]
async fn what_is_mistyped_is_met_with_a_guess() {
    for (arguments, guess) in [
        (&["tributary.query.v1.QueryGatway/Query"][..], "Did you mean `tributary.query.v1.QueryGateway`?"),
        (&["QueryGateway/Qeury"], "Did you mean `Query`?"),
        (&[QUERY, r#"{"sqll":""}"#], "fields of tributary.query.v1.QueryRequest: sql, max_rows"),
        (&[QUERY, "{}", "--to", "query-gatewy"], "Did you mean `query-gateway`?"),
        (&["QueryGateway"], "SERVICE/METHOD"),
        (&["ChangeFeed/Describe"], "tributary.feed.v1.ChangeFeed at catalog"),
    ] {
        let run = call(arguments).await;
        assert_eq!(run.code, Some(64), "{run:?}");
        assert!(run.stderr.contains(guess), "{arguments:?}: {run:?}");
    }
}

#[tokio::test]
async fn what_several_serve_is_called_at_the_one_that_is_named() {
    let run = call(&["ChangeFeed/Describe", "--to", "orders"]).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "{\n  \"service\": \"fake\"\n}\n"), "{run:?}");
    let host = mesh(Gateway::default()).await;
    let run = tributary(&["call", "ChangeFeed/Describe", "--to", &format!("{host}:50052")]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[tokio::test]
async fn services_and_methods_are_listed() {
    let run = call(&["--list"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let query =
        "    Query(tributary.query.v1.QueryRequest) returns (stream tributary.query.v1.QueryResponse)";
    assert!(run.stdout.lines().any(|line| line == query), "{run:?}");
}

/// A stream without end is ended by Ctrl-C, with the exit code that shells expect.
#[tokio::test]
async fn ctrl_c_ends_a_stream() {
    let host = mesh(Gateway::default()).await.to_string();
    let arguments = ["--host", &host, "call", QUERY, r#"{"sql":"forever"}"#];
    let mut child = tokio::process::Command::from(command(&arguments))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next_line().await.unwrap().unwrap().contains("\"header\""));
    kill(Pid::from_raw(child.id().unwrap().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}

/// `tributary call ... | head -1` is no failure.
#[tokio::test]
async fn a_reader_that_leaves_is_no_failure() {
    let host = mesh(Gateway::default()).await.to_string();
    let mut child = tokio::process::Command::from(command(&["--host", &host, "list"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}
