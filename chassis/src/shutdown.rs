//! Signals: the first one drains, the second one aborts. And the parent's death, where asked for.

use std::{io::Read as _, process, thread};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::run::StartError;

/// Exit code of a process that ended because its parent did, as after a hang-up (128 + SIGHUP).
const PARENT_DIED: i32 = 129;

/// Cancels `leaving` at the first SIGINT or SIGTERM. The second one ends the process at once, with
/// 128 + its number: 130 or 143. What was acknowledged is safe either way.
///
/// From here on these signals no longer end the process by themselves.
pub(crate) fn on_signals(leaving: CancellationToken) -> Result<(), StartError> {
    let listen = |kind| signal(kind).map_err(|e| StartError::new("listening for signals", e));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::spawn(async move {
        let name = next(&mut interrupt, &mut terminate).await.0;
        tracing::info!(signal = name, "told to stop; a second signal aborts");
        leaving.cancel();
        let (name, number) = next(&mut interrupt, &mut terminate).await;
        tracing::warn!(signal = name, "aborting");
        process::exit(128 + number);
    });
    Ok(())
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> (&'static str, i32) {
    tokio::select! {
        _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
        _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
    }
}

/// Ends the process when standard input does: a parent that holds the other end of the pipe takes its
/// children with it, even when it is killed. Drains nothing, since nobody is left to wait for.
pub(crate) fn with_parent() -> Result<(), StartError> {
    let watch = || {
        let mut sink = [0; 256];
        let mut input = std::io::stdin().lock();
        loop {
            match input.read(&mut sink) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        tracing::warn!("the parent died");
        process::exit(PARENT_DIED);
    };
    // A thread of its own: a blocking read in the runtime would hold up its end.
    let thread = thread::Builder::new().name("parent".to_owned()).spawn(watch);
    thread.map(drop).map_err(|e| StartError::new("watching standard input", e))
}
