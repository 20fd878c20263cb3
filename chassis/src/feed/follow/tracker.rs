//! Where a follower is, and whether what it receives leads on from there. Pure.

use std::collections::BTreeSet;

use tributary_proto::feed::v1::{
    Change, Changes, DescribeResponse, Operation, Position, Progress, SnapshotBegin, SnapshotCursor,
    SnapshotEnd, SnapshotRows, SnapshotStart, SubscribeResponse, subscribe_request::Start,
    subscribe_response::Frame,
};

use super::{Event, StopReason};
use crate::feed::digest;

/// Why a feed cannot be followed any further, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::feed) struct Stop {
    pub(super) reason: StopReason,
    pub(super) message: String,
}

type Checked<T> = Result<T, Stop>;

/// Knows where the consumer is.
#[derive(Clone, Debug)]
pub(in crate::feed) struct Tracker {
    /// What was asked for; everything when empty.
    entities: BTreeSet<String>,
    /// Who is followed; nobody before the first position.
    service: Option<String>,
    /// Whose history is followed; none before the first position.
    home: Option<Home>,
    /// Whose history the service at hand has.
    described: Home,
    place: Place,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Home {
    service: String,
    epoch: String,
}

impl Home {
    fn of(position: &Position) -> Self {
        Self { service: position.service.clone(), epoch: position.epoch.clone() }
    }
}

#[derive(Clone, Debug)]
enum Place {
    /// Nothing is known; a snapshot is due.
    Nowhere,
    /// Between the begin of a snapshot and its end.
    Within(Snapshot),
    /// Everything up to here was given.
    At(Position),
}

#[derive(Clone, Debug)]
struct Snapshot {
    low: Position,
    id: String,
    /// Of the last rows; a snapshot that was cut off before any starts anew.
    cursor: Option<SnapshotCursor>,
    /// The newest row.
    newest: u64,
    /// Whether this connection has said how the snapshot begins.
    begun: bool,
}

impl Tracker {
    pub(in crate::feed) fn new(position: Option<Position>, entities: &[String]) -> Self {
        Self {
            entities: entities.iter().cloned().collect(),
            service: position.as_ref().map(|position| position.service.clone()),
            home: position.as_ref().map(Home::of),
            described: Home::default(),
            place: position.map_or(Place::Nowhere, Place::At),
        }
    }

    /// Any history of any service will do.
    pub(in crate::feed) fn forget(&mut self) {
        self.service = None;
        self.give_up_history();
    }

    /// Any history of this service will do.
    pub(in crate::feed) fn give_up_history(&mut self) {
        self.home = None;
        self.place = Place::Nowhere;
    }

    /// A snapshot is due, of the same history.
    pub(in crate::feed) fn expired(&mut self) {
        self.place = Place::Nowhere;
    }

    /// Where the next subscription starts.
    pub(in crate::feed) fn start(&mut self) -> Start {
        match &mut self.place {
            Place::At(position) => Start::After(position.clone()),
            Place::Within(Snapshot { cursor: Some(cursor), begun, .. }) => {
                *begun = false;
                Start::ResumeSnapshot(cursor.clone())
            }
            Place::Nowhere | Place::Within(_) => {
                self.place = Place::Nowhere;
                Start::Snapshot(SnapshotStart {})
            }
        }
    }

    /// Whether the service has the history that is followed.
    pub(in crate::feed) fn described(&mut self, description: &DescribeResponse) -> Checked<()> {
        let DescribeResponse { service, epoch, .. } = description;
        if service.is_empty() || epoch.is_empty() {
            return Err(malformed("Describe names no service or no epoch"));
        }
        self.described = Home { service: service.clone(), epoch: epoch.clone() };
        if let Some(expected) = self.service.as_ref().filter(|expected| *expected != service) {
            return Err(another_service(expected, service));
        }
        match &self.home {
            Some(home) if *home != self.described => Err(foreign(home, &self.described)),
            _ => Ok(()),
        }
    }

    /// What a frame means; nothing where it only repeats how a resumed snapshot began.
    pub(in crate::feed) fn accept(&mut self, frame: SubscribeResponse) -> Checked<Option<Event>> {
        match frame.frame.ok_or_else(|| malformed("a frame is empty, or of a kind that is not known here"))? {
            Frame::SnapshotBegin(begin) => self.begin(begin),
            Frame::SnapshotRows(rows) => self.rows(rows).map(Some),
            Frame::SnapshotEnd(end) => self.end(end).map(Some),
            Frame::Changes(changes) => self.changes(changes).map(Some),
            Frame::Progress(progress) => self.progress(progress).map(Some),
        }
    }

