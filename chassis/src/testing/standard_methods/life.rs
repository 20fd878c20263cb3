//! From creation to deletion.

use futures::future::join_all;
use prost_types::Timestamp;
use tonic::{Code, Status, metadata::MetadataMap};

use super::{StandardMethods, accepted, created, etag_of, id_of, of, read};
use crate::{fault::Reason, position::POSITION, testing::refusal};

/// The refusal of a call about an id under which there is nothing.
#[track_caller]
fn is_missing<S: StandardMethods, T>(reply: Result<T, Status>, id: &str) {
    let status = reply.err().unwrap_or_else(|| panic!("{id} is there"));
    let told = format!("{} `{id}` does not exist", S::KIND.0);
    assert_eq!((status.code(), status.message()), (Code::NotFound, told.as_str()));
}

/// Times of creation and of the last write.
fn times<S: StandardMethods>(resource: &S::Resource) -> [Option<Timestamp>; 2] {
    let mut resource = resource.clone();
    let header = S::header(&mut resource);
    [*header.create_time, *header.update_time]
}

/// What the caller wrote of it.
fn bare<S: StandardMethods>(resource: &S::Resource) -> S::Resource {
    let mut bare = resource.clone();
    let header = S::header(&mut bare);
    (*header.create_time, *header.update_time) = (None, None);
    (*header.id, *header.etag) = (String::new(), String::new());
    bare
}

/// In each state it is read as it was told.
pub async fn a_resource_is_created_read_changed_and_deleted<S: StandardMethods>() {
    let service = S::start().await;
    let first = created(&service, "one").await;
    assert_eq!((id_of::<S>(&first), bare::<S>(&first)), ("one".to_owned(), S::written()));
    let [create_time, update_time] = times::<S>(&first);
    assert!(create_time.is_some() && create_time == update_time);
    assert_eq!(read(&service, "one").await, first);

    let changed = accepted(service.update("", of::<S>(S::rewritten(), "one", "")).await).into_inner();
    assert_eq!((bare::<S>(&changed), times::<S>(&changed)[0]), (S::rewritten(), create_time));
    assert_ne!(etag_of::<S>(&changed), etag_of::<S>(&first));
    assert_eq!(read(&service, "one").await, changed);

    accepted(service.delete("", "one", &etag_of::<S>(&changed)).await);
    is_missing::<S, _>(service.get("one").await, "one");
    // The id is free again, and its etags never come back.
    assert_ne!(etag_of::<S>(&created(&service, "one").await), etag_of::<S>(&first));
}

/// Another one each time.
pub async fn an_id_is_chosen_where_none_is_given<S: StandardMethods>() {
    let service = S::start().await;
    let (one, two) = (created(&service, "").await, created(&service, "").await);
    assert_ne!(id_of::<S>(&one), id_of::<S>(&two));
    assert_eq!(read(&service, &id_of::<S>(&one)).await, one);
}

/// By whoever comes first.
pub async fn an_id_is_taken_once<S: StandardMethods>() {
    let service = S::start().await;
    created(&service, "one").await;
    let taken = (Code::AlreadyExists, Some(Reason::AlreadyExists));
    assert_eq!(refusal(service.create("", "one", S::written()).await), taken);
}

/// Whatever a caller says of them.
pub async fn output_only_fields_are_ignored<S: StandardMethods>() {
    let service = S::start().await;
    let epoch = Some(Timestamp::default());
    let forged = |mut resource: S::Resource| {
        let header = S::header(&mut resource);
        (*header.create_time, *header.update_time) = (epoch, epoch);
        resource
    };
    let etag = of::<S>(forged(S::written()), "", "9-9");
    let created = accepted(service.create("", "one", etag).await).into_inner();
    assert!(times::<S>(&created).iter().all(|time| *time != epoch) && etag_of::<S>(&created) != "9-9");
    let update = service.update("", of::<S>(forged(S::rewritten()), "one", "")).await;
    let [create_time, update_time] = times::<S>(accepted(update).get_ref());
    assert!(create_time == times::<S>(&created)[0] && update_time != epoch);
}

/// Nor the time of its last write.
pub async fn an_update_that_changes_nothing_keeps_the_etag<S: StandardMethods>() {
    let service = S::start().await;
    let created = created(&service, "one").await;
    let same = service.update("", of::<S>(S::written(), "one", "")).await;
    assert_eq!(accepted(same).into_inner(), created);
}

/// Of who wants to change it and of who wants it gone.
pub async fn a_stale_etag_is_refused<S: StandardMethods>() {
    let service = S::start().await;
    let stale = etag_of::<S>(&created(&service, "one").await);
    let update = of::<S>(S::rewritten(), "one", &stale);
    let current = accepted(service.update("", update.clone()).await).into_inner();
    let aborted = (Code::Aborted, Some(Reason::EtagMismatch));
    assert_eq!(refusal(service.update("", update).await), aborted);
    assert_eq!(refusal(service.delete("", "one", &stale).await), aborted);
    assert_eq!(refusal(service.delete("", "one", "nonsense").await), aborted);
    assert_eq!(read(&service, "one").await, current);
}

/// By its kind and id.
pub async fn what_does_not_exist_is_named<S: StandardMethods>() {
    let service = S::start().await;
    is_missing::<S, _>(service.get("none").await, "none");
    is_missing::<S, _>(service.update("", of::<S>(S::written(), "none", "")).await, "none");
    is_missing::<S, _>(service.delete("", "none", "").await, "none");
}

/// What was written, and what was answered to whom.
pub async fn a_restart_keeps_everything<S: StandardMethods>() {
    let service = S::start().await;
    let first = accepted(service.create("r-1", "one", S::written()).await).into_inner();
    let service = service.restart().await;
    assert_eq!(read(&service, "one").await, first);
    assert_eq!(accepted(service.create("r-1", "one", S::written()).await).into_inner(), first);
    assert_eq!(refusal(service.create("", "one", S::written()).await).0, Code::AlreadyExists);
}

/// That of a write is its own, that of a read what it has seen.
pub async fn every_reply_says_where_it_stands<S: StandardMethods>() {
    let service = S::start().await;
    let position = |metadata: &MetadataMap| match metadata.get(POSITION).map(|value| value.to_str()) {
        Some(Ok(position)) => position.to_owned(),
        other => panic!("no position: {other:?}"),
    };
    let written = position(accepted(service.create("", "one", S::written()).await).metadata());
    assert!(written.ends_with("/1"), "{written}");
    assert_eq!(position(accepted(service.get("one").await).metadata()), written);
}

/// And the others are told.
pub async fn of_many_who_saw_the_same_etag_one_writes<S: StandardMethods>() {
    let service = S::start().await;
    let etag = etag_of::<S>(&created(&service, "one").await);
    let update = of::<S>(S::rewritten(), "one", &etag);
    let replies = join_all((0..16).map(|_| service.update("", update.clone()))).await;
    let refused: Vec<_> = replies.into_iter().filter(|reply| reply.is_err()).map(refusal).collect();
    assert_eq!(refused, [(Code::Aborted, Some(Reason::EtagMismatch)); 15]);
}
