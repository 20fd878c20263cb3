//! Texts that are given as an argument, in a file, or on stdin.

use std::{
    io::{self, Read as _},
    path::Path,
};

use crate::failure::Failure;

/// The argument itself; for `-`, all of stdin.
pub(crate) async fn text(argument: &str) -> Result<String, Failure> {
    if argument == "-" { stdin().await } else { Ok(argument.to_owned()) }
}

/// What stands in a file; for `-`, all of stdin.
pub(crate) async fn file(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        return stdin().await;
    }
    let read = tokio::fs::read_to_string(path).await;
    read.map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

async fn stdin() -> Result<String, Failure> {
    // On a thread of its own: nothing else can be waited for in the meantime, and Ctrl-C has to be.
    let read = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    });
    let read = read.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
    read.map_err(|error| Failure::failed(format!("stdin cannot be read: {error}")))
}
