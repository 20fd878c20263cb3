//! `tributary up` as its users live with it.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::process::{Command, Output};

use mesh_tests::{
    binaries,
    supervised::{CHILDREN, Supervised},
    wait,
};
use nix::sys::signal::Signal;
use serde_json::Value;
use tributary_proto::query::v1::{Source, SourceState};

fn tributary(arguments: &[&str]) -> Output {
    Command::new(binaries::path("tributary")).args(arguments).current_dir(binaries::root()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_died_is_named_and_comes_back() {
    let mesh = Supervised::start().await;
    let clients = mesh.clients();
    clients.create_customer("ada", "EUROPE").await.unwrap();
    for (name, _) in CHILDREN {
        assert!(mesh.kill_child(name));
        wait::until(&format!("{name} is named with its status"), || async {
            let log = mesh.log_tail();
            let named = log.lines().any(|line| line.contains(name) && line.contains("SIGKILL"));
            if named { Ok(()) } else { Err(log) }
        })
        .await;
    }
    clients.wait_caught_up().await;
    assert_eq!(clients.query("SELECT customer_id FROM customers").await.unwrap().rows, [["ada"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_all_and_gives_everything_back() {
    let mut mesh = Supervised::start().await;
    mesh.clients().create_customer("ada", "EUROPE").await.unwrap();
    let code = mesh.signal(Signal::SIGINT);
    assert_eq!(code, Some(130), "{}", mesh.log_tail());
    // Ports and stores are free at once.
    mesh.restart().await;
    mesh.clients().wait_caught_up().await;
    assert_eq!(mesh.clients().query("SELECT customer_id FROM customers").await.unwrap().rows, [["ada"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn up_killed_leaves_no_orphan_and_starts_again() {
    let mut mesh = Supervised::start().await;
    mesh.kill_up().await;
    mesh.restart().await;
    mesh.clients().wait_caught_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_use_is_named_with_its_user() {
    let mesh = Supervised::start().await;
    let data_dir = mesh.data_dir().display().to_string();
    let second = tributary(&["up", "--host", "127.0.0.1", "--data-dir", &data_dir]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains(&data_dir) && stderr(&second).contains("tributary"),
        "{}",
        stderr(&second)
    );

    let elsewhere = tempfile::tempdir().unwrap();
    let second = tributary(&["up", "--host", mesh.host(), "--data-dir", elsewhere.path().to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    let address = mesh.address("customers");
    assert!(
        stderr(&second).contains(&address) && stderr(&second).contains("customers"),
        "{}",
        stderr(&second)
    );
}

/// Waits until the gateway says this of customers.
async fn customers_are(mesh: &Supervised, what: &str, is_so: impl Fn(&Source) -> bool) -> Source {
    let (clients, is_so) = (mesh.clients(), &is_so);
    wait::until(what, || async {
        let status = clients.status().await.map_err(|status| status.to_string())?;
        let customers = status.sources.into_iter().find(|source| source.name == "customers").unwrap();
        if is_so(&customers) { Ok(customers) } else { Err(format!("{customers:?}")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn status_is_true_while_a_source_is_silent_and_before_it_is_reached() {
    let mesh = Supervised::start().await;
    mesh.clients().create_customer("ada", "EUROPE").await.unwrap();
    mesh.clients().wait_caught_up().await;
    // It tells its clock every second or so.
    customers_are(&mesh, "customers are live", |source| source.lag_ms.is_some_and(|ms| ms < 3_000)).await;
    assert!(mesh.signal_child("customers", Signal::SIGSTOP));
    let silent = customers_are(&mesh, "lag grows", |source| source.lag_ms.is_some_and(|ms| ms > 5_000)).await;
    assert_eq!((silent.lag, silent.applied), (Some(0), silent.head), "nothing more was heard of: {silent:?}");

    // Who has just started knows its tables, and nothing of a source that says nothing.
    assert!(mesh.kill_child("query-gateway"));
    let connecting = |source: &Source| source.state() == SourceState::Connecting;
    let unknown = customers_are(&mesh, "the gateway is back", connecting).await;
    assert_eq!((unknown.applied, unknown.lag, unknown.lag_ms), (silent.applied, None, None));
    let status = tributary(&["--host", mesh.host(), "status", "--output", "json"]);
    assert_eq!(status.status.code(), Some(1), "{}", stderr(&status));
    let answer: Value = serde_json::from_slice(&status.stdout).unwrap();
    let problems: Vec<_> =
        answer["problems"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    for problem in ["customers: ", "query-gateway waits for customers: "] {
        assert!(problems.iter().any(|text| text.starts_with(problem)), "{problem}: {problems:?}");
    }
    assert_eq!(mesh.clients().query("SELECT customer_id FROM customers").await.unwrap().rows, [["ada"]]);

    assert!(mesh.signal_child("customers", Signal::SIGCONT));
    let live = |source: &Source| source.lag == Some(0) && source.lag_ms.is_some_and(|ms| ms < 3_000);
    customers_are(&mesh, "customers are reached", live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tools_beside_up_work() {
    let mesh = Supervised::start().await;
    let demo = tributary(&["demo", "--host", mesh.host()]);
    assert!(demo.status.success(), "{}", stderr(&demo));
    let once = String::from_utf8(demo.stdout).unwrap();
    assert!(once.contains("EUROPE"), "an answer that is not empty: {once}");
    let again = tributary(&["demo", "--host", mesh.host()]);
    assert_eq!(String::from_utf8(again.stdout).unwrap(), once, "a second time it has no second effect");

    let status = tributary(&["status", "--host", mesh.host()]);
    assert!(status.status.success(), "{}", stderr(&status));
    let query = tributary(&[
        "query",
        "--host",
        mesh.host(),
        "--output",
        "csv",
        "SELECT COUNT(*) > 0 AS filled FROM customers",
    ]);
    assert_eq!(String::from_utf8(query.stdout.clone()).unwrap().trim(), "filled\ntrue", "{}", stderr(&query));
    let call = tributary(&[
        "call",
        "--host",
        mesh.host(),
        "shop.customers.v1.Customers/GetCustomer",
        r#"{"customer_id":"nobody"}"#,
    ]);
    assert_eq!(call.status.code(), Some(1));
    assert!(stderr(&call).contains("NOT_FOUND"), "{}", stderr(&call));
    let call = tributary(&["call", "--host", mesh.host(), "shop.customers.v1.Customers/GetCustomr", "{}"]);
    assert_eq!(call.status.code(), Some(64));
    assert!(stderr(&call).contains("GetCustomer"), "did you mean: {}", stderr(&call));
}
