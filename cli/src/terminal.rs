//! What is said to people: stderr, with colour where it is a terminal and `NO_COLOR` is not set.

use std::{
    env,
    fmt::{Display, Write as _},
    io::{self, Write as _},
};

use console::Style;

/// One line on stderr.
pub(crate) fn say(line: &str) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether progress may be drawn: a terminal that can move its cursor.
pub(crate) fn draws() -> bool {
    console::user_attended_stderr() && moves()
}

/// Whether a terminal, if there is one, can move its cursor.
pub(crate) fn moves() -> bool {
    env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How the user called this program, for texts that tell what to type next.
pub(crate) fn program() -> String {
    env::args().next().unwrap_or_else(|| "tributary".to_owned())
}

/// For what went wrong.
pub(crate) fn red(text: impl Display) -> String {
    paint(Style::new().red().bold(), text)
}

/// For what is on its way.
pub(crate) fn yellow(text: impl Display) -> String {
    paint(Style::new().yellow(), text)
}

/// For what is well.
pub(crate) fn green(text: impl Display) -> String {
    paint(Style::new().green(), text)
}

/// For what is said beside the answer.
pub(crate) fn dim(text: impl Display) -> String {
    paint(Style::new().dim(), text)
}

fn paint(style: Style, text: impl Display) -> String {
    style.for_stderr().apply_to(text).to_string()
}

/// The text with its control characters escaped: what a server stores must not move anybody's cursor.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => {
                let _ = write!(shown, "{}", c.escape_default());
            }
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nä"), "a\\u{1b}[2J\\nä");
    }
}
