//! The addresses at which the attempts of one call have been made: the next attempt goes elsewhere, if there
//! is an elsewhere.

use std::{cell::RefCell, future::Future, net::SocketAddr};

tokio::task_local! {
    static TRIED: RefCell<Vec<SocketAddr>>;
}

/// Runs all attempts of one call.
pub(super) async fn scope<F: Future>(call: F) -> F::Output {
    TRIED.scope(RefCell::default(), call).await
}

/// An attempt is made at `address`.
pub(super) fn note(address: SocketAddr) {
    // Outside of a scope there is one attempt.
    let _ = TRIED.try_with(|tried| tried.borrow_mut().push(address));
}

/// Whether an attempt was made at `address`.
pub(super) fn has(address: SocketAddr) -> bool {
    TRIED.try_with(|tried| tried.borrow().contains(&address)).unwrap_or(false)
}
