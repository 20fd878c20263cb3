//! `tributary up --jaeger`, with the real Jaeger.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "in tests a panic is the report"
)]

use std::{fs, net::TcpListener, path::Path};

use mesh_tests::{jaeger::Api, skip, supervised::Supervised, wait};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use shop_proto::customers::v1::ListCustomersRequest;
use tonic::Request;

/// Where Jaeger shows traces, unless somebody else is there.
const PAGES: u16 = 16686;
/// The span of the caller, which nobody tells Jaeger of.
const CALLER: &str = "00f067aa0ba902b7";

/// A mesh that waits to be started; nothing where there is no Jaeger.
fn mesh(test: &str, jaeger: impl FnOnce(&Path) -> String) -> Option<Supervised> {
    let program = skip::tool(test, "jaeger")?;
    Some(Supervised::new(&[&jaeger(&program)]))
}

/// `up` is told where Jaeger is.
fn given(program: &Path) -> String {
    format!("--jaeger={}", program.display())
}

/// `up` finds it, at the places where tests look for it.
fn found(_: &Path) -> String {
    "--jaeger".to_owned()
}

/// What `up` says of traces when the mesh is ready.
async fn announced(mesh: &Supervised) -> String {
    let printed = wait::until("everything is printed", || async {
        let printed = mesh.printed();
        if printed.ends_with("\nready\n") { Ok(printed) } else { Err(printed) }
    });
    let printed = printed.await;
    let line = printed.lines().find_map(|line| line.strip_prefix("  traces "));
    line.unwrap_or_else(|| panic!("no traces: {printed}")).trim().to_owned()
}

/// `host:port` in a URL.
fn address(url: &str) -> &str {
    url.strip_prefix("http://").unwrap().split(['/', ' ']).next().unwrap()
}

/// Processes that were told of the configuration of this mesh: Jaeger, and the shell that ends it.
fn processes(mesh: &Supervised) -> Vec<(Pid, String)> {
    let config = mesh.data_dir().join("jaeger.yaml").display().to_string();
    let all =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let numbers = all.filter_map(|name| name.parse().ok()).map(Pid::from_raw);
    let told = numbers.filter_map(|pid| {
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        command.contains(&config).then_some((pid, command))
    });
    told.collect()
}

fn jaeger(mesh: &Supervised) -> Pid {
    let processes = processes(mesh);
    let mut of_jaeger = processes.iter().filter(|(_, command)| !command.starts_with("/bin/sh\0"));
    let (pid, _) = of_jaeger.next().unwrap_or_else(|| panic!("no Jaeger: {processes:?}"));
    assert!(of_jaeger.next().is_none(), "more than one: {processes:?}");
    *pid
}

/// Nothing is left that would keep a port or memory. What is about to end may end.
async fn nothing_is_left(mesh: &Supervised) {
    wait::until("nothing of Jaeger is left", || async {
        let left = processes(mesh);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    TcpListener::bind((mesh.host(), PAGES)).expect("the port is free");
}

/// A call in a trace; waits until Jaeger has the span of its server.
async fn a_call_arrives(mesh: &Supervised, api: &Api, trace: &str) {
    let mut request = Request::new(ListCustomersRequest::default());
    request.metadata_mut().insert("traceparent", format!("00-{trace}-{CALLER}-01").parse().unwrap());
    mesh.clients().customers.list_customers(request).await.unwrap();
    let served = |span: &mesh_tests::jaeger::Span| {
        span.service == "customers" && span.parent_id.as_deref() == Some(CALLER)
    };
    let complete = |spans: &[_]| if spans.iter().any(served) { Ok(()) } else { Err(format!("{spans:?}")) };
    api.trace_when(trace, complete).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jaeger_runs_beside_the_mesh_comes_back_and_ends_with_it() {
    let Some(mut mesh) = mesh("jaeger_runs_beside_the_mesh_comes_back_and_ends_with_it", found) else {
        return;
    };
    mesh.restart().await;
    let announced = announced(&mesh).await;
    let usual = format!("http://{}:{PAGES}", mesh.host());
    let api = Api::at(address(&announced));
    if api.has_pages().await {
        assert_eq!(announced, usual);
    } else {
        assert_eq!(announced, format!("{usual}/api/traces/TRACE_ID"));
        let printed = mesh.printed();
        assert!(printed.contains("JSON alone: this build of Jaeger has no pages;"), "{printed}");
    }
    a_call_arrives(&mesh, &api, "4bf92f3577b34da6a3ce929d0e0e4736").await;

    kill(jaeger(&mesh), Signal::SIGKILL).unwrap();
    wait::until("its death is told", || async {
        let log = mesh.log_tail();
        let told = log.lines().any(|line| line.contains("jaeger") && line.contains("it is started again"));
        if told { Ok(()) } else { Err(log) }
    })
    .await;
    wait::until("it listens again", || async {
        tokio::net::TcpStream::connect(address(&announced)).await.map(drop)
    })
    .await;
    assert!(api.trace("4bf92f3577b34da6a3ce929d0e0e4736").await.is_empty(), "it keeps traces in memory");
    a_call_arrives(&mesh, &api, "5bf92f3577b34da6a3ce929d0e0e4736").await;

    let code = mesh.signal(Signal::SIGINT);
    assert_eq!(code, Some(130), "{}", mesh.log_tail());
    // Who sends it spans is drained before.
    let log = mesh.log_tail();
    assert!(log.lines().last().is_some_and(|line| line == "jaeger         ended with exit code 0"), "{log}");
    nothing_is_left(&mesh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_killed_leaves_no_jaeger() {
    let Some(mut mesh) = mesh("up_killed_leaves_no_jaeger", given) else { return };
    mesh.restart().await;
    jaeger(&mesh);
    mesh.kill_up().await;
    nothing_is_left(&mesh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_usual_port_is_taken_another_is_announced() {
    let Some(mut mesh) = mesh("where_the_usual_port_is_taken_another_is_announced", given) else { return };
    let _taken = TcpListener::bind((mesh.host(), PAGES)).unwrap();
    mesh.restart().await;
    let announced = announced(&mesh).await;
    let address = address(&announced);
    assert!(address.starts_with(&format!("{}:", mesh.host())), "{announced}");
    assert!(!address.ends_with(&format!(":{PAGES}")), "{announced}");
    a_call_arrives(&mesh, &Api::at(address), "6bf92f3577b34da6a3ce929d0e0e4736").await;
    assert_eq!(mesh.signal(Signal::SIGTERM), Some(0), "{}", mesh.log_tail());
}
