//! What the sources hand to the writer.

use std::sync::Arc;

use opentelemetry::metrics::Meter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tributary_proto::feed::v1::Position;

use super::{
    metrics::{Depth, Waiting},
    visible::Command,
};
use crate::schema::{Image, Schema};

/// One step of one source. Steps of a source are taken in order.
#[derive(Debug)]
pub(crate) struct Work {
    /// As given by `--source`.
    pub(super) source: String,
    pub(super) step: Step,
    /// What it weighs: bytes of its changes on the wire.
    pub(super) bytes: usize,
    /// From before it has a place in the queue until the writer takes it.
    pub(super) waiting: Waiting,
    /// Its place.
    pub(super) place: OwnedSemaphorePermit,
}

/// What a step weighs beside its bytes on the wire, and each of its changes.
const STEP_WEIGHT: usize = 512;

/// The way to the writer, for all sources; what waits there is measured.
///
/// Its bound is one of memory and not of frames: a source that is live sends a change or two in each, and when the
/// writer is behind it must find thousands of them to take at once, or it never catches up.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    work: mpsc::UnboundedSender<Work>,
    /// Held by what waits, each by its weight.
    places: Arc<Semaphore>,
    weight: u32,
    depth: Depth,
}

/// For steps that weigh so many bytes together.
pub(crate) fn queue(weight: u32, meter: &Meter) -> (Queue, mpsc::UnboundedReceiver<Work>) {
    let (work, received) = mpsc::unbounded_channel();
    let places = Arc::new(Semaphore::new(weight as usize));
    (Queue { work, places, weight, depth: Depth::new(meter) }, received)
}

impl Queue {
    /// Waits for a place, of a queue that is empty if it needs more than there are; none if there is no writer any more.
    pub(crate) async fn send(&self, source: &str, step: Step, bytes: usize) -> Option<()> {
        let images = step.images();
        let waiting = self.depth.waiting(images, bytes);
        let weight = u32::try_from(bytes + (images + 1) * STEP_WEIGHT).unwrap_or(u32::MAX).min(self.weight);
        let place = tokio::select! {
            biased;
            () = self.work.closed() => return None,
            place = self.places.clone().acquire_many_owned(weight) => place.ok()?,
        };
        let work = Work { source: source.to_owned(), step, bytes, waiting, place };
        self.work.send(work).ok()
    }
}

/// What comes next of a source.
#[derive(Debug)]
pub(crate) enum Step {
    /// Every change behind `after` through `through`.
    Changes(Changes),
    /// A snapshot begins; one that did not end is forgotten.
    Begin(Begin),
    /// Rows of the snapshot.
    Rows(Vec<Image>),
    /// Exact once everything through here is applied.
    End { high: Position },
}

impl Step {
    /// How many changes or rows it has.
    pub(super) fn images(&self) -> usize {
        match self {
            Step::Changes(changes) => changes.images.len(),
            Step::Rows(images) => images.len(),
            Step::Begin(_) | Step::End { .. } => 0,
        }
    }
}

/// Whole commands, decoded.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) after: Position,
    pub(crate) through: Position,
    pub(crate) images: Vec<Image>,
    /// What they are of.
    pub(crate) commands: Vec<Command>,
    /// Of the last change, in microseconds; none if there was none.
    pub(crate) commit_time: Option<i64>,
}

/// How a snapshot begins.
#[derive(Debug)]
pub(crate) struct Begin {
    /// Takes effect when the snapshot ends.
    pub(crate) schema: Arc<Schema>,
    /// The `DescribeResponse` that it was learned from, encoded.
    pub(crate) described: Vec<u8>,
    pub(crate) low: Position,
    /// Take the place of whatever history and schema is there.
    pub(crate) accepted: bool,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use opentelemetry::{global, metrics::MeterProvider as _};
    use tokio::time::timeout;
    use tributary_chassis::testing::Meters;

    use super::*;

    fn image() -> Image {
        let (trace, event) = (String::new(), String::new());
        Image { entity: 0, key: Vec::new(), sequence: 1, trace, event, commit_time: None, rows: None }
    }

    /// A frame of so many changes, and as many bytes.
    async fn send(queue: &Queue, images: usize, bytes: usize) -> Option<()> {
        queue.send("a", Step::Rows((0..images).map(|_| image()).collect()), bytes).await
    }

    #[tokio::test]
    async fn what_waits_is_counted_with_or_without_a_place() {
        let meters = Meters::new();
        let (queue, mut received) = queue(2_000, &meters.provider().meter("test"));
        let told = || {
            let told = |what: &str| meters.value(&format!("tributary_apply_queue_{what}")).unwrap();
            (told("changes"), told("size_bytes"))
        };
        assert_eq!(told(), (0.0, 0.0));
        send(&queue, 2, 300).await.unwrap();
        let second = tokio::spawn({
            let queue = queue.clone();
            async move { send(&queue, 1, 70).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished(), "there is no room");
        assert_eq!(told(), (3.0, 370.0));
        drop(received.recv().await.unwrap());
        assert_eq!(told(), (1.0, 70.0));
        tokio::task::yield_now().await;
        // Nobody will take it.
        drop(received);
        second.await.unwrap();
        assert_eq!(told(), (0.0, 0.0));
        assert_eq!(send(&queue, 1, 1).await, None);
        assert_eq!(told(), (0.0, 0.0));
    }

    #[tokio::test]
    async fn thousands_of_small_frames_wait_and_few_large_ones() {
        let (queue, mut received) = queue(8 << 20, &global::meter("test"));
        for _ in 0..5_000 {
            timeout(Duration::from_secs(30), send(&queue, 1, 200)).await.expect("there is room").unwrap();
        }
        while received.try_recv().is_ok() {}
        // Of a mebibyte each.
        for _ in 0..7 {
            send(&queue, 1_000, 1 << 19).await.unwrap();
        }
        let (more, none) = (queue.clone(), queue.clone());
        let eighth = tokio::spawn(async move { send(&more, 4_000, 1 << 20).await });
        tokio::task::yield_now().await;
        assert!(!eighth.is_finished(), "that is enough");
        while !eighth.is_finished() {
            while received.try_recv().is_ok() {}
            tokio::task::yield_now().await;
        }
        eighth.await.unwrap().unwrap();
        while received.try_recv().is_ok() {}
        // Larger than all of it, and alone.
        timeout(Duration::from_secs(30), send(&none, 1, 1 << 30)).await.expect("there is room").unwrap();
    }

    #[tokio::test]
    async fn who_waits_for_a_place_learns_that_nobody_takes_any_more() {
        let (queue, received) = queue(1_000, &global::meter("test"));
        send(&queue, 0, 1_000).await.unwrap();
        let waiting = tokio::spawn(async move { send(&queue, 0, 1_000).await });
        tokio::task::yield_now().await;
        drop(received);
        assert_eq!(timeout(Duration::from_secs(30), waiting).await.unwrap().unwrap(), None);
    }
}
