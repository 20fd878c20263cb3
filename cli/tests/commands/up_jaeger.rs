//! `tributary up --jaeger` where there is no Jaeger to be run. The real one is tested with the other servers.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::{
    program::{command, run},
    up::Setting,
};

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let setting = Setting::new("exec cat");
    let run = setting.up(&["--jaeger=/no/such"]).await;
    assert_eq!((run.code, run.stderr.contains("--jaeger=/no/such: no file")), (Some(64), true), "{run:?}");
}

#[tokio::test]
async fn a_second_collector_is_refused() {
    let setting = Setting::new("exec cat");
    for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
        let mut up = command(&[&setting.arguments()[..], &["--jaeger=/bin/cat"]].concat());
        up.env(name, "http://127.0.0.1:4317");
        let run = run(up, "").await;
        assert_eq!(run.code, Some(64), "{run:?}");
        assert!(run.stderr.contains(&format!("--jaeger: {name} is set")), "{run:?}");
    }
}

#[tokio::test]
async fn a_service_of_that_name_is_refused() {
    let setting = Setting::new("exec cat");
    fs::copy(setting.program("orders"), setting.program("jaeger")).unwrap();
    let run = setting.up(&["--service", "jaeger=50057", "--jaeger=/bin/cat"]).await;
    assert_eq!(run.code, Some(64), "{run:?}");
    assert!(run.stderr.contains("a service of the mesh is called jaeger"), "{run:?}");
}

#[tokio::test]
async fn one_that_always_dies_ends_up_with_its_words_before_any_server_is_started() {
    let setting = Setting::new("exec cat");
    let path = setting.program("a release");
    fs::write(&path, "#!/bin/sh\necho \"cannot read $2\" >&2\nexit 3\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let run = setting.up(&[&format!("--jaeger={}", path.display())]).await;
    assert_eq!(run.code, Some(1), "{run:?}");
    let config = setting.data().join("jaeger.yaml");
    assert!(run.stderr.contains(&format!("jaeger         | cannot read {}", config.display())), "{run:?}");
    assert!(
        run.stderr.contains("jaeger ended with exit code 3") && run.stderr.contains("logs/jaeger.log"),
        "{run:?}"
    );
    assert!(fs::read_to_string(&config).unwrap().contains("jaeger_query"), "it was configured");
    assert!(!run.stderr.contains("customers      starting"), "{run:?}");
}
