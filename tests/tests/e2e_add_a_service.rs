//! docs/add-a-service.md in a fresh clone: every file that it shows is written, every command run, every printed answer
//! compared ([`mesh_tests::document`] says how); and what it promises is held against what came of it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::fs;

use mesh_tests::{
    clients::Clients,
    document::{Block, Reader, blocks, matches, occupied},
    mesh::project_file,
    skip,
    supervised::{CHILDREN, port},
    wait,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tributary_chassis::position::Positions;
use tributary_proto::feed::v1::{DescribeRequest, change_feed_client::ChangeFeedClient};

const DOCUMENT: &str = "docs/add-a-service.md";

/// What a user writes at most, over all files: lines that are not blank, comments included.
const LINES: usize = 150;

/// The service that the document adds, and its port.
const ADDED: (&str, u16) = ("reviews", 50057);

fn shop() -> Clients {
    Clients::connect(|name| url(port(name)))
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Waits until the gateway has applied what every service has written.
async fn settled() {
    shop().wait_caught_up().await;
    let head = wait::until("the service that was added says where it stands", || async {
        let mut feed = ChangeFeedClient::connect(url(ADDED.1)).await.map_err(|error| error.to_string())?;
        let described = feed.describe(DescribeRequest {}).await.map_err(|status| status.to_string())?;
        described.into_inner().head.ok_or("no head".to_owned())
    })
    .await;
    let head = format!("{}/{}/{}", head.service, head.epoch, head.sequence);
    let head: Positions = head.parse().unwrap();
    wait::until("the gateway has applied it", || shop_query(&head)).await;
}

async fn shop_query(after: &Positions) -> Result<(), String> {
    shop().query_after("SELECT 1 AS one", after).await.map(drop).map_err(|status| status.to_string())
}

fn lines(block: &Block) -> usize {
    block.text.lines().filter(|line| !line.trim().is_empty()).count()
}

#[test]
fn the_service_that_is_added_is_at_most_150_lines() {
    let files: Vec<Block> = blocks(&project_file(DOCUMENT));
    let files: Vec<&Block> = files.iter().filter(|block| block.path.is_some()).collect();
    let sum: usize = files.iter().map(|file| lines(file)).sum();
    let list: Vec<_> = files.iter().map(|file| (file.path.as_deref().unwrap(), lines(file))).collect();
    assert!((7..).contains(&files.len()), "{list:?}");
    assert!(sum <= LINES, "{sum} lines: {list:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_added_as_the_document_says() {
    const NAME: &str = "a_service_is_added_as_the_document_says";
    let Some(mut reader) = Reader::in_fresh_clone() else {
        return skip::skipped(NAME, "there is no fresh clone: make test makes one");
    };
    let Some(_) = skip::tool(NAME, "grpcurl") else { return };
    if let Some(port) = occupied(CHILDREN.iter().chain([&ADDED]).map(|(_, port)| *port)).await {
        return skip::skipped(NAME, &format!("port {port} is in use, perhaps by a mesh of your own"));
    }
    let document = fs::read_to_string(reader.path(DOCUMENT)).unwrap();
    assert_eq!(document, project_file(DOCUMENT), "the clone has the document as committed; commit first");
    let blocks = blocks(&document);
    reader.follow(&blocks, settled).await;
    assert!(reader.has_mesh(), "the document says make run");

    // What is written is as tidy as what is there, and nothing else was touched.
    let tidy = reader.run("cargo fmt --package reviews --check && cargo build --bins 2>&1");
    let said = String::from_utf8_lossy(&tidy.stdout).into_owned();
    assert!(tidy.status.success() && !said.contains("warning"), "{said}");
    let changed = reader.run("git status --porcelain --untracked-files=no");
    assert_eq!(String::from_utf8_lossy(&changed.stdout), " M Cargo.lock\n");

    // What was acknowledged survives kill -9: the review, and the reply to the request id.
    let lock = fs::read_to_string(reader.path(".tributary/reviews/lock")).unwrap();
    let pid: i32 = lock.split_whitespace().next().unwrap().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait::until("it runs again", || async {
        let again = fs::read_to_string(reader.path(".tributary/reviews/lock")).unwrap_or_default();
        if again == lock { Err("not yet".to_owned()) } else { Ok(()) }
    })
    .await;
    settled().await;
    let (create, reply) = create_and_reply(&blocks);
    let again = reader.run(create);
    assert!(matches(reply, &String::from_utf8_lossy(&again.stdout)), "{again:?}");
}

/// The first call of the service, and what it answers.
fn create_and_reply(blocks: &[Block]) -> (&str, &str) {
    let pairs = blocks.iter().zip(&blocks[1..]);
    let mut calls = pairs.filter_map(|(typed, printed)| {
        let call = typed.text.lines().find(|line| line.contains("localhost:50057"))?;
        Some((call, printed.text.as_str()))
    });
    calls.next().expect("the document calls the service")
}
