//! `tributary status`.

mod json;
mod report;
mod seen;
mod watch;

use std::{
    io::{self, Write as _},
    time::Duration,
};

use clap::Args;
use tributary_chassis::settings::positive_duration;

use self::seen::Observer;
use crate::{
    failure::Failure,
    mesh::{GATEWAY, Mesh},
    render::Output,
    terminal,
};

/// Show what is up, how far each source is, which views are ready, and which sagas are stuck.
#[derive(Debug, Args)]
#[command(after_help = "\
A `?` is what is not known: how far behind a source is that the gateway has not reached since it \
started, or was never filled from.

The exit code is 1 if something is not well: a server that is not healthy, a source that is not \
live, a view that is not ready, a saga that is stuck.

With --watch it goes on until Ctrl-C, whatever is away: drawn anew in place on a terminal, block \
after block elsewhere, one line after another with --output json.

Examples:
  tributary status
  tributary status --watch
  tributary status --output json | jq .sources
  tributary status --watch=10s --output json | jq --unbuffered -c '[.time, .problems]'")]
pub(crate) struct Status {
    /// Form of the answer.
    #[arg(short, long, env = "TRIBUTARY_OUTPUT", default_value = "table", value_name = "FORMAT")]
    output: Output,

    /// Show it again and again [default TIME: 1s].
    #[arg(
        short, long, env = "TRIBUTARY_WATCH", value_name = "TIME", value_parser = positive_duration,
        num_args = 0..=1, require_equals = true, default_missing_value = "1s"
    )]
    watch: Option<Duration>,
}

pub(crate) async fn run(mesh: &Mesh, status: Status) -> Result<(), Failure> {
    let observer = Observer::new(mesh)?;
    if let Some(every) = status.watch {
        return watch::run(&observer, every, status.output).await;
    }
    let seen = observer.look().await;
    let text = match status.output {
        Output::Table => report::all(&seen)?,
        Output::Json => format!("{:#}\n", json::object(&seen)),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    if let Err(refusal) = &seen.gateway {
        return Err(Failure::call(GATEWAY, refusal));
    }
    for problem in seen.problems() {
        terminal::say(&format!("{} {}", terminal::yellow("not well:"), terminal::printable(&problem)));
    }
    if seen.is_well() { Ok(()) } else { Err(Failure::silent()) }
}
