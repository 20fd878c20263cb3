//! A history that a gateway has taken over, kept as the files of its store: each measurement begins with a copy.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use mesh_tests::{
    clients::Clients,
    mesh::own_loopback_address,
    process::Process,
    publisher::Publisher,
    rows::RowChange,
    shop5::{MESSAGES, VIEWS, Workload},
};
use test_prerequisites::postgres;
use tonic::Code;
use tributary_chassis::position::{Position, Positions};

use crate::gauge::rounded;

/// Which views are materialized; the others are computed when they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    None,
    All,
    AllBut(&'static str),
}

/// Where a gateway keeps its store.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In a file of its data directory.
    Directory(PathBuf),
    /// In a database.
    Database(String),
}

impl Place {
    /// The process of the server that has it.
    pub(crate) fn server(&self) -> Option<u32> {
        matches!(self, Place::Database(_)).then(postgres::server)
    }
}

pub(crate) struct Base {
    root: PathBuf,
    name: String,
    /// Of the history.
    place: Place,
    pub(crate) publisher: Publisher,
    workload: RefCell<Workload>,
    /// The rows of the history, then those that were made to be measured.
    pub(crate) changes: RefCell<Vec<RowChange>>,
    /// The last change of the history.
    pub(crate) end: u64,
    copies: Cell<usize>,
    /// Seconds until the tables were filled, and the views.
    pub(crate) snapshot: f64,
    pub(crate) views: f64,
}

/// A gateway over a copy.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) clients: Clients,
    pub(crate) place: Place,
}

impl Base {
    /// In a file, or in a database.
    pub(crate) async fn fill(
        root: &Path,
        name: &str,
        database: Option<String>,
        rows: usize,
        seed: u64,
    ) -> Self {
        let publisher = Publisher::serve("shop", MESSAGES, &own_loopback_address()).await;
        let mut workload = Workload::new(seed);
        let mut changes: Vec<RowChange> = workload.references().cloned().collect();
        changes.extend(workload.rows(rows));
        publisher.write(&changes);
        // A snapshot is all that is read of the history.
        publisher.show_all();
        publisher.prune();
        let end = publisher.written();
        let mut base = Self {
            root: root.to_owned(),
            name: name.to_owned(),
            place: database.map_or_else(|| Place::Directory(root.join(name)), Place::Database),
            publisher,
            workload: RefCell::new(workload),
            changes: RefCell::new(changes),
            end,
            copies: Cell::new(0),
            snapshot: 0.0,
            views: 0.0,
        };
        let begun = Instant::now();
        let mut running = base.start_in(base.place.clone(), Keep::None, &[]).await;
        running.wait_applied(&base.publisher.show(base.end)).await;
        base.snapshot = rounded(begun.elapsed().as_secs_f64(), 1);
        running.process.terminate();
        let begun = Instant::now();
        let mut running = base.start_in(base.place.clone(), Keep::All, &[]).await;
        running.wait_views().await;
        base.views = rounded(begun.elapsed().as_secs_f64(), 1);
        running.process.terminate();
        base
    }

