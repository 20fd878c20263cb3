//! How far a load is: a bar on a terminal, a plain line now and then elsewhere.

use std::{
    cell::Cell,
    fmt::Write,
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use tonic::Status;

use super::pace::Audience;
use crate::{failure::root_cause, terminal};

/// How often a plain line is said.
const PLAIN: Duration = Duration::from_secs(10);
/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);

/// Counts the items of one collection.
#[derive(Debug)]
pub(super) struct Meter {
    name: &'static str,
    total: u64,
    started: Instant,
    added: Cell<u64>,
    known: Cell<u64>,
    /// When the last plain line was said.
    said: Cell<Instant>,
    /// Whether a server is waited for.
    waits: Cell<bool>,
    /// When that was last said in a plain line.
    complained: Cell<Option<Instant>>,
    bar: Option<ProgressBar>,
    is_finished: bool,
}

impl Meter {
    /// Begins at nothing of `total`.
    pub(super) fn new(name: &'static str, total: u64) -> Self {
        let now = Instant::now();
        let bar = terminal::draws().then(|| {
            let bar = ProgressBar::new(total).with_style(style());
            bar.set_prefix(name);
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            name,
            total,
            started: now,
            added: Cell::new(0),
            known: Cell::new(0),
            said: Cell::new(now),
            waits: Cell::new(false),
            complained: Cell::new(None),
            bar,
            is_finished: false,
        }
    }

    /// One more is there that was not.
    pub(super) fn added(&self) {
        self.added.set(self.added.get() + 1);
        self.moved();
    }

    /// One more was there before.
    pub(super) fn known(&self) {
        self.known.set(self.known.get() + 1);
        self.moved();
        // To find is no work: it says nothing of how long the rest takes.
        self.bar.iter().for_each(ProgressBar::reset_eta);
    }

    fn moved(&self) {
        match &self.bar {
            Some(bar) => bar.set_position(self.done()),
            None if self.said.get().elapsed() >= PLAIN => self.say(&self.how_far()),
            None => {}
        }
    }

    /// All of it is there.
    pub(super) fn finish(mut self) {
        self.is_finished = true;
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
        let (seconds, known) = (self.started.elapsed().as_secs_f64(), self.known.get());
        let mut text = format!("{} in {seconds:.1} s", HumanCount(self.done()));
        if self.added.get() > 0 {
            text.push_str(&format!(", {:.0}/s", self.rate()));
        }
        if known > 0 {
            text.push_str(&format!("; {} found there", HumanCount(known)));
        }
        self.say(&text);
    }

    fn done(&self) -> u64 {
        self.added.get() + self.known.get()
    }

    /// Items added in a second.
    fn rate(&self) -> f64 {
        self.added.get() as f64 / self.started.elapsed().as_secs_f64()
    }

    fn how_far(&self) -> String {
        let mut text = format!("{} of {}", HumanCount(self.done()), HumanCount(self.total));
        if self.added.get() > 0 {
            let left = (self.total - self.done()) as f64 / self.rate();
            text.push_str(&format!(", {:.0}/s, about {left:.0} s to go", self.rate()));
        }
        text
    }

    fn say(&self, text: &str) {
        self.said.set(Instant::now());
        terminal::say(&format!("{:9}  {text}", self.name));
    }
}

impl Audience for Meter {
    fn waits_for(&self, server: &str, status: &Status) {
        let again = self.waits.replace(true);
        let text = || format!("waits for {server}: {}", terminal::printable(&root_cause(status)));
        match &self.bar {
            Some(bar) if !again => bar.set_message(text()),
            Some(_) => {}
            None if self.complained.get().is_none_or(|last| last.elapsed() >= PLAIN) => {
                self.complained.set(Some(Instant::now()));
                self.say(&text());
            }
            None => {}
        }
    }

    fn answered(&self) {
        if self.waits.replace(false)
            && let Some(bar) = &self.bar
        {
            bar.set_message("");
        }
    }
}

/// However a load ends, it says how far it came.
impl Drop for Meter {
    fn drop(&mut self) {
        if !self.is_finished {
            self.bar.iter().for_each(ProgressBar::finish_and_clear);
            self.say(&format!("{} of {}", HumanCount(self.done()), HumanCount(self.total)));
        }
    }
}

fn style() -> ProgressStyle {
    let plain = ProgressStyle::default_bar();
    let template = "{prefix:9}  {bar:30} {human_pos} of {human_len}  {rate}  {eta} to go  {msg}";
    let rate = |state: &ProgressState, text: &mut dyn Write| {
        // A text in memory takes whatever is written.
        let _ = write!(text, "{:.0}/s", state.per_sec());
    };
    plain.clone().template(template).unwrap_or(plain).with_key("rate", rate).progress_chars("=> ")
}
