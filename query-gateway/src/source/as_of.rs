//! What an answer stands on, as it is written into `tributary-as-of`.

use std::{collections::HashMap, fmt};

use tributary_chassis::position::{Position, Positions};

use super::{SourceState, SourceStatus};
use crate::{
    database::{Connection, Dialect},
    error::StoreError,
};

/// The positions that one reader's snapshot contains, with how far behind each source that is.
#[derive(Clone, Debug)]
pub struct AsOf {
    /// The gateway's own: `query/epoch/commit`.
    pub own: Position,
    /// Each source, in order of name.
    pub sources: Vec<SourceAsOf>,
    /// Number of the relations that can be read in that snapshot.
    pub(crate) layout: i64,
}

/// One source's part of an answer.
#[derive(Clone, Debug)]
pub struct SourceAsOf {
    /// What is contained; epoch `-` as long as there is nothing.
    pub position: Position,
    /// Changes that are published, as far as was heard of them, and not contained; `None` as long as nothing was.
    pub lag: Option<u64>,
    /// For how long the answer may have been outdated, by the source's clock; `None` if that was not told yet.
    pub lag_ms: Option<u64>,
    /// What the source is doing.
    pub state: SourceState,
    /// Whether it was ever filled.
    pub filled: bool,
    /// Whether what is contained is of the history that the source has, as far as is known.
    pub current: bool,
}

impl AsOf {
    /// Reads the positions on `reader`, in whose transaction the answer is read too.
    pub(crate) async fn read(
        epoch: &str,
        reader: &mut Connection,
        sources: &[SourceStatus],
    ) -> Result<Self, StoreError> {
        type Row = (String, String, String, i64, Option<i64>);
        let failed = StoreError::sql("reading the positions");
        let positions = reader.query("SELECT source, service, epoch, sequence, commit_time FROM _sources");
        let rows: Vec<Row> = positions.all().await.map_err(&failed)?;
        let commit = match reader.dialect() {
            Dialect::Sqlite => "SELECT commits, 0 FROM _gateway",
            Dialect::Postgres => "SELECT commits, (SELECT number FROM _layout) FROM _gateway",
        };
        let (commit, layout): (i64, i64) = reader.query(commit).one().await.map_err(&failed)?;
        let rows: HashMap<_, _> =
            rows.into_iter().map(|(source, s, e, n, t)| (source, (s, e, n, t))).collect();
        let sources = sources.iter().map(|status| part(status, rows.get(&status.name))).collect();
        let own = Position {
            service: "query".to_owned(),
            epoch: epoch.to_owned(),
            sequence: commit.cast_unsigned(),
        };
        Ok(Self { own, sources, layout })
    }

    /// Whether nothing is missing but what is on its way: no source is stopped, each was filled, with the history that it
    /// has.
    pub fn complete(&self) -> bool {
        let whole = |source: &SourceAsOf| source.filled && source.current;
        self.sources.iter().all(|source| whole(source) && source.state != SourceState::Stopped)
    }

    /// The positions of the sources.
    pub fn positions(&self) -> Positions {
        let mut positions = Positions::default();
        self.sources.iter().filter(|source| source.filled).for_each(|s| positions.merge(s.position.clone()));
        positions
    }
}

fn part(status: &SourceStatus, row: Option<&(String, String, i64, Option<i64>)>) -> SourceAsOf {
    match row {
        Some((service, epoch, sequence, commit_time)) => {
            let sequence = sequence.cast_unsigned();
            SourceAsOf {
                position: Position { service: service.clone(), epoch: epoch.clone(), sequence },
                lag: status.lag(sequence),
                lag_ms: status.lag_ms(sequence, *commit_time),
                state: status.state,
                filled: true,
                current: status.has(epoch),
            }
        }
        // What is missing are rows: changes that were pruned wrote most of them, perhaps, and others wrote none. Nor
        // can it be told since when an answer without them is wrong.
        None => SourceAsOf {
            position: Position { service: status.name.clone(), epoch: "-".to_owned(), sequence: 0 },
            lag: None,
            lag_ms: None,
            state: status.state,
            filled: false,
            current: false,
        },
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.own)?;
        for SourceAsOf { position, lag, lag_ms, state, .. } in &self.sources {
            write!(f, ", {position}")?;
            if let Some(changes) = lag {
                write!(f, ";lag={changes}")?;
            }
            if let Some(ms) = lag_ms {
                write!(f, ";lag_ms={ms}")?;
            }
            write!(f, ";state={}", state.as_str_name().to_ascii_lowercase())?;
        }
        write!(f, ";complete={}", u8::from(self.complete()))
    }
}
