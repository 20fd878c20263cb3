//! What a gateway does for its store: of several on one database, one applies changes, and the others answer.

mod member;
mod published;
mod standby;

use opentelemetry::metrics::Meter;
use tokio::sync::watch;

pub(crate) use self::member::Member;

/// What a gateway does for its store.
///
/// - `Opening => (Standby | Applying)`: who finds nobody that leads does so at once.
/// - `Standby => Applying`: nobody leads any more, and this one was the first to find out.
/// - `Applying => Standby`: its session is lost, or it was overtaken. What is stored is loaded anew by whoever comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing is known of the store so far.
    Opening,
    /// It answers from what another one applies.
    Standby,
    /// It applies changes, and answers.
    Applying,
}

/// Tells whether it applies whenever metrics are collected.
pub(crate) fn observe(meter: &Meter, roles: watch::Receiver<Role>) {
    meter
        .u64_observable_gauge("tributary.applying")
        .with_description("1 while this gateway applies changes, 0 while another one does or none.")
        .with_callback(move |observer| observer.observe(u64::from(*roles.borrow() == Role::Applying), &[]))
        .build();
}

#[cfg(test)]
mod tests;
