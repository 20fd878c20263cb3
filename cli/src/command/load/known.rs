//! What is there already, read alongside what is to be added: both are in order of their ids, so a page is
//! all that is held of either.

use std::{cmp::Ordering, vec};

use tributary_chassis::position::Positions;

use super::{collection::Collection, meter::Meter};
use crate::failure::Failure;

/// A list that is read as far as it is asked about.
#[derive(Debug)]
pub(super) struct Known<'a> {
    collection: &'a Collection<'a>,
    meter: &'a Meter,
    page: std::iter::Peekable<vec::IntoIter<String>>,
    /// Of the page behind this one; `None` behind the last.
    next: Option<String>,
    positions: Positions,
}

impl<'a> Known<'a> {
    /// Nothing is read yet.
    pub(super) fn new(collection: &'a Collection<'a>, meter: &'a Meter) -> Self {
        let page = Vec::new().into_iter().peekable();
        Self { collection, meter, page, next: Some(String::new()), positions: Positions::default() }
    }

    /// What the pages stood on.
    pub(super) fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Whether `id` is there. To be asked in ascending order: the list is read only once.
    pub(super) async fn has(&mut self, id: &str) -> Result<bool, Failure> {
        loop {
            while let Some(known) = self.page.peek() {
                match known.as_str().cmp(id) {
                    Ordering::Less => drop(self.page.next()),
                    Ordering::Equal => return Ok(true),
                    Ordering::Greater => return Ok(false),
                }
            }
            let Some(token) = self.next.take() else { return Ok(false) };
            let page = self.collection.page(&token, self.meter).await?;
            self.next = (!page.next.is_empty()).then_some(page.next);
            self.page = page.ids.into_iter().peekable();
            self.positions.merge_all(&page.positions);
        }
    }
}
