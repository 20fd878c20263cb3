//! The task that follows one source.
//!
//! ```text
//! position from the store -> connect -> (snapshot: rows, then the position at its low mark) -> changes
//! ```
//!
//! Crash: whatever step it hits, the position that is found is that of the effects that are found. Within a
//! snapshot it is still the one before: the snapshot begins again, over effects that are there already.

use std::{
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::StreamExt as _;
use tokio::{sync::watch, time::sleep};
use tokio_stream::wrappers::WatchStream;
use tokio_util::task::AbortOnDropHandle;
use tributary_proto::feed::v1::{Change, DescribeResponse, Position};

use super::{Source, State, metrics::Metrics, spans::Applying};
use crate::{
    fault::{Fault, Reason, causes},
    feed::{self, Event, FollowOptions, Follower, StopReason},
    outbox::{BoxError, Effect, Outbox, Published, Step, cause},
    position, timestamp,
    trace::Tracer,
};

/// Of a frame, and so of what one transaction takes over: others wait for it.
const FRAME_BYTES: u32 = 64 << 10;

/// Between attempts to store a step: the store is full for a moment, or the disk for longer.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

type React<M> =
    Box<dyn Fn(&Change) -> Result<Vec<<M as crate::outbox::Model>::Command>, BoxError> + Send + Sync>;

pub(super) struct Task<M: Published> {
    consumer: String,
    outbox: Outbox<M>,
    source: Source,
    react: React<M>,
    state: watch::Sender<State>,
    metrics: Metrics,
    tracer: Tracer,
    /// As the store has it.
    position: watch::Sender<Option<Position>>,
    /// Of the snapshot that is under way.
    low: Option<Position>,
}

/// Why the following ends.
enum End {
    /// Nothing more is followed: a text for people.
    Stop(String),
    /// Another process that shares the store does it now.
    Overtaken,
}

impl<M: Published> Task<M> {
    pub(super) fn new(
        consumer: &str,
        outbox: Outbox<M>,
        source: Source,
        react: React<M>,
        state: watch::Sender<State>,
        metrics: Metrics,
    ) -> Self {
        let consumer = consumer.to_owned();
        let tracer = Tracer::default();
        let position = watch::Sender::default();
        Self { consumer, outbox, source, react, state, metrics, tracer, position, low: None }
    }

    /// Until it has to stop; whenever it is this process that leads.
    pub(super) async fn run(mut self) {
        let mut leads = self.outbox.leads();
        let reason = loop {
            // The sender is in the outbox that we hold: these do not fail.
            let _ = leads.wait_for(|leads| *leads).await;
            let end = tokio::select! {
                end = self.lead() => end,
                _ = leads.wait_for(|leads| !leads) => End::Overtaken,
            };
            match end {
                End::Stop(reason) => break reason,
                End::Overtaken => {
                    tracing::info!(source = self.source.service, "another process follows");
                    self.tell(State::Standby);
                }
            }
        };
        tracing::error!(source = self.source.service, reason, "following stopped");
        self.tell(State::Stopped { reason });
    }

    /// From where the store says.
    async fn lead(&mut self) -> End {
        let _acknowledging = self.acknowledge();
        match self.start().await {
            Ok(mut follower) => self.follow(&mut follower).await,
            Err(end) => end,
        }
    }

    /// Tells the source how far its changes had their effects, until it is dropped.
    fn acknowledge(&self) -> AbortOnDropHandle<()> {
        let positions = WatchStream::new(self.position.subscribe()).filter_map(ready);
        let (endpoint, consumer) = (self.source.endpoint.clone(), self.consumer.clone());
        let metrics = self.metrics.clone();
        let told = move |now, head| metrics.told(now, head);
        AbortOnDropHandle::new(tokio::spawn(feed::acknowledge(endpoint, consumer, positions, told)))
    }

    async fn start(&mut self) -> Result<Follower, End> {
        let service = self.source.service;
        let position = self.stored().await?;
        self.reached(position.clone(), None);
        self.low = None;
        self.tell(State::Disconnected);
        let at = position.as_ref().map(|at| position::Position::from(at).to_string());
        tracing::info!(source = service, at, endpoint = %self.source.endpoint, "following");
        let options = FollowOptions {
            endpoint: self.source.endpoint.clone(),
            consumer: self.consumer.clone(),
            position,
            entities: self.source.entities.iter().map(ToString::to_string).collect(),
        };
        Ok(feed::follow(options).with_frames_of(FRAME_BYTES))
    }

    async fn follow(&mut self, follower: &mut Follower) -> End {
        loop {
            let event = follower.next().await;
            if let Err(end) = self.on(event, follower).await {
                return end;
            }
        }
    }

    async fn on(&mut self, event: Event, follower: &mut Follower) -> Result<(), End> {
        match event {
            Event::Described(described) => self.described(&described, follower).await?,
            Event::Disconnected { reason } => {
                tracing::warn!(source = self.source.service, reason, "disconnected; tried again by itself");
                self.tell(State::Disconnected);
            }
            Event::Stopped { reason: StopReason::ForeignEpoch | StopReason::HistoryDiverged, message } => {
                tracing::warn!(source = self.source.service, message, "another history; taking a snapshot");
                self.metrics.forget();
                follower.take_other_history();
            }
            Event::Stopped { reason: StopReason::ForeignService, message } => {
                self.another_service(&message, follower).await?;
            }
            Event::Stopped { reason: StopReason::Hole | StopReason::Malformed, message } => {
                return Err(End::Stop(message));
            }
            Event::SnapshotBegin { low } => {
                self.metrics.snapshot();
                self.low = Some(low);
            }
            Event::SnapshotRows(rows) => self.apply(&rows, self.at()).await?,
            Event::SnapshotEnd { .. } => {
                let low = self.low.take();
                self.apply(&[], low).await?;
            }
            Event::Changes { after, through, changes } => {
                self.metrics.received(
                    after.sequence,
                    through.sequence,
                    changes.first().and_then(feed::commit_micros),
                );
                self.apply(&changes, Some(through)).await?;
            }
            Event::Progress { head, now, .. } => {
                if let Some(now) = timestamp::from_proto(&now) {
                    self.metrics.told(now, head.sequence);
                }
            }
        }
        Ok(())
    }

    /// Another service under the address of the source must never be taken for it, whatever it publishes. That
    /// may pass: an address is given to somebody else for a while.
    async fn described(&mut self, described: &DescribeResponse, follower: &mut Follower) -> Result<(), End> {
        let expected = self.source.service;
        if described.service == expected {
            tracing::info!(source = expected, epoch = described.epoch, "connected");
            self.metrics.connected(described.head.as_ref().map_or(0, |head| head.sequence));
            self.tell(State::Connected);
            return Ok(());
        }
        self.another_service(&format!("found `{}`", described.service), follower).await
    }

    async fn another_service(&mut self, message: &str, follower: &mut Follower) -> Result<(), End> {
        let (source, endpoint) = (self.source.service, &self.source.endpoint);
        tracing::error!(source, %endpoint, message, "another service answers: is the address right?");
        self.tell(State::Disconnected);
        sleep(LONGEST_PAUSE).await;
        *follower = self.start().await?;
        Ok(())
    }

    /// Has the changes take effect, and the position with them. What may pass is tried again.
    async fn apply(&mut self, changes: &[Change], after: Option<Position>) -> Result<(), End> {
        let applying = Applying::begin(&self.tracer, self.source.service, changes);
        let mut pauses = pauses();
        loop {
            let step = Step {
                source: self.source.service.to_owned(),
                before: self.at(),
                after: after.clone(),
                effects: self.effects(changes, &applying)?,
            };
            match self.outbox.follow(step).await {
                Ok(()) => break,
                Err(fault) if passes(&fault) => {
                    let why = causes(&fault);
                    tracing::warn!(
                        source = self.source.service,
                        why,
                        "not stored yet; tried again by itself"
                    );
                    sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
                }
                Err(fault) => return Err(self.refused(&fault).await),
            }
        }
        // Rows of a snapshot move no position, and are of any age.
        if after != self.at() {
            self.reached(after, changes.last().and_then(feed::commit_micros));
        }
        self.metrics.done(changes.len());
        Ok(())
    }

    /// A step is refused where the store has moved on, by another process that believed to lead, and where it is wrong.
    async fn refused(&self, fault: &Fault) -> End {
        match self.stored().await {
            Ok(stored) if stored == self.at() => End::Stop(fault.message().to_owned()),
            Ok(_) => End::Overtaken,
            Err(end) => end,
        }
    }

    /// Through where the store has followed.
    async fn stored(&self) -> Result<Option<Position>, End> {
        let mut pauses = pauses();
        loop {
            match self.outbox.followed(self.source.service).await {
                Ok(position) => return Ok(position),
                Err(fault) if fault.reason() == Reason::Unavailable => {
                    let why = causes(&fault);
                    tracing::warn!(source = self.source.service, why, "not read yet; tried again by itself");
                    sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
                }
                Err(fault) => return Err(End::Stop(causes(&fault))),
            }
        }
    }

    fn at(&self) -> Option<Position> {
        self.position.borrow().clone()
    }

    /// The store has this position, with the time of the change there where that is known.
    fn reached(&self, position: Option<Position>, commit_time: Option<i64>) {
        self.metrics.reached(position.as_ref().map_or(0, |position| position.sequence), commit_time);
        self.position.send_replace(position);
    }

    fn effects(&self, changes: &[Change], applying: &Applying) -> Result<Vec<Effect<M>>, End> {
        let mut effects = Vec::new();
        for change in changes {
            let commands = catch_unwind(AssertUnwindSafe(|| (self.react)(change)))
                .unwrap_or_else(|_| Err("it makes the service panic".into()))
                .map_err(|error| End::Stop(format!("{}: {}", cause(change), causes(&*error))))?;
            let effect = |command| Effect::new(change, applying.trace_of(change), command);
            effects.extend(commands.into_iter().map(effect));
        }
        Ok(effects)
    }

    fn tell(&self, state: State) {
        self.metrics.state(&state);
        self.state.send_replace(state);
    }
}

/// A defect here must not look like a source that is silent.
impl<M: Published> Drop for Task<M> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.tell(State::Stopped { reason: "a defect of the chassis: see the log".to_owned() });
        }
    }
}

/// Between attempts at the store.
fn pauses() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::new()
        .with_min_delay(SHORTEST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

/// Whether the store may take the same step later: it was full or out of reach, or a statement failed and nothing is left
/// of it.
fn passes(fault: &Fault) -> bool {
    matches!(fault.reason(), Reason::Overloaded | Reason::Internal | Reason::Unavailable)
}
