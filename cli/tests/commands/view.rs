//! `tributary view` and `tributary explain`.

use tributary_proto::query::v1::ViewState;

use crate::{
    fake::{Gateway, mesh},
    program::{Run, command, run},
};

async fn tributary(gateway: Gateway, arguments: &[&str], input: &str) -> Run {
    let host = mesh(gateway).await.to_string();
    run(command(&[&["--host", &host], arguments].concat()), input).await
}

#[tokio::test]
async fn a_text_is_sent_as_it_is_from_stdin_and_from_a_file() {
    let create = ["view", "create", "-", "--replace"];
    let run = tributary(Gateway::default(), &create, "CREATE VIEW revenue").await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{run:?}");
    assert!(run.stderr.contains("revenue is ready"), "{run:?}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "CREATE VIEW revenue").unwrap();
    let create = ["view", "create", file.path().to_str().unwrap(), "--replace", "--wait"];
    assert_eq!(tributary(Gateway::default(), &create, "").await.code, Some(0));
    let run = tributary(Gateway::default(), &["view", "create", "/nowhere/at/all.sql"], "").await;
    assert!(run.code == Some(1) && run.stderr.contains("/nowhere/at/all.sql"), "{run:?}");
}

#[tokio::test]
async fn how_far_a_view_is_and_that_it_failed_are_said() {
    let create = ["view", "create", "-", "--replace"];
    let building = Gateway { view: ViewState::Building, ..Gateway::default() };
    let run = tributary(building, &create, "CREATE VIEW revenue").await;
    assert!(run.code == Some(0) && run.stderr.contains("building: 3 of 7 rows are in it"), "{run:?}");
    let failed = Gateway { view: ViewState::Failed, ..Gateway::default() };
    assert_eq!(tributary(failed, &create, "CREATE VIEW revenue").await.code, Some(1));
}

#[tokio::test]
async fn what_is_refused_is_said_with_what_to_do() {
    let run = tributary(Gateway::default(), &["view", "create", "-"], "CREATE VIEW revenue").await;
    assert!(run.code == Some(1) && run.stderr.contains("ALREADY_EXISTS"), "{run:?}");
    let run = tributary(Gateway::default(), &["view", "drop", "revenu"], "").await;
    assert!(run.code == Some(1) && run.stderr.contains("did you mean \"revenue\""), "{run:?}");
    for drop in [&["view", "drop", "revenue"][..], &["view", "drop", "revenu", "--missing-ok"]] {
        assert_eq!(tributary(Gateway::default(), drop, "").await.code, Some(0), "{drop:?}");
    }
    assert_eq!(tributary(Gateway::default(), &["view"], "").await.code, Some(64));
}

#[tokio::test]
async fn views_are_listed_for_people_and_for_programs() {
    let run = tributary(Gateway::default(), &["view", "list"], "").await;
    assert!(run.stdout.contains("| revenue | materialized view | view create | ready |"), "{run:?}");
    let run = tributary(Gateway::default(), &["view", "list", "--output", "json"], "").await;
    let views: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&views[0]["name"], &views[0]["kind"]), (&"revenue".into(), &"MATERIALIZED".into()));
}

#[tokio::test]
async fn an_explanation_is_harmless_text_or_one_object() {
    let run = tributary(Gateway::default(), &["explain", "view", "revenue"], "").await;
    assert_eq!(run.stdout, "view revenue\n  \\u{1b}[2Jnode 0\n");
    let run = tributary(Gateway::default(), &["explain", "view", "revenue", "--output", "json"], "").await;
    let explained: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(explained["view"]["name"], "revenue");
}

#[tokio::test]
async fn a_row_is_asked_for_by_its_key_and_its_changes_are_told_with_links() {
    let ask = ["explain", "row", "revenue", "EUROPE", "--key", "a=b=c", "--null", "d", "--limit", "2"];
    let run =
        tributary(Gateway::default(), &[&ask[..], &["--jaeger-url", "http://j:16686/"]].concat(), "").await;
    let line = "| customers |        7 | 2023-11-14T22:13:20Z | CustomerMoved | customers | =EUROPE a=b=c d=NULL 2\\u{1b}[2J | \
                http://j:16686/trace/4bf92f3577b34da6a3ce929d0e0e4736 |";
    assert!(run.code == Some(0) && run.stdout.contains(line), "{run:?}");
    assert!(
        run.stderr.contains("(2 of 5 changes; rows: 5 of customers; as of customers 7 live; complete)"),
        "{run:?}"
    );
    let run = tributary(Gateway::default(), &[&ask[..], &["--output", "json"]].concat(), "").await;
    let explained: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&explained["total"], &explained["tables"]["customers"]), (&5.into(), &5.into()));
    let change = &explained["changes"][0];
    assert_eq!(change["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((&change["position"], &change["trace_url"]), (&"customers/c1/7".into(), &().into()));
    let run = tributary(Gateway::default(), &["explain", "row", "revenu", "EUROPE"], "").await;
    assert!(run.code == Some(1) && run.stderr.contains("no row of revenu has that key"), "{run:?}");
    assert_eq!(
        tributary(Gateway::default(), &["explain", "row", "revenue", "--key", "x"], "").await.code,
        Some(64)
    );
}
