//! How resources that are their own state are decided, published and kept in sled.
//!
//! Key space: in the outbox's tree `state`, a resource is kept under its table, NUL and its id. A value is
//! the message without id, times and etag.

use std::{fmt::Debug, marker::PhantomData};

use time::OffsetDateTime;

use super::{Resource, path, show};
use crate::{
    fault::Fault,
    outbox::{BoxError, Entity, Model, Published, SledTables, States, Stored, Write},
    resource::{Changes, Command, UpdateMask, entity},
    validate::Violations,
};

/// The resources of one kind, by id.
#[derive(Debug)]
pub struct Resources<R>(PhantomData<R>);

/// What a caller wants done with one of them.
pub(super) type Commands<R> = Command<R, Masked<R>>;

/// The fields of a resource that an update writes.
#[derive(Clone, Debug)]
pub struct Masked<R> {
    from: R,
    mask: UpdateMask,
}

impl<R: Resource> Masked<R> {
    pub(super) fn new(from: R, mask: UpdateMask) -> Self {
        Self { from, mask }
    }

    /// Notes what is out of bounds among the fields that are written.
    pub(super) fn check(&self, violations: &mut Violations) {
        let mut all = Violations::new();
        self.from.check(&mut all);
        let written: Vec<String> = self.mask.fields().iter().map(|field| path::<R>(field)).collect();
        let is_written = |at: &str| {
            written.iter().any(|field| at.strip_prefix(field).is_some_and(|rest| !rest.starts_with(is_name)))
        };
        violations.extend(all.only(is_written));
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl<R: Resource> Changes<R> for Masked<R> {
    fn apply(self, mut to: R) -> R {
        to.update(self.from, &mut Update { mask: &self.mask, writable: Vec::new() });
        to
    }
}

/// Which fields of a resource an update may write, and which of them it writes.
#[derive(Debug)]
pub struct Update<'m> {
    mask: &'m UpdateMask,
    writable: Vec<&'static str>,
}

impl Update<'_> {
    /// `name` may be written: takes `from` where the mask names it.
    pub fn field<T>(&mut self, name: &'static str, to: &mut T, from: T) {
        self.writable.push(name);
        if let Some(value) = self.mask.pick(name, from) {
            *to = value;
        }
    }

    /// The fields that an update of `R` may write.
    pub(super) fn writable<R: Resource>() -> Vec<&'static str> {
        let mask = UpdateMask::all(&[]);
        let mut update = Update { mask: &mask, writable: Vec::new() };
        R::default().update(R::default(), &mut update);
        update.writable
    }
}

impl<R: Resource> Model for Resources<R> {
    type Key = String;
    type State = R;
    type Command = Commands<R>;
    type Rejection = Fault;

    fn reads(command: &Commands<R>) -> Vec<String> {
        vec![command.id().clone()]
    }

    fn decide(
        command: &Commands<R>,
        states: &States<Self>,
        _now: OffsetDateTime,
    ) -> Result<Vec<Write<Self>>, Fault> {
        let writes = R::KIND.decide(R::EVENTS, command, states)?;
        let mut violations = Violations::new();
        writes.iter().filter_map(|write| write.state.as_ref()).for_each(|left| left.check(&mut violations));
        violations.finish()?;
        Ok(writes)
    }
}

impl<R: Resource> Published for Resources<R> {
    const ENTITIES: &'static [&'static str] = &[R::TABLE];

    fn publish(id: &String, stored: Option<&Stored<R>>) -> Option<Entity> {
        let key_alone = || {
            let mut resource = R::default();
            id.clone_into(resource.header().id);
            resource
        };
        let resource = stored.map_or_else(key_alone, |stored| show(id, stored));
        Some(entity(R::TABLE, id, &resource))
    }
}

impl<R: Resource> SledTables for Resources<R> {
    type Model = Self;

    fn place(id: &String) -> (&'static str, String) {
        (R::TABLE, id.clone())
    }

    fn key(_collection: &str, id: &str) -> String {
        id.to_owned()
    }

    fn encode(resource: &R) -> Vec<u8> {
        resource.encode_to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<R, BoxError> {
        Ok(R::decode(bytes)?)
    }
}
