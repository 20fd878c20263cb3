//! Texts that are given as an argument, or on stdin.

use std::io::{self, Read as _};

use crate::failure::Failure;

/// The argument itself; for `-`, all of stdin.
pub(crate) async fn text(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    // On a thread of its own: nothing else can be waited for in the meantime, and Ctrl-C has to be.
    let read = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    });
    let read = read.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
    read.map_err(|error| Failure::failed(format!("stdin cannot be read: {error}")))
}
