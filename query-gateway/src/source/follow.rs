//! The task of one source: follows its feed, learns its schema, decodes its changes.

use std::{collections::BTreeMap, future::ready, sync::Arc, time::Duration};

use futures::StreamExt as _;
use http::Uri;
use prost::Message as _;
use tokio::time::sleep;
use tokio_stream::wrappers::WatchStream;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tributary_chassis::{
    feed::{self, Event, FollowOptions, Follower, StopReason},
    timestamp,
};
use tributary_proto::feed::v1::{Change, DescribeResponse, Position};

use crate::{
    gateway::Gateway,
    schema::{self, Image, Schema, SchemaError, Undecodable},
    source::SourceStatus,
    store::{Begin, Changes, Filled, Queue, Step, visible::Command},
};

/// What sources know the gateway as.
const CONSUMER: &str = "query-gateway";

/// Before another history is taken again, of a source that since the last time has sent nothing that can be applied:
/// it may never do.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How a source is configured.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) endpoint: Uri,
    /// Take whatever history and schema is there, by a snapshot.
    pub(crate) resnapshot: bool,
}

/// Why a source stops: a text for people, with what to do.
type Stop = String;

/// What the service described last.
struct Described {
    schema: Arc<Schema>,
    /// The `DescribeResponse` that it was learned from, encoded.
    encoded: Vec<u8>,
}

struct Following {
    source: Source,
    gateway: Gateway,
    follower: Follower,
    work: Queue,
    /// What changes are decoded by: that of the stored rows, or of the snapshot on its way.
    schema: Option<Arc<Schema>>,
    described: Option<Described>,
    /// Whether what was described can only be used from a snapshot on.
    pending: bool,
    /// Whether the source has another history than the one that is stored, until the end of a snapshot of it.
    replaced: bool,
    /// Before another history is taken again.
    pause: Duration,
}

/// Follows `source` until it is stopped, by what it sends or by the writer.
pub(crate) async fn run(
    source: Source,
    gateway: Gateway,
    filled: Option<Filled>,
    work: Queue,
    stop: CancellationToken,
) {
    let filled = filled.filter(|_| !source.resnapshot);
    let options = FollowOptions {
        endpoint: source.endpoint.clone(),
        consumer: CONSUMER.to_owned(),
        position: filled.as_ref().map(|filled| filled.position.clone()),
        entities: Vec::new(),
    };
    let follower = feed::follow(options);
    let _acknowledging = AbortOnDropHandle::new(tokio::spawn(acknowledge(&source, &gateway)));
    let schema = filled.map(|filled| filled.schema);
    let (name, shared) = (source.name.clone(), gateway.clone());
    let following = Following {
        source,
        gateway,
        follower,
        work,
        schema,
        described: None,
        pending: false,
        replaced: false,
        pause: Duration::ZERO,
    };
    let stopped = stop.run_until_cancelled(following.run()).await;
    if let Some(reason) = stopped.flatten() {
        tracing::error!(source = name, reason, "stopped");
        shared.update_source(&name, |status| status.stopped(reason));
    }
}

/// Tells the source through where readers see its changes, and learns where it stands.
fn acknowledge(source: &Source, gateway: &Gateway) -> impl Future<Output = ()> + use<> {
    let (name, gateway) = (source.name.clone(), gateway.clone());
    let statuses = WatchStream::new(gateway.source_changes());
    let position = {
        let name = name.clone();
        move |sources: BTreeMap<String, SourceStatus>| {
            ready(sources.get(&name).and_then(SourceStatus::position))
        }
    };
    let told = move |now, head| gateway.update_source(&name, |status| status.tell(now, head));
    feed::acknowledge(source.endpoint.clone(), CONSUMER.to_owned(), statuses.filter_map(position), told)
}

impl Following {
    /// Until the source has to stop, and why; without a reason when the gateway ends.
    async fn run(mut self) -> Option<Stop> {
        loop {
            let event = self.follower.next().await;
            match self.on(event).await {
                Ok(Some((step, bytes))) => self.send(step, bytes).await?,
                Ok(None) => {}
                Err(stop) => return Some(stop),
            }
        }
    }

    /// `&mut`, because a follower cannot be shared while it waits.
    async fn send(&mut self, step: Step, bytes: usize) -> Option<()> {
        self.work.send(&self.source.name, step, bytes).await
    }

