//! The least that a service can be written in: resources whose message is their state, with the standard
//! methods and nothing else.
//!
//! A service implements [`Resource`] for its message, and answers each method of its API by the method of
//! [`Collection`] that has its name. Ids, etags, request ids, masks, pages, the store and the feed are seen
//! to here.
//!
//! What is kept is the message of the API, without what the chassis keeps beside it. So its fields may be
//! added, and none may change its number or type. Where state and API are to part, a service says itself
//! what it keeps: by a [`Model`](crate::outbox::Model) and the tables of its store.

mod model;
#[cfg(test)]
mod tests;

use std::fmt::{self, Debug};

use prost::{Message, Name};
use prost_types::{FieldMask, Timestamp};
use tonic::{Response, Status};

pub use model::{Resources, Update};

use super::{Command, Events, Kind, Page, UpdateMask, id_or_new, left, page};
use crate::{
    fault::Fault,
    outbox::{Call, OpenError, Outbox, OutboxOptions, Stored},
    timestamp,
    validate::Violations,
};

/// A message that is a resource: what callers create, what is kept, and what is published.
pub trait Resource: Message + Name + Default + Clone + Debug + PartialEq + 'static {
    /// As callers name it, and as the field of requests is called that holds one: `lamp`.
    const KIND: Kind;
    /// The published entity and its base table: `lamps`.
    const TABLE: &'static str;
    /// The field that has its id: `lamp_id`.
    const ID: &'static str;
    /// What its changes are called.
    const EVENTS: Events = Events { created: "Created", updated: "Updated", deleted: "Deleted" };

    /// The fields that the chassis fills in.
    fn header(&mut self) -> Header<'_>;

    /// Notes what is out of bounds, by the path that a field has in a request: `lamp.colour`.
    fn check(&self, violations: &mut Violations);

    /// Takes over every field that an update may write: `update.field("colour", &mut self.colour,
    /// from.colour)`. What is not listed here stays as it was created.
    fn update(&mut self, from: Self, update: &mut Update<'_>);
}

/// The fields of a resource that are not the caller's to choose, but for the id of a new one.
#[derive(Debug)]
pub struct Header<'a> {
    /// Its id.
    pub id: &'a mut String,
    /// When it was created.
    pub create_time: &'a mut Option<Timestamp>,
    /// When it was written last.
    pub update_time: &'a mut Option<Timestamp>,
    /// Changes with every write.
    pub etag: &'a mut String,
}

/// The resources of one kind in a store of their own. Cheap to clone.
pub struct Collection<R: Resource> {
    outbox: Outbox<Resources<R>>,
}

impl<R: Resource> Clone for Collection<R> {
    fn clone(&self) -> Self {
        Self { outbox: self.outbox.clone() }
    }
}

impl<R: Resource> fmt::Debug for Collection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collection({}, {:?})", R::TABLE, self.outbox)
    }
}

impl<R: Resource> Collection<R> {
    /// Opens the store, which is sled's, or creates it.
    pub async fn open(options: OutboxOptions) -> Result<Self, OpenError> {
        Ok(Self { outbox: Outbox::open_sled::<Resources<R>>(options).await? })
    }

    /// The store with its changes, to be published by [`Server::publish`](crate::Server::publish).
    pub fn outbox(&self) -> &Outbox<Resources<R>> {
        &self.outbox
    }

    /// Creates a resource, under the id that the caller chose or a new one.
    pub async fn create(&self, call: Call, id: String, resource: Option<R>) -> Result<Response<R>, Status> {
        let mut resource = resource.unwrap_or_default();
        let mut violations = Violations::new();
        violations.optional_id(R::ID, &id);
        let own = resource.header().id;
        let same = own.is_empty() || *own == id;
        violations.check(same, path::<R>(R::ID), format!("must be empty, or the same as {}", R::ID));
        resource.check(&mut violations);
        violations.finish()?;
        self.write(call, Command::Create { id: id_or_new(id), state: bare(resource) }).await
    }

    /// The resource with this id.
    pub async fn get(&self, id: String) -> Result<Response<R>, Status> {
        let stored = R::KIND.find(&self.outbox, R::ID, &id).await?;
        Ok(Response::new(show(&id, &stored)))
    }

    /// A page of them, in order of id.
    pub async fn list(&self, page_size: i32, page_token: &str) -> Result<Page<R>, Fault> {
        page(&self.outbox, R::TABLE, page_size, page_token, show).await
    }

    /// Writes the fields that the mask names, of the resource that has the id, if it is still at the etag.
    pub async fn update(
        &self,
        call: Call,
        resource: Option<R>,
        mask: Option<FieldMask>,
    ) -> Result<Response<R>, Status> {
        let mut resource = resource.unwrap_or_default();
        let header = resource.header();
        let (id, etag) = (std::mem::take(header.id), std::mem::take(header.etag));
        let mut violations = Violations::new();
        violations.id(path::<R>(R::ID), &id);
        let mask = violations.take(UpdateMask::read(mask.as_ref(), &Update::writable::<R>()));
        let changes = mask.map(|mask| model::Masked::new(resource, mask));
        // Every field that is written is checked now, so that all that is wrong is told at once; a rule
        // over several fields holds of what is left, and is checked when that is known.
        changes.iter().for_each(|changes| changes.check(&mut violations));
        violations.finish()?;
        match changes {
            Some(changes) => self.write(call, Command::Update { id, etag, changes }).await,
            None => unreachable!("a mask that cannot be read was noted"),
        }
    }

    /// Forgets the resource that has the id, if it is still at the etag.
    pub async fn delete(&self, call: Call, id: String, etag: String) -> Result<Response<()>, Status> {
        super::check_id(R::ID, &id)?;
        Ok(Response::new(self.outbox.execute(call, Command::Delete { id, etag }, |_| ()).await?))
    }

    async fn write(&self, call: Call, command: model::Commands<R>) -> Result<Response<R>, Status> {
        let id = command.id().clone();
        let respond = move |states: &_| show(&id, left::<Resources<R>>(states, &id));
        Ok(Response::new(self.outbox.execute(call, command, respond).await?))
    }
}

/// Where a field of the resource is in a request.
fn path<R: Resource>(field: &str) -> String {
    format!("{}.{field}", R::KIND.0)
}

/// As it is kept: id, times and etag are kept beside it.
fn bare<R: Resource>(mut resource: R) -> R {
    let Header { id, create_time, update_time, etag } = resource.header();
    id.clear();
    etag.clear();
    (*create_time, *update_time) = (None, None);
    resource
}

/// As callers and followers get it.
fn show<R: Resource>(id: &str, stored: &Stored<R>) -> R {
    let mut resource = stored.state.clone();
    let header = resource.header();
    id.clone_into(header.id);
    *header.create_time = Some(timestamp::to_proto(stored.create_time));
    *header.update_time = Some(timestamp::to_proto(stored.update_time));
    *header.etag = stored.etag();
    resource
}
