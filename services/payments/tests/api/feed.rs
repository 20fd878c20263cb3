//! What others can follow.

use tributary_chassis::testing::{published, value};
use tributary_proto::feed::v1::{
    Change, Operation, SnapshotStart, SubscribeRequest, change_feed_client::ChangeFeedClient,
    subscribe_request::Start, subscribe_response::Frame,
};

use super::*;

/// Everything that a snapshot shows.
async fn snapshot(service: &Service) -> Vec<Change> {
    let mut client = ChangeFeedClient::new(service.running.channel());
    let start = Some(Start::Snapshot(SnapshotStart::default()));
    let request = SubscribeRequest { start, ..SubscribeRequest::default() };
    let mut frames = client.subscribe(request).await.unwrap().into_inner();
    let mut rows = Vec::new();
    loop {
        match frames.message().await.unwrap().unwrap().frame {
            Some(Frame::SnapshotRows(frame)) => rows.extend(frame.rows),
            Some(Frame::SnapshotEnd(_)) => return rows,
            _ => (),
        }
    }
}

#[tokio::test]
async fn every_effect_is_published_and_nothing_else() {
    let service = Service::start().await;
    let authorized = service.call_as("r-1", "authorize", "p-1", "tok_ok").await.unwrap();
    // Neither a repetition, nor what is done already, nor a rejection.
    service.call_as("r-1", "authorize", "p-1", "tok_ok").await.unwrap();
    service.call("authorize", "p-1").await.unwrap();
    refusal(service.call("refund", "p-1").await);
    let captured = service.call_as("r-2", "capture", "p-1", "").await.unwrap();
    service.call("capture", "p-1").await.unwrap();
    let refunded = service.call_as("r-3", "refund", "p-1", "").await.unwrap();

    let changes = published(&service.running, 6).await;
    let brief: Vec<_> = changes
        .iter()
        .map(|c| (c.sequence, c.operation(), c.event.as_str(), value::<Payment>(c).state().as_str_name()))
        .collect();
    let expected = [
        (1, Operation::Upsert, "PaymentPending", "PENDING"),
        (2, Operation::Upsert, "PaymentAuthorized", "AUTHORIZED"),
        (3, Operation::Upsert, "PaymentCapturing", "AUTHORIZED"),
        (4, Operation::Upsert, "PaymentCaptured", "CAPTURED"),
        (5, Operation::Upsert, "PaymentRefunding", "CAPTURED"),
        (6, Operation::Upsert, "PaymentRefunded", "REFUNDED"),
    ];
    assert_eq!(brief, expected);
    assert!(changes.iter().all(|c| (c.entity.as_str(), c.key.as_str()) == ("payments", "p-1")));
    // An effect carries the request id of its call.
    let effects: Vec<_> = changes.iter().skip(1).step_by(2).collect();
    let ids: Vec<_> = effects.iter().map(|change| change.request_id.as_str()).collect();
    assert_eq!(ids, ["r-1", "r-2", "r-3"]);
    let values: Vec<Payment> = effects.into_iter().map(value).collect();
    assert_eq!(values, [authorized, captured, refunded.clone()]);
    let rows = snapshot(&service).await;
    assert_eq!(rows.iter().map(value::<Payment>).collect::<Vec<_>>(), [refunded]);
}

#[tokio::test]
async fn a_token_never_leaves_the_service() {
    let service = Service::start().await;
    let tokens = ["tok_ok", "tok_declined", "tok_unknown_outcome", "tok_of_nobody"];
    for token in tokens {
        service.insist("authorize", token.trim_start_matches("tok_"), token).await;
    }
    let changes = published(&service.running, 8).await;
    let rows = snapshot(&service).await;
    assert_eq!(rows.len(), tokens.len());
    for change in changes.iter().chain(&rows) {
        let bytes = &change.value.as_ref().unwrap().value;
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("tok_"), "{text}");
        assert!(!format!("{change:?}").contains("tok_"), "{change:?}");
    }
}

#[tokio::test]
async fn what_was_voided_before_it_was_authorized_is_not_published() {
    let service = Service::start().await;
    service.call("void", "p-1").await.unwrap();
    refusal(service.call("authorize", "p-1").await);
    service.call("authorize", "p-2").await.unwrap();
    service.call("void", "p-3").await.unwrap();
    let changes = published(&service.running, 2).await;
    assert!(changes.iter().all(|change| change.key == "p-2"), "{changes:?}");
    assert_eq!((changes[0].sequence, changes[1].sequence), (1, 2), "and takes no position");
    let keys: Vec<String> = snapshot(&service).await.into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["p-2"]);
}
