//! Tests that need a tool which is not on every machine.

use std::path::PathBuf;

pub use test_prerequisites::skip::skipped;

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
