//! What a service has published, as a subscriber receives it.

use prost::{Message, Name};
use tributary_proto::feed::v1::{
    Change, DescribeRequest, Position, SubscribeRequest, change_feed_client::ChangeFeedClient,
    subscribe_request::Start, subscribe_response::Frame,
};

use super::Running;

/// The first `count` changes of its feed, from the very beginning.
pub async fn published(service: &Running, count: usize) -> Vec<Change> {
    let mut client = ChangeFeedClient::new(service.channel());
    let description = match client.describe(DescribeRequest {}).await {
        Ok(response) => response.into_inner(),
        Err(status) => panic!("Describe: {status}"),
    };
    let beginning = Position { sequence: 0, digest: 0, ..description.head.unwrap_or_default() };
    let request = SubscribeRequest { start: Some(Start::After(beginning)), ..SubscribeRequest::default() };
    let mut frames = match client.subscribe(request).await {
        Ok(response) => response.into_inner(),
        Err(status) => panic!("Subscribe: {status}"),
    };
    let mut changes = Vec::new();
    while changes.len() < count {
        match frames.message().await {
            Ok(Some(response)) => {
                if let Some(Frame::Changes(frame)) = response.frame {
                    changes.extend(frame.changes);
                }
            }
            other => panic!("the feed ended behind {} changes: {other:?}", changes.len()),
        }
    }
    changes
}

/// The message that a change carries.
pub fn value<T: Message + Name + Default>(change: &Change) -> T {
    let any = change.value.as_ref();
    match any.map(|any| (any.type_url == T::type_url(), T::decode(any.value.as_slice()))) {
        Some((true, Ok(message))) => message,
        _ => panic!("{change:?} does not carry {}", T::full_name()),
    }
}
