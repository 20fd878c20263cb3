//! `tributary status`.

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
        "| orders | live  |       7 |    7 |",
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
    assert!(
        run.stderr.contains("not well: query-gateway waits for orders") || run.stderr.contains("orders"),
        "{run:?}"
    );
    let waiting = Gateway { view: ViewState::Pending, ..Gateway::default() };
    assert_eq!(status(waiting, &[]).await.code, Some(1));
}

#[tokio::test]
async fn programs_get_one_object() {
    let run = status(Gateway::default(), &["--output", "json"]).await;
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answer["servers"].as_array().unwrap().len(), 4);
    assert_eq!(answer["sources"][0]["state"], "LIVE");
    assert_eq!(answer["complete"], true);
}

#[tokio::test]
async fn a_mesh_that_is_down_is_shown_as_such() {
    let run = tributary(&["--host", &own_address().to_string(), "status"]).await;
    assert_eq!(run.code, Some(1));
    assert_eq!(run.stdout.matches("does not answer").count(), 4, "{run:?}");
}
