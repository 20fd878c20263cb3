//! What `backup` and `restore` have in common: the stores that there are, how one is named, and how far it is.

use std::{
    fmt,
    path::PathBuf,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use tributary_chassis::{
    backup::{BackupError, Phase, PostgresStore, Progress, Store},
    database::{BadDatabase, Database},
    fault::causes,
    outbox,
};

use crate::{failure::Failure, terminal};

/// Every kind of store in a data directory.
pub(crate) static STORES: LazyLock<Vec<&'static dyn Store>> =
    LazyLock::new(|| outbox::STORES.into_iter().chain(query_gateway::store::STORES).collect());

/// Every kind of store in a database.
pub(crate) static POSTGRES_STORES: LazyLock<Vec<PostgresStore>> = LazyLock::new(|| {
    outbox::POSTGRES_STORES.into_iter().chain(query_gateway::store::POSTGRES_STORES).collect()
});

/// How often a plain line is said.
const PLAIN: Duration = Duration::from_secs(10);
/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// Where a store is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In a data directory.
    Directory(PathBuf),
    /// In a database.
    Database(Database),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Directory(directory) => directory.display().fmt(f),
            Place::Database(database) => database.fmt(f),
        }
    }
}

/// A store, as given on the command line: what has a scheme is a database.
pub(crate) fn store(text: &str) -> Result<Place, BadDatabase> {
    if text.contains("://") { text.parse().map(Place::Database) } else { Ok(Place::Directory(text.into())) }
}

/// Why it was not done.
pub(crate) fn failure(error: &BackupError) -> Failure {
    Failure::failed(terminal::printable(&causes(error)))
}

/// As people read it.
pub(crate) fn bytes(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

/// Shows how far it is: a bar on a terminal, a plain line now and then elsewhere.
#[derive(Debug)]
pub(crate) struct Meter {
    bar: Option<ProgressBar>,
    /// When the last plain line was said.
    said: Mutex<Instant>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let bar = terminal::draws().then(|| {
            let bar = ProgressBar::no_length();
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { bar, said: Mutex::new(Instant::now()) }
    }

    pub(crate) fn show(&self, progress: Progress) {
        let Progress { phase, bytes: done, total } = progress;
        let Some(bar) = &self.bar else { return self.say(progress) };
        let what = in_words(phase);
        if bar.prefix() != what {
            bar.set_prefix(what);
            bar.set_style(style(total.is_some()));
            bar.reset_eta();
        }
        match total {
            Some(total) => bar.set_length(total.max(done)),
            None => bar.unset_length(),
        }
        bar.set_position(done);
    }

    fn say(&self, Progress { phase, bytes: done, total }: Progress) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() < PLAIN {
            return;
        }
        *said = Instant::now();
        let of = total.map_or_else(String::new, |total| format!(" of {}", bytes(total)));
        terminal::say(&format!("{}  {}{of}", in_words(phase), bytes(done)));
    }

    /// What is said from here on stands for itself.
    pub(crate) fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn in_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Copying => "copying the store",
        Phase::Writing => "writing the backup",
        Phase::Checking => "checking the backup",
        Phase::Building => "building the store",
    }
}

fn style(with_end: bool) -> ProgressStyle {
    let plain = ProgressStyle::default_bar();
    let template = if with_end {
        "{prefix:19}  {bar:30} {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} to go"
    } else {
        "{prefix:19}  {spinner} {binary_bytes}  {binary_bytes_per_sec}"
    };
    plain.clone().template(template).unwrap_or(plain).progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_directory_or_a_database() {
        let shown = |text: &str| store(text).map(|place| place.to_string());
        assert_eq!(shown(".tributary/orders").unwrap(), ".tributary/orders");
        assert_eq!(shown("postgres://orders:secret@db/orders").unwrap(), "postgres://orders@db:5432/orders");
        for wrong in ["mysql://db/orders", "postgres://orders@db"] {
            assert!(shown(wrong).unwrap_err().to_string().contains("give postgres://"), "{wrong}");
        }
    }

    #[test]
    fn kinds_and_entries_are_told_apart() {
        let mut names: Vec<_> = STORES.iter().flat_map(|store| [store.kind(), store.entry()]).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), all), (6, 6));
    }
}
