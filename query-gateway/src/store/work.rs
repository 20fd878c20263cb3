//! What the sources hand to the writer.

use std::sync::Arc;

use tributary_proto::feed::v1::Position;

use super::visible::Command;
use crate::schema::{Image, Schema};

/// One step of one source. Steps of a source are taken in order.
#[derive(Debug)]
pub(crate) struct Work {
    /// As given by `--source`.
    pub(crate) source: String,
    pub(crate) step: Step,
    /// What it weighs: bytes of its changes on the wire.
    pub(crate) bytes: usize,
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
