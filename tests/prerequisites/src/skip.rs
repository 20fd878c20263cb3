//! Tests that cannot run here.

use std::{fs::OpenOptions, io::Write as _};

/// Says that `test` is skipped and why; a panic where `CI=true`, since there everything must run.
pub fn skipped(test: &str, why: &str) {
    let line = format!("skipped: {test}, because {why}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{line}");
    eprintln!("{line}");
    if let Some(log) = std::env::var_os("TRIBUTARY_TEST_SKIPPED") {
        let mut log =
            OpenOptions::new().append(true).create(true).open(log).expect("the list of skipped tests opens");
        writeln!(log, "{line}").expect("the list of skipped tests takes a line");
    }
}
