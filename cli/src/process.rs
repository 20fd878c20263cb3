//! One child process: started so that it cannot outlive this one, ended by signals, its end in words.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    net::unix::pipe,
    process::{Child, ChildStdin, Command},
};

/// A program with its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// Beside the environment of this process.
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// A child that runs, or has ended and was not waited for yet.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Closed by the kernel when this process dies, even by kill -9: then the child ends as well
    /// (`--exit-with-parent`), and no orphan keeps a port or a store.
    _lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts the program; what it writes to stdout and stderr arrives at the receiver.
    pub(crate) fn start(program: &Program) -> io::Result<(Self, pipe::Receiver)> {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(&program.path);
        command
            .args(&program.arguments)
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            // Ctrl-C goes to the whole group of the terminal: the children are to get the one signal that
            // `up` sends, since a second one would cut their drain short.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let lifeline = child.stdin.take();
        // The command holds the writing end: as long as it lives, the output never ends.
        drop(command);
        Ok((Self { child, _lifeline: lifeline }, pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?))
    }

    /// Its process id; `None` once it has ended and was waited for.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for its end. Can be dropped and called again.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks it to drain and end.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        match self.id().and_then(|id| i32::try_from(id).ok()) {
            // Not waited for yet, so the number is still its own.
            Some(id) => Ok(kill(Pid::from_raw(id), Signal::SIGTERM)?),
            None => Ok(()),
        }
    }

    /// Ends it without asking.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.start_kill()
    }
}

/// `exit code 1`, `signal 9 (SIGKILL)`.
pub(crate) fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("signal {number} ({signal})"),
            Err(_) => format!("signal {number}"),
        },
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    fn shell(script: &str) -> Program {
        Program {
            path: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: Vec::new(),
        }
    }

    async fn run(script: &str) -> (String, String) {
        let (mut process, mut output) = Process::start(&shell(script)).unwrap();
        let mut text = String::new();
        output.read_to_string(&mut text).await.unwrap();
        (in_words(process.ended().await.unwrap()), text)
    }

    #[tokio::test]
    async fn both_outputs_arrive_and_the_end_is_told() {
        assert_eq!(run("echo a; echo b >&2; exit 3").await, ("exit code 3".into(), "a\nb\n".into()));
        assert_eq!(run("kill -9 $$").await.0, "signal 9 (SIGKILL)");
    }

    #[tokio::test]
    async fn a_child_is_asked_to_end_by_sigterm() {
        let (mut process, mut output) =
            Process::start(&shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done")).unwrap();
        let mut first = [0; 3];
        output.read_exact(&mut first).await.unwrap();
        process.terminate().unwrap();
        assert_eq!(in_words(process.ended().await.unwrap()), "exit code 7");
        process.terminate().unwrap();
    }

    #[tokio::test]
    async fn stdin_ends_when_the_parent_lets_go() {
        let (process, mut output) = Process::start(&shell("cat; echo end")).unwrap();
        let Process { mut child, _lifeline } = process;
        drop(_lifeline);
        let mut text = String::new();
        output.read_to_string(&mut text).await.unwrap();
        assert_eq!((text.as_str(), child.wait().await.unwrap().success()), ("end\n", true));
    }
}
