//! One subscriber: reads the durable log page by page and hands on frames as fast as they are taken.
//!
//! There is one path. Catching up and being live differ only in that a page is empty; the watch on the
//! head is a wake-up and nothing more, so one that is late or lost costs time and never a change. Nothing
//! is read from the log before there is room for it: a subscriber that does not read holds a frame, and no
//! transaction.

use std::{convert::Infallible, sync::Arc, time::SystemTime};

use prost::Message as _;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tributary_proto::feed::v1::{self as proto, subscribe_response::Frame as Content};

use super::{
    FeedOptions, Log, MAX_PROGRESS_INTERVAL, Mark,
    admission::{Admitted, Begin, Selection, expired, text},
    consumers::{Consumers, Subscribed},
    frames,
    metrics::Metrics,
    server::{draining, position},
    slot,
};
use crate::{
    fault::{Fault, Reason},
    trace::{Trace, Tracer, is_sampled},
};

/// The traces of those commands that are to be followed.
fn sampled(changes: &[proto::Change]) -> Vec<Trace> {
    let last = changes.iter().filter(|change| change.last_in_command && is_sampled(&change.traceparent));
    last.map(Trace::of).collect()
}

/// Rows asked for first, before anything is known of their size; and at most.
const FIRST_ROWS: usize = 64;
const MOST_ROWS: usize = 1024;

pub(super) struct Subscription {
    consumer: String,
    tracer: Tracer,
    log: Arc<dyn Log>,
    selection: Selection,
    max_frame_bytes: usize,
    options: FeedOptions,
    consumers: Consumers,
    metrics: Metrics,
    head: watch::Receiver<Mark>,
    out: slot::Writer,
    /// Through where frames were handed on.
    at: Mark,
    /// Through where they were certainly taken: where the frame begins that was handed on last.
    taken: Mark,
    next_progress: Instant,
}

impl Subscription {
    pub(super) fn new(
        log: Arc<dyn Log>,
        admitted: Admitted,
        options: FeedOptions,
        consumers: Consumers,
        metrics: Metrics,
        out: slot::Writer,
    ) -> Self {
        let head = log.head();
        let Admitted { consumer, selection, max_frame_bytes, .. } = admitted;
        Self {
            consumer,
            tracer: Tracer::default(),
            log,
            selection,
            max_frame_bytes,
            options,
            consumers,
            metrics,
            head,
            out,
            at: Mark::default(),
            taken: Mark::default(),
            next_progress: Instant::now(),
        }
    }

    /// Serves until the subscriber leaves, the service stops, or something fails.
    pub(super) async fn run(mut self, begin: Begin, shutdown: CancellationToken) {
        let gone = self.out.gone();
        let _counted = self.metrics.subscribed();
        let through = match &begin {
            Begin::After(mark) => Some(mark.sequence),
            Begin::Snapshot { .. } => None,
        };
        let subscribed = self.consumers.subscribed(&self.consumer, through);
        tracing::info!(%begin, "a subscriber came");
        let fault = tokio::select! {
            biased;
            () = gone.cancelled() => {
                tracing::info!(through = self.at.sequence, "the subscriber left");
                self.metrics.ended(None);
                return;
            }
            () = shutdown.cancelled() => draining(),
            Err(fault) = self.serve(begin, &subscribed) => fault,
        };
        let reason = fault.reason().name();
        tracing::info!(through = self.at.sequence, reason, %fault, "the subscription ends");
        self.metrics.ended(Some(fault.reason()));
        self.out.end(fault.into());
    }

    async fn serve(&mut self, begin: Begin, subscribed: &Subscribed) -> Result<Infallible, Fault> {
        match begin {
            Begin::After(mark) => (self.at, self.taken) = (mark, mark),
            Begin::Snapshot { low, id, behind } => {
                (self.at, self.taken) = (low, low);
                self.snapshot(id, behind).await?;
            }
        }
        self.tail(subscribed).await
    }

    async fn tail(&mut self, subscribed: &Subscribed) -> Result<Infallible, Fault> {
        loop {
            self.room().await?;
            subscribed.taken(self.at.sequence);
            // Seen before the page is read: what is written in between is another wake-up.
            self.head.borrow_and_update();
            let room = self.max_frame_bytes.saturating_sub(self.envelope_bytes());
            // Less than there is room for, by what tags and lengths add: so that a page is a frame.
            let page = self.log.page(self.at.sequence, room - room / 32).await?;
            if page.is_empty() {
                self.idle().await?;
            }
            let selection = &self.selection;
            for frame in frames::cut(self.at, page, |entity| selection.contains(entity), room)? {
                self.metrics.changes(frame.changes.len());
                let (start, sampled) = (SystemTime::now(), sampled(&frame.changes));
                let count = frame.changes.len() as i64;
                let changes = proto::Changes {
                    after: Some(self.position(frame.after)),
                    through: Some(self.position(frame.through)),
                    changes: frame.changes,
                };
                self.hand_on(Content::Changes(changes), frame.through).await?;
                if !sampled.is_empty() {
                    let span = self.tracer.batch("feed frame", start, &sampled);
                    drop(
                        span.with("tributary.consumer", self.consumer.clone())
                            .with("tributary.changes", count),
                    );
                }
            }
            self.progress_if_due().await?;
        }
    }

