//! The key space. Numbers in keys are big-endian, so that keys sort as the numbers do.
//!
//! | tree | key | value |
//! | --- | --- | --- |
//! | `meta` | `log` | [`LogRow`] |
//! | `meta` | `followed`, NUL, source | `tributary.feed.v1.Position`: through where it is followed |
//! | `state` | collection, NUL, id | [`StateRow`] |
//! | `outbox` | sequence (8), part (2) | part of a [`RecordRow`] |
//! | `requests` | request id, NUL, part (2) | part of a [`ReplyRow`] |
//! | `requests_by_time` | commit time (8), request id | parts of its reply (2) |
//!
//! A row larger than a value is cut into parts; the first begins with how many there are (2).

use ::sled::{Db, IVec, Tree};
use tributary_proto::feed::v1::Change;

use crate::{
    feed::{Mark, Record},
    outbox::{
        model::Stored,
        store::{BoxError, Reply},
    },
    timestamp,
};

/// Largest value.
pub(super) const VALUE_LIMIT: usize = 16 * 1024;
/// Largest encoded state, in bytes: a value, less what the chassis keeps beside it.
pub const STATE_LIMIT: usize = VALUE_LIMIT - 64;

/// The key of the log in `meta`.
pub(super) const LOG: &str = "log";

/// Where the log ends and begins. `oldest` is the last change that was pruned.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LogRow {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    #[prost(string, tag = "2")]
    pub(super) epoch: String,
    #[prost(uint64, tag = "3")]
    pub(super) head_sequence: u64,
    #[prost(fixed64, tag = "4")]
    pub(super) head_digest: u64,
    #[prost(uint64, tag = "5")]
    pub(super) oldest_sequence: u64,
    #[prost(fixed64, tag = "6")]
    pub(super) oldest_digest: u64,
}

impl LogRow {
    pub(super) fn head(&self) -> Mark {
        Mark { sequence: self.head_sequence, digest: self.head_digest }
    }

    pub(super) fn oldest(&self) -> Mark {
        Mark { sequence: self.oldest_sequence, digest: self.oldest_digest }
    }
}

/// A state; times in microseconds since 1970.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StateRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) state: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(super) sequence: u64,
    #[prost(uint64, tag = "3")]
    pub(super) version: u64,
    #[prost(int64, tag = "4")]
    pub(super) create_time: i64,
    #[prost(int64, tag = "5")]
    pub(super) update_time: i64,
}

impl StateRow {
    pub(super) fn new<S>(stored: &Stored<S>, state: Vec<u8>) -> Self {
        Self {
            state,
            sequence: stored.sequence,
            version: stored.version,
            create_time: timestamp::micros(stored.create_time),
            update_time: timestamp::micros(stored.update_time),
        }
    }

    pub(super) fn stored<S>(self, decode: fn(&[u8]) -> Result<S, BoxError>) -> Result<Stored<S>, BoxError> {
        Ok(Stored {
            state: decode(&self.state)?,
            sequence: self.sequence,
            version: self.version,
            create_time: timestamp::from_micros(self.create_time),
            update_time: timestamp::from_micros(self.update_time),
        })
    }
}

/// A change in the log.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RecordRow {
    #[prost(fixed64, tag = "1")]
    pub(super) digest: u64,
    #[prost(message, required, tag = "2")]
    pub(super) change: Change,
}

impl From<RecordRow> for Record {
    fn from(RecordRow { digest, change }: RecordRow) -> Self {
        Self { change, digest }
    }
}

/// What a request id was answered with.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReplyRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) digest: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) body: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) positions: String,
    #[prost(int64, tag = "4")]
    pub(super) commit_time: i64,
}

impl TryFrom<ReplyRow> for Reply {
    type Error = BoxError;

    fn try_from(row: ReplyRow) -> Result<Self, BoxError> {
        let ReplyRow { digest, body, positions, commit_time } = row;
        Ok(Self { digest: digest.as_slice().try_into()?, body, positions, commit_time })
    }
}

impl From<Reply> for ReplyRow {
    fn from(Reply { digest, body, positions, commit_time }: Reply) -> Self {
        Self { digest: digest.to_vec(), body, positions, commit_time }
    }
}

/// The trees of one store.
#[derive(Clone, Debug)]
pub(super) struct Trees {
    pub(super) db: Db,
    pub(super) meta: Tree,
    pub(super) state: Tree,
    pub(super) outbox: Tree,
    pub(super) requests: Tree,
    pub(super) requests_by_time: Tree,
}

