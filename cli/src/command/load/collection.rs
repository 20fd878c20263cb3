//! One collection of one service, through its standard methods: what is there, and what is to be added.

use prost_reflect::DynamicMessage;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use tributary_chassis::position::Positions;

use super::{
    meter::Meter,
    pace::{Pace, is_transient},
};
use crate::{
    directory::{self, Found},
    dynamic,
    failure::Failure,
    mesh::Mesh,
    request_id,
    unary::Reply,
};

/// Rows of a page: as many as services give at once.
const PAGE_SIZE: i32 = 1_000;

/// How the collection is called, and its methods.
#[derive(Debug)]
pub(super) struct Kind {
    /// As people call it: also the field of a list's reply that holds the items.
    pub(super) name: &'static str,
    /// The field of an item that holds its id.
    pub(super) id: &'static str,
    /// `SERVICE/METHOD` that adds one.
    pub(super) create: &'static str,
    /// `SERVICE/METHOD` that lists all in order of their ids.
    pub(super) list: &'static str,
}

/// One thing to be added: its id, and the request that adds it, as yet without a request id.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) request: Map<String, Value>,
}

/// What became of an item.
#[derive(Debug)]
pub(super) enum Added {
    /// It is there, since now or by an earlier call under the same request id; by the positions it can be waited for.
    Now(Positions),
    /// Its id was taken before: the reply to its request id is no longer kept.
    Before,
}

/// A page of ids in order.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) ids: Vec<String>,
    /// Of the next page; empty on the last.
    pub(super) next: String,
    pub(super) positions: Positions,
}

/// A kind, where it is served.
#[derive(Debug)]
pub(super) struct Collection<'a> {
    kind: &'static Kind,
    create: Found,
    list: Found,
    pace: &'a Pace,
}

impl<'a> Collection<'a> {
    /// Asks the servers of the mesh who has it. This is done before anything is loaded, and is not repeated: whoever has
    /// not started the mesh is told at once.
    pub(super) async fn find(mesh: &Mesh, kind: &'static Kind, pace: &'a Pace) -> Result<Self, Failure> {
        let create = directory::find(mesh, None, kind.create).await?;
        let list = directory::find(mesh, None, kind.list).await?;
        Ok(Self { kind, create, list, pace })
    }

    /// As people call it.
    pub(super) fn name(&self) -> &'static str {
        self.kind.name
    }

    /// Adds an item unless it is there. `origin` begins its request id.
    pub(super) async fn add(&self, origin: &str, item: &Item, meter: &Meter) -> Result<Added, Failure> {
        let request = request_id::stamped(origin, self.kind.create, &item.request);
        let message = dynamic::message(&self.create.method, request)?;
        let reply = self.pace.call(&self.create, &message, meter).await;
        outcome(reply).map_err(|status| self.ended(&item.id, &status))
    }

    /// The page of ids that `token` names; an empty one names the first.
    pub(super) async fn page(&self, token: &str, meter: &Meter) -> Result<Page, Failure> {
        let request = [("page_size", json!(PAGE_SIZE)), ("page_token", json!(token))];
        let request = request.map(|(field, value)| (field.to_owned(), value));
        let message = dynamic::message(&self.list.method, Map::from_iter(request))?;
        let reply = self.pace.call(&self.list, &message, meter).await;
        let reply = reply.map_err(|status| self.ended("the list of what is there", &status))?;
        let (ids, next) = self.ids(&reply.message).ok_or_else(|| {
            let (list, name, id) = (self.kind.list, self.kind.name, self.kind.id);
            Failure::failed(format!("{list} does not answer with `{name}` that each have `{id}`"))
        })?;
        Ok(Page { ids, next, positions: reply.positions })
    }

    fn ids(&self, reply: &DynamicMessage) -> Option<(Vec<String>, String)> {
        let text =
            |message: &DynamicMessage, field| Some(message.get_field_by_name(field)?.as_str()?.to_owned());
        let items = reply.get_field_by_name(self.kind.name)?;
        let ids = items.as_list()?.iter().map(|item| text(item.as_message()?, self.kind.id));
        Some((ids.collect::<Option<_>>()?, text(reply, "next_page_token")?))
    }

    /// Why the load ends, at what, and how to go on.
    fn ended(&self, at: &str, status: &Status) -> Failure {
        let failure = Failure::call(&self.create.target.name, status)
            .with_advice(&format!("the load of {} ends at {at}", self.kind.name));
        if is_transient(status) {
            let patience = self.pace.patience;
            failure.with_advice(&format!(
                "it was repeated for {patience:?} (--patience): when the server is well, run the same command again, \
                 and it goes on from there"
            ))
        } else {
            failure.with_advice("when that is mended, run the same command again, and it goes on from there")
        }
    }
}

fn outcome(reply: Result<Reply, Status>) -> Result<Added, Status> {
    match reply {
        Ok(reply) => Ok(Added::Now(reply.positions)),
        Err(status) if status.code() == Code::AlreadyExists => Ok(Added::Before),
        Err(status) => Err(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_chassis::fault::{Fault, Reason};

    #[test]
    fn a_taken_id_is_not_added_again_and_anything_else_ends_the_load() {
        let refused = |reason| outcome(Err(Fault::new(reason, "why").into()));
        assert!(matches!(refused(Reason::AlreadyExists), Ok(Added::Before)));
        for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::AlreadyExists) {
            assert!(refused(reason).is_err(), "{reason:?}");
        }
    }
}
