//! Decides a group of commands in memory: against the states read in the transaction, and an overlay of
//! what the commands before it in the group did. Pure; only what is accepted reaches the store, so that
//! a rejection needs no savepoint and burns no position.

mod step;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    time::SystemTime,
};

use prost::Message as _;
use time::OffsetDateTime;
use tokio::sync::oneshot;
use tributary_proto::feed::v1::{self as proto, Change, Operation};

pub(crate) use step::{Effect, Step, cause};

use super::{
    batch::{Batch, PRUNE_CHUNK, Rules, prune},
    call::Call,
    hooks::Hooks,
    model::{Entity, Model, Published, States, Stored, Write},
    store::{Loaded, Reply, StateWrite, Wanted},
};
use crate::{
    fault::{Fault, Reason},
    feed::{self, Mark, Record},
    position::{Position, Positions},
    timestamp,
};

/// Most changes of one command.
pub const CHANGES_LIMIT: usize = 1_000;
/// Most bytes of one command's changes, and of its reply.
pub const COMMAND_LIMIT: usize = 1024 * 1024;

/// The encoded reply, from the states as the command left them.
pub(super) type Respond<M> = Box<dyn Fn(&States<M>) -> Vec<u8> + Send>;

/// Whether the store can hold these states.
pub(super) type Admit<'a, M> = &'a dyn Fn(&[StateWrite<M>]) -> Result<(), Fault>;

/// What waits in the queue, and who waits for it.
pub(super) struct Job<M: Model> {
    pub(super) task: Task<M>,
    /// When it was.
    pub(super) queued: SystemTime,
    pub(super) answer: oneshot::Sender<Result<Reply, Fault>>,
}

/// What is to be decided as a whole.
pub(super) enum Task<M: Model> {
    /// A command of a caller, who is given the reply.
    Call {
        asked: Asked<M>,
        /// What the call stands on already.
        positions: Positions,
        respond: Respond<M>,
    },
    /// Commands of a follower, which is told that they are done.
    Step(Step<M>),
}

/// A command, and all that is known of it before it is decided.
pub(super) struct Asked<M: Model> {
    pub(super) call: Call,
    pub(super) command: M::Command,
    /// [`Model::reads`] of the command.
    reads: Vec<M::Key>,
}

impl<M: Model> Asked<M> {
    pub(super) fn new(call: Call, command: M::Command) -> Self {
        Self { reads: M::reads(&command), call, command }
    }
}

/// What the group will look at, each once.
pub(super) fn wanted<M: Model>(jobs: &[Job<M>]) -> Wanted<M::Key> {
    let (mut keys, mut requests, mut sources) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for job in jobs {
        match &job.task {
            Task::Call { asked, .. } => {
                keys.extend(asked.reads.iter().cloned());
                requests.extend(asked.call.id().map(str::to_owned));
            }
            Task::Step(step) => {
                keys.extend(step.reads().cloned());
                sources.insert(step.source.clone());
            }
        }
    }
    Wanted {
        keys: keys.into_iter().collect(),
        requests: requests.into_iter().collect(),
        sources: sources.into_iter().collect(),
    }
}

/// A group that is being decided.
pub(super) struct Group<'a, M: Published> {
    rules: &'a Rules,
    hooks: &'a Hooks,
    admit: Admit<'a, M>,
    now: OffsetDateTime,
    oldest: Mark,
    head: Mark,
    states: HashMap<M::Key, Stored<M::State>>,
    replies: HashMap<String, Reply>,
    followed: HashMap<String, proto::Position>,
    records: Vec<Record>,
    written: BTreeSet<M::Key>,
    replied: Vec<String>,
    advanced: BTreeMap<String, proto::Position>,
}

/// What one accepted command adds to its group.
struct Accepted<M: Model> {
    head: Mark,
    records: Vec<Record>,
    writes: Vec<StateWrite<M>>,
    /// What it read, as it left it.
    states: States<M>,
}

