//! What the sources hand to the writer.

use std::sync::Arc;

use opentelemetry::metrics::Meter;
use tokio::sync::mpsc;
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
}

/// The way to the writer, for all sources; what waits there is measured.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    work: mpsc::Sender<Work>,
    depth: Depth,
}

/// Of `frames` places.
pub(crate) fn queue(frames: usize, meter: &Meter) -> (Queue, mpsc::Receiver<Work>) {
    let (work, received) = mpsc::channel(frames);
    (Queue { work, depth: Depth::new(meter) }, received)
}

impl Queue {
    /// Waits for a place; none if there is no writer any more.
    pub(crate) async fn send(&self, source: &str, step: Step, bytes: usize) -> Option<()> {
        let waiting = self.depth.waiting(step.images(), bytes);
        let work = Work { source: source.to_owned(), step, bytes, waiting };
        self.work.send(work).await.ok()
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
    use opentelemetry::metrics::MeterProvider as _;
    use tributary_chassis::testing::Meters;

    use super::*;

    fn image() -> Image {
        let (trace, event) = (String::new(), String::new());
        Image { entity: 0, key: Vec::new(), sequence: 1, trace, event, commit_time: None, rows: None }
    }

    #[tokio::test]
    async fn what_waits_is_counted_with_or_without_a_place() {
        let meters = Meters::new();
        let (queue, mut received) = queue(1, &meters.provider().meter("test"));
        let told = || {
            let told = |what: &str| meters.value(&format!("tributary_apply_queue_{what}")).unwrap();
            (told("changes"), told("size_bytes"))
        };
        assert_eq!(told(), (0.0, 0.0));
        queue.send("a", Step::Rows(vec![image(), image()]), 300).await.unwrap();
        let second = tokio::spawn({
            let queue = queue.clone();
            async move { queue.send("b", Step::Rows(vec![image()]), 70).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished(), "there is one place");
        assert_eq!(told(), (3.0, 370.0));
        drop(received.recv().await.unwrap());
        assert_eq!(told(), (1.0, 70.0));
        // Nobody will take it.
        drop(received);
        second.await.unwrap();
        assert_eq!(told(), (0.0, 0.0));
        assert_eq!(queue.send("a", Step::Rows(vec![image()]), 1).await, None);
        assert_eq!(told(), (0.0, 0.0));
    }
}
