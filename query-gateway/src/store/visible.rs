//! Tells how long it took until changes could be seen, by metrics of all and in the traces of those that are sampled:
//! there, one span below the command for what applies it, and below that one for each table and view in which it can be
//! seen from then on. What is committed at once has a trace of its own, linked to those of its commands.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use opentelemetry::{
    KeyValue, global,
    metrics::{Histogram, Meter},
    trace::SpanKind,
};
use tributary_chassis::{
    timestamp,
    trace::{Live, Trace, Tracer},
};
use tributary_proto::feed::v1::Change;

use super::maintained::Maintained;
use crate::schema::{Image, Schema};

/// Commands that are remembered while a snapshot is under way, which have to wait for its end.
pub(super) const MOST_WAITING: usize = 10_000;

/// From a change that follows at once to one that waited while nobody was there.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];
const CHANGES: [f64; 8] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 10_000.0];

/// A command of a source that is to be seen.
#[derive(Debug)]
pub(crate) struct Command {
    /// When it was committed, in microseconds, by its service's clock.
    commit_time: Option<i64>,
    sampled: Option<Box<Sampled>>,
}

/// What its trace is told.
#[derive(Debug)]
struct Sampled {
    trace: Trace,
    sequence: u64,
    event: String,
    /// Which it changed, by their place in the schema.
    entities: BTreeSet<usize>,
}

impl Command {
    /// Those that `changes` are of, which were decoded to `images`.
    pub(crate) fn all(changes: &[Change], images: &[Image]) -> Vec<Self> {
        let mut entities = BTreeSet::new();
        let mut commands = Vec::new();
        for (change, image) in changes.iter().zip(images) {
            entities.insert(image.entity);
            if change.last_in_command {
                commands.push(Self::new(change, std::mem::take(&mut entities)));
            }
        }
        commands
    }

    fn new(last: &Change, entities: BTreeSet<usize>) -> Self {
        let trace = Trace::of(last);
        let sampled = trace.is_sampled().then(|| {
            let (sequence, event) = (last.sequence, last.event.clone());
            Box::new(Sampled { trace, sequence, event, entities })
        });
        let commit_time = last.commit_time.as_ref().and_then(timestamp::from_proto).map(timestamp::micros);
        Self { commit_time, sampled }
    }

    /// How old it is at `now`, as far as the clocks of two machines agree.
    fn age(&self, now: SystemTime) -> Option<Duration> {
        let committed = Duration::from_micros(u64::try_from(self.commit_time?).ok()?);
        Some(now.duration_since(SystemTime::UNIX_EPOCH + committed).unwrap_or_default())
    }
}

/// Commands of one source that can be seen now.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) source: &'a str,
    pub(super) schema: &'a Schema,
    pub(super) commands: &'a [Command],
}

impl Seen<'_> {
    fn sampled(&self) -> impl Iterator<Item = (&Command, &Sampled)> {
        self.commands.iter().filter_map(|command| Some((command, command.sampled.as_deref()?)))
    }

    /// Where its sampled commands can be seen, by the entities that they changed: few different sets.
    pub(super) fn relations(&self, maintained: &Maintained) -> Relations {
        let mut relations = Relations::new();
        for (_, sampled) in self.sampled() {
            if !relations.contains_key(&sampled.entities) {
                let names = relations_of(self.schema, &sampled.entities, maintained);
                relations.insert(sampled.entities.clone(), names);
            }
        }
        relations
    }
}

/// Tables and views, by the entities of which a change can be seen in them.
pub(super) type Relations = BTreeMap<BTreeSet<usize>, Vec<String>>;

/// What tells of them.
#[derive(Debug)]
pub(super) struct Visible {
    tracer: Tracer,
    delay: Histogram<f64>,
    changes: Histogram<u64>,
    duration: Histogram<f64>,
}

