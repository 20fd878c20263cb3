//! What a service tells the chassis about itself: how it decides ([`Model`]) and what it publishes
//! ([`Published`]). Which tables hold its states is told per store, by [`super::SqlRows`] or
//! [`super::SledTables`].

use std::{collections::HashMap, fmt::Debug, hash::Hash};

use time::OffsetDateTime;

use crate::fault::Fault;

/// The pure core of a service: command and states in, new states or a rejection out.
///
/// Nothing here may have a side effect: a command is decided again when its group is run again.
pub trait Model: Sized + Send + Sync + 'static {
    /// Names one state.
    type Key: Clone + Debug + Eq + Hash + Ord + Send + Sync + 'static;
    /// What is kept under a key.
    type State: Clone + Debug + Send + Sync + 'static;
    /// What a caller wants done.
    type Command: Debug + Send + Sync + 'static;
    /// Why it is not done.
    type Rejection: Into<Fault> + Debug + Send + 'static;

    /// Every key that [`Model::decide`] will look at or write.
    fn reads(command: &Self::Command) -> Vec<Self::Key>;

    /// Decides a command against the states of the keys it reads; `now` is the time of its commit.
    fn decide(
        command: &Self::Command,
        states: &States<Self>,
        now: OffsetDateTime,
    ) -> Result<Vec<Write<Self>>, Self::Rejection>;
}

/// What a service shows to others of its states.
pub trait Published: Model {
    /// The names of the published entities, which are those of their base tables.
    const ENTITIES: &'static [&'static str];

    /// The published form of a state, or of its key fields alone where the state is gone. `None` for
    /// a key that is nobody else's business.
    fn publish(key: &Self::Key, stored: Option<&Stored<Self::State>>) -> Option<Entity>;
}

/// A published entity, ready for the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// One of [`Published::ENTITIES`].
    pub name: &'static str,
    /// The key, for people and logs.
    pub key: String,
    /// The published message, whole, or for a deletion with its key fields alone.
    pub value: prost_types::Any,
}

/// One state as the command leaves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Write<M: Model> {
    /// Which state; must be among [`Model::reads`].
    pub key: M::Key,
    /// `None` removes it.
    pub state: Option<M::State>,
    /// What happened, for people and logs, for example `OrderPlaced`.
    pub event: &'static str,
}

/// A state with what the chassis keeps beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<S> {
    /// The service's own.
    pub state: S,
    /// Position of the change that wrote it.
    pub sequence: u64,
    /// Counts the writes of this key from 1; starts again when a removed key is created anew.
    pub version: u64,
    /// Time of the commit that created it, to the microsecond.
    pub create_time: OffsetDateTime,
    /// Time of the commit that wrote it last, to the microsecond.
    pub update_time: OffsetDateTime,
}

impl<S> Stored<S> {
    /// Changes with every write, and never comes back: the sequence tells a state from an earlier one
    /// that was removed.
    pub fn etag(&self) -> String {
        format!("{}-{}", self.version, self.sequence)
    }
}

/// The states that a command reads; after it was accepted, as it left them.
#[derive(Debug)]
pub struct States<M: Model> {
    states: HashMap<M::Key, Stored<M::State>>,
}

impl<M: Model> States<M> {
    /// States by key; a key that is missing has none.
    pub fn new(states: impl IntoIterator<Item = (M::Key, Stored<M::State>)>) -> Self {
        Self { states: states.into_iter().collect() }
    }

    /// The state of `key`, if there is one.
    pub fn get(&self, key: &M::Key) -> Option<&Stored<M::State>> {
        self.states.get(key)
    }

    /// Sets or removes the state of `key`.
    pub(crate) fn put(&mut self, key: M::Key, stored: Option<Stored<M::State>>) {
        match stored {
            Some(stored) => self.states.insert(key, stored),
            None => self.states.remove(&key),
        };
    }
}
