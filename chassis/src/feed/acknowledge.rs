//! Tells a service through where a consumer has its changes, so that the service can say how far behind it is.

use std::{pin::pin, time::Duration};

use futures::{FutureExt as _, Stream, StreamExt as _};
use http::Uri;
use time::OffsetDateTime;
use tokio::time::sleep;
use tonic::{Code, Status};
use tributary_proto::feed::v1::{
    AcknowledgeRequest, AcknowledgeResponse, Position, change_feed_client::ChangeFeedClient,
};

use super::source::{Link, Source};
use crate::{
    resolve::{self, Resolver},
    timestamp,
};

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
/// is said again over a new connection, since the old one may lead nowhere; and every new subscription says it as
/// well, so that nothing depends on it for long.
pub async fn acknowledge(
    endpoint: Uri,
    consumer: String,
    applied: impl Stream<Item = Position>,
    told: impl Fn(OffsetDateTime, u64),
) {
    acknowledge_by(resolve::system(), endpoint, consumer, applied, told).await;
}

pub(super) async fn acknowledge_by(
    resolver: Resolver,
    endpoint: Uri,
    consumer: String,
    applied: impl Stream<Item = Position>,
    told: impl Fn(OffsetDateTime, u64),
) {
    let mut connection = Connection { source: Source::new(endpoint, resolver), link: None };
    let mut applied = pin!(applied);
    let mut next = applied.next().await;
    while let Some(position) = next {
        let request = AcknowledgeRequest { consumer: consumer.clone(), through: Some(position.clone()) };
        match connection.acknowledge(request).await {
            Ok(AcknowledgeResponse { head, now }) => {
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

struct Connection {
    source: Source,
    /// If the last call over it was answered.
    link: Option<Link>,
}

impl Connection {
    /// Asks once, whoever is there now.
    async fn acknowledge(&mut self, request: AcknowledgeRequest) -> Result<AcknowledgeResponse, Status> {
        let link = match self.link.take().filter(Link::is_current) {
            Some(link) => link,
            None => {
                let link = self.source.connect(PATIENCE, |endpoint| endpoint.timeout(PATIENCE)).await;
                link.map_err(Status::unavailable)?
            }
        };
        let mut client = ChangeFeedClient::new(link.channel());
        let answer = tokio::select! {
            answer = client.acknowledge(request) => answer,
            gone = link.gone() => Err(Status::unavailable(gone)),
        };
        match answer {
            Ok(answer) => {
                self.link = Some(link);
                Ok(answer.into_inner())
            }
            Err(status) => {
                link.failed();
                Err(status)
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

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::{
        callee::{Callee, until},
        resolve::names::Names,
    };

    /// By when a source that is somewhere else must have been noticed.
    const NOTICED: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn acknowledgements_go_where_the_source_went() {
        let (old, new) = (Callee::start().await, Callee::start().await);
        let names = Names::of(&[old.address()]);
        let endpoint = Uri::from_static("http://source.test:52051");
        let applied = stream::iter(1..).map(|sequence| Position { sequence, ..Default::default() });
        let consumer = "test".to_owned();
        let acknowledging = acknowledge_by(names.resolver(), endpoint, consumer, applied, |_, _| {});
        let moving = async {
            let count = |callee: &Callee| callee.puppet.acknowledged();
            until("two acknowledgements", async || count(&old) == 2).await;
            old.freeze();
            names.stand_for(&[new.address()]);
            let moved = until("one at the new address", async || count(&new) > 0).await;
            assert!(moved < NOTICED, "{moved:?}");
            drop(old);
            until("more of them", async || count(&new) > 2).await;
        };
        tokio::select! {
            () = acknowledging => panic!("there is always another position"),
            () = moving => {}
        }
    }

    /// Nor does anything but an answer keep it at an address, where there is another.
    #[tokio::test]
    async fn acknowledgements_find_who_answers() {
        let (silent, answers) = (Callee::start().await, Callee::start().await);
        silent.freeze();
        let names = Names::of(&[silent.address(), answers.address()]);
        let endpoint = Uri::from_static("http://source.test:52051");
        let applied = stream::iter(1..).map(|sequence| Position { sequence, ..Default::default() });
        let acknowledging = acknowledge_by(names.resolver(), endpoint, String::new(), applied, |_, _| {});
        tokio::select! {
            () = acknowledging => panic!("there is always another position"),
            _ = until("some that are answered", async || answers.puppet.acknowledged() > 2) => {}
        }
    }
}
