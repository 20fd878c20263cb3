//! What others can follow.

use tributary_proto::feed::v1::Operation;

use super::{StandardMethods, accepted, created, of};
use crate::testing::{published, refusal, value};

/// With the resource as it is then, or its key alone.
pub async fn every_effect_is_published_and_nothing_else<S: StandardMethods>() {
    let service = S::start().await;
    let first = accepted(service.create("r-1", "one", S::written()).await).into_inner();
    // Neither a repetition, nor a rejection, nor an update that changes nothing.
    accepted(service.create("r-1", "one", S::written()).await);
    refusal(service.create("", "one", S::written()).await);
    accepted(service.update("", of::<S>(S::written(), "one", "")).await);
    let changed = accepted(service.update("", of::<S>(S::rewritten(), "one", "")).await).into_inner();
    accepted(service.delete("", "one", "").await);
    let last = created(&service, "two").await;

    let changes = published(service.running(), 4).await;
    let brief: Vec<_> = changes
        .iter()
        .map(|c| (c.sequence, c.operation(), c.event.as_str(), c.request_id.as_str(), c.key.as_str()))
        .collect();
    let expected = [
        (1, Operation::Upsert, S::EVENTS.created, "r-1", "one"),
        (2, Operation::Upsert, S::EVENTS.updated, "", "one"),
        (3, Operation::Delete, S::EVENTS.deleted, "", "one"),
        (4, Operation::Upsert, S::EVENTS.created, "", "two"),
    ];
    assert_eq!(brief, expected);
    assert!(changes.iter().all(|change| change.entity == S::TABLE));
    let key_alone = of::<S>(S::Resource::default(), "one", "");
    assert_eq!(
        changes.iter().map(value::<S::Resource>).collect::<Vec<_>>(),
        [first, changed, key_alone, last]
    );
}
