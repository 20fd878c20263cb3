//! The six services as a test plays them.

use tonic::Request;
use tributary_chassis::position::{AFTER, Positions};

use super::entities::{Entities, Entity, SERVICES};
use crate::{clients::metadata, mesh::own_loopback_address, publisher::Publisher};

/// Six feeds, and what they have published.
#[derive(Debug)]
pub struct Cast {
    /// As published.
    pub entities: Entities,
    publishers: Vec<Publisher>,
    after: Positions,
    host: String,
}

impl Cast {
    /// Services that own nothing yet.
    pub async fn assemble() -> Self {
        let host = own_loopback_address();
        let mut publishers = Vec::new();
        for (service, descriptors) in SERVICES {
            publishers.push(Publisher::play(service, descriptors.to_vec(), &host).await);
        }
        Self { entities: Entities::default(), publishers, after: Positions::default(), host }
    }

    /// As arguments of the gateway.
    pub(super) fn sources(&self) -> Vec<String> {
        self.publishers.iter().map(Publisher::source).collect()
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Publishes that an entity is like this from now on; nobody is told.
    pub fn put<E: Entity>(&mut self, entity: E) {
        self.publishers[E::SERVICE].upsert(&entity);
        E::all(&mut self.entities).insert(entity.id().to_owned(), entity);
    }

    /// Publishes that an entity is gone; nobody is told.
    pub fn remove<E: Entity>(&mut self, id: &str) {
        let gone = E::all(&mut self.entities).remove(id).expect("an entity that is there");
        self.publishers[E::SERVICE].delete(&gone);
    }

    /// Shows what was published; what is asked from now on is answered with it.
    pub fn show(&mut self) {
        for publisher in &self.publishers {
            self.after.merge(publisher.show_all());
        }
    }

    /// A request that is answered with all that was shown.
    pub fn behind<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert(AFTER, metadata(&self.after.to_string()));
        request
    }
}
