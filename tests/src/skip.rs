//! Tests that need a tool which is not on every machine.

use std::{fs::OpenOptions, io::Write as _, path::PathBuf};

/// The tool's path, or `None` after saying that `test` is skipped; a panic where `CI=true`.
pub fn tool(test: &str, name: &str) -> Option<PathBuf> {
    let own = crate::binaries::root().join(".tools/bin");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(own)
        .chain(std::env::split_paths(&paths))
        .map(|dir| dir.join(name))
        .find(|p| p.exists());
    if found.is_none() {
        skipped(test, &format!("{name} is not installed (see make tools)"));
    }
    found
}

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
