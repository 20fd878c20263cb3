//! Runs the binary as a user would.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

/// What a run of the binary left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// The binary, without the variables of whoever runs the tests.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tributary"));
    for (name, _) in std::env::vars().filter(|(name, _)| is_ours(name)) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

fn is_ours(variable: &str) -> bool {
    ["TRIBUTARY_", "OTEL_"].iter().any(|prefix| variable.starts_with(prefix))
}

/// Runs it to its end, while the servers of the test go on.
pub(crate) async fn tributary(arguments: &[&str]) -> Run {
    run(command(arguments), "").await
}

pub(crate) async fn run(mut command: Command, input: &str) -> Run {
    let input = input.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    })
    .await
    .unwrap()
}
