//! What a gateway that stands by knows, all of it from the store: relations and positions as they are committed, and how
//! sources and views are doing as the gateway tells that applies.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use prost::Message as _;
use tokio::time::{sleep, timeout};
use tributary_chassis::{fault::causes, position::Position};

use super::{Role, published::Published};
use crate::{
    config::Config,
    database::{Connection, Error},
    error::StoreError,
    gateway::{Applied, Gateway},
    source::SourceStatus,
    store::layout,
    view::Views,
};

/// From one look at the store to the next: a change is noticed so much later than it is committed. A look is one row.
const INTERVAL: Duration = Duration::from_millis(50);
/// A server that gives no answer for so long is given up.
const PATIENCE: Duration = Duration::from_secs(3);
/// How old what was told may be before it is not known any more: that happens every second.
const KNOWN_FOR: Duration = Duration::from_secs(4);

const UNKNOWN: &str = "no gateway applies changes, so that nobody knows what the source does";
const UNSEEN: &str = "the gateway's database cannot be reached, so that nobody knows what the source does";

/// What a look shows: epoch, commits, number of the relations, and of what is told its generation, number and age.
type Look = (String, i64, i64, i64, i64, Option<i64>);

const LOOK: &str = "
    SELECT g.epoch, g.commits, l.number, coalesce(p.generation, 0), coalesce(p.number, 0),
        (extract(epoch FROM clock_timestamp() - p.told) * 1000)::bigint
    FROM _gateway AS g CROSS JOIN _layout AS l LEFT JOIN _published AS p ON TRUE";

/// Looks at the store again and again.
pub(super) struct Standby<'a> {
    gateway: &'a Gateway,
    views: &'a Views,
    config: &'a Config,
    seen: Option<Look>,
    /// Why it is not known how sources are doing, as long as it is not.
    unknown: Option<&'static str>,
}

impl<'a> Standby<'a> {
    pub(super) fn new(gateway: &'a Gateway, views: &'a Views, config: &'a Config) -> Self {
        Self { gateway, views, config, seen: None, unknown: None }
    }

    /// Never ends by itself; fails if the store is another one.
    pub(super) async fn run(mut self) -> Result<std::convert::Infallible, StoreError> {
        loop {
            let Err(error) = self.watch().await;
            if !error.ends_writing() {
                return Err(error);
            }
            tracing::warn!(error = causes(&error), "the store cannot be read; tried again by itself");
            self.forget(UNSEEN);
            sleep(INTERVAL * 10).await;
        }
    }

    async fn watch(&mut self) -> Result<std::convert::Infallible, StoreError> {
        // It knows what readers need not: how sources are doing.
        let mut reader = self.gateway.store().another().await?;
        loop {
            let late = |_| Err(StoreError::sql("looking at the store")(Error::late()));
            timeout(PATIENCE, self.look(&mut reader)).await.unwrap_or_else(late)?;
            sleep(INTERVAL).await;
        }
    }

    async fn look(&mut self, reader: &mut Connection) -> Result<(), StoreError> {
        let look: Look = reader.query(LOOK).one().await.map_err(StoreError::sql("looking at the store"))?;
        let (epoch, commits, layout, generation, number, age) = &look;
        let own = self.gateway.store().epoch();
        if epoch != own {
            return Err(StoreError::Replaced { was: own.to_owned(), is: epoch.clone() });
        }
        let seen = self.seen.take();
        let seen = seen.as_ref();
        // In this order: who waits for something that is applied is to find all that comes with it.
        if seen.is_none_or(|seen| seen.2 != *layout) {
            self.relations(reader).await?;
        }
        let age = age.map(|age| Duration::from_millis(age.max(0).cast_unsigned()));
        match age.filter(|age| *age < KNOWN_FOR) {
            Some(age)
                if self.unknown.is_some()
                    || seen.is_none_or(|seen| (seen.3, seen.4) != (*generation, *number)) =>
            {
                self.told(reader, age).await?;
            }
            Some(_) => {}
            None => {
                if seen.is_none() {
                    self.guessed(reader).await?;
                }
                self.forget(UNKNOWN);
            }
        }
        if seen.is_none_or(|seen| seen.1 != *commits) {
            let positions = positions(reader).await?;
            let positions = positions.into_values().map(|(at, _)| (at.service.clone(), at)).collect();
            self.gateway.replace_applied(Applied { commit: commits.cast_unsigned(), positions });
        }
        if seen.is_none() {
            self.gateway.set_role(Role::Standby);
        }
        self.seen = Some(look);
        Ok(())
    }

    async fn relations(&self, reader: &mut Connection) -> Result<(), StoreError> {
        match layout::noted(reader).await? {
            Some(catalog) => self.gateway.replace_catalog(Arc::new(catalog)),
            // Until this one applies, or is upgraded too.
            None => tracing::error!("a gateway of another version applies, whose relations cannot be read"),
        }
        Ok(())
    }

    /// How sources and views are doing.
    async fn told(&mut self, reader: &mut Connection, age: Duration) -> Result<(), StoreError> {
        let state = reader.query("SELECT state FROM _published").optional::<Vec<u8>>().await;
        let state = state.map_err(StoreError::sql("reading how sources are doing"))?;
        // What cannot be read another version wrote.
        let Some(state) = state.and_then(|state| Published::decode(state.as_slice()).ok()) else {
            return Ok(());
        };
        let sources = state.sources.into_iter().map(|source| SourceStatus::of_published(source, age));
        self.gateway.replace_sources(sources.map(|source| (source.name.clone(), source)).collect());
        self.views.show(state.views.unwrap_or_default());
        self.unknown = None;
        Ok(())
    }

    /// Before anything was told: what is configured, with what is stored.
    async fn guessed(&mut self, reader: &mut Connection) -> Result<(), StoreError> {
        let stored = positions(reader).await?;
        let sources = self.config.sources.iter().map(|source| {
            let status = SourceStatus::new(&source.name, source.endpoint.to_string().trim_end_matches('/'));
            let status = match stored.get(&source.name) {
                Some((position, commit_time)) => status.with(position, *commit_time),
                None => status,
            };
            (source.name.clone(), status)
        });
        self.gateway.replace_sources(sources.collect());
        Ok(())
    }

    fn forget(&mut self, reason: &'static str) {
        if self.unknown.replace(reason) == Some(reason) {
            return;
        }
        let mut sources: BTreeMap<String, SourceStatus> = self.gateway.source_changes().borrow().clone();
        sources.values_mut().for_each(|source| source.unknown(reason));
        self.gateway.replace_sources(sources);
    }
}

type Positions = BTreeMap<String, (Position, Option<i64>)>;

/// Through where each source is applied, by its name, with the commit time of the change there.
async fn positions(reader: &mut Connection) -> Result<Positions, StoreError> {
    type Row = (String, String, String, i64, Option<i64>);
    let text = "SELECT source, service, epoch, sequence, commit_time FROM _sources";
    let rows: Vec<Row> = reader.query(text).all().await.map_err(StoreError::sql("reading the positions"))?;
    let position = |(source, service, epoch, sequence, commit_time): Row| {
        let sequence = sequence.cast_unsigned();
        (source, (Position { service, epoch, sequence }, commit_time))
    };
    Ok(rows.into_iter().map(position).collect())
}
