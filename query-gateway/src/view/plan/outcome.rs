//! How far each definition came, and what users are told of it.

use std::collections::BTreeMap;

use super::{Definition, Given, View, ViewState};
use crate::{
    catalog::{Catalog, Column, Kind},
    sql::{Problem, SqlError},
    view::Failure,
};

/// How far one definition came.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It can be there.
    Ready(Vec<Column>),
    /// It is being filled; once more, for this reason.
    Fills(Vec<Column>, Option<String>),
    /// It cannot be right, or could not follow a change.
    Failed {
        /// Why.
        reason: String,
        /// What it could not follow.
        failure: Option<Failure>,
    },
    /// This relation is unknown.
    Waits(String),
}

/// Of each definition, by the name of the view.
#[derive(Debug)]
pub(super) struct Outcomes(BTreeMap<String, Outcome>);

impl Outcomes {
    /// Before anything is compiled: what is wrong already.
    pub(super) fn new(definitions: &[Definition], given: Given<'_>) -> Self {
        let outcome = |Definition { view, origin }: &Definition| {
            let kind = given.catalog.get(&view.name).map(|relation| &relation.kind);
            let unstorable = given.unstorable.get(&(view.name.clone(), view.create()));
            let reason = match (kind, unstorable) {
                (Some(Kind::Base { source, .. }), _) => {
                    format!("a table of source {source} has this name: choose another")
                }
                (_, Some(reason)) => reason.clone(),
                _ if !is_plain(&view.name) => {
                    "the name of a view is at most 63 of a-z, 0-9 and _, and begins with a letter".to_owned()
                }
                _ => return Outcome::Waits(String::new()),
            };
            Outcome::Failed { reason: origin.reason(reason), failure: None }
        };
        let outcomes =
            definitions.iter().map(|definition| (definition.view.name.clone(), outcome(definition)));
        Self(outcomes.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Outcome> {
        self.0.get(name)
    }

    pub(super) fn set(&mut self, name: &str, outcome: Outcome) {
        self.0.insert(name.to_owned(), outcome);
    }

    /// What an error of the compiler means.
    pub(super) fn of_error(definition: &Definition, error: &SqlError) -> Outcome {
        match &error.problem {
            Problem::UnknownRelation { name, .. } => Outcome::Waits(name.clone()),
            _ => Outcome::Failed { reason: definition.origin.reason(error), failure: None },
        }
    }

    /// A view that is computed over others waits for those that are not complete.
    pub(super) fn unreadable(&mut self, definition: &Definition, readable: &Catalog) {
        let name = &definition.view.name;
        if readable.get(name).is_some() || !matches!(self.get(name), Some(Outcome::Ready(_))) {
            return;
        }
        if let Err(error) = super::computed(definition, readable) {
            let waits = match Self::of_error(definition, &error) {
                Outcome::Waits(relation) => relation,
                // It is right over what is being filled, and not over what is still read.
                _ => self.filling().unwrap_or_default(),
            };
            self.set(name, Outcome::Waits(waits));
        }
    }

    fn filling(&self) -> Option<String> {
        let filling = self.0.iter().find(|(_, outcome)| matches!(outcome, Outcome::Fills(..)));
        filling.map(|(name, _)| name.clone())
    }

    /// The view as users are told, and whether what is wrong is wrong in itself.
    pub(super) fn view(&self, definition: &Definition) -> (View, bool) {
        match self.get(&definition.view.name) {
            Some(Outcome::Ready(columns)) => {
                let view = definition.as_view(ViewState::Ready, String::new());
                (View { columns: columns.clone(), ..view }, false)
            }
            Some(Outcome::Fills(columns, again)) => {
                let why = again.as_ref().map(|reason| format!(" again: {reason}")).unwrap_or_default();
                let view = definition.as_view(ViewState::Building, format!("is being filled{why}"));
                (View { columns: columns.clone(), ..view }, false)
            }
            Some(Outcome::Failed { reason, failure }) => {
                let view = definition.as_view(ViewState::Failed, reason.clone());
                (View { failure: failure.clone(), ..view }, true)
            }
            Some(Outcome::Waits(missing)) => self.waiting(definition, missing),
            None => (definition.as_view(ViewState::Pending, String::new()), false),
        }
    }

    /// Follows what is missing from view to view: to a table that is not there, to a view that failed, or round
    /// in a circle.
    fn waiting(&self, definition: &Definition, missing: &str) -> (View, bool) {
        let mut way = vec![definition.view.name.as_str()];
        let mut next = missing;
        loop {
            if let Some(start) = way.iter().position(|name| *name == next) {
                let circle = [&way[start..], &[next]].concat().join(" -> ");
                let reason = definition.origin.reason(format!("the views read each other: {circle}"));
                return (definition.as_view(ViewState::Failed, reason), start == 0);
            }
            way.push(next);
            let through = match &way[1..way.len() - 1] {
                [] => String::new(),
                through => format!(", through {}", through.join(", ")),
            };
            let reason = match self.get(next) {
                Some(Outcome::Waits(further)) => {
                    next = further;
                    continue;
                }
                Some(Outcome::Failed { reason, failure }) => {
                    let reason = format!("reads the view {next}, which failed: {reason}");
                    let view = definition.as_view(ViewState::Failed, reason);
                    return (View { failure: failure.clone(), ..view }, false);
                }
                Some(Outcome::Fills(..)) => {
                    format!("waits for the view {next}, which is being filled{through}")
                }
                Some(Outcome::Ready(_)) | None => {
                    format!("waits for the table {next}, which no source has described yet{through}")
                }
            };
            return (definition.as_view(ViewState::Pending, reason), false);
        }
    }
}

/// The names of tables are as plain, and whatever begins with `_` is the gateway's own.
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 63 && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(plain)
}
