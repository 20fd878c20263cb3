//! Notices what changes in a directory. It is read again and again, and its contents are compared: times and notices of
//! a file system are not reliable where a directory is mounted, and nothing else is needed for some small files.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    ViewError,
    files::{Texts, read},
};

/// Between two looks. What is new counts when it is seen twice: a file that is being written is not taken by halves.
const INTERVAL: Duration = Duration::from_millis(400);

/// What there is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The files are these now.
    Files(Texts),
    /// The files can be read again, and are what they were.
    Same,
    /// The files cannot be read any more.
    Problem(ViewError),
}

/// Looks at a directory.
#[derive(Debug)]
pub(super) struct Watch {
    directory: PathBuf,
    /// What was told last.
    told: Result<Texts, ViewError>,
    /// What the files were before they could not be read.
    taken: Texts,
    /// What was seen last.
    seen: Result<Texts, ViewError>,
}

impl Watch {
    /// From a directory that had these files.
    pub(super) fn new(directory: &Path, texts: Texts) -> Self {
        let (told, taken, seen) = (Ok(texts.clone()), texts.clone(), Ok(texts));
        Self { directory: directory.to_owned(), told, taken, seen }
    }

    /// Waits for the next change.
    pub(super) async fn next(&mut self) -> Seen {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let directory = self.directory.clone();
            let look = tokio::task::spawn_blocking(move || read(&directory)).await;
            let look = look.unwrap_or_else(|error| {
                Err(ViewError { path: self.directory.clone(), reason: error.to_string() })
            });
            if let Some(seen) = self.look(look) {
                return seen;
            }
        }
    }

    fn look(&mut self, look: Result<Texts, ViewError>) -> Option<Seen> {
        let before = std::mem::replace(&mut self.seen, look.clone());
        if look != before || look == self.told {
            return None;
        }
        self.told.clone_from(&look);
        Some(match look {
            Err(error) => Seen::Problem(error),
            Ok(texts) if texts == self.taken => Seen::Same,
            Ok(texts) => {
                self.taken.clone_from(&texts);
                Seen::Files(texts)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Texts {
        Texts::from([("a.sql".to_owned(), text.to_owned())])
    }

    fn gone() -> Result<Texts, ViewError> {
        Err(ViewError { path: "views".into(), reason: "gone".to_owned() })
    }

    #[test]
    fn what_is_new_counts_when_it_is_seen_twice() {
        let mut watch = Watch::new(Path::new("views"), texts("one"));
        assert_eq!(watch.look(Ok(texts("one"))), None);
        assert_eq!(watch.look(Ok(texts("tw"))), None, "half of a file");
        assert_eq!(watch.look(Ok(texts("two"))), None);
        assert_eq!(watch.look(Ok(texts("two"))), Some(Seen::Files(texts("two"))));
        assert_eq!(watch.look(Ok(texts("two"))), None);
        // Replaced and put back in between.
        assert_eq!(watch.look(Ok(texts("three"))), None);
        assert_eq!(watch.look(Ok(texts("two"))), None);
        assert_eq!(watch.look(Ok(texts("two"))), None);
    }

    #[test]
    fn a_directory_that_vanishes_is_a_problem_and_no_change() {
        let mut watch = Watch::new(Path::new("views"), texts("one"));
        assert_eq!(watch.look(gone()), None);
        assert_eq!(watch.look(gone()), Some(Seen::Problem(gone().unwrap_err())));
        assert_eq!(watch.look(gone()), None);
        assert_eq!(watch.look(Ok(texts("one"))), None);
        assert_eq!(watch.look(Ok(texts("one"))), Some(Seen::Same));
        assert_eq!(watch.look(gone()), None);
        assert_eq!(watch.look(gone()), Some(Seen::Problem(gone().unwrap_err())));
        assert_eq!(watch.look(Ok(texts("two"))), None);
        assert_eq!(watch.look(Ok(texts("two"))), Some(Seen::Files(texts("two"))));
    }
}
