//! What the programs say of their own flags: `--help`, read.

use std::process::Command;

use crate::binaries;

/// One program of the workspace.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    help: String,
}

/// One flag of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flag {
    /// Without the dashes.
    pub name: String,
    /// The name of its value, such as `URL`; empty for none.
    pub takes: String,
    /// The environment variable that stands for it.
    pub variable: Option<String>,
    /// What it has where it is not given.
    pub default: Option<String>,
    /// What it is for.
    pub help: String,
}

impl Program {
    /// Asks it.
    pub fn named(name: &str) -> Self {
        let output = Command::new(binaries::path(name)).arg("--help").output().expect("the program runs");
        assert!(output.status.success(), "{name} --help: {}", output.status);
        Self { name: name.to_owned(), help: String::from_utf8(output.stdout).expect("UTF-8") }
    }

    /// All of its flags.
    pub fn flags(&self) -> Vec<Flag> {
        let flags = flags(&self.help);
        assert!(flags.iter().any(|flag| flag.name == "listen"), "{} --help is read: {flags:?}", self.name);
        flags
    }
}

fn flags(help: &str) -> Vec<Flag> {
    let mut flags: Vec<Flag> = Vec::new();
    for line in help.lines().map(str::trim) {
        // `-h, --help` too.
        let long = line.split_once("--").filter(|(short, _)| short.is_empty() || short.starts_with('-'));
        if let Some((_, long)) = long {
            let (name, takes) = long.split_once(' ').unwrap_or((long, ""));
            let takes = takes.trim_matches(['<', '>']).to_owned();
            flags.push(Flag { name: name.to_owned(), takes, ..Flag::default() });
        } else if let Some(flag) = flags.last_mut() {
            let bracketed = |name: &str| Some(line.strip_prefix(name)?.strip_suffix(']')?.trim());
            if let Some(variable) = bracketed("[env:") {
                let name = variable.split_once('=').map_or(variable, |(name, _)| name);
                flag.variable = Some(name.to_owned());
            } else if let Some(default) = bracketed("[default:") {
                flag.default = Some(default.to_owned());
            } else if !line.is_empty() {
                flag.help.push_str(if flag.help.is_empty() { "" } else { " " });
                flag.help.push_str(line);
            }
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_clap_writes_them() {
        let help = "Usage: a [OPTIONS]\n\nOptions:\n      --listen <IP:PORT>\n          Where it\n          listens\n          \
                    \n          [env: A_LISTEN=]\n          [default: 127.0.0.1:0]\n\n  -h, --help\n          Print help\n";
        let [listen, help] = flags(help).try_into().unwrap();
        assert_eq!((listen.name.as_str(), listen.takes.as_str()), ("listen", "IP:PORT"));
        assert_eq!(listen.variable.as_deref(), Some("A_LISTEN"));
        assert_eq!(listen.default.as_deref(), Some("127.0.0.1:0"));
        assert_eq!(listen.help, "Where it listens");
        assert_eq!((help.name.as_str(), help.takes.as_str()), ("help", ""));
    }
}
