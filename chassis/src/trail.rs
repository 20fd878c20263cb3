//! The positions that the call at hand stands on: the service's own, and those received from services
//! that it called. Its reply carries them in `tributary-position`.
//!
//! A trail belongs to the task of its call. What a call spawns has none: it hands back what it reached.

use std::{cell::RefCell, future::Future};

use crate::position::{Position, Positions};

tokio::task_local! {
    static TRAIL: RefCell<Positions>;
}

/// Runs a call with an empty trail of its own.
pub async fn scope<F: Future>(call: F) -> F::Output {
    TRAIL.scope(RefCell::default(), call).await
}

/// Notes a position that the call has read or written. Outside of a call this does nothing.
pub fn reached(position: Position) {
    // The error is `no trail here`: work that belongs to no call answers nobody.
    let _ = TRAIL.try_with(|trail| trail.borrow_mut().merge(position));
}

/// [`reached`] for each.
pub fn merge(positions: &Positions) {
    let _ = TRAIL.try_with(|trail| trail.borrow_mut().merge_all(positions));
}

/// What the call stands on so far; empty outside of a call.
pub fn current() -> Positions {
    TRAIL.try_with(|trail| trail.borrow().clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_do_not_see_each_other() {
        let call = |text: &'static str| {
            scope(async move {
                tokio::task::yield_now().await;
                reached(text.parse().unwrap());
                tokio::task::yield_now().await;
                current().to_string()
            })
        };
        let (one, two) = tokio::join!(call("a/e/1"), call("a/e/2"));
        assert_eq!((one.as_str(), two.as_str()), ("a/e/1", "a/e/2"));
    }

    #[tokio::test]
    async fn a_trail_takes_over_what_other_services_said() {
        let trail = scope(async {
            reached("b/e/5".parse().unwrap());
            merge(&"a/e/3,b/e/4".parse().unwrap());
            current().to_string()
        });
        assert_eq!(trail.await, "a/e/3,b/e/5");
    }

    #[test]
    fn without_a_call_there_is_no_trail() {
        reached("a/e/1".parse().unwrap());
        assert!(current().is_empty());
    }
}