    fn begin(&mut self, SnapshotBegin { low, id }: SnapshotBegin) -> Checked<Option<Event>> {
        let low = self.position("SnapshotBegin.low", low)?;
        match &mut self.place {
            Place::Nowhere => {
                self.service = Some(low.service.clone());
                self.home = Some(Home::of(&low));
                let snapshot = Snapshot { low: low.clone(), id, cursor: None, newest: 0, begun: true };
                self.place = Place::Within(snapshot);
                Ok(Some(Event::SnapshotBegin { low }))
            }
            Place::Within(snapshot) if !snapshot.begun && snapshot.low == low && snapshot.id == id => {
                snapshot.begun = true;
                Ok(None)
            }
            Place::Within(_) | Place::At(_) => Err(malformed("a snapshot begins that was not asked for")),
        }
    }

    fn rows(&mut self, SnapshotRows { rows, cursor }: SnapshotRows) -> Checked<Event> {
        if let Some(row) = rows.iter().find(|row| !self.asked_for(row)) {
            return Err(malformed(format!("a row is of `{}`, which was not asked for", row.entity)));
        }
        let snapshot = self.snapshot("rows")?;
        if rows.iter().any(|row| row.operation != i32::from(Operation::Upsert)) {
            return Err(malformed("a row of a snapshot is no UPSERT"));
        }
        let (Some(last), Some(cursor)) = (rows.last(), cursor) else {
            return Err(malformed("rows of a snapshot come without a row or without a cursor"));
        };
        if (&cursor.entity, &cursor.key, &cursor.id) != (&last.entity, &last.key, &snapshot.id) {
            return Err(malformed("the cursor of a snapshot is not at its last row"));
        }
        let newest = rows.iter().map(|row| row.sequence).max().unwrap_or_default();
        snapshot.newest = snapshot.newest.max(newest);
        snapshot.cursor = Some(cursor);
        Ok(Event::SnapshotRows(rows))
    }

    fn end(&mut self, SnapshotEnd { high }: SnapshotEnd) -> Checked<Event> {
        let high = self.position("SnapshotEnd.high", high)?;
        let snapshot = self.snapshot("an end")?;
        if high.sequence < snapshot.low.sequence.max(snapshot.newest) {
            return Err(malformed("the high position of a snapshot is below its low one or below a row"));
        }
        self.place = Place::At(snapshot.low.clone());
        Ok(Event::SnapshotEnd { high })
    }

    fn changes(&mut self, Changes { after, through, changes }: Changes) -> Checked<Event> {
        let after = self.position("Changes.after", after)?;
        let through = self.position("Changes.through", through)?;
        let own = self.own("changes")?;
        leads_on(own, &after)?;
        if through.sequence < after.sequence {
            return Err(malformed("a frame leads backwards"));
        }
        if self.entities.is_empty() {
            chain(&after, &through, &changes)?;
        } else {
            self.within(&after, &through, &changes)?;
        }
        self.place = Place::At(through.clone());
        Ok(Event::Changes { after, through, changes })
    }

    fn progress(&self, Progress { head, through, oldest, now }: Progress) -> Checked<Event> {
        let head = self.position("Progress.head", head)?;
        let through = self.position("Progress.through", through)?;
        let oldest = self.position("Progress.oldest", oldest)?;
        let now = now.ok_or_else(|| malformed("Progress.now is missing"))?;
        let own = match &self.place {
            Place::At(position) => position,
            Place::Within(snapshot) if snapshot.begun => &snapshot.low,
            Place::Nowhere | Place::Within(_) => {
                return Err(malformed("progress comes before a snapshot begins"));
            }
        };
        leads_on(own, &through)?;
        if head.sequence < through.sequence {
            return Err(malformed("Progress.head is behind what was sent"));
        }
        Ok(Event::Progress { head, oldest, now })
    }

