//! Text on a terminal that is drawn again and again in the same place. No mode of the terminal is changed: there
//! is nothing to give back, however this process ends, and what was drawn last stays.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use console::{Term, truncate_str};

use crate::terminal;

/// The lines from where the cursor was at first.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    /// How many lines above the cursor are ours, and how large the terminal was: nothing is drawn before.
    drawn: Option<(usize, Size)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    rows: usize,
    columns: usize,
}

impl Screen {
    /// That of stdout; `None` if it is no terminal, or one that cannot move its cursor.
    pub(crate) fn of_stdout() -> Option<Self> {
        (console::user_attended() && terminal::moves()).then(Self::default)
    }

    /// Replaces what was drawn before.
    pub(crate) fn draw(&mut self, text: &str) -> io::Result<()> {
        let (rows, columns) = Term::stdout().size();
        let frame = self.frame(text, Size { rows: rows.into(), columns: columns.into() });
        let mut out = io::stdout().lock();
        // All at once: nobody sees half of it.
        out.write_all(frame.as_bytes())?;
        out.flush()
    }

    fn frame(&mut self, text: &str, size: Size) -> String {
        let mut frame = match self.drawn {
            None => String::new(),
            Some((lines, before)) if before == size => up(lines),
            // Lines were broken anew, and nobody knows where the cursor is: from the top.
            Some(_) => "\x1b[H\x1b[2J".to_owned(),
        };
        let lines = fitting(text, size);
        for line in &lines {
            // Ends any colour that was cut off, and wipes what is left of a longer line.
            let _ = writeln!(frame, "{line}\x1b[0m\x1b[K");
        }
        // Lines of a longer text.
        frame.push_str("\x1b[J");
        self.drawn = Some((lines.len(), size));
        frame
    }
}

impl Drop for Screen {
    /// The terminal may have echoed `^C` where the cursor is.
    fn drop(&mut self) {
        if self.drawn.is_some() {
            // A closed terminal needs no line end.
            let _ = writeln!(io::stdout().lock());
        }
    }
}

fn up(lines: usize) -> String {
    // 0 would be taken for 1.
    if lines == 0 { "\r".to_owned() } else { format!("\r\x1b[{lines}A") }
}

/// What can be seen at once: no line is broken, none scrolls away, and the cursor has one of its own.
fn fitting(text: &str, Size { rows, columns }: Size) -> Vec<String> {
    let lines: Vec<_> = text.lines().map(|line| truncate_str(line, columns, "…").into_owned()).collect();
    let room = rows.saturating_sub(1).max(1);
    if lines.len() <= room {
        return lines;
    }
    let shown = room - 1;
    let rest = format!("… and {} lines more, in a taller terminal", lines.len() - shown);
    let rest = truncate_str(&rest, columns, "…").into_owned();
    lines.into_iter().take(shown).chain([rest]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { rows: 4, columns: 8 };
    const END: &str = "\x1b[0m\x1b[K\n";

    #[test]
    fn each_text_is_in_the_place_of_the_one_before() {
        let mut screen = Screen::default();
        assert_eq!(screen.frame("a\nb\n", SIZE), format!("a{END}b{END}\x1b[J"));
        assert_eq!(screen.frame("c", SIZE), format!("\r\x1b[2Ac{END}\x1b[J"));
        assert_eq!(screen.frame("", SIZE), "\r\x1b[1A\x1b[J");
        assert_eq!(screen.frame("d", SIZE), format!("\rd{END}\x1b[J"));
    }

    #[test]
    fn another_size_begins_at_the_top() {
        let mut screen = Screen::default();
        screen.frame("a", SIZE);
        let wider = Size { columns: 9, ..SIZE };
        assert_eq!(screen.frame("a", wider), format!("\x1b[H\x1b[2Ja{END}\x1b[J"));
        assert!(screen.frame("a", wider).starts_with("\r\x1b[1A"));
    }

    #[test]
    fn what_does_not_fit_is_cut_and_counted() {
        assert_eq!(
            fitting("12345678\n123456789\n\u{1b}[33m123456789\n", SIZE)[1..],
            ["1234567…", "\u{1b}[33m1234567…"]
        );
        assert_eq!(
            fitting("1\n2\n3\n4\n5", Size { columns: 80, ..SIZE }),
            ["1", "2", "… and 3 lines more, in a taller terminal"]
        );
        for rows in 0..3 {
            assert_eq!(fitting("1\n2\n3", Size { rows, columns: 80 }).len(), 1);
        }
    }
}
