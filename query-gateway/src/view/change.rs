//! Views that are created and dropped by calls.

use std::collections::BTreeMap;

use tributary_chassis::fault::{Fault, Reason};

use super::{
    Asked, Defined, View, ViewKind, ViewState, Views,
    definition::{Definitions, Origin},
    plan::Plan,
};
use crate::{catalog::Catalog, sql::nearest, store::definitions::Edit};

/// Views and indexes that calls may create: each is looked at whenever one of them changes.
const MOST: usize = 1_000;

/// Names typed queries that can be answered now, and no more with these relations.
pub(crate) type Broken<'b> = &'b (dyn Fn(&Catalog) -> Vec<String> + Sync);

/// What an earlier run was given. What this program does not accept any more is a view that failed.
pub(super) fn read(stored: BTreeMap<String, String>) -> Definitions {
    let mut created = Definitions::default();
    for (name, text) in stored {
        if let Err(error) = created.parse(&Origin::Api, &text) {
            let (kind, state) = (ViewKind::Unspecified, ViewState::Failed);
            created.refused.push(View::new(&name, kind, &Origin::Api, text, state, error.to_string()));
        }
    }
    created
}

impl Views {
    /// Creates what a text defines, all of it or nothing.
    pub(crate) async fn create(
        &self,
        sql: &str,
        replace: bool,
        broken: Broken<'_>,
    ) -> Result<Vec<View>, Fault> {
        self.0.gateway.applying()?;
        let mut new = Definitions::default();
        new.parse(&Origin::Api, sql).map_err(|error| Fault::field("sql", error.to_string()))?;
        let names: Vec<String> = new.names().map(str::to_owned).collect();
        if names.is_empty() {
            return Err(Fault::field(
                "sql",
                "defines nothing: write CREATE MATERIALIZED VIEW name AS SELECT ..",
            ));
        }
        let mut defined = self.0.defined.lock().await;
        for name in &names {
            may_have(&defined, name, replace)?;
        }
        let edit = edit(&defined.created, &new);
        let mut wanted = defined.clone();
        apply(&mut wanted.created, &edit);
        wanted.created.views.extend(new.views);
        wanted.created.indexes.extend(new.indexes);
        if wanted.created.names().count() > MOST {
            let text = format!("more than {MOST} views and indexes would be defined by calls: use files");
            return Err(Fault::new(Reason::LimitExceeded, text));
        }
        let before = self.list();
        let admit = |plan: &Plan| {
            for view in plan.views.iter().filter(|view| names.contains(&view.name)) {
                if view.state == ViewState::Failed {
                    return Err(Fault::field("sql", format!("{}: {}", view.name, view.reason)));
                }
            }
            unharmed(plan, &names, &before, broken)
        };
        let retry = |name: &str| names.iter().any(|new| new == name);
        self.put(&mut defined, wanted, Asked { edit: &edit, retry: &retry, admit: &admit }).await??;
        let is_new = |view: &&View| names.contains(&view.name) && view.file.is_empty();
        Ok(self.list().iter().filter(is_new).cloned().collect())
    }

    /// Drops what a call created.
    pub(crate) async fn drop(&self, name: &str, missing_ok: bool, broken: Broken<'_>) -> Result<(), Fault> {
        self.0.gateway.applying()?;
        let mut defined = self.0.defined.lock().await;
        match origin(&defined, name) {
            Some(Origin::Api) => {}
            Some(Origin::File(file)) => return Err(of_file(name, &file, "is dropped by removing it there")),
            None if missing_ok => return Ok(()),
            None => return Err(absent(&self.list(), name)),
        }
        let readers =
            defined.created.readers(name).into_iter().chain(defined.files.definitions.readers(name));
        let mut readers: Vec<String> = readers.map(|reader| reader.view.name.clone()).collect();
        readers.extend(broken(&self.0.gateway.catalog().with(|relation| relation.name == name, [])));
        if !readers.is_empty() {
            let text = format!("view {name} is read by {}: drop or change those first", readers.join(", "));
            return Err(Fault::new(Reason::WrongState, text));
        }
        let indexes = indexes_on(&defined.created, name);
        let remove = std::iter::once(name.to_owned()).chain(indexes).collect();
        let edit = Edit { remove, put: BTreeMap::new() };
        let mut wanted = defined.clone();
        apply(&mut wanted.created, &edit);
        self.put(&mut defined, wanted, Asked { edit: &edit, retry: &|_| false, admit: &|_| Ok(()) }).await?
    }
}

