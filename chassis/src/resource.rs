//! What the standard methods (create, get, list, update, delete) do the same way for every kind of
//! resource: whether it is there, whether it is still the one the caller saw, which fields an update
//! writes, and how a list is cut into pages.

mod command;
mod mask;
mod page;
mod plain;

use std::fmt::Display;

use prost::Name;
use prost_types::Any;
use uuid::Uuid;

pub use command::{Changes, Command, Events};
pub use mask::UpdateMask;
pub use page::{Page, page};
pub use plain::{Collection, Header, Resource, Resources, Update};

use crate::{
    fault::{Fault, Reason},
    outbox::{Entity, Model, Outbox, Published, States, Stored},
    validate::Violations,
};

/// The id that the caller chose for something new, or else a new one: a UUID of version 7, so that what
/// is created together lies together in the store.
pub fn id_or_new(chosen: String) -> String {
    if chosen.is_empty() { Uuid::now_v7().to_string() } else { chosen }
}

/// Refuses what cannot be an id; `field` of the request has it.
pub fn check_id(field: &str, id: &str) -> Result<(), Fault> {
    let mut violations = Violations::new();
    violations.id(field, id);
    violations.finish()
}

/// The state of `key` as an accepted command left it, to be shown in the reply.
///
/// # Panics
///
/// If there is none. A command that removes `key` has nothing to show; any other has left a state.
pub fn left<'s, M: Model>(states: &'s States<M>, key: &M::Key) -> &'s Stored<M::State> {
    match states.get(key) {
        Some(stored) => stored,
        None => unreachable!("an accepted command left nothing under {key:?}"),
    }
}

/// A message as it is published.
pub fn entity<T: Name>(name: &'static str, key: impl Display, message: &T) -> Entity {
    let value = Any { type_url: T::type_url(), value: message.encode_to_vec() };
    Entity { name, key: key.to_string(), value }
}

/// A kind of resource, by the name that its callers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(pub &'static str);

/// Why a standard method is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing has this id.
    #[error("{kind} `{id}` does not exist")]
    NotFound {
        /// Of which kind.
        kind: &'static str,
        /// As the caller wrote it.
        id: String,
    },
    /// The id is taken.
    #[error("{kind} `{id}` exists already: choose another id, or leave it out")]
    AlreadyExists {
        /// Of which kind.
        kind: &'static str,
        /// As the caller wrote it.
        id: String,
    },
    /// It was written since the caller read it.
    // A caller's etag is of any length: the answer shows its beginning.
    #[error("{kind} `{id}` is not at the etag `{etag:.64}`: get it again, and repeat with its etag")]
    EtagMismatch {
        /// Of which kind.
        kind: &'static str,
        /// As the caller wrote it.
        id: String,
        /// What the caller expected.
        etag: String,
    },
}

impl Kind {
    /// Refuses an id that is taken.
    pub fn vacant<M: Model<Key: Display>>(self, states: &States<M>, id: &M::Key) -> Result<(), Refusal> {
        match states.get(id) {
            None => Ok(()),
            Some(_) => Err(Refusal::AlreadyExists { kind: self.0, id: id.to_string() }),
        }
    }

    /// The state of `id`, if it is there, and at the caller's etag where one is given.
    pub fn current<'s, M: Model<Key: Display>>(
        self,
        states: &'s States<M>,
        id: &M::Key,
        etag: &str,
    ) -> Result<&'s Stored<M::State>, Refusal> {
        let stored = states.get(id).ok_or_else(|| self.not_found(id))?;
        if etag.is_empty() || etag == stored.etag() {
            return Ok(stored);
        }
        Err(Refusal::EtagMismatch { kind: self.0, id: id.to_string(), etag: etag.to_owned() })
    }

    /// The durable state of `id`, which the request has in `field`, if there is one.
    pub async fn find<M: Published<Key = String>>(
        self,
        outbox: &Outbox<M>,
        field: &str,
        id: &String,
    ) -> Result<Stored<M::State>, Fault> {
        check_id(field, id)?;
        outbox.get(id).await?.ok_or_else(|| self.not_found(id).into())
    }

    /// Nothing has this id.
    pub fn not_found(self, id: impl Display) -> Refusal {
        Refusal::NotFound { kind: self.0, id: id.to_string() }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let (reason, kind, id) = match refusal {
            Refusal::NotFound { kind, id } => (Reason::NotFound, kind, id),
            Refusal::AlreadyExists { kind, id } => (Reason::AlreadyExists, kind, id),
            Refusal::EtagMismatch { kind, id, .. } => (Reason::EtagMismatch, kind, id),
        };
        Fault::new(reason, message).with("kind", kind).with("id", id)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::outbox::Write;

    const LAMP: Kind = Kind("lamp");

    struct Lamps;

    impl Model for Lamps {
        type Key = String;
        type State = bool;
        type Command = ();
        type Rejection = Refusal;

        fn reads((): &()) -> Vec<String> {
            vec![]
        }

        fn decide((): &(), _: &States<Self>, _: OffsetDateTime) -> Result<Vec<Write<Self>>, Refusal> {
            Ok(vec![])
        }
    }

    fn one_lamp() -> States<Lamps> {
        let now = OffsetDateTime::UNIX_EPOCH;
        let stored = Stored { state: true, sequence: 7, version: 2, create_time: now, update_time: now };
        States::new([("hall".to_owned(), stored)])
    }

    #[test]
    fn a_taken_id_is_refused() {
        let states = one_lamp();
        assert_eq!(LAMP.vacant(&states, &"attic".to_owned()), Ok(()));
        let fault = Fault::from(LAMP.vacant(&states, &"hall".to_owned()).unwrap_err());
        assert_eq!(fault.reason(), Reason::AlreadyExists);
        assert_eq!(fault.message(), "lamp `hall` exists already: choose another id, or leave it out");
    }

    #[test]
    fn what_is_there_is_given_at_its_etag_or_at_none() {
        let states = one_lamp();
        let hall = "hall".to_owned();
        for etag in ["", "2-7"] {
            assert!(LAMP.current(&states, &hall, etag).is_ok(), "{etag}");
        }
        for (id, etag, reason) in [
            ("hall", "1-7", Reason::EtagMismatch),
            ("hall", " 2-7", Reason::EtagMismatch),
            ("attic", "", Reason::NotFound),
            ("attic", "2-7", Reason::NotFound),
        ] {
            let fault = Fault::from(LAMP.current(&states, &id.to_owned(), etag).unwrap_err());
            assert_eq!(fault.reason(), reason, "{id} {etag}");
        }
    }
}
