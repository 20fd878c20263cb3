//! Which of several replicas of a service a process is, and that an embedded store has room for the first alone.

/// Why a process may not have the embedded store that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is replica {0}, but an embedded store has exactly one owner, and a second replica would begin a \
     history of its own: scale back to 1"
)]
pub struct SecondOwner(pub u32);

/// To be asked before anything of an embedded store is opened or created: whether this replica may have one.
/// Replicas do not share a disk, so that no lock would keep the second one from an empty store of the same name.
pub fn sole_owner(replica: u32) -> Result<(), SecondOwner> {
    if replica == 0 { Ok(()) } else { Err(SecondOwner(replica)) }
}