impl Visible {
    pub(super) fn new(meter: &Meter, tracer: Tracer) -> Self {
        Self {
            tracer,
            delay: meter
                .f64_histogram("tributary.visible")
                .with_description("From the commit of a command in its service until it can be seen here.")
                .with_unit("s")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            changes: meter
                .u64_histogram("tributary.apply.changes")
                .with_description("Changes that were applied in one transaction.")
                .with_boundaries(CHANGES.to_vec())
                .build(),
            duration: meter
                .f64_histogram("tributary.apply.duration")
                .with_description("How long a transaction of changes took, with the views that follow.")
                .with_unit("s")
                .with_boundaries(SECONDS.to_vec())
                .build(),
        }
    }

    /// A transaction of so many changes took from `began` until now.
    pub(super) fn applied(&self, began: SystemTime, changes: usize) {
        self.changes.record(changes as u64, &[]);
        self.duration.record(began.elapsed().unwrap_or_default().as_secs_f64(), &[]);
    }

    /// What `name` was about since `began` can be seen now, in the relations beside each. Tells the trace of all of it, if
    /// any command is sampled.
    pub(super) fn tell(
        &self,
        name: String,
        began: SystemTime,
        seen: &[(Seen<'_>, Relations)],
    ) -> Option<Live> {
        let now = SystemTime::now();
        for (Seen { source, commands, .. }, _) in seen {
            let source = [KeyValue::new("source", (*source).to_owned())];
            for age in commands.iter().filter_map(|command| command.age(now)) {
                self.delay.record(age.as_secs_f64(), &source);
            }
        }
        let traces = seen.iter().flat_map(|(seen, _)| seen.sampled().map(|(_, sampled)| &sampled.trace));
        let mut traces = traces.peekable();
        traces.peek()?;
        let batch = self.tracer.batch(name, began, traces);
        for (seen, relations) in seen {
            for (command, sampled) in seen.sampled() {
                let age = command.age(now).unwrap_or_default().as_millis() as i64;
                let relations = relations.get(&sampled.entities).map(Vec::as_slice).unwrap_or_default();
                self.tell_command(seen.source, (sampled, age), (began, now), &batch, relations);
            }
        }
        Some(batch)
    }

    fn tell_command(
        &self,
        source: &str,
        (sampled, age): (&Sampled, i64),
        (began, now): (SystemTime, SystemTime),
        batch: &Live,
        relations: &[String],
    ) {
        let (name, context) = (format!("apply {source}"), sampled.trace.context());
        let apply = self
            .tracer
            .within(&context, name, SpanKind::Consumer, began, Some(batch))
            .with("tributary.source", source.to_owned())
            .with("tributary.sequence", sampled.sequence.cast_signed())
            .with("tributary.event", sampled.event.clone())
            .with("tributary.since_commit_ms", age);
        let context = apply.context();
        for relation in relations {
            let name = format!("visible {relation}");
            let visible = self.tracer.within(&context, name, SpanKind::Internal, began, None);
            visible.with("tributary.view", relation.clone()).with("tributary.since_commit_ms", age).end(now);
        }
        apply.end(now);
    }

    /// A trace of its own, of what is no command's.
    pub(super) fn of_its_own(&self, name: String, began: SystemTime) -> Live {
        self.tracer.batch(name, began, [])
    }
}

impl Default for Visible {
    fn default() -> Self {
        Self::new(&global::meter("tributary"), Tracer::default())
    }
}

/// Where a change of these entities can be seen: their own tables, and the views that are kept over any table of theirs.
fn relations_of(schema: &Schema, entities: &BTreeSet<usize>, maintained: &Maintained) -> Vec<String> {
    let entities: Vec<_> = entities.iter().filter_map(|&place| schema.entities.get(place)).collect();
    let own = entities.iter().filter_map(|entity| entity.tables.first());
    let tables = entities.iter().flat_map(|entity| &entity.tables).map(|table| table.name());
    own.map(|table| table.name().to_owned()).chain(maintained.readers(&tables.collect())).collect()
}