impl<'a, M: Published> Group<'a, M> {
    pub(super) fn new(
        rules: &'a Rules,
        hooks: &'a Hooks,
        admit: Admit<'a, M>,
        now: OffsetDateTime,
        loaded: Loaded<M>,
    ) -> Self {
        Self {
            rules,
            hooks,
            admit,
            now,
            oldest: loaded.oldest,
            head: loaded.head,
            states: loaded.states.into_iter().collect(),
            replies: loaded.replies.into_iter().collect(),
            followed: loaded.followed.into_iter().collect(),
            records: Vec::new(),
            written: BTreeSet::new(),
            replied: Vec::new(),
            advanced: BTreeMap::new(),
        }
    }

    /// Decides what is next in the group.
    pub(super) fn decide(&mut self, task: &Task<M>) -> Result<Reply, Fault> {
        match task {
            Task::Call { asked, positions, respond } => self.call(asked, positions, respond),
            Task::Step(step) => self.step(step),
        }
    }

    fn call(
        &mut self,
        asked: &Asked<M>,
        stands_on: &Positions,
        respond: &Respond<M>,
    ) -> Result<Reply, Fault> {
        if let Some(reply) = asked.call.id().and_then(|id| self.replies.get(id)) {
            return replay(&asked.call, reply);
        }
        let (accepted, reply) = guarded(|| {
            let accepted = self.evaluate(asked)?;
            let reply = self.reply(asked, stands_on, respond(&accepted.states), accepted.head)?;
            Ok((accepted, reply))
        })?;
        self.take(accepted);
        if let Some(id) = asked.call.id() {
            self.replied.push(id.to_owned());
            self.replies.insert(id.to_owned(), reply.clone());
        }
        Ok(reply)
    }

    /// What the group has to write.
    pub(super) fn finish(mut self) -> Batch<M> {
        let states = &mut self.states;
        let replies = &mut self.replies;
        let writes = self.written.into_iter().map(|key| {
            let stored = states.remove(&key);
            (key, stored)
        });
        let replied = self.replied.into_iter().filter_map(|id| replies.remove_entry(&id));
        let retention = i64::try_from(self.rules.request_retention.as_micros()).unwrap_or(i64::MAX);
        Batch {
            now: self.now,
            head: self.head,
            writes: writes.collect(),
            replies: replied.collect(),
            followed: self.advanced.into_iter().collect(),
            prune: prune(
                self.oldest.sequence,
                self.head.sequence,
                self.rules.feed_retain,
                self.records.len(),
            ),
            forget: (timestamp::micros(self.now).saturating_sub(retention), PRUNE_CHUNK),
            records: self.records,
        }
    }

    /// Decides without taking anything over.
    fn evaluate(&self, asked: &Asked<M>) -> Result<Accepted<M>, Fault> {
        let known = asked.reads.iter().filter_map(|key| Some((key.clone(), self.states.get(key)?.clone())));
        let mut states = States::new(known);
        let mut head = Mark { sequence: self.hooks.sequence(self.head.sequence), ..self.head };
        let mut records = Vec::new();
        let mut writes = Vec::new();
        for write in M::decide(&asked.command, &states, self.now).map_err(Into::into)? {
            if !asked.reads.contains(&write.key) {
                let defect = format!("{:?} is written but not read", write.key);
                return Err(Fault::internal("deciding the command", defect));
            }
            if write.state.is_none() && states.get(&write.key).is_none() {
                // Removing what is not there changes nothing, and says nothing.
                continue;
            }
            let (key, stored) = self.write(&asked.call, &states, write, &mut head, &mut records)?;
            states.put(key.clone(), stored.clone());
            writes.push((key, stored));
        }
        if let Some(last) = records.last_mut() {
            last.change.last_in_command = true;
        }
        within_limits(&records)?;
        (self.admit)(&writes)?;
        Ok(Accepted { head, records, writes, states })
    }

