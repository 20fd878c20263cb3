//! The calls of a follower, each over a connection that it shares with nobody: flow control is per
//! connection, and a stream that is not read would stall every call beside it.

use std::time::Duration;

use http::Uri;
use tokio::time::timeout;
use tonic::{
    Code, Status, Streaming,
    transport::{Channel, Endpoint},
};
use tributary_proto::feed::v1::{
    DescribeRequest, DescribeResponse, SubscribeRequest, SubscribeResponse,
    change_feed_client::ChangeFeedClient,
};

use super::{StopReason, tracker::Stop};
use crate::fault::{Reason, causes};

pub(super) type Client = ChangeFeedClient<Channel>;

/// A frame of a single command that is as large as commands may be, and room for what a later version
/// may add.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// How much a service may have sent that was not asked for yet: about two frames.
const WINDOW_BYTES: u32 = 2 << 20;

/// A peer that is gone without a word is noticed in half a minute, even while nothing is sent.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no stream.
#[derive(Debug)]
pub(super) enum Failure {
    /// Worth another attempt, from the same place.
    Passing(String),
    /// The place is gone; a snapshot helps.
    Expired(String),
    /// Nothing helps but a decision.
    Final(Stop),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let text = format!("{}: {}", status.code(), status.message());
        match (status.code(), Reason::of(&status)) {
            (Code::OutOfRange, Some(Reason::PositionExpired)) => Failure::Expired(text),
            (Code::FailedPrecondition, Some(Reason::HistoryDiverged)) => Failure::Final(Stop {
                reason: StopReason::HistoryDiverged,
                message: format!(
                    "{}. Its store was replaced, or restored from a backup and written since. Restore the \
                     store that was followed, or accept the history that is there by taking a new snapshot",
                    status.message()
                ),
            }),
            // tonic's own: a message above the limit of this side. It would come again for ever.
            (Code::OutOfRange, None) => Failure::Final(Stop {
                reason: StopReason::Malformed,
                message: format!(
                    "a frame is larger than {MAX_MESSAGE_BYTES} bytes ({text}): the service must send \
                     smaller ones"
                ),
            }),
            _ => Failure::Passing(text),
        }
    }
}

/// Connects, and asks what the service publishes.
pub(super) async fn describe(
    endpoint: Uri,
    patience: Duration,
) -> Result<(Client, DescribeResponse), Failure> {
    let channel = Endpoint::from(endpoint)
        .connect_timeout(patience)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    let connecting = within(patience, "connecting", channel.connect()).await?;
    let channel = connecting.map_err(|error| Failure::Passing(causes(&error)))?;
    let mut client = ChangeFeedClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let answer = within(patience, "Describe", client.describe(DescribeRequest {})).await??;
    Ok((client, answer.into_inner()))
}

/// Opens the stream. The client's connection lives as long as the stream does.
pub(super) async fn subscribe(
    mut client: Client,
    request: SubscribeRequest,
    patience: Duration,
) -> Result<Streaming<SubscribeResponse>, Failure> {
    Ok(within(patience, "Subscribe", client.subscribe(request)).await??.into_inner())
}

/// A bound of our own: one that went along with the call would end the stream, too.
async fn within<T>(patience: Duration, what: &str, call: impl Future<Output = T>) -> Result<T, Failure> {
    timeout(patience, call)
        .await
        .map_err(|_| Failure::Passing(format!("{what} took longer than {patience:?}")))
}
