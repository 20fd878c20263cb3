//! `tributary view` and `tributary explain view`.

use crate::{
    fake::{Gateway, mesh},
    program::{Run, tributary},
};

async fn run(arguments: &[&str]) -> Run {
    let host = mesh(Gateway::default()).await.to_string();
    tributary(&[&["--host", &host], arguments].concat()).await
}

#[tokio::test]
async fn a_view_is_created_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(path, "CREATE VIEW revenue AS SELECT 1 AS one").unwrap();
    let created = run(&["view", "create", path]).await;
    assert!(created.code == Some(0) && created.stdout.contains("revenue"), "{created:?}");
    std::fs::write(path, "SELECT 1").unwrap();
    let refused = run(&["view", "create", path]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("expected CREATE"), "{refused:?}");
}

#[tokio::test]
async fn a_name_that_is_not_there_is_told_with_the_nearest() {
    assert_eq!(run(&["view", "drop", "revenue"]).await.code, Some(0));
    for command in [["view", "drop", "revenu"], ["explain", "view", "revenu"]] {
        let missed = run(&command).await;
        assert!(missed.code == Some(1) && missed.stderr.contains("did you mean revenue?"), "{missed:?}");
    }
}

#[tokio::test]
async fn a_plan_is_printed() {
    let explained = run(&["explain", "view", "revenue"]).await;
    assert!(explained.code == Some(0) && explained.stdout.contains("node 0 keeps groups"), "{explained:?}");
}
