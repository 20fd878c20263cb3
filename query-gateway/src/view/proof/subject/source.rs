//! A source as the gateway sees it: what it says of itself, its changes, its snapshots.

use std::{collections::HashMap, sync::Arc};

use prost::Message as _;
use tributary_proto::feed::v1::Position;

use super::super::script::Batch;
use crate::{
    schema::{
        Image, Schema, Value,
        fixture::{Published, publish},
    },
    store::{Begin, Step},
};

/// A source, and how it stands.
pub(in crate::view::proof) struct Source {
    pub(in crate::view::proof) name: String,
    published: Published,
    pub(in crate::view::proof) schema: Arc<Schema>,
    head: u64,
    /// By entity and key.
    images: HashMap<(usize, Vec<Value>), Image>,
}

impl Source {
    pub(in crate::view::proof) fn new(name: &str, messages: &str) -> Self {
        let published = publish(messages);
        let schema = Arc::new(Schema::learn(name, &published.described).unwrap());
        Self { name: name.to_owned(), published, schema, head: 0, images: HashMap::new() }
    }

    pub(in crate::view::proof) fn position(&self) -> Position {
        Position {
            service: self.name.clone(),
            epoch: "e1".to_owned(),
            sequence: self.head,
            digest: self.head,
        }
    }

    /// The images of what of a batch is this source's.
    pub(in crate::view::proof) fn take(&mut self, batch: &Batch) -> Vec<Image> {
        let mut taken = Vec::new();
        for change in &batch.changes {
            if self.schema.entity(&change.entity).is_none() {
                continue;
            }
            self.head += 1;
            let make = if change.deleted { Published::delete } else { Published::upsert };
            let change = make(&self.published, self.head, &change.entity, &change.value);
            let image = self.schema.decode(&change).unwrap();
            let key = (image.entity, image.key.clone());
            match &image.rows {
                Some(_) => self.images.insert(key, image.clone()),
                None => self.images.remove(&key),
            };
            taken.push(image);
        }
        taken
    }

    /// All rows as they are now.
    pub(in crate::view::proof) fn snapshot(&self) -> Vec<Step> {
        let (schema, low) = (self.schema.clone(), self.position());
        let described = self.published.described.encode_to_vec();
        let rows = self.images.values().cloned().collect();
        vec![
            Step::Begin(Begin { schema, described, low, accepted: false }),
            Step::Rows(rows),
            Step::End { high: self.position() },
        ]
    }
}
