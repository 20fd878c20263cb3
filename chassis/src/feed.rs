//! The change feed: what a log of changes is ([`Log`]), and how its history is chained ([`digest()`]).

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tributary_proto::feed::v1 as proto;

use crate::fault::Fault;

/// A place in one log, with the digest of the history up to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Gapless from 1; 0 is before the first change.
    pub sequence: u64,
    /// [`digest()`] of the change there; 0 at sequence 0.
    pub digest: u64,
}

/// A change with the digest of the history up to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// As subscribers receive it.
    pub change: proto::Change,
    /// [`digest()`] of it.
    pub digest: u64,
}

/// A durable log of changes, gapless and in commit order. Nothing that a crash could still take back is
/// ever shown by it.
#[tonic::async_trait]
pub trait Log: Send + Sync + 'static {
    /// Whose log.
    fn service(&self) -> &str;

    /// Which history: random, new with every store.
    fn epoch(&self) -> &str;

    /// The names of the published entities.
    fn entities(&self) -> &'static [&'static str];

    /// The durable head; also a wake-up.
    fn head(&self) -> watch::Receiver<Mark>;

    /// The first position after which the feed can be resumed.
    async fn oldest(&self) -> Result<Mark, Fault>;

    /// The digest at a position that is still kept, `oldest` included.
    async fn digest(&self, sequence: u64) -> Result<Option<u64>, Fault>;

    /// The changes behind `after`: whole commands, about `max_bytes` of them, at least one command if
    /// there is any. [`Reason::PositionExpired`](crate::fault::Reason::PositionExpired) below `oldest`.
    async fn page(&self, after: u64, max_bytes: usize) -> Result<Vec<Record>, Fault>;

    /// Rows of a snapshot in order of their key, behind `after_key`: each as its last change left it,
    /// with that change's sequence.
    async fn scan(
        &self,
        entity: &str,
        after_key: Option<&str>,
        limit: usize,
    ) -> Result<Vec<proto::Change>, Fault>;
}

/// The digest of the history that ends with `change`, as feed.proto defines it: first 8 bytes of SHA-256
/// over the digest before and what makes the change.
pub fn digest(previous: u64, change: &proto::Change) -> u64 {
    let mut hash = Sha256::new();
    hash.update(previous.to_be_bytes());
    hash.update(change.sequence.to_be_bytes());
    delimited(&mut hash, change.entity.as_bytes());
    delimited(&mut hash, change.key.as_bytes());
    hash.update(change.operation.to_be_bytes());
    delimited(&mut hash, change.value.as_ref().map_or(&[], |any| any.value.as_slice()));
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// With its length in front, so that no two lists of parts hash alike. A command is far below 4 GiB.
fn delimited(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u32).to_be_bytes());
    hash.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: u64 = 0xf9fd_136f_9b74_b456;

    fn change() -> proto::Change {
        proto::Change {
            sequence: 7,
            entity: "accounts".to_owned(),
            key: "a".to_owned(),
            operation: proto::Operation::Upsert.into(),
            value: Some(prost_types::Any { type_url: "t".to_owned(), value: vec![1, 2, 3] }),
            ..Default::default()
        }
    }

    /// Computed once with another implementation (Python's hashlib): stored digests must never change.
    #[test]
    fn the_digest_is_a_stored_contract() {
        assert_eq!(digest(0x0102_0304_0506_0708, &change()), DIGEST);
    }

    #[test]
    fn every_part_counts() {
        let mut others = vec![change(); 5];
        others[0].sequence = 8;
        others[1].entity = "account".to_owned();
        others[2].key = "sa".to_owned();
        others[3].operation = proto::Operation::Delete.into();
        others[4].value = None;
        assert!(others.iter().all(|other| digest(1, other) != digest(1, &change())));
        assert_ne!(digest(1, &change()), digest(2, &change()));
    }
}