    /// What an event gives the writer to do, and the bytes of it.
    async fn on(&mut self, event: Event) -> Result<Option<(Step, usize)>, Stop> {
        match event {
            Event::Described(described) => {
                self.described(described).map(|()| None).map_err(|e| e.to_string())
            }
            Event::Disconnected { reason } => {
                tracing::warn!(source = self.source.name, reason, "disconnected");
                self.status(|status| status.disconnected(reason));
                Ok(None)
            }
            Event::Stopped { reason: StopReason::ForeignEpoch | StopReason::HistoryDiverged, message } => {
                self.take_other_history(message).await;
                Ok(None)
            }
            Event::Stopped { message, .. } => {
                Err(format!("{message} (restart with --resnapshot {})", self.source.name))
            }
            Event::SnapshotBegin { low } => self.begin(low).map(|step| Some((step, 0))),
            // The service has confirmed that its history is the one that is stored: only now may another
            // schema be taken over, by a snapshot of it.
            _ if self.pending => {
                self.follower.resnapshot();
                Ok(None)
            }
            Event::SnapshotRows(rows) => {
                let images: Result<_, _> = rows.iter().map(|row| self.decode(row)).collect();
                images.map(|images| Some((Step::Rows(images), weight(&rows)))).map_err(|bad| bad.to_string())
            }
            Event::SnapshotEnd { high } => {
                // What was accepted is there; nothing else is.
                self.source.resnapshot = false;
                self.replaced = false;
                Ok(Some((Step::End { high }, 0)))
            }
            Event::Changes { after, through, changes } => {
                self.pause = Duration::ZERO;
                let step = self.changes(after, through, &changes).await?;
                Ok(Some((step, weight(&changes))))
            }
            Event::Progress { head, now, .. } => {
                if let Some(now) = timestamp::from_proto(&now) {
                    self.status(|status| status.tell(now, head.sequence));
                }
                Ok(None)
            }
        }
    }

    /// Its store was restored from a backup, or begun anew: what is stored here of what was lost there has to go.
    /// Answers say that they are incomplete until one transaction has replaced it.
    async fn take_other_history(&mut self, message: String) {
        tracing::warn!(source = self.source.name, message, "another history; taking a snapshot");
        self.replaced = true;
        self.status(|status| status.replaced(message));
        sleep(self.pause).await;
        self.pause = (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
        self.follower.take_other_history();
    }

    fn described(&mut self, described: DescribeResponse) -> Result<(), SchemaError> {
        let schema = Arc::new(Schema::learn(&self.source.name, &described)?);
        schema.check_against(&self.gateway.catalog())?;
        let change = match &self.schema {
            Some(known) => known.change(&schema)?,
            None => schema::Change::Additive,
        };
        self.pending = change == schema::Change::Additive;
        self.described = Some(Described { schema, encoded: described.encode_to_vec() });
        let head = described.head.map_or(0, |head| head.sequence);
        tracing::info!(source = self.source.name, service = described.service, head, "connected");
        self.status(|status| status.described(&described.service, head));
        Ok(())
    }

    /// A snapshot begins, under the schema that was described last.
    fn begin(&mut self, low: Position) -> Result<Step, Stop> {
        let Described { schema, encoded } =
            self.described.as_ref().ok_or("it sends a snapshot before it is described")?;
        self.pending = false;
        self.schema = Some(schema.clone());
        let (schema, described) = (schema.clone(), encoded.clone());
        // Here and not where it is written: until then, what is told now would be taken for progress of what is
        // stored. The writer says when it ends.
        self.status(|status| status.filling(true));
        // Its end may have been sent, and not be applied.
        let replaced = self.replaced || self.gateway.is_replaced(&self.source.name);
        let accepted = self.source.resnapshot || replaced;
        Ok(Step::Begin(Begin { schema, described, low, accepted }))
    }

    /// Decodes a frame. Of one that cannot be decoded whole, the commands in front are still applied.
    async fn changes(
        &mut self,
        after: Position,
        through: Position,
        changes: &[Change],
    ) -> Result<Step, Stop> {
        let first = changes.first().and_then(feed::commit_micros);
        self.status(|status| status.received(after.sequence, through.sequence, first));
        let images: Result<Vec<_>, _> = changes.iter().map(|change| self.decode(change)).collect();
        match images {
            Ok(images) => Ok(Step::Changes(frame(after, through, changes, images))),
            Err(bad) => {
                let good = changes.iter().take_while(|change| change.sequence < bad.sequence);
                let whole = good.enumerate().filter(|(_, change)| change.last_in_command).last();
                let changes = &changes[..whole.map_or(0, |(place, _)| place + 1)];
                if let Some(last) = changes.last() {
                    let digest = changes.iter().fold(after.digest, feed::digest);
                    let through = Position { sequence: last.sequence, digest, ..through };
                    let images = changes.iter().map(|change| self.decode(change)).collect::<Result<_, _>>();
                    let images = images.map_err(|bad| bad.to_string())?;
                    let step = Step::Changes(frame(after, through, changes, images));
                    self.send(step, weight(changes)).await;
                }
                Err(bad.to_string())
            }
        }
    }

    fn decode(&self, change: &Change) -> Result<Image, Box<Undecodable>> {
        let undescribed = || {
            let (entity, key) = (change.entity.clone(), change.key.clone());
            let why = "the source never described what it publishes".to_owned();
            Undecodable { entity, key, sequence: change.sequence, field: String::new(), why }
        };
        self.schema.as_ref().ok_or_else(undescribed)?.decode(change).map_err(Box::new)
    }

    fn status(&self, change: impl FnOnce(&mut SourceStatus)) {
        self.gateway.update_source(&self.source.name, change);
    }
}

fn frame(after: Position, through: Position, changes: &[Change], images: Vec<Image>) -> Changes {
    let commit_time = changes.last().and_then(feed::commit_micros);
    let commands = Command::all(changes, &images);
    Changes { after, through, images, commands, commit_time }
}

fn weight(changes: &[Change]) -> usize {
    changes.iter().filter_map(|change| change.value.as_ref()).map(|value| value.value.len()).sum()
}
