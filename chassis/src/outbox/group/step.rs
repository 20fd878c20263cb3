//! What a follower makes of a part of another service's feed, with how far it has come by that: all of it is
//! taken over, or nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tributary_proto::feed::v1::{Change, Position};

use super::{Asked, Group, Reply, guarded};
use crate::{
    fault::{Fault, Reason},
    outbox::{
        call::Call,
        model::{Model, Published},
    },
    timestamp,
    trace::Trace,
};

/// Commands of a follower, and the position that they bring it to.
pub(crate) struct Step<M: Model> {
    /// Who is followed, as we call it.
    pub(crate) source: String,
    /// Where the follower stands: the step is refused where that is not so, since then somebody else has
    /// done it, or another.
    pub(crate) before: Option<Position>,
    /// Where it stands afterwards; `before` again while a snapshot is under way.
    pub(crate) after: Option<Position>,
    /// In order.
    pub(crate) effects: Vec<Effect<M>>,
}

/// One command of a step.
pub(crate) struct Effect<M: Model> {
    asked: Asked<M>,
    /// The change that it comes from, for people.
    cause: String,
}

impl<M: Model> Effect<M> {
    /// A command that comes from `change`, in the trace of what makes it of that.
    pub(crate) fn new(change: &Change, trace: Trace, command: M::Command) -> Self {
        Self { asked: Asked::new(Call::caused(trace), command), cause: cause(change) }
    }
}

/// A change as people are told of it.
pub(crate) fn cause(change: &Change) -> String {
    format!("change {} of `{}` in `{}`", change.sequence, change.key, change.entity)
}

impl<M: Model> Step<M> {
    /// Those of its commands.
    pub(in crate::outbox) fn traces(&self) -> impl Iterator<Item = &Trace> {
        self.effects.iter().map(|effect| &effect.asked.call.trace)
    }

    pub(super) fn reads(&self) -> impl Iterator<Item = &M::Key> {
        self.effects.iter().flat_map(|effect| &effect.asked.reads)
    }
}

impl<M: Published> Group<'_, M> {
    /// Decides a step: every command of it behind the one before.
    pub(super) fn step(&mut self, step: &Step<M>) -> Result<Reply, Fault> {
        if self.followed.get(&step.source) != step.before.as_ref() {
            let text = format!("`{}` is not followed from where it was: is it followed twice?", step.source);
            return Err(Fault::new(Reason::WrongState, text));
        }
        let mut trial = self.trial(step);
        for Effect { asked, cause } in &step.effects {
            let accepted = guarded(|| trial.evaluate(asked)).map_err(|fault| {
                Fault::new(fault.reason(), format!("{cause}: {}", fault.message())).with_source(fault)
            })?;
            trial.take(accepted);
        }
        self.absorb(trial);
        if let Some(after) = step.after.as_ref().filter(|after| step.before.as_ref() != Some(after)) {
            self.followed.insert(step.source.clone(), after.clone());
            self.advanced.insert(step.source.clone(), after.clone());
        }
        Ok(Reply {
            digest: [0; 32],
            body: Vec::new(),
            positions: String::new(),
            commit_time: timestamp::micros(self.now),
        })
    }

    /// A group of its own that goes on where this one stands.
    fn trial(&self, step: &Step<M>) -> Self {
        let states = step.reads().filter_map(|key| Some((key.clone(), self.states.get(key)?.clone())));
        Group {
            rules: self.rules,
            hooks: self.hooks,
            admit: self.admit,
            now: self.now,
            oldest: self.oldest,
            head: self.head,
            states: states.collect(),
            replies: HashMap::new(),
            followed: HashMap::new(),
            records: Vec::new(),
            written: BTreeSet::new(),
            replied: Vec::new(),
            advanced: BTreeMap::new(),
        }
    }

    /// Takes over what a trial has come to.
    fn absorb(&mut self, mut trial: Self) {
        self.head = trial.head;
        self.records.append(&mut trial.records);
        for key in trial.written {
            match trial.states.remove(&key) {
                Some(stored) => self.states.insert(key.clone(), stored),
                None => self.states.remove(&key),
            };
            self.written.insert(key);
        }
    }
}
