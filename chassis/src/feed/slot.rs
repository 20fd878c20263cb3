//! Hands the frames of a subscription to its stream, one at a time.
//!
//! Not a channel, for two reasons: a subscriber that is cut off must not keep the memory of a frame that
//! it never read, and its position must be that of the last frame that it did.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Status;
use tributary_proto::feed::v1::SubscribeResponse;

/// Both ends of a new slot. `permit` is held for as long as there is a reader.
pub(super) fn pair(permit: OwnedSemaphorePermit) -> (Writer, Reader) {
    let slot = Arc::new(Slot::default());
    let gone = CancellationToken::new();
    let reader = Reader { slot: slot.clone(), _gone: gone.clone().drop_guard(), _permit: permit };
    (Writer { slot, gone }, reader)
}

#[derive(Debug, Default)]
struct Slot {
    content: Mutex<Content>,
    /// Told when a frame was taken.
    taken: Notify,
}

#[derive(Debug, Default)]
struct Content {
    frame: Option<SubscribeResponse>,
    /// Given out once, when there is no frame before it.
    last: Option<Status>,
    ended: bool,
    reader: Option<Waker>,
}

impl Slot {
    /// Content is whole between any two statements, so a panic elsewhere cannot have torn it.
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Content)) {
        let mut content = self.content();
        change(&mut content);
        let reader = content.reader.take();
        drop(content);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// The end of the subscription.
#[derive(Debug)]
pub(super) struct Writer {
    slot: Arc<Slot>,
    gone: CancellationToken,
}

impl Writer {
    /// Waits until the frame before was taken.
    pub(super) async fn vacant(&self) {
        while self.slot.content().frame.is_some() {
            self.slot.taken.notified().await;
        }
    }

    /// Only when [`Writer::vacant`].
    pub(super) fn put(&self, frame: SubscribeResponse) {
        self.slot.change(|content| content.frame = Some(frame));
    }

    /// Cancelled as soon as the subscriber is gone.
    pub(super) fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    /// Ends the stream; a frame that was not taken yet is taken back.
    pub(super) fn end(self, status: Status) {
        self.slot.change(|content| {
            content.frame = None;
            content.last = Some(status);
        });
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.slot.change(|content| content.ended = true);
    }
}

/// The end of the subscriber.
#[derive(Debug)]
pub struct Reader {
    slot: Arc<Slot>,
    _gone: DropGuard,
    _permit: OwnedSemaphorePermit,
}

impl Stream for Reader {
    type Item = Result<SubscribeResponse, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut content = self.slot.content();
        if let Some(frame) = content.frame.take() {
            drop(content);
            self.slot.taken.notify_one();
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(status) = content.last.take() {
            return Poll::Ready(Some(Err(status)));
        }
        if content.ended {
            return Poll::Ready(None);
        }
        content.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;
    use tokio_stream::StreamExt as _;

    use super::*;

    fn pair() -> (Writer, Reader) {
        super::pair(Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap())
    }

    #[tokio::test]
    async fn one_frame_at_a_time() {
        let (writer, mut reader) = pair();
        writer.put(SubscribeResponse::default());
        let vacant = tokio::spawn(async move { writer.vacant().await });
        tokio::task::yield_now().await;
        assert!(!vacant.is_finished());
        assert!(reader.next().await.is_some_and(|frame| frame.is_ok()));
        vacant.await.unwrap();
        assert!(reader.next().await.is_none(), "the writer is gone");
    }

    #[tokio::test]
    async fn the_end_takes_an_unread_frame_back() {
        let (writer, mut reader) = pair();
        writer.put(SubscribeResponse::default());
        writer.end(Status::resource_exhausted("slow"));
        assert_eq!(reader.next().await.unwrap().unwrap_err().message(), "slow");
        assert!(reader.next().await.is_none());
    }

    #[tokio::test]
    async fn a_dropped_reader_is_noticed() {
        let (writer, reader) = pair();
        drop(reader);
        writer.gone().cancelled().await;
    }
}