    /// With entities left out, the chain cannot be computed: what can be checked is order and range.
    fn within(&self, after: &Position, through: &Position, changes: &[Change]) -> Checked<()> {
        let mut last = after.sequence;
        for change in changes {
            if change.sequence <= last || change.sequence > through.sequence {
                return Err(hole(format!(
                    "change {} follows {last} in a frame through {}",
                    change.sequence, through.sequence
                )));
            }
            if !self.asked_for(change) {
                return Err(malformed(format!(
                    "a change is of `{}`, which was not asked for",
                    change.entity
                )));
            }
            last = change.sequence;
        }
        if after.sequence == through.sequence && after.digest != through.digest {
            return Err(diverged(after));
        }
        Ok(())
    }

    fn asked_for(&self, change: &Change) -> bool {
        self.entities.is_empty() || self.entities.contains(&change.entity)
    }

    /// Every position of a connection is of the history that it was described with.
    fn position(&self, field: &str, position: Option<Position>) -> Checked<Position> {
        let position = position.ok_or_else(|| malformed(format!("{field} is missing")))?;
        let home = Home::of(&position);
        if home == self.described { Ok(position) } else { Err(foreign(&self.described, &home)) }
    }

    fn own(&self, what: &str) -> Checked<&Position> {
        match &self.place {
            Place::At(position) => Ok(position),
            Place::Nowhere | Place::Within(_) => {
                Err(malformed(format!("{what} come before the snapshot ends")))
            }
        }
    }

    fn snapshot(&mut self, what: &str) -> Checked<&mut Snapshot> {
        match &mut self.place {
            Place::Within(snapshot) if snapshot.begun => Ok(snapshot),
            _ => Err(malformed(format!("{what} of a snapshot come outside of one"))),
        }
    }
}

/// Whether a frame begins where the one before ended.
fn leads_on(own: &Position, after: &Position) -> Checked<()> {
    if own.sequence != after.sequence {
        return Err(hole(format!("expected what follows {}, got what follows {}", text(own), text(after))));
    }
    if own.digest == after.digest { Ok(()) } else { Err(diverged(own)) }
}

/// Whether `changes` are all there are behind `after` through `through`, and hash to it.
fn chain(after: &Position, through: &Position, changes: &[Change]) -> Checked<()> {
    let (mut sequence, mut hash) = (after.sequence, after.digest);
    for change in changes {
        if change.sequence != sequence + 1 {
            return Err(hole(format!("change {} follows change {sequence}", change.sequence)));
        }
        sequence = change.sequence;
        hash = digest(hash, change);
    }
    if sequence != through.sequence {
        return Err(hole(format!("a frame through {} ends with change {sequence}", through.sequence)));
    }
    if hash != through.digest {
        return Err(diverged(through));
    }
    match changes.last() {
        Some(last) if !last.last_in_command => {
            Err(malformed(format!("a frame ends inside a command, with change {sequence}")))
        }
        _ => Ok(()),
    }
}

fn hole(what: String) -> Stop {
    let message = format!(
        "{what}: the feed has a hole. Look for the cause at the service, whose log may be damaged; a new \
         snapshot makes this consumer exact again"
    );
    Stop { reason: StopReason::Hole, message }
}

fn another_service(expected: &str, found: &str) -> Stop {
    let message = format!(
        "expected the service `{expected}`, found `{found}`: the address belongs to another service. Correct \
         it, or accept the service that is there by taking a new snapshot"
    );
    Stop { reason: StopReason::ForeignService, message }
}

fn foreign(expected: &Home, found: &Home) -> Stop {
    let message = format!(
        "expected the history {}/{}, found {}/{}: the service has another store, restored from a backup or \
         begun anew. The history that is there is accepted by taking a new snapshot",
        expected.service, expected.epoch, found.service, found.epoch
    );
    Stop { reason: StopReason::ForeignEpoch, message }
}

fn diverged(position: &Position) -> Stop {
    let message = format!(
        "the history of the service is another one at {}: its digests differ. Its store was put back by other \
         means than a restore and written since, or is damaged. The history that is there is accepted by taking \
         a new snapshot",
        text(position)
    );
    Stop { reason: StopReason::HistoryDiverged, message }
}

fn malformed(what: impl Into<String>) -> Stop {
    let message = format!(
        "{}: the service does not keep to the contract of the feed. Correct the service, then take a \
         new snapshot",
        what.into()
    );
    Stop { reason: StopReason::Malformed, message }
}

fn text(position: &Position) -> String {
    crate::position::Position::from(position).to_string()
}

#[cfg(test)]
mod tests;
