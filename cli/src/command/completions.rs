//! `tributary completions`.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::{args::Arguments, failure::Failure};

/// Print the completions of a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tributary completions bash > ~/.local/share/bash-completion/completions/tributary
  tributary completions zsh > \"${fpath[1]}/_tributary\"
  tributary completions fish > ~/.config/fish/completions/tributary.fish")]
pub(crate) struct Completions {
    shell: Shell,
}

pub(crate) fn run(completions: &Completions) -> Result<(), Failure> {
    // Into memory first: the generator panics on a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Arguments::command(), "tributary", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(())
}
