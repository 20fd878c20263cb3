//! Opening a store: the same steps whatever its kind.
//!
//! embedded: one owner -> lock the directory -> end a restore that was cut short -> rewrite the store if the marker is
//! there -> as below \
//! every kind: open it, migrate it, make everything in it durable (a process that died may have left what was never
//! synced, and that must not be shown) -> check whose it is -> start the writer.

use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Outbox, Shared,
    batch::Rules,
    hooks::Hooks,
    log::StoreLog,
    marker::Marker,
    metrics::{self, Metrics},
    model::Published,
    progress::Progress,
    store::{Backend, BoxError, Reader},
    writer::Writer,
};
use crate::{
    backup::restore,
    database::Database,
    feed::Mark,
    lock::{self, Lock, LockError},
    replica::{SecondOwner, sole_owner},
    timestamp,
    trace::Tracer,
};

/// Commands that may wait for the writer. More than a few groups deep, callers would only wait longer.
const QUEUE: usize = 1_024;
/// When it is worth to try again after the queue was full: a few groups later.
pub(super) const QUEUE_RETRY: Duration = Duration::from_millis(100);

const REWRITE: &str = "rewriting";

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct OutboxOptions {
    /// Whose store, as in its positions.
    pub service: String,
    /// Everything of the store lies in here.
    pub data_dir: PathBuf,
    /// How many changes the feed keeps.
    pub feed_retain: u64,
    /// How long replies to request ids are kept; [`Duration::MAX`] is for ever.
    pub request_retention: Duration,
    /// Most commands that share a transaction and a sync.
    pub group_limit: usize,
    /// Which replica of the service this is, from 0: only the first may have an embedded store.
    pub replica: u32,
    /// The database that a service which can do without an embedded store keeps it in; then nothing lies in `data_dir`.
    pub database: Option<Database>,
}

impl OutboxOptions {
    /// The options of a service that asks for nothing special: a million changes, replies for a week.
    pub fn new(service: impl Into<String>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            service: service.into(),
            data_dir: data_dir.into(),
            feed_retain: 1_000_000,
            request_retention: Duration::from_secs(7 * 24 * 60 * 60),
            group_limit: 256,
            replica: 0,
            database: None,
        }
    }

    /// Where the store is, for people.
    fn place(&self) -> String {
        match &self.database {
            Some(database) => format!("at {database}"),
            None => format!("in {}", self.data_dir.display()),
        }
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another replica has the one that there can be.
    #[error(transparent)]
    SecondOwner(#[from] SecondOwner),
    /// Another process has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It is another service's.
    #[error(
        "the store {place} belongs to `{found}`, not to `{service}`: give `{service}` a store of its own"
    )]
    Foreign {
        /// Where.
        place: String,
        /// Whose it is.
        found: String,
        /// Who wants it.
        service: String,
    },
    /// A step failed.
    #[error("{step} the store {place}")]
    Failed {
        /// What was tried: `opening`, `restoring`, `rewriting`, `starting the writer of`.
        step: &'static str,
        /// Where.
        place: String,
        /// Why it is not possible.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A store that is open and durable as it is.
pub(super) struct Opened<M: Published, B> {
    pub(super) backend: B,
    pub(super) reader: Arc<dyn Reader<M>>,
    /// Whose it is.
    pub(super) service: String,
    pub(super) epoch: String,
    pub(super) head: Mark,
}

/// A kind of store.
pub(super) trait Kind<M: Published>: Sized {
    /// Its writing side.
    type Backend: Backend<M>;

    /// Opens the store, or creates it with this epoch, and makes everything in it durable.
    async fn open(
        options: &OutboxOptions,
        new_epoch: &str,
        hooks: &Hooks,
    ) -> Result<Opened<M, Self::Backend>, BoxError>;
}

/// A kind of store that lies in files of this process.
pub(super) trait Embedded<M: Published>: Kind<M> {
    /// Writes everything that can be read into new files, and puts them in the place of the old ones.
    /// Whatever step a crash hits, the marker is still there and the next start begins again.
    async fn rewrite(options: &OutboxOptions) -> Result<(), BoxError>;
}

/// What a process has to itself of an embedded store, for as long as anybody uses it.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) marker: Marker,
    _lock: Lock,
}

