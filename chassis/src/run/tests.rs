//! Whole processes, by what they say and how they end.

use std::{
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use tributary_proto::feed::v1::change_feed_client::ChangeFeedClient;

use super::{process::Process, *};
use crate::puppet::tell_stream;

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
    fails(&["--max-in-flight", "0"], &[], usage, &["'0'", "--max-in-flight", "from 1"]);
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
    let mut process = Process::start(&["--first", "hang"], &[]);
    // Nothing tells that signals are listened for, but the admin port's data directory is made before.
    process.wait_for_log("starting");
    process.signal("TERM");
    assert_eq!(process.end().code(), Some(0), "{}", process.stderr());
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
    process.wait_for_log("draining");
    stream.message().await.unwrap();
    process.signal("INT");
    assert_eq!(process.end().code(), Some(130), "{}", process.stderr());
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
