//! The log of one server: all lines in a file, those that matter also to whoever watches.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

/// A log of this size becomes `<name>.log.1`, and replaces the one before: two of them are kept.
const ROTATE_AT: u64 = 16 << 20;
/// A longer line is taken in pieces, so that no server can fill the memory of `up`.
const LONGEST_LINE: u64 = 64 << 10;

/// A file that is appended to, and rotated.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Log {
    /// Goes on behind what is there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.size >= ROTATE_AT {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            fs::rename(&self.path, old)?;
            *self = Self::open(&self.path)?;
        }
        self.size += line.len() as u64;
        self.file.write_all(line)
    }
}

/// Reads a server's output until it ends. Lines that matter, all of them if `verbose`, are also handed to
/// `show`, which says whether it could take one. Waits for nobody: a server that cannot write its log
/// stands still, and a terminal may be stopped for hours.
pub(crate) async fn follow(
    output: impl AsyncRead + Unpin,
    mut log: Log,
    verbose: bool,
    show: impl Fn(String) -> bool,
) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    let mut writable = true;
    let mut unseen: u64 = 0;
    loop {
        line.clear();
        match (&mut output).take(LONGEST_LINE).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            // The end, or a pipe that is broken for good.
            Ok(0) | Err(_) => return,
        }
        if let (true, Err(error)) = (writable, log.write(&line)) {
            writable = false;
            show(format!("{} cannot be written: {error}", log.path.display()));
        }
        let text = String::from_utf8_lossy(&line);
        if !verbose && !matters(&text) {
            continue;
        }
        if unseen > 0 && show(format!("({unseen} lines more are in the log)")) {
            unseen = 0;
        }
        if !show(text.trim_end().to_owned()) {
            unseen += 1;
        }
    }
}

/// Whether people should see a line at once: warnings and errors, and whatever is no log line at all (a
/// panic, a refusal of the command line).
fn matters(line: &str) -> bool {
    const QUIET: [&str; 3] = ["INFO", "DEBUG", "TRACE"];
    if line.starts_with('{') {
        return !QUIET.iter().any(|level| line.contains(&format!("\"level\":\"{level}\"")));
    }
    let level = line.split_whitespace().nth(1).unwrap_or_default();
    !line.trim().is_empty() && !QUIET.contains(&level)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[test]
    fn quiet_levels_stay_in_the_file() {
        assert!(!matters("2026-11-23T16:41:13.1Z  INFO orders: listening"));
        assert!(!matters(r#"{"timestamp":"2026","level":"DEBUG","fields":{}}"#));
        assert!(!matters("\n"));
        assert!(matters("2026-11-23T16:41:13.1Z  WARN orders: slow"));
        assert!(matters(r#"{"timestamp":"2026","level":"ERROR","fields":{}}"#));
        assert!(matters("thread 'main' panicked at src/main.rs:1:1:"));
    }

    async fn followed(output: &[u8], path: &Path, room: impl Fn(usize) -> bool) -> Vec<String> {
        let seen = Mutex::new(Vec::new());
        let asked = AtomicUsize::new(0);
        let show = |line| {
            let taken = room(asked.fetch_add(1, Ordering::Relaxed));
            if taken {
                seen.lock().unwrap().push(line);
            }
            taken
        };
        follow(output, Log::open(path).unwrap(), false, show).await;
        seen.into_inner().unwrap()
    }

    #[tokio::test]
    async fn every_line_is_kept_and_some_are_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/x.log");
        let output: &[u8] = b"t INFO a\nt WARN b\nlast without end";
        assert_eq!(followed(output, &path, |_| true).await, ["t WARN b", "last without end"]);
        assert_eq!(fs::read(&path).unwrap(), output);
    }

    #[tokio::test]
    async fn a_terminal_that_stands_still_is_told_what_it_missed() {
        let directory = tempfile::tempdir().unwrap();
        let output = b"t WARN a\nt WARN b\nt WARN c\n";
        let seen = followed(output, &directory.path().join("x.log"), |asked| asked > 2).await;
        assert_eq!(seen, ["(2 lines more are in the log)", "t WARN c"]);
    }

    #[test]
    fn a_full_log_is_set_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.log");
        let mut log = Log::open(&path).unwrap();
        log.write(b"old\n").unwrap();
        log.size = ROTATE_AT;
        log.write(b"new\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(fs::read(directory.path().join("x.log.1")).unwrap(), b"old\n");
    }
}
