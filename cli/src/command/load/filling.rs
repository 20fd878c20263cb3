//! Fills one collection after another: in each, adds what is not there, many at a time.

use std::cell::RefCell;

use futures::{Stream, TryStreamExt as _, stream};
use tributary_chassis::position::Positions;

use super::{
    collection::{Added, Collection, Item},
    known::Known,
    meter::Meter,
};
use crate::failure::Failure;

/// A load under way.
#[derive(Debug)]
pub(super) struct Filling {
    origin: &'static str,
    concurrency: usize,
    written: RefCell<Positions>,
}

impl Filling {
    /// Request ids begin with `origin`; `concurrency` calls are under way at the same time.
    pub(super) fn new(origin: &'static str, concurrency: u16) -> Self {
        Self { origin, concurrency: concurrency.into(), written: RefCell::default() }
    }

    /// Adds those of `total` items that are not there yet. Items are in ascending order of their ids.
    ///
    /// To look before adding is for speed alone: what appears in between is added under the same request id, and
    /// so is not added twice.
    pub(super) async fn fill(
        &self,
        collection: &Collection<'_>,
        total: u64,
        items: impl Iterator<Item = Item>,
    ) -> Result<(), Failure> {
        let meter = Meter::new(collection.name(), total);
        self.missing(collection, &meter, items)
            .try_for_each_concurrent(self.concurrency, async |item| {
                match collection.add(self.origin, &item, &meter).await? {
                    Added::Now(positions) => {
                        self.written.borrow_mut().merge_all(&positions);
                        meter.added();
                    }
                    Added::Before => meter.known(),
                }
                Ok(())
            })
            .await?;
        meter.finish();
        Ok(())
    }

    /// The items that are not there.
    fn missing<'b>(
        &'b self,
        collection: &'b Collection<'b>,
        meter: &'b Meter,
        items: impl Iterator<Item = Item> + 'b,
    ) -> impl Stream<Item = Result<Item, Failure>> + 'b {
        stream::try_unfold((items, Known::new(collection, meter)), async move |(mut items, mut known)| {
            for item in items.by_ref() {
                if !known.has(&item.id).await? {
                    return Ok(Some((item, (items, known))));
                }
                meter.known();
            }
            self.written.borrow_mut().merge_all(known.positions());
            Ok(None)
        })
    }

    /// What has to be waited for to see all of it.
    pub(super) fn written(&self) -> Positions {
        self.written.borrow().clone()
    }
}
