//! README in a fresh clone: every fenced command in order, every printed answer compared.
//!
//! A block ```` ```sh ```` is run; a block ```` ```text ```` or ```` ```json ```` behind it is what the last
//! command prints on stdout, where `…` stands for anything within a line. `make run` goes on in the background until the end.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use mesh_tests::{binaries, clients::Clients, mesh::project_file, skip, wait};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

/// Ports that README's commands name.
const PORTS: [u16; 8] = [50050, 50051, 50052, 50054, 51050, 51051, 51052, 51054];

/// A fenced block: its language and its lines.
struct Block {
    language: String,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, bool) = (Vec::new(), false);
    for line in markdown.lines() {
        if let Some(language) = line.strip_prefix("```") {
            open = !open;
            if open {
                blocks.push(Block { language: language.to_owned(), text: String::new() });
            }
        } else if open {
            let block = blocks.last_mut().unwrap();
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    blocks
}

/// The commands of a block: a line that ends in a backslash goes on.
fn commands(block: &Block) -> Vec<String> {
    block
        .text
        .replace("\\\n", " ")
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

/// Line by line; `…` stands for anything.
fn matches(expected: &str, found: &str) -> bool {
    let lines =
        |text: &str| text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    let (expected, found) = (lines(expected), lines(found));
    expected.len() == found.len()
        && expected.iter().zip(&found).all(|(expected, found)| line_matches(expected, found))
}

fn line_matches(expected: &str, found: &str) -> bool {
    let mut rest = found;
    let mut parts = expected.split('…').peekable();
    let first = parts.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// `make run` in the background, with all that it starts.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let group = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _ = killpg(group, Signal::SIGINT);
        let _ = self.0.wait();
    }
}

/// The mesh that README starts.
fn shop() -> Clients {
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    Clients::connect(&at(50051), &at(50052), &at(50054), &at(50050))
}

/// The clone that `make test` has made and built; a newer commit than that is not what is tested.
fn fresh_clone() -> Option<PathBuf> {
    let target = binaries::directory().parent().unwrap().to_owned();
    let clone = target.join("fresh-clone/tributary");
    clone.join("README.md").exists().then_some(clone)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_readme_works_in_a_fresh_clone() {
    const NAME: &str = "every_command_of_readme_works_in_a_fresh_clone";
    let Some(clone) = fresh_clone() else {
        return skip::skipped(NAME, "there is no fresh clone: make test makes one");
    };
    let Some(_) = skip::tool(NAME, "grpcurl") else { return };
    if let Some(port) = PORTS.iter().find(|port| TcpListener::bind(("127.0.0.1", **port)).is_err()) {
        return skip::skipped(NAME, &format!("port {port} is in use, perhaps by a mesh of your own"));
    }
    let readme = fs::read_to_string(clone.join("README.md")).unwrap();
    assert_eq!(readme, project_file("README.md"), "the clone has the README as committed; commit first");
    let log = clone.join("make-run.log");
    let mut running = None;
    let mut printed = String::new();
    for block in blocks(&readme) {
        if block.language != "sh" {
            assert!(matches(&block.text, &printed), "README says\n{}\nand it is\n{printed}", block.text);
            continue;
        }
        for command in commands(&block) {
            if command == "make run" {
                running = Some(start(&clone, &log).await);
            } else {
                if running.is_some() {
                    // A person types more slowly than the gateway follows; on a busy machine a test need not.
                    shop().wait_caught_up().await;
                }
                printed = run(&clone, &command, &log);
            }
        }
    }
    assert!(running.is_some(), "README says make run");
}

fn shell(clone: &Path, command: &str) -> Command {
    let target = binaries::directory().parent().unwrap().join("fresh-clone/target");
    let tools = binaries::root().join(".tools/bin");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell
        .args(["-c", command])
        .current_dir(clone)
        .env("CARGO_TARGET_DIR", target)
        .env("PATH", path)
        .stdin(Stdio::null());
    shell
}

async fn start(clone: &Path, log: &Path) -> Running {
    let _ = fs::remove_dir_all(clone.join(".tributary"));
    let file = fs::File::create(log).unwrap();
    let child = shell(clone, "make run")
        .process_group(0)
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap();
    let running = Running(child);
    wait::until("make run says that the mesh is ready", || async {
        let text = fs::read_to_string(log).unwrap_or_default();
        if text.contains("ready") { Ok(()) } else { Err(text) }
    })
    .await;
    running
}

fn run(clone: &Path, command: &str, log: &Path) -> String {
    let output = shell(clone, command).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let up = fs::read_to_string(log).unwrap_or_default();
    assert!(output.status.success(), "{command}\n{stderr}\n--- make run ---\n{up}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_ellipsis_stands_for_anything_within_a_line() {
    assert!(matches("a … c\n", "a b c\n"));
    assert!(matches("\"etag\": \"…\",", "\"etag\": \"1-2\","));
    assert!(!matches("a … c", "a b d"));
    assert!(!matches("a", "a b"));
    assert!(!matches("a\nb", "a"));
}
