//! A case as it is run, printed and kept: sources as proto text, views as SQL, batches as JSON lines.

use std::fmt;

use serde_json::{Value as Json, json};

use crate::sql::parse_views;

/// Everything that happens in one case.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// Name and messages of each source.
    pub(super) sources: Vec<(String, String)>,
    /// Each after those that it reads.
    pub(super) views: Vec<View>,
    /// How many batches come before the views are created; if any, the next comes while they are.
    pub(super) views_after: usize,
    pub(super) batches: Vec<Batch>,
}

/// A view as a user writes it.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) materialized: bool,
    pub(super) select: String,
}

/// What one transaction takes.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) changes: Vec<Change>,
    pub(super) delivery: Delivery,
}

/// How a batch comes to the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Delivery {
    #[default]
    Once,
    /// The same frames once more.
    Twice,
    /// Not as changes: each source is in its new state in a snapshot.
    Snapshot,
    /// The gateway was stopped and started before it came.
    Reopened,
}

/// What happened to one entity.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) entity: String,
    /// In the JSON form of the entity; of a deletion, its key alone counts.
    pub(super) value: Json,
    pub(super) deleted: bool,
}

impl Script {
    /// From its text. Views are maintained only where `materialized`, whatever their statements say.
    pub(super) fn parse(text: &str, materialized: bool) -> Self {
        let mut script = Self::default();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("source ") {
                script.sources.push((name.trim_end_matches(':').to_owned(), String::new()));
            } else if line.starts_with("CREATE ") {
                script.views.extend(View::parse(line, materialized));
            } else if let Some(number) = line.strip_prefix("batches before the views: ") {
                script.views_after = number.parse().unwrap();
            } else if line.starts_with('[') {
                script.batches.push(Batch::parse(line));
            } else if let Some((_, messages)) = script.sources.last_mut() {
                messages.push_str(line);
                messages.push('\n');
            }
        }
        script
    }
}

impl View {
    /// From statements as in a file.
    fn parse(text: &str, materialized: bool) -> Vec<Self> {
        let views = parse_views(text).unwrap().views.into_iter();
        let view = views.map(|view| Self {
            name: view.name,
            materialized: materialized && view.materialized,
            select: view.select_sql,
        });
        view.collect()
    }

    /// The statement of its file.
    pub(super) fn create(&self) -> String {
        let kind = if self.materialized { "MATERIALIZED VIEW" } else { "VIEW" };
        format!("CREATE {kind} {} AS {}", self.name, self.select)
    }

    /// Whether its text names that relation.
    pub(super) fn reads(&self, relation: &str) -> bool {
        self.select.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == relation)
    }
}

impl Batch {
    /// From its line.
    pub(super) fn parse(line: &str) -> Self {
        let mut batch = Self::default();
        let steps: Vec<Json> = serde_json::from_str(line).unwrap();
        for step in steps {
            match &step {
                Json::String(word) if word == "twice" => batch.delivery = Delivery::Twice,
                Json::String(word) if word == "snapshot" => batch.delivery = Delivery::Snapshot,
                Json::String(word) if word == "reopened" => batch.delivery = Delivery::Reopened,
                Json::Object(change) => {
                    let (name, value) = change.iter().next().unwrap();
                    let deleted = name.starts_with('-');
                    let entity = name.trim_start_matches('-').to_owned();
                    batch.changes.push(Change { entity, value: value.clone(), deleted });
                }
                other => panic!("{other} is no step of a batch"),
            }
        }
        batch
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = |change: &Change| {
            let sign = if change.deleted { "-" } else { "" };
            json!({ format!("{sign}{}", change.entity): change.value })
        };
        let delivery = match self.delivery {
            Delivery::Once => None,
            Delivery::Twice => Some(json!("twice")),
            Delivery::Snapshot => Some(json!("snapshot")),
            Delivery::Reopened => Some(json!("reopened")),
        };
        let steps: Vec<Json> = self.changes.iter().map(change).chain(delivery).collect();
        Json::Array(steps).fmt(f)
    }
}

/// The text of a named case.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, messages) in &self.sources {
            writeln!(f, "source {name}:\n{}", messages.trim_end())?;
        }
        for view in &self.views {
            writeln!(f, "{};", view.create())?;
        }
        writeln!(f, "batches before the views: {}", self.views_after)?;
        self.batches.iter().try_for_each(|batch| writeln!(f, "{batch}"))
    }
}
