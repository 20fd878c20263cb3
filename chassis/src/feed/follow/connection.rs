//! The calls of a follower, each over a connection that it shares with nobody: flow control is per
//! connection, and a stream that is not read would stall every call beside it.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming, transport::Channel};
use tributary_proto::feed::v1::{
    DescribeRequest, DescribeResponse, SubscribeRequest, SubscribeResponse,
    change_feed_client::ChangeFeedClient,
};

use super::{StopReason, tracker::Stop};
use crate::{
    fault::Reason,
    feed::source::{Link, Source},
};

/// A frame of a single command that is as large as commands may be, and room for what a later version
/// may add.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// How much a service may have sent that was not asked for yet: about two frames.
const WINDOW_BYTES: u32 = 2 << 20;

/// A peer that is gone without a word, and without a change of its addresses, is noticed in half a minute, even
/// while nothing is sent.
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

/// A connection to a source, and the calls that are made over it.
pub(super) struct Connection {
    client: ChangeFeedClient<Channel>,
    link: Link,
}

/// The frames of a subscription, over the connection that they come by.
pub(super) struct Frames {
    frames: Streaming<SubscribeResponse>,
    link: Link,
    /// What [`Link::gone`] says; kept, since a future that is made anew for each frame would begin anew.
    gone: BoxFuture<'static, String>,
}

/// Connects, and asks what the service publishes.
pub(super) async fn describe(
    source: Source,
    patience: Duration,
) -> Result<(Connection, DescribeResponse), Failure> {
    let link = source.connect(patience, |endpoint| {
        endpoint
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
    });
    let link = link.await.map_err(Failure::Passing)?;
    let mut client = ChangeFeedClient::new(link.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let answer = within(&link, patience, "Describe", client.describe(DescribeRequest {})).await?;
    Ok((Connection { client, link }, answer.into_inner()))
}

impl Connection {
    /// Opens the stream. The connection lives as long as the stream does.
    pub(super) async fn subscribe(
        self,
        request: SubscribeRequest,
        patience: Duration,
    ) -> Result<Frames, Failure> {
        let Self { mut client, link } = self;
        let frames = within(&link, patience, "Subscribe", client.subscribe(request)).await?.into_inner();
        let gone = {
            let link = link.clone();
            Box::pin(async move { link.gone().await })
        };
        Ok(Frames { frames, link, gone })
    }
}

impl Frames {
    /// The next frame; `None` when the service ended the stream. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<Option<SubscribeResponse>, Failure> {
        let frame = tokio::select! {
            frame = self.frames.message() => frame.map_err(Failure::from),
            gone = &mut self.gone => Err(Failure::Passing(gone)),
        };
        if !matches!(frame, Ok(Some(_))) {
            self.give_up();
        }
        frame
    }

    /// Nothing good comes from there: the next connection is to another address, if there is one.
    pub(super) fn give_up(&self) {
        self.link.failed();
    }
}

/// A bound of our own: one that went along with the call would end the stream, too. Nor is anybody waited for who is
/// not there any more.
async fn within<T>(
    link: &Link,
    patience: Duration,
    what: &str,
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, Failure> {
    let answer = tokio::select! {
        answer = timeout(patience, call) => match answer {
            Ok(answer) => answer.map_err(Failure::from),
            Err(_) => Err(Failure::Passing(format!("{what} took longer than {patience:?}"))),
        },
        gone = link.gone() => Err(Failure::Passing(gone)),
    };
    if answer.is_err() {
        link.failed();
    }
    answer
}