    /// One state as the command leaves it, with the change that says so.
    fn write(
        &self,
        call: &Call,
        states: &States<M>,
        write: Write<M>,
        head: &mut Mark,
        records: &mut Vec<Record>,
    ) -> Result<StateWrite<M>, Fault> {
        let before = states.get(&write.key);
        let version = before.map_or(0, |stored| stored.version) + 1;
        let create_time = before.map_or(self.now, |stored| stored.create_time);
        let mut stored = write.state.map(|state| Stored {
            state,
            sequence: head.sequence + 1,
            version,
            create_time,
            update_time: self.now,
        });
        if let Some(entity) = M::publish(&write.key, stored.as_ref()) {
            let operation = if stored.is_some() { Operation::Upsert } else { Operation::Delete };
            let change = self.change(call, head.sequence + 1, version, entity, operation, write.event)?;
            let digest = feed::digest(head.digest, &change);
            *head = Mark { sequence: change.sequence, digest };
            records.push(Record { change, digest });
        } else if let Some(stored) = &mut stored {
            // Nothing tells of it, so it belongs to the position before.
            stored.sequence = head.sequence;
        }
        Ok((write.key, stored))
    }

    fn change(
        &self,
        call: &Call,
        sequence: u64,
        version: u64,
        entity: Entity,
        operation: Operation,
        event: &'static str,
    ) -> Result<Change, Fault> {
        if !M::ENTITIES.contains(&entity.name) {
            let defect = format!("`{}` is not a published entity", entity.name);
            return Err(Fault::internal("publishing the change", defect));
        }
        Ok(Change {
            sequence,
            entity: entity.name.to_owned(),
            key: entity.key,
            operation: operation.into(),
            value: Some(entity.value),
            event: event.to_owned(),
            version,
            commit_time: Some(timestamp::to_proto(self.now)),
            traceparent: call.trace.parent.clone(),
            tracestate: call.trace.state.clone(),
            request_id: call.request_id.clone(),
            last_in_command: false,
        })
    }

    fn reply(
        &self,
        asked: &Asked<M>,
        stands_on: &Positions,
        body: Vec<u8>,
        head: Mark,
    ) -> Result<Reply, Fault> {
        if body.len() > COMMAND_LIMIT {
            return Err(too_much("reply", body.len(), COMMAND_LIMIT, "bytes"));
        }
        let mut positions = stands_on.clone();
        positions.merge(Position {
            service: self.rules.service.clone(),
            epoch: self.rules.epoch.clone(),
            sequence: head.sequence,
        });
        Ok(Reply {
            digest: asked.call.digest,
            body,
            positions: positions.to_string(),
            commit_time: timestamp::micros(self.now),
        })
    }

    fn take(&mut self, accepted: Accepted<M>) {
        self.head = accepted.head;
        self.records.extend(accepted.records);
        for (key, stored) in accepted.writes {
            self.written.insert(key.clone());
            match stored {
                Some(stored) => self.states.insert(key, stored),
                None => self.states.remove(&key),
            };
        }
    }
}

/// A model that panics on one command must not take all others down with it.
fn guarded<T>(decide: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(decide))
        .unwrap_or_else(|_| Err(Fault::internal("deciding the command", "the model panicked")))
}

/// The stored reply, if the request is the one that it was given to.
pub(super) fn replay(call: &Call, reply: &Reply) -> Result<Reply, Fault> {
    if reply.digest == call.digest {
        return Ok(reply.clone());
    }
    let text = format!("request_id `{}` was used with another request: choose a new one", call.request_id);
    Err(Fault::new(Reason::RequestIdReused, text).with("request_id", &call.request_id))
}

fn within_limits(records: &[Record]) -> Result<(), Fault> {
    if records.len() > CHANGES_LIMIT {
        return Err(too_much("command", records.len(), CHANGES_LIMIT, "changes"));
    }
    let bytes: usize = records.iter().map(|record| record.change.encoded_len()).sum();
    if bytes > COMMAND_LIMIT {
        return Err(too_much("command", bytes, COMMAND_LIMIT, "bytes of changes"));
    }
    Ok(())
}

/// More than a limit allows, with the limit named.
pub(super) fn too_much(what: &str, amount: usize, limit: usize, unit: &str) -> Fault {
    let text = format!("the {what} makes {amount} {unit}, the limit is {limit}: split it");
    Fault::new(Reason::LimitExceeded, text).with("limit", limit.to_string())
}
