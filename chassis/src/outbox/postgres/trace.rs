//! What became of a transaction whose COMMIT was not answered.
//!
//! It is looked for by what it must have left. The server would tell what became of its number, but that is no proof: a server
//! that crashes forgets numbers that were not on disk, and gives them to others, which may be committed by now.

use sqlx::{PgConnection, Row as _};

use crate::{
    feed::Mark,
    outbox::{batch::Batch, model::Model},
};

/// What a group leaves that nobody else's does, since all of it is one transaction.
#[derive(Clone, Debug)]
pub(super) enum Trace {
    /// A reply, kept for days: its request, its time, and what it stands on.
    Reply(String, i64, String),
    /// The last change, whose digest is of all before it.
    Change(Mark),
    /// Through where a source is followed, in which epoch. Whoever else brought it there has done the same step.
    Followed(String, String, u64),
}

/// What is found of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Committed,
    Lost,
    /// It would not be kept any more.
    Unknown,
}

impl Trace {
    /// Of a group that writes anything.
    pub(super) fn of<M: Model>(batch: &Batch<M>) -> Option<Self> {
        let reply = batch
            .replies
            .last()
            .map(|(id, reply)| Self::Reply(id.clone(), reply.commit_time, reply.positions.clone()));
        let change = || (!batch.records.is_empty()).then_some(Self::Change(batch.head));
        let followed = || {
            let (source, at) = batch.followed.last()?;
            Some(Self::Followed(source.clone(), at.epoch.clone(), at.sequence))
        };
        reply.or_else(change).or_else(followed)
    }

    /// Looks for it, on a connection that has the lock of the store.
    pub(super) async fn look_up(&self, connection: &mut PgConnection) -> Result<Found, sqlx::Error> {
        let (is_there, may_be_gone) = match self {
            Self::Reply(id, commit_time, positions) => {
                let select = "SELECT EXISTS (SELECT FROM tributary_replies
                                             WHERE request_id = $1 AND commit_time = $2 AND positions = $3)";
                let select = sqlx::query_scalar(select).bind(id).bind(commit_time).bind(positions);
                (select.fetch_one(connection).await?, false)
            }
            Self::Change(Mark { sequence, digest }) => {
                let select =
                    "SELECT EXISTS (SELECT FROM tributary_changes WHERE sequence = $1 AND digest = $2),
                                     oldest_sequence >= $1 FROM tributary_log";
                let select = sqlx::query(select).bind(sequence.cast_signed()).bind(digest.cast_signed());
                let found = select.fetch_one(connection).await?;
                (found.try_get(0)?, found.try_get(1)?)
            }
            Self::Followed(source, epoch, sequence) => {
                let select = "SELECT EXISTS (SELECT FROM tributary_followed
                                             WHERE source = $1 AND epoch = $2 AND sequence >= $3)";
                let select = sqlx::query_scalar(select).bind(source).bind(epoch).bind(sequence.cast_signed());
                (select.fetch_one(connection).await?, false)
            }
        };
        Ok(match (is_there, may_be_gone) {
            (true, _) => Found::Committed,
            (false, false) => Found::Lost,
            (false, true) => Found::Unknown,
        })
    }
}
