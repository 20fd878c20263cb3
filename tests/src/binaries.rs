//! Where the programs under test are: built once before the tests, beside the test binaries or where `make test` puts them.

use std::path::{Path, PathBuf};

/// Where `make test` has the programs.
const PROGRAMS: &str = "TRIBUTARY_TEST_PROGRAMS";

/// The directory of the workspace's programs.
pub fn directory() -> PathBuf {
    std::env::var_os(PROGRAMS).map_or_else(beside, PathBuf::from)
}

/// The directory of all that was built with this test.
pub fn beside() -> PathBuf {
    let this = std::env::current_exe().expect("the test binary knows where it is");
    // target/debug/deps/<test> => target/debug
    this.ancestors().nth(2).expect("a test binary lies in target/<profile>/deps").to_owned()
}

/// The path of one program; panics with what to do when it was not built.
pub fn path(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --workspace --bins` first, as make test does",
        path.display()
    );
    path
}

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace")
}