    /// What it keeps its store in, in words.
    pub(crate) fn store(&self) -> &'static str {
        match self.place {
            Place::Directory(_) => "sqlite",
            Place::Database(_) => "postgresql",
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// How many rows the history left.
    pub(crate) fn rows(&self) -> usize {
        let changes = self.changes.borrow();
        let mut rows = HashSet::new();
        for change in &changes[..self.end as usize] {
            let row = (change.table.as_str(), change.key.as_str());
            if change.deleted {
                rows.remove(&row)
            } else {
                rows.insert(row)
            };
        }
        rows.len()
    }

    /// Makes sure that so many rows are written behind the history; they are shown by who measures.
    pub(crate) fn extend(&self, rows: usize) {
        let missing = (self.end as usize + rows).saturating_sub(self.publisher.written() as usize);
        if missing > 0 {
            let more = self.workload.borrow_mut().rows(missing);
            self.publisher.write(&more);
            self.changes.borrow_mut().extend(more);
        }
    }

    /// Starts a gateway on a copy of the history, with nothing shown behind it.
    pub(crate) async fn start(&self, keep: Keep, flags: &[String]) -> Running {
        self.publisher.show(self.end);
        self.start_from(&self.place, keep, flags).await
    }

    /// The same on a copy of what another gateway left.
    pub(crate) async fn start_from(&self, from: &Place, keep: Keep, flags: &[String]) -> Running {
        let place = match from {
            Place::Directory(directory) => {
                let copy = self.new_directory();
                fs::create_dir_all(copy.join("gateway")).unwrap();
                for entry in fs::read_dir(directory.join("gateway")).unwrap() {
                    let path = entry.unwrap().path();
                    if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("query.db")) {
                        fs::copy(&path, copy.join("gateway").join(path.file_name().unwrap())).unwrap();
                    }
                }
                Place::Directory(copy)
            }
            Place::Database(url) => Place::Database(postgres::copy(url).await),
        };
        self.start_in(place, keep, flags).await
    }

    fn new_directory(&self) -> PathBuf {
        self.copies.set(self.copies.get() + 1);
        self.root.join(format!("{}-{}", self.name, self.copies.get()))
    }

    async fn start_in(&self, place: Place, keep: Keep, flags: &[String]) -> Running {
        let (directory, store) = match &place {
            Place::Directory(directory) => (directory.clone(), None),
            Place::Database(url) => (self.new_directory(), Some(format!("--store={url}"))),
        };
        let views = directory.join("views");
        fs::create_dir_all(&views).unwrap();
        let text: String = VIEWS.iter().map(|(name, select)| keep.define(name, select)).collect();
        fs::write(views.join("shop5.sql"), text).unwrap();
        let mut arguments = vec![self.publisher.source(), format!("--views={}", views.display())];
        arguments.extend(flags.iter().cloned().chain(store));
        let host = own_loopback_address();
        let log = [("RUST_LOG", "info,query_gateway::store::writer=debug,query_gateway::query=debug")];
        let process =
            Process::start_with("query-gateway", "gateway", &directory, &host, arguments, &log).await;
        let url = process.url();
        Running { clients: Clients::connect(|_| url.clone()), process, place }
    }
}

impl Keep {
    fn define(self, name: &str, select: &str) -> String {
        let materialized = match self {
            Keep::None => false,
            Keep::All => true,
            Keep::AllBut(other) => other != name,
        };
        format!("CREATE {}VIEW {name} AS {select};\n", if materialized { "MATERIALIZED " } else { "" })
    }
}

impl Running {
    /// Waits for as long as it takes.
    pub(crate) async fn wait_applied(&self, position: &Position) {
        let mut after = Positions::default();
        after.merge(position.clone());
        loop {
            match self.clients.query_after("SELECT 1 AS one", &after).await {
                Ok(_) => return,
                Err(status) if matches!(status.code(), Code::DeadlineExceeded | Code::Unavailable) => {}
                Err(status) => panic!("{status:?}"),
            }
        }
    }

    /// Waits until each view can be read.
    pub(crate) async fn wait_views(&self) {
        for (name, _) in VIEWS {
            self.wait_view(name).await;
        }
    }

    pub(crate) async fn wait_view(&self, name: &str) {
        loop {
            match self.clients.query(&format!("SELECT * FROM {name} LIMIT 1")).await {
                Ok(_) => return,
                Err(status) if status.code() == Code::Unavailable => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                Err(status) => panic!("{status:?}"),
            }
        }
    }

    /// The numbers behind `name=` in the lines of the log that are about `what`.
    pub(crate) fn logged(&self, what: &str, name: &str) -> Vec<u64> {
        let log = self.process.log();
        let number = |line: &str| {
            let value = line.split(&format!(" {name}=")).nth(1)?;
            value.split(' ').next()?.parse().ok()
        };
        log.lines().filter(|line| line.contains(&format!(" {what} "))).filter_map(number).collect()
    }
}
