//! The standard methods that write, as commands, and what they decide.

use crate::{
    outbox::{Model, States, Write},
    resource::{Kind, Refusal},
};

/// What an update does to a state.
pub trait Changes<S>: Clone {
    /// The state with these changes.
    fn apply(self, to: S) -> S;
}

/// What a caller wants done with one resource. An empty etag stands for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<S, C> {
    /// A resource that is not there yet.
    Create {
        /// Chosen by the caller, or for them.
        id: String,
        /// Within its bounds.
        state: S,
    },
    /// Some fields of a resource.
    Update {
        /// Which.
        id: String,
        /// Expected by the caller.
        etag: String,
        /// Within their bounds.
        changes: C,
    },
    /// A resource is forgotten.
    Delete {
        /// Which.
        id: String,
        /// Expected by the caller.
        etag: String,
    },
}

/// What has happened to a resource, for people and logs, for example `LampCreated`.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    /// Of [`Command::Create`].
    pub created: &'static str,
    /// Of [`Command::Update`].
    pub updated: &'static str,
    /// Of [`Command::Delete`].
    pub deleted: &'static str,
}

impl<S, C> Command<S, C> {
    /// The resource that it is about.
    pub fn id(&self) -> &String {
        match self {
            Command::Create { id, .. } | Command::Update { id, .. } | Command::Delete { id, .. } => id,
        }
    }
}

impl Kind {
    /// Decides a standard method: an id is given once, an etag that is not the current one is refused, and
    /// an update that changes nothing writes nothing.
    pub fn decide<M, C>(
        self,
        events: Events,
        command: &Command<M::State, C>,
        states: &States<M>,
    ) -> Result<Vec<Write<M>>, Refusal>
    where
        M: Model<Key = String, State: PartialEq>,
        C: Changes<M::State>,
    {
        let write = |state, event| Write { key: command.id().clone(), state, event };
        match command {
            Command::Create { id, state } => {
                self.vacant(states, id)?;
                Ok(vec![write(Some(state.clone()), events.created)])
            }
            Command::Update { id, etag, changes } => {
                let current = &self.current(states, id, etag)?.state;
                let changed = changes.clone().apply(current.clone());
                // Nobody needs to hear of an update that changes nothing.
                let news = changed != *current;
                Ok(news.then(|| write(Some(changed), events.updated)).into_iter().collect())
            }
            Command::Delete { id, etag } => {
                self.current(states, id, etag)?;
                Ok(vec![write(None, events.deleted)])
            }
        }
    }
}
