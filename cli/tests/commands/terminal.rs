//! The binary on a terminal: a pseudo-terminal, and what can be seen on it.

use std::{
    fs::File,
    io::Read as _,
    os::fd::OwnedFd,
    process::Command,
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use nix::{
    pty::{Winsize, openpty},
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::Child;

use crate::{fake::until, program::command};

/// A running program and its terminal.
pub(crate) struct Terminal {
    program: Child,
    slave: OwnedFd,
    shown: Arc<Mutex<Shown>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    pub(crate) fn start(arguments: &[&str], rows: u16, columns: u16) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        let mut program = tokio::process::Command::from(command(arguments));
        program.stdin(pair.slave.try_clone().unwrap());
        program.stdout(pair.slave.try_clone().unwrap());
        program.stderr(pair.slave.try_clone().unwrap());
        let program = program.env("TERM", "xterm").kill_on_drop(true).spawn().unwrap();
        let shown = Arc::new(Mutex::new(Shown::new(rows.into())));
        let (mut master, theirs) = (File::from(pair.master), Arc::clone(&shown));
        let reader = std::thread::spawn(move || {
            let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
            // An error is the end: nobody has the terminal open any more.
            while let Ok(read) = master.read(&mut buffer)
                && read > 0
            {
                bytes.extend_from_slice(&buffer[..read]);
                // The rest of a character, or of an escape sequence, is to come.
                let mut whole = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
                if let Some(begun) = bytes[..whole].iter().rposition(|byte| *byte == 0x1b)
                    && !bytes[begun..whole].iter().any(u8::is_ascii_alphabetic)
                {
                    whole = begun;
                }
                let text = String::from_utf8(bytes.drain(..whole).collect()).unwrap();
                theirs.lock().unwrap().take(&text);
            }
        });
        Self { program, slave: pair.slave, shown, reader }
    }

    /// Every line, also those that scrolled away.
    pub(crate) fn text(&self) -> String {
        self.shown.lock().unwrap().text()
    }

    /// Waits until what can be seen is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let seen = async || Some(self.text()).filter(|text| is_so(text));
        match tokio::time::timeout(std::time::Duration::from_secs(30), until(what, seen)).await {
            Ok(text) => text,
            Err(_) => panic!("in vain: {what}:\n{}", self.text()),
        }
    }

    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        let size = [rows, columns].map(|n| n.to_string());
        let mut stty = Command::new("stty");
        stty.args(["rows", &size[0], "cols", &size[1]]).stdin(self.slave.try_clone().unwrap());
        // What was shown is broken anew, and not looked at any more.
        *self.shown.lock().unwrap() = Shown::new(rows.into());
        assert!(stty.status().unwrap().success());
    }

    /// Gives the exit code, and what was shown last.
    pub(crate) async fn interrupt(self) -> (Option<i32>, String) {
        let Self { mut program, slave, shown, reader } = self;
        kill(Pid::from_raw(program.id().unwrap().try_into().unwrap()), Signal::SIGINT).unwrap();
        let code = program.wait().await.unwrap().code();
        drop(slave);
        tokio::task::spawn_blocking(|| reader.join().unwrap()).await.unwrap();
        (code, shown.lock().unwrap().text())
    }
}

/// What a terminal makes of text and of the few sequences that are written to it.
struct Shown {
    rows: usize,
    lines: Vec<Vec<char>>,
    /// The cursor: a line of all, and a column.
    at: (usize, usize),
}

impl Shown {
    fn new(rows: usize) -> Self {
        Self { rows, lines: vec![Vec::new()], at: (0, 0) }
    }

    fn text(&self) -> String {
        let lines =
            self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned() + "\n");
        lines.collect()
    }

    /// The first line that has not scrolled away.
    fn top(&self) -> usize {
        self.lines.len().saturating_sub(self.rows)
    }

    fn take(&mut self, text: &str) {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\r' => self.at.1 = 0,
                '\n' => {
                    self.at.0 += 1;
                    if self.at.0 == self.lines.len() {
                        self.lines.push(Vec::new());
                    }
                }
                '\x1b' => {
                    let mut sequence = String::new();
                    while !sequence.ends_with(|c: char| c.is_ascii_alphabetic()) {
                        sequence.push(chars.next().expect("sequences come whole"));
                    }
                    self.obey(&sequence);
                }
                c => {
                    let line = &mut self.lines[self.at.0];
                    line.resize(line.len().max(self.at.1 + 1), ' ');
                    line[self.at.1] = c;
                    self.at.1 += 1;
                }
            }
        }
    }

    fn obey(&mut self, sequence: &str) {
        let number = sequence.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().ok();
        match sequence.strip_prefix('[').and_then(|rest| rest.chars().last()) {
            Some('m') => {}
            Some('A') => self.at.0 = self.at.0.saturating_sub(number.unwrap_or(1)).max(self.top()),
            Some('K') if number.is_none() => self.lines[self.at.0].truncate(self.at.1),
            Some('H') if number.is_none() => self.at = (self.top(), 0),
            Some('J') => {
                let from = if number == Some(2) { (self.top(), 0) } else { self.at };
                self.lines[from.0].truncate(from.1);
                self.lines[from.0 + 1..].iter_mut().for_each(Vec::clear);
            }
            _ => panic!("not understood: {sequence:?}"),
        }
    }
}
