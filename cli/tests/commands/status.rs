//! `tributary status`.

use serde_json::Value;
use tributary_proto::query::v1::{SourceState, ViewState};

use crate::{
    fake::{Gateway, mesh, own_address},
    program::{Run, tributary},
};

async fn status(gateway: Gateway, arguments: &[&str]) -> Run {
    let host = mesh(gateway).await.to_string();
    tributary(&[&["--host", &host, "status"], arguments].concat()).await
}

#[tokio::test]
async fn all_is_well() {
    let run = status(Gateway::default(), &[]).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    for part in [
        "| customers     | 127.",
        "| serving |",
        "| orders | live  |       7 |    7 |   0 |      2 |",
        "| revenue | materialized view | ready |",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}

#[tokio::test]
async fn what_is_not_well_shows_in_the_exit_code() {
    let stopped = Gateway { source: SourceState::Stopped, ..Gateway::default() };
    let run = status(stopped, &[]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("not well: query-gateway no longer follows orders"), "{run:?}");
    let waiting = Gateway { view: ViewState::Pending, ..Gateway::default() };
    assert_eq!(status(waiting, &[]).await.code, Some(1));
}

const SAGAS: &str = "\
tributary_saga_unfinished{saga=\"order\",state=\"PLACED\"} 3
tributary_saga_oldest_seconds{saga=\"order\"} 4.5
tributary_saga_stuck{saga=\"order\"} 0
";

#[tokio::test]
async fn sagas_are_shown_and_a_stuck_one_is_not_well() {
    let run = status(Gateway { sagas: SAGAS, ..Gateway::default() }, &[]).await;
    let line = "orders  saga order: 3 unfinished (3 placed), oldest 4 s, none stuck\n";
    assert!(run.code == Some(0) && run.stdout.contains(line), "{run:?}");
    let stuck = &*SAGAS.replace("stuck{saga=\"order\"} 0", "stuck{saga=\"order\"} 1").leak();
    let run = status(Gateway { sagas: stuck, ..Gateway::default() }, &["--output", "json"]).await;
    assert!(run.stderr.contains("not well: orders has 1 of saga order stuck"), "{run:?}");
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &answer["servers"][0]["sagas"][0]["stuck"]), (Some(1), &1.into()));
}

#[tokio::test]
async fn programs_get_one_object() {
    let run = status(Gateway::default(), &["--output", "json"]).await;
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answer["servers"].as_array().unwrap().len(), 7);
    assert_eq!(answer["sources"][0]["state"], "LIVE");
    assert_eq!(answer["complete"], true);
}

#[tokio::test]
async fn what_is_not_known_is_not_said_to_be_nothing() {
    let connecting = || Gateway { source: SourceState::Connecting, ..Gateway::default() };
    let run = status(connecting(), &[]).await;
    assert!(run.stdout.contains("| orders | connecting |       7 |    7 |   ? |      ? |"), "{run:?}");
    let run = status(connecting(), &["--output", "json"]).await;
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let source = &answer["sources"][0];
    assert_eq!((source.get("lag"), source.get("lag_ms")), (Some(&Value::Null), Some(&Value::Null)));
}

#[tokio::test]
async fn a_service_that_was_added_is_shown() {
    let host = own_address().to_string();
    let run = tributary(&["--host", &host, "--service", "reviews=50057", "status"]).await;
    assert!(run.stdout.contains(&format!("| reviews       | {host}:50057")), "{run:?}");
    let run = tributary(&["--service", "orders=50057", "status"]).await;
    assert_eq!(run.code, Some(64));
    assert!(run.stderr.contains("there is a server orders already"), "{run:?}");
}

#[tokio::test]
async fn a_mesh_that_is_down_is_shown_as_such() {
    let run = tributary(&["--host", &own_address().to_string(), "status"]).await;
    assert_eq!(run.code, Some(1));
    assert_eq!(run.stdout.matches("does not answer").count(), 7, "{run:?}");
}