    /// Waits for a wake-up, or for the next progress: then the log is read again, so that even a wake-up
    /// that never comes delays a change by no more than that.
    async fn idle(&mut self) -> Result<(), Fault> {
        tokio::select! {
            changed = self.head.changed() => changed.map_err(|_| draining()),
            () = sleep_until(self.next_progress) => Ok(()),
        }
    }

    /// The rows as they are while they are read: each at least as new as `low`, and none newer than
    /// `high`. The changes behind `low` follow and make the two agree.
    async fn snapshot(&mut self, id: String, behind: Option<(String, String)>) -> Result<(), Fault> {
        let low = self.at;
        let begin = proto::SnapshotBegin { low: Some(self.position(low)), id: id.clone() };
        self.hand_on(Content::SnapshotBegin(begin), low).await?;
        let (first, mut after_key) = behind.unzip();
        let entities = self.log.entities().iter().copied();
        let entities: Vec<_> = entities
            .filter(|entity| self.selection.contains(entity))
            .skip_while(|entity| first.as_ref().is_some_and(|first| first != entity))
            .collect();
        for entity in entities {
            self.rows_of(entity, after_key.take(), &id).await?;
        }
        let high = *self.head.borrow();
        let end = proto::SnapshotEnd { high: Some(self.position(high)) };
        self.hand_on(Content::SnapshotEnd(end), low).await
    }

    async fn rows_of(&mut self, entity: &str, after_key: Option<String>, id: &str) -> Result<(), Fault> {
        let low = self.at;
        let mut last = after_key;
        let mut limit = FIRST_ROWS;
        loop {
            self.room().await?;
            let rows = self.log.scan(entity, last.as_deref(), limit).await?;
            let Some(newest) = rows.iter().map(|row| row.sequence).max() else { return Ok(()) };
            self.durable(newest).await?;
            // A page of rows is bounded by their number alone: ask next for about a frame of them.
            let bytes: usize = rows.iter().map(frames::bytes_in_frame).sum();
            limit = (self.max_frame_bytes * rows.len() / bytes.max(1)).clamp(1, MOST_ROWS);
            let cursor_bytes = entity.len() + rows.iter().map(|row| row.key.len()).max().unwrap_or_default();
            let room = self.max_frame_bytes.saturating_sub(self.envelope_bytes() + cursor_bytes);
            for rows in frames::cut_rows(rows, room) {
                self.metrics.rows(rows.len());
                last = rows.last().map(|row| row.key.clone());
                let cursor = proto::SnapshotCursor {
                    id: id.to_owned(),
                    low: Some(self.position(low)),
                    entity: entity.to_owned(),
                    key: last.clone().unwrap_or_default(),
                };
                self.hand_on(Content::SnapshotRows(proto::SnapshotRows { rows, cursor: Some(cursor) }), low)
                    .await?;
            }
            self.progress_if_due().await?;
        }
    }

    /// A row may be seen before the head says that it is durable; a subscriber may not.
    async fn durable(&mut self, sequence: u64) -> Result<(), Fault> {
        let reached = self.head.wait_for(|head| head.sequence >= sequence).await;
        reached.map(|_| ()).map_err(|_| draining())
    }

    async fn progress_if_due(&mut self) -> Result<(), Fault> {
        if Instant::now() < self.next_progress {
            return Ok(());
        }
        let oldest = self.log.oldest().await?;
        if oldest.sequence > self.at.sequence {
            // Without this, a snapshot that takes too long would be sent to its end for nothing.
            return Err(expired(&*self.log, oldest, self.at.sequence));
        }
        let head = *self.head.borrow();
        // A page may be ahead of the watch.
        let head = if head.sequence < self.at.sequence { self.at } else { head };
        let progress = proto::Progress {
            head: Some(self.position(head)),
            through: Some(self.position(self.at)),
            oldest: Some(self.position(oldest)),
            now: Some(SystemTime::now().into()),
        };
        self.next_progress = Instant::now() + self.options.progress_interval.min(MAX_PROGRESS_INTERVAL);
        self.hand_on(Content::Progress(progress), self.at).await
    }

    /// Waits until the frame before was taken.
    async fn room(&self) -> Result<(), Fault> {
        let stall_timeout = self.options.stall_timeout;
        timeout(stall_timeout, self.out.vacant()).await.map_err(|_| {
            let position = text(&*self.log, self.taken.sequence);
            let message = format!("nothing was read for {stall_timeout:?}; subscribe again from {position}");
            Fault::new(Reason::SubscriberStalled, message).with("position", position)
        })
    }

    async fn hand_on(&mut self, frame: Content, through: Mark) -> Result<(), Fault> {
        self.room().await?;
        (self.taken, self.at) = (self.at, through);
        self.out.put(proto::SubscribeResponse { frame: Some(frame) });
        Ok(())
    }

    fn position(&self, mark: Mark) -> proto::Position {
        position(&*self.log, mark)
    }

    /// An upper bound of what a frame has beside its changes or rows: positions, ids and lengths.
    fn envelope_bytes(&self) -> usize {
        let longest = self.position(Mark { sequence: u64::MAX, digest: u64::MAX });
        2 * longest.encoded_len() + 64
    }
}
