//! The same request again, and another one under the same id.

use tonic::Code;

use super::{StandardMethods, accepted, created, etag_of, id_of, of, read};
use crate::{fault::Reason, testing::refusal};

const REUSED: (Code, Option<Reason>) = (Code::InvalidArgument, Some(Reason::RequestIdReused));

/// Whatever happened since.
pub async fn a_repeated_request_gets_the_first_reply<S: StandardMethods>() {
    let service = S::start().await;
    // Without an id, too: the repetition gets the one that was chosen at first.
    let create = async || accepted(service.create("r-1", "", S::written()).await).into_inner();
    let first = create().await;
    assert_eq!(create().await, first);

    let (id, etag) = (id_of::<S>(&first), etag_of::<S>(&first));
    let update = of::<S>(S::rewritten(), &id, &etag);
    let update = async || accepted(service.update("r-2", update.clone()).await).into_inner();
    let changed = update().await;
    assert_eq!(update().await, changed);

    let etag = etag_of::<S>(&changed);
    for _ in 0..2 {
        accepted(service.delete("r-3", &id, &etag).await);
    }
    assert_eq!((create().await, update().await), (first, changed));
    assert_eq!(refusal(service.get(&id).await).0, Code::NotFound);
}

/// And has no effect.
pub async fn another_request_under_the_same_id_is_refused<S: StandardMethods>() {
    let service = S::start().await;
    let first = accepted(service.create("r-1", "one", S::written()).await).into_inner();
    assert_eq!(refusal(service.create("r-1", "two", S::written()).await), REUSED);
    assert_eq!(refusal(service.update("r-1", of::<S>(S::rewritten(), "one", "")).await), REUSED);
    assert_eq!(refusal(service.delete("r-1", "one", "").await), REUSED);
    assert_eq!(read(&service, "one").await, first);
    assert_eq!(refusal(service.get("two").await).0, Code::NotFound);
}

/// What was wrong then may be right now.
pub async fn a_rejection_is_decided_anew<S: StandardMethods>() {
    let service = S::start().await;
    assert_eq!(refusal(service.delete("r-1", "one", "").await).0, Code::NotFound);
    created(&service, "one").await;
    accepted(service.delete("r-1", "one", "").await);
}

/// However much it is like the one before.
pub async fn without_a_request_id_every_call_is_new<S: StandardMethods>() {
    let service = S::start().await;
    created(&service, "one").await;
    assert_eq!(refusal(service.create("", "one", S::written()).await).0, Code::AlreadyExists);
    accepted(service.delete("", "one", "").await);
    assert_eq!(refusal(service.delete("", "one", "").await).0, Code::NotFound);
}