/// Opens an embedded store of kind `K`, and starts its writer.
pub(super) async fn open_embedded<M: Published, K: Embedded<M>>(
    options: OutboxOptions,
    hooks: Hooks,
) -> Result<Outbox<M>, OpenError> {
    // First of all: a store that is not there yet would be created, with another history.
    sole_owner(options.replica)?;
    let claim = Claim { _lock: lock::acquire(&options.data_dir)?, marker: Marker::new(&options.data_dir) };
    let place = options.place();
    let failed = |step| {
        let place = place.clone();
        move |source| OpenError::Failed { step, place, source }
    };
    restore::finish(&options.data_dir).map_err(|error| failed("restoring")(error.into()))?;
    if claim.marker.is_there().map_err(|error| failed(REWRITE)(error.into()))? {
        let directory = options.data_dir.display();
        tracing::warn!(%directory, "the last sync failed: rewriting the store");
        K::rewrite(&options).await.map_err(failed(REWRITE))?;
        claim.marker.remove().map_err(|error| failed(REWRITE)(error.into()))?;
    }
    open::<M, K>(options, hooks, Some(claim)).await
}

/// Opens a store of kind `K`, and starts its writer.
pub(super) async fn open<M: Published, K: Kind<M>>(
    options: OutboxOptions,
    hooks: Hooks,
    claim: Option<Claim>,
) -> Result<Outbox<M>, OpenError> {
    let place = options.place();
    let failed = |step| {
        let place = place.clone();
        move |source| OpenError::Failed { step, place, source }
    };
    let new_epoch = uuid::Uuid::new_v4().simple().to_string();
    let opened = K::open(&options, &new_epoch, &hooks).await.map_err(failed("opening"))?;
    hooks.opened().map_err(failed("opening"))?;
    if opened.service != options.service {
        return Err(OpenError::Foreign { place, found: opened.service, service: options.service });
    }
    start(options, opened, claim, hooks).map_err(|error| failed("starting the writer of")(error.into()))
}

fn start<M: Published, B: Backend<M>>(
    options: OutboxOptions,
    opened: Opened<M, B>,
    claim: Option<Claim>,
    hooks: Hooks,
) -> std::io::Result<Outbox<M>> {
    let Opened { backend, reader, service, epoch, head } = opened;
    let (queue, jobs) = mpsc::channel(QUEUE);
    let progress = Arc::new(Progress::new(head));
    let (claim, meter) = (claim.map(Arc::new), hooks.meter());
    let writer = Writer {
        backend,
        queue: jobs,
        rules: Rules {
            service: service.clone(),
            epoch: epoch.clone(),
            feed_retain: options.feed_retain,
            request_retention: options.request_retention,
        },
        group_limit: options.group_limit.max(1),
        progress: Arc::clone(&progress),
        now: timestamp::now(),
        hooks,
        tracer: Tracer::default(),
        metrics: Metrics::new(&meter),
        claim: claim.clone(),
    };
    writer.spawn(Handle::current())?;
    let watching = watch(Arc::clone(&reader), Arc::clone(&progress));
    let log = Arc::new(StoreLog { service, epoch, reader, progress, _watching: watching, _claim: claim });
    let shared = Arc::new(Shared { queue, log });
    metrics::observe(&meter, Arc::downgrade(&shared));
    Ok(Outbox { shared })
}

/// For as long as what is given back is kept.
fn watch<M: Published>(reader: Arc<dyn Reader<M>>, progress: Arc<Progress>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move { reader.watch(&progress).await }))
}
