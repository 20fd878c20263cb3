//! Given some states, when a command comes, then this is decided: tests of a [`Model`], without a store.

use std::fmt::Debug;

use time::{OffsetDateTime, macros::datetime};

use crate::outbox::{Model, States, Stored, Write};

/// When the commands of all scenarios commit.
pub const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

/// The states before the command. The etag of the first is `1-1`, that of the second `1-2`, and so on.
#[must_use]
#[derive(Debug)]
pub struct Given<M: Model>(States<M>);

/// What was decided.
#[must_use]
#[derive(Debug)]
pub struct Decided<M: Model>(Result<Vec<Write<M>>, M::Rejection>);

/// Name, key, and the state that is left, if any.
pub type Event<M> = (&'static str, <M as Model>::Key, Option<<M as Model>::State>);

/// Starts a scenario.
pub fn given<M: Model>(states: impl IntoIterator<Item = (M::Key, M::State)>) -> Given<M> {
    let stored = |(sequence, (key, state))| {
        (key, Stored { state, sequence, version: 1, create_time: NOW, update_time: NOW })
    };
    Given(States::new((1..).zip(states).map(stored)))
}

impl<M: Model> Given<M> {
    /// The command comes.
    pub fn when(self, command: M::Command) -> Decided<M> {
        let decided = M::decide(&command, &self.0, NOW);
        let reads = M::reads(&command);
        for write in decided.iter().flatten() {
            assert!(reads.contains(&write.key), "{command:?} writes {:?} and does not read it", write.key);
        }
        Decided(decided)
    }
}

impl<M> Decided<M>
where
    M: Model<State: PartialEq, Rejection: PartialEq>,
{
    /// Exactly this is written.
    #[track_caller]
    pub fn then<const N: usize>(self, expected: [Event<M>; N]) {
        let written = self.0.map(|writes| {
            writes.into_iter().map(|write| (write.event, write.key, write.state)).collect::<Vec<Event<M>>>()
        });
        assert_eq!(written, Ok(Vec::from(expected)));
    }

    /// It is accepted, and nothing is written.
    #[track_caller]
    pub fn then_nothing(self) {
        self.then([]);
    }

    /// It is refused, for exactly this.
    #[track_caller]
    pub fn then_refused(self, expected: impl Into<M::Rejection>) {
        match self.0 {
            Ok(writes) => panic!("not refused, but written: {:?}", events(&writes)),
            Err(rejection) => assert_eq!(rejection, expected.into()),
        }
    }
}

fn events<M: Model>(writes: &[Write<M>]) -> Vec<(&'static str, &dyn Debug)> {
    writes.iter().map(|write| (write.event, &write.key as &dyn Debug)).collect()
}
