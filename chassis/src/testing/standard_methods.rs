//! What every service has to do that has the standard methods of a resource (create, get, list, update, delete): a suite for
//! those that say how to call theirs, by [`StandardMethods`]. [`standard_methods!`](crate::standard_methods) makes the tests.

pub mod feed;
pub mod life;
pub mod lists;
pub mod repetition;

use std::fmt::Debug;

use prost::{Message, Name};
use tonic::{Response, Status};

use super::{Running, pages::IdsOfPage};
use crate::resource::{Events, Header, Kind};

/// A service under test, on a store of its own, with the methods of one kind of resource.
#[expect(async_fn_in_trait, reason = "a test polls them where it is")]
pub trait StandardMethods: Sized {
    /// What it keeps.
    type Resource: Message + Name + Default + Clone + Debug + PartialEq;
    /// As callers name it.
    const KIND: Kind;
    /// As what it is published.
    const TABLE: &'static str;
    /// What its changes are called.
    const EVENTS: Events;

    /// A new one, with nothing in its store.
    async fn start() -> Self;

    /// The same one, ended and started again.
    async fn restart(self) -> Self;

    /// It, as it runs.
    fn running(&self) -> &Running;

    /// The fields that the service fills in.
    fn header(resource: &mut Self::Resource) -> Header<'_>;

    /// What a caller can write of a resource.
    fn written() -> Self::Resource;

    /// The same with another value in one of its fields.
    fn rewritten() -> Self::Resource;

    /// Creates a resource under an id, or one that the service chooses.
    async fn create(
        &self,
        request_id: &str,
        id: &str,
        resource: Self::Resource,
    ) -> Result<Response<Self::Resource>, Status>;

    /// The resource with this id.
    async fn get(&self, id: &str) -> Result<Response<Self::Resource>, Status>;

    /// The ids of a page.
    async fn list(&self, page_size: i32, page_token: String) -> IdsOfPage;

    /// Writes all of a resource, without a mask.
    async fn update(
        &self,
        request_id: &str,
        resource: Self::Resource,
    ) -> Result<Response<Self::Resource>, Status>;

    /// Forgets the resource with this id.
    async fn delete(&self, request_id: &str, id: &str, etag: &str) -> Result<(), Status>;
}

/// Tests of all that the suite asks of a type that is [`StandardMethods`].
#[macro_export]
macro_rules! standard_methods {
    ($service:ident) => {
        $crate::standard_methods! { $service:
            feed {
                every_effect_is_published_and_nothing_else,
            }
            life {
                a_resource_is_created_read_changed_and_deleted,
                an_id_is_chosen_where_none_is_given,
                an_id_is_taken_once,
                output_only_fields_are_ignored,
                an_update_that_changes_nothing_keeps_the_etag,
                a_stale_etag_is_refused,
                what_does_not_exist_is_named,
                a_restart_keeps_everything,
                every_reply_says_where_it_stands,
                of_many_who_saw_the_same_etag_one_writes,
            }
            lists {
                every_page_size_gives_the_same_list,
                sizes_have_a_default_and_a_most,
                pages_go_on_behind_what_was_deleted,
                sizes_and_tokens_are_checked,
            }
            repetition {
                a_repeated_request_gets_the_first_reply,
                another_request_under_the_same_id_is_refused,
                a_rejection_is_decided_anew,
                without_a_request_id_every_call_is_new,
            }
        }
    };
    ($service:ident: $($part:ident { $($test:ident,)* })*) => {
        $(mod $part {
            $(#[::tokio::test]
            async fn $test() {
                $crate::testing::standard_methods::$part::$test::<super::$service>().await;
            })*
        })*
    };
}

/// What the service said, which must not have refused.
#[track_caller]
fn accepted<T>(reply: Result<T, Status>) -> T {
    reply.unwrap_or_else(|status| panic!("refused: {status}"))
}

/// One more, under an id or one that the service chooses.
async fn created<S: StandardMethods>(service: &S, id: &str) -> S::Resource {
    accepted(service.create("", id, S::written()).await).into_inner()
}

/// What is there under an id.
async fn read<S: StandardMethods>(service: &S, id: &str) -> S::Resource {
    accepted(service.get(id).await).into_inner()
}

/// A resource as it is sent to be updated, for whoever saw this etag.
fn of<S: StandardMethods>(mut resource: S::Resource, id: &str, etag: &str) -> S::Resource {
    let header = S::header(&mut resource);
    (*header.id, *header.etag) = (id.to_owned(), etag.to_owned());
    resource
}

fn id_of<S: StandardMethods>(resource: &S::Resource) -> String {
    std::mem::take(S::header(&mut resource.clone()).id)
}

fn etag_of<S: StandardMethods>(resource: &S::Resource) -> String {
    std::mem::take(S::header(&mut resource.clone()).etag)
}
