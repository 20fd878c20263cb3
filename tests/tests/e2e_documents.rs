//! README and docs/insights.md in a fresh clone: every fenced command in order, every printed answer compared; of
//! docs/kubernetes.md the calls.
//! [`mesh_tests::document`] says how.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::fs;

use mesh_tests::{
    clients::Clients,
    document::{Block, Reader, blocks, occupied},
    mesh::project_file,
    skip,
    supervised::{CHILDREN, port},
};
use tokio::sync::Mutex;

/// All documents start a mesh at the ports that all users get.
static PORTS: Mutex<()> = Mutex::const_new(());

/// The mesh that a document starts.
fn shop() -> Clients {
    Clients::connect(|name| format!("http://127.0.0.1:{}", port(name)))
}

async fn follow(name: &str, document: &str) {
    follow_some(name, document, |blocks| blocks).await;
}

async fn follow_some(name: &str, document: &str, chosen: impl FnOnce(Vec<Block>) -> Vec<Block>) {
    let _alone = PORTS.lock().await;
    let Some(mut reader) = Reader::in_fresh_clone() else {
        return skip::skipped(name, "there is no fresh clone: make test makes one");
    };
    let Some(_) = skip::tool(name, "grpcurl") else { return };
    if let Some(port) = occupied(CHILDREN.iter().map(|(_, port)| *port)).await {
        return skip::skipped(name, &format!("port {port} is in use, perhaps by a mesh of your own"));
    }
    let text = fs::read_to_string(reader.path(document)).unwrap();
    assert_eq!(text, project_file(document), "the clone has {document} as committed; commit first");
    // A person types more slowly than an order comes to its end.
    reader.follow(&chosen(blocks(&text)), async || drop(shop().wait_at_rest().await)).await;
    assert!(reader.has_mesh(), "{document} says make run");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_readme_works_in_a_fresh_clone() {
    follow("every_command_of_readme_works_in_a_fresh_clone", "README.md").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_insight_is_answered_as_its_document_says() {
    follow("every_insight_is_answered_as_its_document_says", "docs/insights.md").await;
}

/// What the cluster answers at these ports is what `make run` answers at them: the calls of the walk, in order, with
/// processes in the place of pods.
#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_walk_on_kubernetes_is_answered() {
    let calls = |blocks: Vec<Block>| {
        let block = |text: String| Block { language: "sh".to_owned(), path: None, text };
        let typed = blocks.iter().filter(|block| block.language == "sh").flat_map(|block| block.text.lines());
        let calls: Vec<_> =
            typed.filter(|line| line.starts_with("grpcurl ")).map(|line| format!("{line}\n")).collect();
        assert!(calls.len() >= 6, "{calls:?}");
        vec![block("make run\n".to_owned()), block(calls.concat())]
    };
    follow_some("every_call_of_the_walk_on_kubernetes_is_answered", "docs/kubernetes.md", calls).await;
}