/// What the store has to change so that `new` is created, in the place of what has its names.
fn edit(created: &Definitions, new: &Definitions) -> Edit {
    let mut edit = Edit::default();
    for definition in &new.views {
        let name = &definition.view.name;
        edit.remove.push(name.clone());
        edit.remove.extend(indexes_on(created, name));
        edit.put.insert(name.clone(), definition.view.create());
    }
    for index in &new.indexes {
        edit.remove.push(index.index.name.clone());
        edit.put.insert(index.index.name.clone(), index.index.to_string());
    }
    edit
}

/// An index belongs to its view: it goes with it, and comes with a new one that asks for it.
fn indexes_on(created: &Definitions, relation: &str) -> Vec<String> {
    let indexes = created.indexes.iter().filter(|index| index.index.relation == relation);
    indexes.map(|index| index.index.name.clone()).collect()
}

fn apply(created: &mut Definitions, edit: &Edit) {
    let gone = |name: &String| edit.remove.contains(name);
    created.views.retain(|definition| !gone(&definition.view.name));
    created.indexes.retain(|index| !gone(&index.index.name));
    created.refused.retain(|view| !gone(&view.name));
}

fn origin(defined: &Defined, name: &str) -> Option<Origin> {
    let of = |definitions: &Definitions| {
        let refused = definitions.refused.iter().find(|view| view.name == name && !view.file.is_empty());
        let refused = refused.map(|view| Origin::File(view.file.clone()));
        definitions.origin(name).cloned().or(refused)
    };
    let unreadable = || defined.created.refused.iter().any(|view| view.name == name).then_some(Origin::Api);
    of(&defined.created).or_else(unreadable).or_else(|| of(&defined.files.definitions))
}

fn may_have(defined: &Defined, name: &str, replace: bool) -> Result<(), Fault> {
    match origin(defined, name) {
        None => Ok(()),
        Some(Origin::Api) if replace => Ok(()),
        Some(Origin::File(file)) if replace => Err(of_file(name, &file, "is changed by changing that")),
        Some(origin) => {
            let text =
                format!("{name} exists, defined by {}: replace it, or choose another name", origin.place());
            Err(Fault::new(Reason::AlreadyExists, text))
        }
    }
}

fn of_file(name: &str, file: &str, how: &str) -> Fault {
    Fault::new(Reason::WrongState, format!("{name} is defined by the file {file}, and {how}"))
}

pub(super) fn absent(views: &[View], name: &str) -> Fault {
    let near = nearest(name, views.iter().map(|view| view.name.as_str()));
    let hint = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    Fault::new(Reason::NotFound, format!("there is no view \"{name}\"{hint}"))
}

/// Whether all that was well before, and is not of these names, still is.
fn unharmed(plan: &Plan, names: &[String], before: &[View], broken: Broken<'_>) -> Result<(), Fault> {
    let well = |view: &&View| matches!(view.state, ViewState::Ready | ViewState::Building);
    let mut harmed = Vec::new();
    for view in before.iter().filter(well).filter(|view| !names.contains(&view.name)) {
        let now = plan.views.iter().find(|now| now.name == view.name && now.state == ViewState::Failed);
        harmed.extend(now.map(|now| format!("{}: {}", now.name, now.reason)));
    }
    harmed.extend(broken(&plan.catalog));
    if harmed.is_empty() {
        return Ok(());
    }
    let text = format!("others could not go on with it: {}", harmed.join("; "));
    Err(Fault::new(Reason::WrongState, text))
}
