//! Tells a service through where a consumer has its changes, so that the service can say how far behind it is.

use std::{pin::pin, time::Duration};

use futures::{FutureExt as _, Stream, StreamExt as _};
use http::Uri;
use time::OffsetDateTime;
use tokio::time::sleep;
use tonic::{Code, transport::Endpoint};
use tributary_proto::feed::v1::{
    AcknowledgeRequest, AcknowledgeResponse, Position, change_feed_client::ChangeFeedClient,
};

use crate::timestamp;

/// Between two acknowledgements: lag is shown in seconds.
const INTERVAL: Duration = Duration::from_millis(250);
/// After one that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// For a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Acknowledges each of these positions, or a later one, to the service at `endpoint`; until there are no more. `told` is
/// given what the service says of its clock and of its head.
///
/// Over a connection of its own: that of the feed may be full of what the consumer does not read. What fails
/// is said again, and every new subscription says it as well, so that nothing depends on it for long.
pub async fn acknowledge(
    endpoint: Uri,
    consumer: String,
    applied: impl Stream<Item = Position>,
    told: impl Fn(OffsetDateTime, u64),
) {
    let channel = Endpoint::from(endpoint).connect_timeout(PATIENCE).timeout(PATIENCE).connect_lazy();
    let mut client = ChangeFeedClient::new(channel);
    let mut applied = pin!(applied);
    let mut next = applied.next().await;
    while let Some(position) = next {
        let request = AcknowledgeRequest { consumer: consumer.clone(), through: Some(position.clone()) };
        match client.acknowledge(request).await {
            Ok(answer) => {
                let AcknowledgeResponse { head, now } = answer.into_inner();
                if let (Some(head), Some(now)) = (head, now.as_ref().and_then(timestamp::from_proto)) {
                    told(now, head.sequence);
                }
                sleep(INTERVAL).await;
                next = other(&mut applied, &position).await;
            }
            Err(status) if status.code() == Code::Unimplemented => {
                tracing::info!(
                    service = position.service,
                    "it takes no acknowledgements: its lag is by what it sends"
                );
                return;
            }
            Err(status) => {
                tracing::debug!(service = position.service, %status, "not acknowledged yet");
                sleep(PAUSE).await;
                next = applied.next().now_or_never().unwrap_or(Some(position));
            }
        }
    }
}

/// The next position that is not this one.
async fn other(positions: &mut (impl Stream<Item = Position> + Unpin), known: &Position) -> Option<Position> {
    loop {
        match positions.next().await {
            Some(position) if position == *known => {}
            next => return next,
        }
    }
}
