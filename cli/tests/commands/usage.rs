//! What holds for every command.

use crate::program::{command, run, tributary};

#[tokio::test]
async fn bad_usage_is_64_and_help_is_success() {
    assert_eq!(tributary(&["--help"]).await.code, Some(0));
    assert_eq!(tributary(&["--version"]).await.code, Some(0));
    for arguments in [
        &["qury", "SELECT 1"][..],
        &["query"],
        &["query", "SELECT 1", "--max-rows", "0"],
        &["query", "SELECT 1", "--timeout", "soon"],
        &["query", "SELECT 1", "--to", "https://localhost:1"],
        &["--host", "nowhere", "status"],
        &["call", "a.B/C", "-H", "novalue"],
    ] {
        let run = tributary(arguments).await;
        assert_eq!((run.code, run.stdout.as_str()), (Some(64), ""), "{arguments:?}: {run:?}");
    }
}

#[tokio::test]
async fn a_mistyped_command_is_met_with_a_guess() {
    assert!(tributary(&["qury"]).await.stderr.contains("'query'"));
}

#[tokio::test]
async fn every_help_has_examples_and_no_escape_sequences() {
    for name in ["up", "call", "list", "query", "status", "demo", "load", "backup", "restore", "completions"]
    {
        let run = tributary(&[name, "--help"]).await;
        assert!(run.stdout.contains("Examples:") && !run.stdout.contains('\u{1b}'), "{name}: {}", run.stdout);
    }
}

#[tokio::test]
async fn every_flag_can_be_a_variable() {
    let mut query = command(&["query", "SELECT 1"]);
    query.env("TRIBUTARY_MAX_ROWS", "none");
    let refused = run(query, "").await;
    assert_eq!(refused.code, Some(64));
    assert!(refused.stderr.contains("--max-rows"), "{refused:?}");
    let mut up = command(&["up", "--bin-dir", "/nowhere"]);
    up.env("TRIBUTARY_VERBOSE", "1");
    assert_eq!(run(up, "").await.code, Some(1), "1 is as good as true");
}

#[tokio::test]
async fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let run = tributary(&["completions", shell]).await;
        assert!(run.code == Some(0) && run.stdout.contains("completions"), "{shell}");
    }
}
