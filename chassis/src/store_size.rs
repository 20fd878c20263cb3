//! How large a store is on disk, looked up whenever metrics are collected.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use opentelemetry::metrics::Meter;

use crate::{fault::causes, outbox::BoxError};

/// Tells the size as `tributary.store.size`. `measure` may look at files, but not wait for anybody; it has no answer
/// once the store is closed.
pub fn observe(meter: &Meter, measure: impl Fn() -> Option<Result<u64, BoxError>> + Send + Sync + 'static) {
    meter
        .u64_observable_gauge("tributary.store.size")
        .with_description("What the store takes on disk, its log included.")
        .with_unit("By")
        .with_callback(move |observer| match measure() {
            Some(Ok(bytes)) => observer.observe(bytes, &[]),
            Some(Err(error)) => tracing::warn!(error = causes(&*error), "measuring the store"),
            None => {}
        })
        .build();
}

/// Of a SQLite database and its write-ahead log.
pub fn of_sqlite(database: &Path) -> io::Result<u64> {
    let mut log = OsString::from(database);
    log.push("-wal");
    let log = match fs::metadata(PathBuf::from(log)) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(fs::metadata(database)?.len() + log)
}
