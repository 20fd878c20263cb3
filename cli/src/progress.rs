//! How far the members of the mesh are: moving lines on a terminal, plain ones elsewhere.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::terminal;

/// How often a moving line moves.
const TICK: Duration = Duration::from_millis(100);

/// A line per member.
pub(crate) struct Progress {
    lines: BTreeMap<&'static str, Line>,
    drawn: Option<MultiProgress>,
    width: usize,
}

struct Line {
    text: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// With a line for each name, in that order.
    pub(crate) fn new(names: &[&'static str]) -> Self {
        let drawn = terminal::draws().then(MultiProgress::new);
        let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
        let lines = names.iter().map(|name| {
            let bar = drawn.as_ref().map(|all| {
                let bar = all.add(ProgressBar::new_spinner().with_style(style()));
                bar.set_prefix(format!("{name:width$}"));
                bar.enable_steady_tick(TICK);
                bar
            });
            (*name, Line { text: String::new(), bar })
        });
        Self { lines: lines.collect(), drawn, width }
    }

    /// Says what the member does now.
    pub(crate) fn set(&mut self, name: &'static str, text: &str) {
        let Some(line) = self.lines.get_mut(name) else { return };
        if line.text == text {
            return;
        }
        text.clone_into(&mut line.text);
        match &line.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => terminal::say(&format!("{name:width$}  {text}", width = self.width)),
        }
    }

    /// A line above those that move.
    pub(crate) fn say(&self, line: &str) {
        match &self.drawn {
            Some(drawn) => drawn.suspend(|| terminal::say(line)),
            None => terminal::say(line),
        }
    }

    /// A line that begins with the name of a member.
    pub(crate) fn say_of(&self, name: &str, text: &str) {
        self.say(&format!("{name:width$}  {text}", width = self.width));
    }

    /// The lines stand still, as they are; from here on there are only plain ones.
    pub(crate) fn finish(&mut self) {
        for line in self.lines.values_mut() {
            if let Some(bar) = line.bar.take() {
                bar.abandon();
            }
        }
        if self.drawn.take().is_some() {
            // The cursor is left at the end of the last line.
            terminal::say("");
        }
    }
}

fn style() -> ProgressStyle {
    let plain = ProgressStyle::default_spinner();
    plain.clone().template("{spinner} {prefix}  {msg}").unwrap_or(plain)
}