impl Trees {
    pub(super) fn new(db: Db) -> Result<Self, ::sled::Error> {
        Ok(Self {
            meta: db.open_tree("meta")?,
            state: db.open_tree("state")?,
            outbox: db.open_tree("outbox")?,
            requests: db.open_tree("requests")?,
            requests_by_time: db.open_tree("requests_by_time")?,
            db,
        })
    }
}

pub(super) fn state_key(collection: &str, id: &str) -> Vec<u8> {
    [collection.as_bytes(), b"\0", id.as_bytes()].concat()
}

/// Where the position of a followed source is kept in `meta`.
pub(super) fn followed_key(source: &str) -> Vec<u8> {
    [b"followed\0", source.as_bytes()].concat()
}

pub(super) fn record_key(sequence: u64, part: u16) -> Vec<u8> {
    [sequence.to_be_bytes().as_slice(), &part.to_be_bytes()].concat()
}

pub(super) fn request_key(request_id: &str, part: u16) -> Vec<u8> {
    [request_id.as_bytes(), b"\0", &part.to_be_bytes()].concat()
}

pub(super) fn time_key(commit_time: i64, request_id: &str) -> Vec<u8> {
    // Commit times are after 1970, so they sort the same without their sign.
    [commit_time.cast_unsigned().to_be_bytes().as_slice(), request_id.as_bytes()].concat()
}

/// The number that a key begins with.
pub(super) fn leading_number(key: &[u8]) -> Result<u64, BoxError> {
    let bytes = key.first_chunk().ok_or("a key is too short")?;
    Ok(u64::from_be_bytes(*bytes))
}

/// A row as values, numbered from 0.
pub(super) fn parts(row: &impl prost::Message) -> Vec<(u16, Vec<u8>)> {
    // A row is little more than 1 MiB at most, which is far below 65,536 parts.
    let count = (2 + row.encoded_len()).div_ceil(VALUE_LIMIT) as u16;
    let bytes = [count.to_be_bytes().as_slice(), &row.encode_to_vec()].concat();
    (0..).zip(bytes.chunks(VALUE_LIMIT).map(<[u8]>::to_vec)).collect()
}

/// The row of these parts; `None` while some are missing, which is so when they are just being pruned.
pub(super) fn join<R: prost::Message + Default>(parts: &[IVec]) -> Result<Option<R>, BoxError> {
    let Some(count) = parts.first().map(|first| part_count(first)).transpose()? else { return Ok(None) };
    if parts.len() != usize::from(count) {
        return Ok(None);
    }
    let bytes = parts.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>().concat();
    Ok(Some(R::decode(&bytes[2..])?))
}

/// How many parts there are, by the first.
pub(super) fn part_count(first: &[u8]) -> Result<u16, BoxError> {
    let bytes = first.first_chunk().ok_or("a value is too short")?;
    Ok(u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_any_size_comes_back_from_its_parts() {
        for size in [0, 1, VALUE_LIMIT - 10, VALUE_LIMIT, 3 * VALUE_LIMIT, 1024 * 1024] {
            let row = ReplyRow { body: vec![7; size], ..ReplyRow::default() };
            let mut values: Vec<IVec> = parts(&row).into_iter().map(|(_, part)| part.into()).collect();
            assert!(values.iter().all(|part| part.len() <= VALUE_LIMIT), "{size}");
            assert_eq!(join::<ReplyRow>(&values).unwrap(), Some(row), "{size}");
            values.pop();
            assert_eq!(join::<ReplyRow>(&values).unwrap(), None, "{size}");
        }
    }

    #[test]
    fn the_largest_state_fits_a_value() {
        let row = StateRow {
            state: vec![0; STATE_LIMIT],
            sequence: u64::MAX,
            version: u64::MAX,
            create_time: i64::MIN,
            update_time: i64::MIN,
        };
        assert!(prost::Message::encoded_len(&row) <= VALUE_LIMIT);
    }

    #[test]
    fn keys_sort_as_their_numbers() {
        let keys = [record_key(1, 0), record_key(1, 1), record_key(2, 0), record_key(256, 0)];
        assert!(keys.is_sorted());
        assert_eq!(leading_number(&keys[3]).unwrap(), 256);
        assert!([time_key(1, "b"), time_key(2, "a"), time_key(300, "")].is_sorted());
    }
}
