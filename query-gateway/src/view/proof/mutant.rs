//! Defects that the proof must find.

use crate::schema::Image;

/// A defect that is switched on for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// Deletions do not reach the gateway: proves the proof, not the gateway.
    LostDeletion,
}

impl Mutant {
    /// Whether the gateway gets to see that image.
    pub(super) fn delivers(self, image: &Image) -> bool {
        match self {
            Mutant::LostDeletion => image.rows.is_some(),
        }
    }
}
