//! What can go wrong with the gateway's own store.

use std::path::PathBuf;

use tributary_chassis::fault::Fault;

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
        source: sqlx::Error,
    },
    /// The data directory cannot be used.
    #[error("cannot use the data directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file was written by another version, or is damaged.
    #[error(
        "the store cannot be used: {0}; everything in it can be read again from the sources: remove the directory"
    )]
    Damaged(String),
    /// What was to be applied does not follow on what is stored: another process wrote the positions.
    #[error("{source_name}: the stored position is not {expected}, from which the batch goes on")]
    Moved {
        /// The source.
        source_name: String,
        /// The position, as text.
        expected: String,
    },
}

impl StoreError {
    /// For `map_err`: names the operation that failed.
    pub(crate) fn sql(operation: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Sql { operation, source }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::internal("the gateway's store", error)
    }
}
