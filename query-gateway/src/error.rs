//! What can go wrong with the gateway's own store.

use tributary_chassis::fault::{Fault, Reason};

use crate::database::{Class, Error};

/// The store could not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A statement failed.
    #[error("{operation} failed")]
    Sql {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: Error,
    },
    /// A materialized view cannot follow a change. Nothing of the change is there; without the view it can be.
    #[error("view `{view}` cannot follow")]
    View {
        /// Number of its version.
        version: i64,
        /// The view.
        view: String,
        /// Why not.
        #[source]
        source: Error,
    },
    /// The file was written by another version, or is damaged.
    #[error(
        "the store cannot be used: {0}; everything in it can be read again from the sources: remove the directory"
    )]
    Damaged(String),
    /// The database is not one that can hold the store.
    #[error("the store cannot be used: {0}")]
    Server(String),
    /// What was to be applied does not follow on what is stored.
    #[error(
        "the stored position is {at}, and not {expected}, on which the changes follow; does another process write here?"
    )]
    Moved {
        /// What is stored, as text.
        at: String,
        /// What the changes follow on.
        expected: String,
    },
    /// Another gateway writes to the database, or may.
    #[error("this gateway does not apply changes any more: another one may have taken over")]
    Overtaken,
    /// The database has another store than the one that was opened.
    #[error("the store was replaced: its epoch was {was} and is {is}; restart the gateway")]
    Replaced {
        /// The epoch of the one that was opened.
        was: String,
        /// That of the one that is there.
        is: String,
    },
    /// SQLite cannot be made to answer as it must.
    #[error("preparing the store failed")]
    Prepare(#[from] tributary_sqlite::PrepareError),
    /// The source has another store than the one whose changes are stored.
    #[error(
        "its history is not that of {stored}, which is stored; if that is meant, restart with --resnapshot {source_name}"
    )]
    Foreign {
        /// What is stored.
        stored: tributary_chassis::position::Position,
        /// The source.
        source_name: String,
    },
    /// The schema of a snapshot cannot be taken over.
    #[error(transparent)]
    Schema(#[from] crate::schema::SchemaError),
    /// Two sources are one and the same service.
    #[error("service `{service}` is followed as source `{other}` already; give each service once")]
    Twice {
        /// What both call themselves.
        service: String,
        /// The other source.
        other: String,
    },
}

impl StoreError {
    /// For `map_err`: names the operation that failed.
    pub(crate) fn sql(operation: &'static str) -> impl Fn(Error) -> Self {
        move |source| Self::Sql { operation, source }
    }

    /// Whether who met this cannot go on writing: what was not committed is not there, whether what was being committed is
    /// cannot be known, and another one may write by now. It can be tried again from what is stored.
    pub(crate) fn ends_writing(&self) -> bool {
        match self {
            Self::Overtaken => true,
            Self::Sql { source, .. } => source.class() == Class::Lost,
            _ => false,
        }
    }

    /// For `map_err` of what runs for a view: what its rows bring about fails the view, and no more than that. A disk
    /// that is full is nobody's fault but everybody's.
    pub(crate) fn of_view(version: i64, view: String) -> impl Fn(Error) -> Self {
        move |source| {
            if source.is_of_statement() {
                Self::View { version, view: view.clone(), source }
            } else {
                Self::Sql { operation: "keeping a view", source }
            }
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        if error.ends_writing() {
            let text = "the gateway's store cannot be reached at the moment, or changes hands: try again";
            return Fault::new(Reason::Unavailable, text).with_source(error);
        }
        Fault::internal("the gateway's store", error)
    }
}
