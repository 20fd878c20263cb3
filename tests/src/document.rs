//! Documents that say what to type: their fenced blocks, followed to the letter in a fresh clone.
//!
//! A block ```` ```sh ```` is run, a line after the other. A block ```` ```text ```` or ```` ```json ```` behind it
//! is what the last command prints on stdout, where `…` stands for anything within a line; one that begins with
//! `error:` is what it prints on stderr, and says that the command fails. A block below a line that is a path in
//! backquotes is that file. `make run` goes on in the background until the end; `export` holds for all that follows.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};

use crate::{binaries, wait};

/// A connection that was closed keeps its port for a minute, and the ports of the mesh are among those that connections get.
const CLOSED: Duration = Duration::from_secs(70);

/// One of the ports of a mesh, each with that for operators, at which somebody listens; a mesh of one's own, perhaps.
pub async fn occupied(ports: impl IntoIterator<Item = u16>) -> Option<u16> {
    let end = Instant::now() + CLOSED;
    for port in ports.into_iter().flat_map(|port| [port, port + 1000]) {
        let address = (Ipv4Addr::LOCALHOST, port);
        while TcpListener::bind(address).is_err() {
            if Instant::now() > end || TcpStream::connect(address).is_ok() {
                return Some(port);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
    None
}

/// A fenced block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// `sh`, `text`, `rust`.
    pub language: String,
    /// The file that it is.
    pub path: Option<String>,
    /// Its lines.
    pub text: String,
}

impl Block {
    /// What is printed, not typed, and not a file.
    fn is_printed(&self) -> bool {
        self.path.is_none() && ["text", "json"].contains(&self.language.as_str())
    }

    fn is_error(&self) -> bool {
        self.is_printed() && self.text.starts_with("error:")
    }

    /// The commands: a line that ends in a backslash goes on.
    fn commands(&self) -> Vec<String> {
        let text = self.text.replace("\\\n", " ");
        text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    }
}

/// All of them, in order.
pub fn blocks(markdown: &str) -> Vec<Block> {
    let (mut blocks, mut open, mut before): (Vec<Block>, bool, &str) = (Vec::new(), false, "");
    for line in markdown.lines() {
        if let Some(language) = line.strip_prefix("```") {
            open = !open;
            if open {
                let quoted = before.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
                let path = quoted.filter(|path| !path.contains(['`', ' '])).map(str::to_owned);
                blocks.push(Block { language: language.to_owned(), path, text: String::new() });
            }
        } else if let Some(block) = blocks.last_mut().filter(|_| open) {
            block.text.push_str(line);
            block.text.push('\n');
        }
        before = line;
    }
    blocks
}

/// Line by line; `…` stands for anything.
pub fn matches(expected: &str, found: &str) -> bool {
    let lines =
        |text: &str| text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    let (expected, found) = (lines(expected), lines(found));
    expected.len() == found.len()
        && expected.iter().zip(&found).all(|(expected, found)| line_matches(expected, found))
}

fn line_matches(expected: &str, found: &str) -> bool {
    let mut parts = expected.split('…').peekable();
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = found.strip_prefix(first) else { return false };
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// Somebody who types what a document says, in the clone that `make test` has made and built.
#[derive(Debug)]
pub struct Reader {
    clone: PathBuf,
    environment: Vec<(String, String)>,
    running: Option<Running>,
}

/// `make run`, with all that it starts.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"));
        let _ = killpg(group, Signal::SIGINT);
        let _ = self.0.wait();
    }
}

impl Reader {
    /// In the clone as it was committed, with nothing of who was there before; `None` where there is no clone.
    pub fn in_fresh_clone() -> Option<Self> {
        // Beside what is built to run, which may lie in a folder of its target: see .cargo/config.toml.
        let built = binaries::beside();
        let clones = built.ancestors().skip(1).take(2).map(|folder| folder.join("fresh-clone/tributary"));
        let clone = clones.into_iter().find(|clone| clone.join("README.md").exists())?;
        let reader = Self { clone, environment: Vec::new(), running: None };
        reader.leave_as_committed();
        let _ = fs::remove_dir_all(reader.path(".tributary"));
        Some(reader)
    }

    /// A file of the clone.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.clone.join(path)
    }

    /// Whether `make run` was typed.
    pub fn has_mesh(&self) -> bool {
        self.running.is_some()
    }

    /// Writes a file of the document; one that is there already is not what was meant.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        assert!(!path.exists(), "{} is there already", path.display());
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, text).expect("a file can be written");
    }

    /// Does what the blocks say. Before each command `settled` waits until the mesh has come to rest: a person
    /// types more slowly than the gateway follows, and on a busy machine a test need not.
    pub async fn follow(&mut self, blocks: &[Block], settled: impl AsyncFn()) {
        let mut printed = String::new();
        for (i, block) in blocks.iter().enumerate() {
            if let Some(path) = &block.path {
                self.write(path, &block.text);
            } else if block.is_printed() {
                assert!(
                    matches(&block.text, &printed),
                    "the document says\n{}\nand it is\n{printed}",
                    block.text
                );
            } else if block.language == "sh" {
                let fails = blocks.get(i + 1).is_some_and(Block::is_error);
                let commands = block.commands();
                for (n, command) in commands.iter().enumerate() {
                    printed = self.perform(command, fails && n + 1 == commands.len(), &settled).await;
                }
            }
        }
    }

    async fn perform(&mut self, command: &str, fails: bool, settled: &impl AsyncFn()) -> String {
        if let Some((name, value)) = command.strip_prefix("export ").and_then(|set| set.split_once('=')) {
            self.environment.push((name.to_owned(), value.to_owned()));
            return String::new();
        }
        if command == "make run" {
            self.make_run().await;
            return String::new();
        }
        if self.has_mesh() {
            settled().await;
        }
        let output = self.run(command);
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        let up = fs::read_to_string(self.log()).unwrap_or_default();
        let as_said = output.status.success() != fails;
        assert!(as_said, "{command}\n{:?}\n{stdout}{stderr}\n--- make run ---\n{up}", output.status);
        if fails { stderr.into_owned() } else { stdout.into_owned() }
    }

    /// Runs one command to its end.
    pub fn run(&self, command: &str) -> Output {
        self.shell(command).output().expect("bash runs")
    }

    async fn make_run(&mut self) {
        let file = File::create(self.log()).expect("a log file");
        let child = self
            .shell("make run")
            .process_group(0)
            .stdout(file.try_clone().expect("a log file"))
            .stderr(file)
            .spawn()
            .expect("make run starts");
        self.running = Some(Running(child));
        wait::until("make run says that the mesh is ready", || async {
            let text = fs::read_to_string(self.log()).unwrap_or_default();
            if text.lines().any(|line| line == "ready") { Ok(()) } else { Err(text) }
        })
        .await;
    }

    fn shell(&self, command: &str) -> Command {
        let target = self.clone.with_file_name("target");
        let tools = binaries::root().join(".tools/bin");
        let path = format!("{}:{}", tools.display(), std::env::var("PATH").expect("PATH"));
        let mut shell = Command::new("bash");
        shell
            .args(["-c", command])
            .current_dir(&self.clone)
            .env("CARGO_TARGET_DIR", target)
            .env("PATH", path)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        shell
    }

    fn log(&self) -> PathBuf {
        self.path("make-run.log")
    }

    fn leave_as_committed(&self) {
        let output = self.run("git checkout --quiet . && git clean --quiet --force -d");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.running.take());
        let _ = self.run("git checkout --quiet . && git clean --quiet --force -d");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ellipsis_stands_for_anything_within_a_line() {
        assert!(matches("a … c\n", "a b c\n"));
        assert!(matches("\"etag\": \"…\",", "\"etag\": \"1-2\","));
        assert!(!matches("a … c", "a b d"));
        assert!(!matches("a", "a b"));
        assert!(!matches("a\nb", "a"));
    }

    #[test]
    fn a_path_above_a_block_makes_it_a_file() {
        let text = "`a/b.rs`\n```rust\nfn a() {}\n```\n\nSee `c`:\n```sh\nmake \\\n  run\n\nls\n```\n```text\nerror: no\n```\n";
        let found = blocks(text);
        let paths: Vec<_> = found.iter().map(|block| block.path.as_deref()).collect();
        assert_eq!(paths, [Some("a/b.rs"), None, None]);
        assert_eq!(found[0].text, "fn a() {}\n");
        assert_eq!(found[1].commands(), ["make    run", "ls"]);
        assert!(found[2].is_error() && !found[1].is_printed());
    }
}
