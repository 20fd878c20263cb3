//! The only places where a test can reach into the saga. Without the feature `test-hooks`, which tests alone
//! switch on, there is nothing to reach: every hook is a constant, and the compiler drops it.

#[cfg(feature = "test-hooks")]
mod live;

/// What happens to a write of the order's own row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "test-hooks"),
    allow(dead_code, unreachable_pub, reason = "switched on and seen by tests alone")
)]
pub enum WriteFault {
    /// Nothing special.
    None,
    /// It fails, and has no effect.
    Before,
    /// It has its effect, and nobody learns that.
    After,
    /// It comes twice.
    Twice,
}

#[cfg(feature = "test-hooks")]
pub use live::{Hooks, Mutant};

#[cfg(not(feature = "test-hooks"))]
pub(crate) use inert::Hooks;

#[cfg(not(feature = "test-hooks"))]
mod inert {
    use super::WriteFault;
    use crate::domain::{Order, saga::Step};

    /// Nothing to reach.
    #[derive(Clone, Debug)]
    pub(crate) struct Hooks;

    impl Hooks {
        /// The only ones there are.
        pub(crate) const fn none() -> Self {
            Self
        }

        /// Under which request id a step is asked.
        pub(crate) fn request_id(&self, derived: String) -> String {
            derived
        }

        /// What to take an unknown outcome for: nothing.
        pub(crate) const fn guess(&self, _: &Order, _: &Step) -> Option<Step> {
            None
        }

        /// What happens to a write of the order's own row.
        pub(crate) const fn write(&self, _: &str, _: &'static str) -> WriteFault {
            WriteFault::None
        }
    }
}
