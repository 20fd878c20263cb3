//! Whole processes, by what they say and how they end.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use tonic::transport::Endpoint;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tributary_proto::feed::v1::change_feed_client::ChangeFeedClient;

use super::{process::Process, *};
use crate::puppet::{tell, tell_stream};

fn fails(arguments: &[&str], environment: &[(&str, &str)], code: i32, texts: &[&str]) {
    let mut process = Process::start(arguments, environment);
    assert_eq!(process.end().code(), Some(code), "{arguments:?} {}", process.stderr());
    for text in texts {
        assert!(process.stderr().contains(text), "{text}: {}", process.stderr());
    }
}

#[test]
fn wrong_values_are_named_and_nothing_is_bound() {
    let usage = i32::from(USAGE);
    fails(&["--listen", "nowhere"], &[], usage, &["'nowhere'", "--listen"]);
    fails(&["--drain-timeout", "10"], &[], usage, &["'10'", "--drain-timeout", "unit"]);
    fails(&["--drain-delay", "3"], &[], usage, &["'3'", "--drain-delay", "unit"]);
    fails(&["--max-in-flight", "0"], &[], usage, &["'0'", "--max-in-flight", "from 1"]);
    fails(&["--feed-listen", "52051"], &[], usage, &["'52051'", "--feed-listen"]);
    fails(&[], &[("TRIBUTARY_REPLICA", "first")], usage, &["'first'", "--replica"]);
    fails(&["--listen", "127.0.0.1:65000"], &[], usage, &["127.0.0.1:65000", "--admin-listen"]);
    fails(&["--unknown"], &[], usage, &["--unknown"]);
    fails(&["--first", "late usage"], &[], usage, &["'late usage'", "--first", "give another"]);
    // The address is taken, which would be the complaint if it were bound first.
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let arguments = ["--listen", &address, "--first", "usage"];
    fails(&arguments, &[], usage, &["'usage'", "--first", "give another"]);
    fails(&[], &[("TRIBUTARY_DEFAULT_DEADLINE", "0s")], usage, &["'0s'", "--default-deadline"]);
    fails(&[], &[("RUST_LOG", "info,=x=")], usage, &["RUST_LOG", "info,=x="]);
    fails(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere")], usage, &["OTEL_EXPORTER_OTLP_ENDPOINT"]);
    fails(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a:4317")], usage, &["https://a:4317", "http://"]);
}

#[test]
fn a_service_without_flags_of_its_own_has_those_of_every_service() {
    let command = service_command("lamps", "127.0.0.1:50061");
    command.clone().debug_assert();
    assert_eq!(command.get_name(), "lamps");
    let parse = |arguments: &[&str]| {
        let matches = command.clone().try_get_matches_from([&["lamps"], arguments].concat());
        ServiceArgs::from_arg_matches(&matches.unwrap()).unwrap()
    };
    assert_eq!(parse(&[]).server.listen.to_string(), "127.0.0.1:50061");
    let told = parse(&["--listen", "127.0.0.1:0", "--group-limit", "1"]);
    assert_eq!((told.server.listen.port(), told.outbox.group_limit), (0, 1));
}

#[test]
fn help_is_no_failure() {
    fails(&["--help"], &[], 0, &[]);
}

#[test]
fn failures_are_one_line() {
    fails(&["--first", "fail"], &[], i32::from(FAILURE), &["puppet: opening the store: no such disk\n"]);
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let arguments = ["--listen", &address, "--admin-listen", "127.0.0.1:0"];
    let pid = format!("(pid {})", std::process::id());
    fails(&arguments, &[], i32::from(FAILURE), &[&format!("puppet: address {address} is in use by "), &pid]);
}

#[test]
fn the_first_signal_drains() {
    for signal in ["INT", "TERM"] {
        let mut process = Process::start(&[], &[]);
        process.addresses();
        process.signal(signal);
        assert_eq!(process.end().code(), Some(0), "{}", process.stderr());
        assert!(!process.address_file().exists());
        let log = process.stderr();
        assert!(log.contains(&format!("SIG{signal}")) && log.contains("stopped"), "{log}");
    }
}

#[test]
fn a_signal_before_serving_ends_it() {
    // Nobody was told that calls are welcome, so that nobody is waited for either.
    for flags in [&["--first", "hang"][..], &["--first", "hang", "--drain-delay", "1h"]] {
        let mut process = Process::start(flags, &[]);
        // Nothing tells that signals are listened for, but the admin port's data directory is made before.
        process.wait_for_log("starting");
        process.signal("TERM");
        assert_eq!(process.end().code(), Some(0), "{}", process.stderr());
    }
}

/// A stream that does not end holds up the drain.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_signal_aborts() {
    let mut process = Process::start(&["--drain-timeout", "1h"], &[]);
    let (address, _) = process.addresses();
    let mut client = ChangeFeedClient::connect(format!("http://{address}")).await.unwrap();
    let mut stream = client.subscribe(tell_stream("ticks")).await.unwrap().into_inner();
    stream.message().await.unwrap();
    process.signal("TERM");
    process.wait_for_log("told to stop");
    stream.message().await.unwrap();
    process.signal("INT");
    assert_eq!(process.end().code(), Some(130), "{}", process.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drain_delay_is_for_callers_and_a_second_signal_cuts_it_short() {
    let mut process = Process::start(&["--drain-delay", "1h"], &[]);
    let (address, admin) = process.addresses();
    let connect =
        async |address| Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    process.signal("TERM");
    process.wait_for_log("until the delay is over");
    for port in [address, admin] {
        let mut client = HealthClient::new(connect(port).await);
        let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        while watch.message().await.unwrap().unwrap().status() != ServingStatus::NotServing {}
    }
    ChangeFeedClient::new(connect(address).await).describe(tell("answer")).await.unwrap();
    assert!(process.child.try_wait().unwrap().is_none() && process.address_file().exists());
    process.signal("TERM");
    assert_eq!(process.end().code(), Some(143), "{}", process.stderr());
}

#[test]
fn behind_the_drain_delay_it_drains() {
    let mut process = Process::start(&[], &[("TRIBUTARY_DRAIN_DELAY", "300ms")]);
    process.addresses();
    let start = Instant::now();
    process.signal("TERM");
    assert_eq!(process.end().code(), Some(0), "{}", process.stderr());
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
}

#[test]
fn a_second_replica_is_refused_before_it_has_a_store() {
    let expected = |n| {
        format!(
            "puppet: this is replica {n}, but an embedded store has exactly one owner, and a second replica \
             would begin a history of its own: scale back to 1\n"
        )
    };
    for (n, flags, variables) in
        [(1, &["--replica", "1"][..], &[][..]), (2, &[], &[("TRIBUTARY_REPLICA", "2")])]
    {
        let mut process = Process::start(&[&["--first", "publish"], flags].concat(), variables);
        assert_eq!(process.end().code(), Some(FAILURE.into()));
        assert!(process.stderr().ends_with(&expected(n)), "{}", process.stderr());
        assert_eq!(fs::read_dir(process.data_dir()).unwrap().count(), 0);
    }
    let mut process = Process::start(&["--first", "publish", "--replica", "0"], &[]);
    process.addresses();
}

#[test]
fn the_port_of_the_feed_is_told_where_it_is_another() {
    let flags = ["--first", "publish", "--feed-listen", "127.0.0.1:0"];
    let mut process = Process::start(&flags, &[]);
    let (grpc, admin) = process.addresses();
    let text = fs::read_to_string(process.address_file()).unwrap();
    let feed = text.lines().find_map(|line| line.strip_prefix("feed ")).unwrap();
    assert_eq!(text, format!("grpc {grpc}\nadmin {admin}\nfeed {feed}\n"));
    assert!(feed.parse::<std::net::SocketAddr>().unwrap().port() != 0);
    let mut process = Process::start(&flags[..2], &[]);
    let (grpc, admin) = process.addresses();
    let text = fs::read_to_string(process.address_file()).unwrap();
    assert_eq!(text, format!("grpc {grpc}\nadmin {admin}\n"));
}

#[test]
fn it_ends_with_its_parent_where_asked_to() {
    let mut process = Process::start(&["--exit-with-parent"], &[]);
    process.addresses();
    drop(process.child.stdin.take());
    assert_eq!(process.end().code(), Some(129), "{}", process.stderr());
    let mut process = Process::start(&[], &[("TRIBUTARY_EXIT_WITH_PARENT", "1")]);
    process.addresses();
    drop(process.child.stdin.take());
    assert_eq!(process.end().code(), Some(129), "{}", process.stderr());
    let mut process = Process::start(&[], &[]);
    drop(process.child.stdin.take());
    process.addresses();
    process.signal("TERM");
    assert_eq!(process.end().code(), Some(0), "{}", process.stderr());
}

#[test]
fn logs_are_plain_off_a_terminal_and_json_where_asked_for() {
    let log = |arguments: &[&str]| {
        let mut process = Process::start(arguments, &[]);
        process.addresses();
        process.signal("TERM");
        process.end();
        process.stderr()
    };
    let text = log(&[]);
    assert!(text.contains("INFO") && !text.contains('\u{1b}'), "{text}");
    let json = log(&["--log-format", "json"]);
    assert!(json.lines().all(|line| line.starts_with('{') && line.contains(r#""level":"INFO""#)), "{json}");
}

/// A collector that never answers must not keep the process.
#[test]
fn the_end_does_not_wait_for_a_collector() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let mut process = Process::start(&[], &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    process.addresses();
    let start = Instant::now();
    process.signal("TERM");
    assert_eq!(process.end().code(), Some(0), "{}", process.stderr());
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[test]
fn the_data_directory_is_named_after_the_service() {
    assert_eq!(ServerArgs::default().data_dir_of("puppet"), Path::new(".tributary/puppet"));
}
