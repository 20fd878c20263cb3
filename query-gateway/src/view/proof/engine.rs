//! On which store a case runs.

use super::{
    mutant::Mutant,
    oracle::Asked,
    script::{Batch, Script, View},
    serving::Serving,
    subject::{Images, Subject},
};
use crate::{schema::Table, sql::Dialect};

/// How cases are run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) store: Dialect,
    /// A defect that is switched on.
    pub(super) mutant: Option<Mutant>,
}

impl Setting {
    /// In a store, as it should be.
    pub(super) fn of(store: Dialect) -> Self {
        Self { store, mutant: None }
    }
}

/// What is to be proven.
pub(super) enum Engine {
    Gateway(Box<Subject>),
    Server(Box<Serving>),
}

impl Engine {
    pub(super) async fn begin(script: &Script, setting: Setting) -> Self {
        match setting.store {
            Dialect::Sqlite => Self::Gateway(Box::new(Subject::begin(script, setting.mutant).await)),
            Dialect::Postgres => Self::Server(Box::new(Serving::begin(script, setting.mutant).await)),
        }
    }

    pub(super) fn tables(&self) -> Vec<&Table> {
        match self {
            Self::Gateway(subject) => subject.tables().collect(),
            Self::Server(serving) => serving.tables().collect(),
        }
    }

    pub(super) async fn create(&mut self, views: &[View]) {
        match self {
            Self::Gateway(subject) => subject.create(views).await,
            Self::Server(serving) => serving.create(views).await,
        }
    }

    pub(super) async fn apply(&mut self, batch: &Batch) -> Images {
        match self {
            Self::Gateway(subject) => subject.apply(batch).await,
            Self::Server(serving) => serving.apply(batch).await,
        }
    }

    pub(super) async fn create_during(&mut self, batch: &Batch, views: &[View]) -> Images {
        match self {
            Self::Gateway(subject) => subject.create_during(batch, views).await,
            Self::Server(serving) => serving.create_during(batch, views).await,
        }
    }

    pub(super) fn defect(&self) -> Option<(String, String)> {
        match self {
            Self::Gateway(subject) => subject.defect(),
            Self::Server(serving) => serving.defect(),
        }
    }

    pub(super) async fn ask(&mut self, view: &str) -> Asked {
        match self {
            Self::Gateway(subject) => subject.ask(view).await,
            Self::Server(serving) => serving.ask(view).await,
        }
    }
}
