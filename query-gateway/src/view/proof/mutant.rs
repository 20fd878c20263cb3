//! Defects that the proof must find.

use crate::{delta, schema::Image};

/// A defect that is switched on for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// Deletions do not reach the gateway: proves the proof, not the gateway.
    LostDeletion,
    /// Views are kept wrongly.
    Kept(delta::mutant::Mutant),
}

impl Mutant {
    /// Switches on what there is of it in the gateway, for this thread.
    pub(super) fn switch(mutant: Option<Self>) {
        delta::mutant::Mutant::switch(match mutant {
            Some(Self::Kept(mutant)) => Some(mutant),
            Some(Self::LostDeletion) | None => None,
        });
    }

    /// Whether the gateway gets to see that image.
    pub(super) fn delivers(self, image: &Image) -> bool {
        self != Mutant::LostDeletion || image.rows.is_some()
    }
}
