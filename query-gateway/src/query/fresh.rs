//! How fresh an answer must be, as its caller says in the metadata.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tonic::metadata::MetadataMap;
use tributary_chassis::{
    fault::{Fault, Reason},
    position::{AFTER, Position, Positions},
};

use crate::{
    gateway::{Applied, Gateway},
    source::{AsOf, SourceState, SourceStatus},
};

/// Metadata of a query: how outdated its answer may be, such as `500ms` or `2s`.
pub const MAX_STALENESS: &str = "tributary-max-staleness";

/// The service in the gateway's own positions.
const OWN: &str = "query";

/// A source's state changes without a commit, and so without a wake-up: look again this often.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What must be contained in an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    after: Positions,
    max_staleness: Option<Duration>,
}

/// What still has to happen.
enum Missing {
    /// It can come by itself.
    Wait(String),
    /// It cannot.
    Never(Fault),
}

impl Freshness {
    /// Reads `tributary-after` and `tributary-max-staleness`; either may be left out.
    pub fn of(metadata: &MetadataMap) -> Result<Self, Fault> {
        let mut after = Positions::default();
        for text in texts(metadata, AFTER)? {
            after.merge_all(&text.parse::<Positions>().map_err(|bad| Fault::field(AFTER, bad.to_string()))?);
        }
        let max_staleness = texts(metadata, MAX_STALENESS)?.last().map(|text| duration(text)).transpose()?;
        Ok(Self { after, max_staleness })
    }

    /// Waits until all of it is applied.
    pub(super) async fn reach(&self, gateway: &Gateway, deadline: Instant) -> Result<(), Fault> {
        let mut applied = gateway.applied();
        loop {
            let now = applied.borrow_and_update().clone();
            let text = match self.missing(gateway, &now).await? {
                None => return Ok(()),
                Some(Missing::Never(fault)) => return Err(fault),
                Some(Missing::Wait(text)) => text,
            };
            if Instant::now() >= deadline {
                return Err(Fault::new(Reason::DeadlineExceeded, format!("time was up: {text}")));
            }
            tokio::select! {
                changed = applied.changed() => {
                    changed.map_err(|_| Fault::new(Reason::Draining, "the gateway is about to stop"))?;
                }
                () = sleep_until(deadline.min(Instant::now() + LOOK_AGAIN)) => {}
            }
        }
    }

    async fn missing(&self, gateway: &Gateway, applied: &Applied) -> Result<Option<Missing>, Fault> {
        let sources = gateway.sources();
        for position in self.after.iter() {
            let missing = match position.service.as_str() {
                OWN => own(gateway.store().epoch(), applied.commit, position),
                _ => of_source(&sources, applied, position),
            };
            if missing.is_some() {
                return Ok(missing);
            }
        }
        let Some(bound) = self.max_staleness else { return Ok(None) };
        let mut reader = gateway.store().read().await?;
        Ok(stale(&gateway.as_of(&mut reader).await?, bound))
    }
}

fn own(epoch: &str, commit: u64, wanted: &Position) -> Option<Missing> {
    if wanted.epoch != epoch {
        return Some(Missing::Never(foreign(wanted, epoch)));
    }
    (commit < wanted.sequence).then(|| {
        Missing::Wait(format!("{wanted} is not reached yet: the gateway stands at {OWN}/{epoch}/{commit}"))
    })
}

fn of_source(sources: &[SourceStatus], applied: &Applied, wanted: &Position) -> Option<Missing> {
    let service = &wanted.service;
    let stands = applied.positions.get(service);
    if stands.is_some_and(|at| at.epoch == wanted.epoch && at.sequence >= wanted.sequence) {
        return None;
    }
    let Some(source) = sources.iter().find(|source| source.service == *service) else {
        return Some(unknown(sources, wanted));
    };
    // A source that is connected has the history that is applied. One that is not may have another by now, as after a
    // restore, and a snapshot that is under way may bring the one that is wanted.
    let connected = matches!(source.state, SourceState::CatchingUp | SourceState::Live);
    if let Some(at) = stands.filter(|at| at.epoch != wanted.epoch && connected) {
        return Some(Missing::Never(foreign(wanted, &at.epoch)));
    }
    let at = stands.map_or_else(|| "nothing of it is applied".to_owned(), |at| format!("it stands at {at}"));
    if source.state == SourceState::Stopped {
        let text = format!("{wanted} will not be applied: {at}, and the source stopped: {}", source.reason);
        return Some(Missing::Never(Fault::new(Reason::WrongState, text)));
    }
    let state = source.state.as_str_name();
    let why = if source.reason.is_empty() { String::new() } else { format!(": {}", source.reason) };
    Some(Missing::Wait(format!("{wanted} is not applied yet: {at} ({state}{why})")))
}

/// No source calls itself so: those that were never reached might.
fn unknown(sources: &[SourceStatus], wanted: &Position) -> Missing {
    let (known, unreached): (Vec<_>, Vec<_>) = sources.iter().partition(|source| !source.service.is_empty());
    let service = &wanted.service;
    if unreached.is_empty() {
        let known: Vec<_> = known.iter().map(|source| source.service.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let text = format!("`{service}` is no source of this gateway; it has {known}");
        return Missing::Never(Fault::field(AFTER, text));
    }
    let names: Vec<_> = unreached.iter().map(|source| source.name.as_str()).collect();
    Missing::Wait(format!("{wanted} is not applied yet: never reached so far: {}", names.join(", ")))
}

fn foreign(wanted: &Position, epoch: &str) -> Fault {
    let text = format!(
        "{wanted} is of another history than the one applied, {}/{epoch}: take a new position",
        wanted.service
    );
    Fault::new(Reason::HistoryDiverged, text)
}

fn stale(as_of: &AsOf, bound: Duration) -> Option<Missing> {
    let late = as_of
        .sources
        .iter()
        .find(|source| !source.filled || source.lag_ms.is_none_or(|ms| u128::from(ms) > bound.as_millis()))?;
    let lag = late.lag_ms.map_or_else(|| "an unknown time".to_owned(), |ms| format!("{ms} ms"));
    Some(Missing::Wait(format!("{} is {lag} behind, {} ms are allowed", late.position, bound.as_millis())))
}

fn texts<'a>(metadata: &'a MetadataMap, name: &'static str) -> Result<Vec<&'a str>, Fault> {
    let values = metadata.get_all(name).into_iter();
    values.map(|value| value.to_str().map_err(|_| Fault::field(name, "is not plain text"))).collect()
}

/// A whole number with `ms` or `s` behind it.
fn duration(text: &str) -> Result<Duration, Fault> {
    let parsed = match text.strip_suffix("ms") {
        Some(millis) => millis.parse().map(Duration::from_millis).ok(),
        None => text.strip_suffix('s').and_then(|seconds| seconds.parse().map(Duration::from_secs).ok()),
    };
    parsed.ok_or_else(|| Fault::field(MAX_STALENESS, format!("`{text}` is no duration: write 500ms or 2s")))
}

#[cfg(test)]
mod tests;
